"""What the paper claims, as comparisons between cells, and the verdict on each (see `comparisons` and `findings`).

`CLAIMS` states them; the numbers come from the records alone. The same comparisons on the paper's own numbers say
whether the paper agrees with itself, beyond the noise that its test sets have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hadaptive.paper.cells import BY_HAND
from hadaptive.paper.claims import expansion_cost, gradcam_focus, kernel_regions, product_variance, search_preference
from hadaptive.paper.claims.comparisons import Compared, Comparison, Greater, Nearer
from hadaptive.paper.claims.estimates import LEVEL, Estimate
from hadaptive.paper.claims.findings import (
    CONTRADICTED,
    HOLDS,
    NOT_RUN,
    UNDECIDED,
    VERDICTS,
    Finding,
    Findings,
    decided,
    together,
)
from hadaptive.paper.claims.spreads import Spreads
from hadaptive.paper.spec import ClaimsSpec


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, where it stands, and the comparisons it amounts to."""

    number: str
    statement: str
    source: str
    expects: tuple[Comparison, ...] = ()
    findings: Findings | None = None  # what else it rests on, besides comparisons
    beside: tuple[Comparison, ...] = ()  # shown with it, without weight in its verdict


@dataclass(frozen=True)
class Verdict:
    """One part of a claim as it came out: in words, with numbers; `paper` is the same on the paper's own numbers.

    `p` is by Holm's method over the claim. `seeds`: of an undecided comparison, how many seeds of each model would
    decide a difference as large as the paper's; None where that is not known or no number would.
    """

    comparison: str
    verdict: str
    because: str
    paper: str = ""
    demonstration: bool = False
    estimate: Estimate | None = None
    p: float | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Judged:
    """A claim with its comparisons; those `beside` it have no weight in its verdict."""

    claim: Claim
    parts: tuple[Verdict, ...]
    beside: tuple[Verdict, ...] = ()

    @property
    def verdict(self) -> str:
        return together([part.verdict for part in self.parts])

    @property
    def paper(self) -> str:
        return together([part.paper for part in self.parts if part.paper])

    @property
    def counts(self) -> str:
        """How many parts have each verdict: "3 hold, 30 not run"."""
        counted = Counter(part.verdict for part in self.parts)
        return ", ".join(
            f"{counted[verdict]} {'hold' if verdict == HOLDS and counted[verdict] > 1 else verdict}"
            for verdict in VERDICTS
            if counted[verdict]
        )

    @property
    def demonstration(self) -> bool:
        """Whether the verdict rests on other data than the paper's: what exact counts contradict does not."""
        if self.verdict == CONTRADICTED:
            return all(part.demonstration for part in self.parts if part.verdict == CONTRADICTED)
        return any(part.demonstration for part in self.parts)


def _all(table: str, column: str, *pairs: tuple[str, str]) -> tuple[Greater, ...]:
    return tuple(Greater(table, column, more, less) for more, less in pairs)


def _blocks(column: str) -> tuple[Greater, ...]:
    late, early = ("IB 9", "IB 10", "IB 9, 10"), ("IB 0", "IB 1", "IB 8")
    raised = [(row, "/") for row in late] + [("/", row) for row in early]
    return _all("table2", column, *raised, *(("IB 9, 10", row) for row in (*late[:2], *early)))


_BERT = tuple((f"BERT-{layers}", task) for layers in (6, 12) for task in ("sst2", "mnli10"))


def _near(full: str) -> Iterator[Comparison]:
    """Claim 10 against one full layer, for each model and task: ACH below it, and nearer to it than to the fixed."""
    for net, task in _BERT:
        fixed, ach, wide = (f"{net}: {kind}" for kind in ("FFN, fixed channels", "ACH", full))
        yield Greater("table13", task, wide, ach)
        yield Nearer("table13", task, ach, near=wide, far=fixed)


_NETS5 = ("MobileNetV3-S", "MobileNetV4-S", "ShuffleNetV2-1.0", "StarNet-S1")
_RAISED5 = tuple((f"{net} (repl.)", net) for net in _NETS5 if net != "MobileNetV4-S")
_PARTS = ("(1) no pointwise conv", "(2) no ECA", "(3) fixed channels", "(4) batch norm")
_SIZES6 = (("Hadaptive-Net-M", "Hadaptive-Net-S"), ("Hadaptive-Net-L", "Hadaptive-Net-M"))
_BASELINES6 = ("MobileNetV3-S", "MobileNetV2-1.0", "GhostNetV3-1.0")
_VITS = ("MobileViT-small", "MobileViT-x-small")

_GROUPS7 = {
    "Hadaptive-Net-S": ("MobileNetV3-S", "MobileOne-S0", "ShuffleNetV2-1.0", "MobileNetV4-S", "StarNet-S1"),
    "Hadaptive-Net-M": ("StarNet-S2", "GhostNet-1.0", "MobileNetV3-L", "MobileOne-S1", "StarNet-S3"),
    "Hadaptive-Net-L": ("StarNet-S4", "MobileOne-S2", "GhostNetV3-1.0", "MobileNetV4-M", "MobileOne-S3"),
}
_L, _ABOVE_L = "Hadaptive-Net-L", "MobileNetV4-L"


def _best_of_table7() -> Iterator[Greater]:
    """Claim 8's accuracies: S and M against their groups, L against every other model of the table."""
    others = [model for ours, group in _GROUPS7.items() for model in (ours, *group) if model != _L]
    for task in ("cifar100", "imagenet1k"):
        for ours, rivals in (_GROUPS7 | {_L: others}).items():
            yield from _all("table7", f"{task}_top1", *((ours, each) for each in rivals))
    yield Greater("table7", "cifar100_top1", _L, _ABOVE_L)
    yield Greater("table7", "imagenet1k_top1", _ABOVE_L, _L)


CLAIMS = (
    Claim("1", "As DySoft's curve softsign is better than sigmoid, and sigmoid than algebraic sigmoid", "Table 1",
          _all("table1", "top1", ("Softsign", "Sigmoid"), ("Sigmoid", "Alge. Sigmoid"))),
    Claim("2", "ACH in late, non-downsampling blocks of MobileNetV3-S raises accuracy, in early or downsampling ones "
          "it lowers it, and in both of the last two it is best", "Table 2", _blocks("top1")),
    Claim("2, v1", "The same with the first version's module, with which the paper's numbers were made", "Table 2",
          _blocks("top1_v1")),
    Claim("3", "The search picks Ghost in shallow layers and ACH from the eleventh on, DySoft most among its curves",
          "Table 3", findings=search_preference.findings),
    Claim("4", "Both GPU algorithms run Hadaptive-Net-L at least 1.7 times as fast as native operators", "Table 4",
          tuple(Greater("table4", "latency_ms", "Native", each, times=1.7)
                for each in ("Direct-Indexing", "Parity-Balanced"))),
    Claim("5", "Every component of ACH helps, and batch norm in the place of DySoft is worst", "Figure 3",
          _all("figure3_table", "top1", *(("ACH", row) for row in _PARTS), *((row, _PARTS[3]) for row in _PARTS[:3]))),
    Claim("6", "ACH in the last two blocks raises the accuracy of MobileNetV3-S, ShuffleNetV2 and StarNet-S1, lowers "
          "that of MobileNetV4-S, and lowers the FLOPs of all four", "Table 5",
          (*_all("table5", "top1", *_RAISED5, ("MobileNetV4-S", "MobileNetV4-S (repl.)")),
           *_all("table5", "flops_m", *((net, f"{net} (repl.)") for net in _NETS5)))),
    Claim("7", "As backbones of SSD, Hadaptive-Net S, M and L improve in this order, and L is better than every "
          "baseline, in mAP and mIoU", "Table 6",
          tuple(each for column in ("map_50_95", "miou")
                for each in _all("table6", column, *_SIZES6, *((_L, row) for row in _BASELINES6)))),
    Claim("8", "Hadaptive-Net-S and M are more accurate than all models of their groups, S is faster than "
          "MobileNetV3-S on GPU, CPU and mobile, and only MobileNetV4-L, on ImageNet-1k, is better than L", "Table 7",
          (*_best_of_table7(), *(Greater("table7", f"latency_{device}_ms", "MobileNetV3-S", "Hadaptive-Net-S")
                                 for device in ("gpu", "cpu", "mobile")))),
    Claim("9", "ACH in the middle four feed-forward layers improves MobileViT small and x-small, with fewer parameters "
          "and FLOPs", "Table 8",
          (*_all("table8", "top1", *((f"{net} (replaced)", net) for net in _VITS)),
           *_all("table8", "params_m", *((net, f"{net} (replaced)") for net in _VITS)),
           *_all("table8", "gflops", *((net, f"{net} (replaced)") for net in _VITS)))),
    Claim("10", "In BERT, ACH lies between the feed-forward layer of fixed width and the full one, nearer the full one",
          "Table 13",
          (*(Greater("table13", task, f"{net}: ACH", f"{net}: FFN, fixed channels") for net, task in _BERT),
           *_near("FFN, two thirds")),
          beside=tuple(_near("FFN"))),  # BERT's own 3072 channels; the paper's full layer has 2048
    Claim("11", "The complexity of ACH over pointwise convolution is about m/n: flat in channels, linear in the ratio, "
          "below Ghost", "Section 4.1, Figures 5 and 6", findings=expansion_cost.findings),
    Claim("12", "Parity-balanced is faster at many channels and small maps, direct-indexing near multiples of 32 px",
          "Figure 7", findings=kernel_regions.findings),
    Claim("13", "Products of independent normal factors have the variance mu_i^2 s_j^2 + mu_j^2 s_i^2 + s_i^2 s_j^2; "
          "DySoft keeps it within (0, 1); with batch norm in its place training is unstable", "Appendix A.2",
          findings=product_variance.findings),
    Claim("14", "With ACH the net focuses on the subject in fewer layers than the net with Ghost modules in its place",
          "Appendix A.6", findings=gradcam_focus.findings),
    Claim("15", "CrossHadaNorm is better than batch norm and than the unnormalised order", "v1, Table 1",
          _all("v1_table1", "top1", ("CrossHadaNorm", "(2) batch norm"),
               ("CrossHadaNorm", "(1) unnormalised features"))),
)  # fmt: skip
COMPARED = tuple(dict.fromkeys(each.table for claim in CLAIMS for each in claim.expects))
CLAIM_TABLES = (*COMPARED, search_preference.TABLE)


def judge(spec: ClaimsSpec, results_root: Path, claims: Sequence[Claim] = CLAIMS) -> list[Judged]:
    """Every claim on the records as they are; what is missing makes a comparison "not run", never an error."""
    spreads = Spreads(spec, results_root)
    tables = {name: Compared(name, spreads) for name in {each.table for claim in claims for each in claim.expects}}
    judged = []
    for claim in claims:
        parts = [tables[each.table].find(each) for each in claim.expects]
        if claim.findings is not None:
            parts += claim.findings(spec, results_root)
        beside = [tables[each.table].find(each) for each in claim.beside]
        judged.append(Judged(claim, tuple(_verdicts(parts)), tuple(_verdicts(beside))))
    return judged


def contradicted(judged: Sequence[Judged]) -> list[str]:
    """Numbers of the claims that are contradicted; what other data than the paper's say contradicts nothing."""
    return [each.claim.number for each in judged if each.verdict == CONTRADICTED and not each.demonstration]


def _verdicts(findings: Sequence[Finding]) -> Iterator[Verdict]:
    """The verdicts of findings that are tested together, and of the paper's own numbers for the same."""
    ours = decided([(each.true, each.p) for each in findings])
    theirs = decided([(each.paper, each.paper_p) for each in findings])
    tests = sum(each.p is not None for each in findings)
    for finding, (verdict, p), (paper, _) in zip(findings, ours, theirs, strict=True):
        because, seeds = finding.because, None
        if finding.p is not None and p is not None:
            because += f"; p = {_number(finding.p)}" + (f", {_number(p)} by Holm's method" if tests > 1 else "")
        if verdict == UNDECIDED and finding.seeds is not None:
            seeds = finding.seeds(LEVEL / tests)
            because += f"; a difference as large as the paper's would be decided by {_seeds(seeds)}"
        if finding.edited:
            because += f"; {BY_HAND.text}"
        yield Verdict(
            finding.comparison,
            verdict if finding.measured else NOT_RUN,
            because,
            "" if finding.paper is None and finding.paper_p is None else paper,
            finding.demonstration,
            finding.estimate,
            p,
            seeds,
        )


def _number(p: float) -> str:
    return "less than 0.001" if p < 0.001 else f"{p:.2g}"


def _seeds(seeds: int | None) -> str:
    if seeds is None:
        return "no number of seeds on this test set, unless answers are paired"
    return f"about {seeds} seed{'s' * (seeds > 1)} of each (power 80%)"


def lines(judged: Sequence[Judged]) -> Iterator[list[str]]:
    """The claims as a table with a head, a line each."""
    yield ["claim", "source", "verdict", "comparisons", "paper's numbers", "statement"]
    for each in judged:
        yield [
            each.claim.number,
            each.claim.source,
            marked(each.verdict, each.demonstration),
            each.counts,
            each.paper or "-",
            each.claim.statement,
        ]


def marked(verdict: str, demonstration: bool) -> str:
    """A verdict, marked where data stand in for the paper's."""
    return f"{verdict} (demonstration)" if demonstration and verdict != NOT_RUN else verdict
