"""Verdicts: beyond noise, undecided, partly, not run; exact counts; demonstrations; the paper's own numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hadaptive import cli, config
from hadaptive.paper.claims import report, statements
from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS, NOT_RUN, PARTLY, UNDECIDED
from hadaptive.paper.claims.statements import CLAIMS, Judged
from hadaptive.paper.spec import ClaimsSpec, record_ids
from hadaptive.record.bitmap import pack
from hadaptive.study import Study
from tests.records import put

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 10_000
Put = Callable[[str, str, float | list[float]], None]


def spec(seeds: tuple[int, ...] = (0,), stand_in: str | None = None) -> ClaimsSpec:
    found = Study(config.load(ROOT / "params.yaml")).claims
    tables = {}
    for name, table in found.tables.items():
        sources = {
            key: source.model_copy(update={"seeds": seeds, "stand_in": stand_in})
            if key.startswith("cifar100")
            else source
            for key, source in table.sources.items()
        }
        tables[name] = table.model_copy(update={"sources": sources, "scale": "cpu"})
    return found.model_copy(update={"scale": "cpu", "demonstration": bool(stand_in), "tables": tables})


@pytest.fixture
def accuracy(write: Any, tmp_path: Path) -> Put:
    """Writes the records of a training, one a seed."""

    def put(model: str, variant: str, top1: float | list[float]) -> None:
        for seed, value in enumerate(top1 if isinstance(top1, list) else [top1]):
            metrics = {"top1_last": value, "top5_last": value, "top1_best_on_test": value, "train_top1_last": value}
            write(tmp_path / "results", {
                "schema": 1, "id": f"cifar100/{model}/{variant}/seed{seed}", "scale": "cpu", "status": "done",
                "metrics": metrics, "data": {"test_examples": IMAGES},
                "curve": [{"test_loss": 3.0}, {"test_loss": 2.0}],
            })  # fmt: skip

    return put


def judged(given: ClaimsSpec, folder: Path, *numbers: str) -> dict[str, Judged]:
    """The claims of these numbers, all where none is given."""
    claims = [claim for claim in CLAIMS if not numbers or claim.number in numbers]
    return {each.claim.number: each for each in statements.judge(given, folder / "results", claims)}


def curves(accuracy: Put, dysoft: Any, dysig: Any, dyalge: Any) -> None:
    for variant, top1 in (("dysoft", dysoft), ("dysig", dysig), ("dyalge", dyalge)):
        accuracy("hadaptive_net_s", variant, top1)


def test_nothing_run_is_no_verdict_and_the_paper_is_held_to_its_own_numbers(tmp_path: Path) -> None:
    found = judged(spec(), tmp_path)
    numbers = ["1", "2", "2, v1", *map(str, range(3, 16))]
    assert [claim.number for claim in CLAIMS] == numbers
    assert {each.verdict for each in found.values()} == {NOT_RUN}
    assert {part.because for part in found["1"].parts} == {"not run"}
    paper = {number: each.paper for number, each in found.items()}
    own = {"3": HOLDS, "4": HOLDS, "11": "", "12": "", "13": "", "14": ""}  # it prints confidences without noise
    assert paper == {**dict.fromkeys(numbers, UNDECIDED), **own}, "its differences of a point are noise of its test set"
    five = {part.comparison: part.paper for part in found["5"].parts}
    assert five["Top-1: ACH > (4) batch norm"] == HOLDS and five["Top-1: ACH > (1) no pointwise conv"] == UNDECIDED


def others(accuracy: Put, deviation: float = 0.4) -> None:
    """Models of the task that have several seeds, from which the variance over seeds is known."""
    for variant in ("batchnorm", "no_eca", "no_pointwise", "fixed"):
        accuracy("hadaptive_net_s", variant, [40.0 - deviation, 40.0, 40.0 + deviation])


@pytest.mark.parametrize(
    ("top1", "verdict"),
    [((62.0, 58.0, 54.0), HOLDS), ((60.0, 59.0, 54.0), UNDECIDED), ((58.0, 62.0, 54.0), CONTRADICTED),
     ((60.0, 59.0, 70.0), CONTRADICTED)],
)  # fmt: skip
def test_one_seed_has_the_variance_of_models_with_several(
    top1: tuple[float, ...], verdict: str, accuracy: Put, tmp_path: Path
) -> None:
    curves(accuracy, *top1)
    alone = judged(spec((0, 1, 2)), tmp_path, "1")["1"]
    assert alone.verdict == UNDECIDED and "run a second seed of one" in alone.parts[0].because
    others(accuracy)
    found = judged(spec((0, 1, 2)), tmp_path, "1")["1"]
    assert found.verdict == verdict
    assert "seeds: 1, deviation over seeds 0.4 (pooled, 8 degrees of freedom)" in found.parts[0].because
    assert "10,000 test examples, not paired" in found.parts[0].because
    assert not found.demonstration


@pytest.mark.parametrize(
    ("dysig", "verdict"),
    [([57.0, 57.2, 57.4], HOLDS), ([59.6, 60.0, 59.9], UNDECIDED), ([63.0, 63.2, 63.4], CONTRADICTED)],
)
def test_several_seeds_are_averaged(dysig: list[float], verdict: str, accuracy: Put, tmp_path: Path) -> None:
    curves(accuracy, [60.0, 60.2, 60.4], dysig, [10.0, 10.2, 10.4])
    found = judged(spec((0, 1, 2)), tmp_path, "1")["1"]
    assert found.parts[0].verdict == verdict and found.parts[1].verdict == HOLDS
    assert "seeds: 3, deviation over seeds 0.2 (pooled, 6 degrees of freedom)" in found.parts[0].because


def test_a_model_that_varies_more_than_the_others_has_its_own_variance(accuracy: Put, tmp_path: Path) -> None:
    others(accuracy)
    curves(accuracy, [60.0, 60.4, 60.8], [52.0, 56.0, 60.0], [10.0, 10.4, 10.8])
    found = judged(spec((0, 1, 2)), tmp_path, "1")["1"].parts[0]
    assert "0.4 (pooled, 12 degrees of freedom) and 4 (its own, of 3 seeds)" not in found.because
    assert "and 4 (its own, of 3 seeds)" in found.because and found.verdict == UNDECIDED


def test_what_would_decide_a_difference_as_large_as_the_paper_s_is_said(accuracy: Put, tmp_path: Path) -> None:
    others(accuracy, 1.5)
    accuracy("hadaptive_net_s", "dysoft", 40.0)
    five = judged(spec((0, 1, 2)), tmp_path, "5")["5"]
    said = {part.comparison: part for part in five.parts}
    large, small = said["Top-1: ACH > (4) batch norm"], said["Top-1: ACH > (1) no pointwise conv"]
    assert large.seeds == 1 and large.because.endswith("decided by about 1 seed of each (power 80%)")
    assert small.seeds is None
    assert small.because.endswith("decided by no number of seeds on this test set, unless answers are paired")


def test_answers_to_the_same_examples_are_paired(accuracy: Put, write: Any, tmp_path: Path) -> None:
    """Two models that differ in one example of a hundred, always in the same direction."""
    others(accuracy, 0.02)

    def answered(variant: str, wrong: int, labels: str) -> None:
        right = bytes(wrong // 8) + b"\xff" * ((IMAGES - wrong) // 8)
        outcomes = {"examples": IMAGES, "right": pack(right), "labels_sha256": labels * 64}
        write(tmp_path / "results", {
            "id": f"cifar100/hadaptive_net_s/{variant}/seed0", "scale": "cpu", "outcomes": outcomes,
            "metrics": {"top1_last": 100 * (1 - wrong / IMAGES)}, "data": {"test_examples": IMAGES},
        })  # fmt: skip

    for variant, wrong in (("dysoft", 4800), ("dysig", 4896), ("dyalge", 6000)):
        answered(variant, wrong, "a")
    given = spec((0, 1, 2))
    paired = judged(given, tmp_path, "1")["1"].parts[0]
    assert paired.verdict == HOLDS and paired.because.count("10,000 test examples, paired") == 1
    answered("dysig", 4896, "b")
    apart = judged(given, tmp_path, "1")["1"].parts[0]
    assert apart.verdict == UNDECIDED and "not paired" in apart.because


def test_a_claim_of_which_a_part_was_not_run_holds_partly(accuracy: Put, tmp_path: Path) -> None:
    others(accuracy)
    accuracy("hadaptive_net_s", "dysoft", 60.0)
    accuracy("hadaptive_net_s", "dysig", 50.0)
    found = judged(spec((0, 1, 2)), tmp_path, "1")["1"]
    assert (found.verdict, found.counts) == (PARTLY, "1 holds, 1 not run")
    accuracy("hadaptive_net_s", "dysig", 65.0)
    found = judged(spec((0, 1, 2)), tmp_path, "1")["1"]
    assert (found.verdict, found.counts) == (CONTRADICTED, "1 contradicted, 1 not run")


def test_counts_are_exact_and_no_demonstration(write: Any, accuracy: Put, tmp_path: Path) -> None:
    given = spec(stand_in="digits")
    for row in given.tables["table5"].rows:
        accuracy(row.model, row.variant, 50.0)
        more = 10**6 if row.variant == "base" else 0
        for record_id in record_ids(given.tables["table5"], row, "complexity"):
            metrics = {"macs_thop": 10**8 + more, "parameters": 10**6, "macs": 10**8}
            write(
                tmp_path / "results",
                {"schema": 1, "id": record_id, "scale": "cpu", "status": "done", "metrics": metrics},
            )
    found = judged(given, tmp_path, "6")["6"]
    assert [part.verdict for part in found.parts] == [UNDECIDED] * 4 + [HOLDS] * 4
    assert [part.demonstration for part in found.parts] == [True] * 4 + [False] * 4
    assert found.verdict == UNDECIDED and found.demonstration
    star = next(row for row in given.tables["table5"].rows if row.label == "StarNet-S1 (repl.)")
    (record_id,) = record_ids(given.tables["table5"], star, "complexity")
    write(
        tmp_path / "results",
        {
            "schema": 1,
            "id": record_id,
            "scale": "cpu",
            "status": "done",
            "metrics": {"macs_thop": 101 * 10**6 + 9, "parameters": 9, "macs": 1},
        },
    )
    found = judged(given, tmp_path, "6")["6"]
    assert found.parts[-1].verdict == UNDECIDED and found.parts[-1].because == "202 against 202, counted"
    write(
        tmp_path / "results",
        {
            "schema": 1,
            "id": record_id,
            "scale": "cpu",
            "status": "done",
            "metrics": {"macs_thop": 102 * 10**6, "parameters": 10**6, "macs": 1},
        },
    )
    found = judged(given, tmp_path, "6")["6"]
    assert found.verdict == CONTRADICTED and not found.demonstration
    assert statements.contradicted([found]) == ["6"]


def variance(folder: Path, write: Any, off: float = 1.0, greatest: float = 0.99) -> None:
    case = {"measured": 1.0 + off * 0.01, "formula": 1.0, "standard_error": 0.01}
    metrics = {"samples": 1000, "formula": [case], "bound": [{"std": 9.0, "products": 81.0, "dysoft": greatest}]}
    write(folder / "results", {"schema": 1, "id": "variance", "scale": "cpu", "status": "done", "metrics": metrics})


@pytest.mark.parametrize(
    ("off", "greatest", "verdicts"),
    [(3.9, 0.99, [HOLDS, HOLDS]), (-4.1, 0.99, [CONTRADICTED, HOLDS]), (0.0, 1.01, [HOLDS, CONTRADICTED])],
)
def test_the_formula_and_the_bound(
    off: float, greatest: float, verdicts: list[str], write: Any, tmp_path: Path
) -> None:
    variance(tmp_path, write, off, greatest)
    assert [part.verdict for part in judged(spec(), tmp_path, "13")["13"].parts] == [*verdicts, NOT_RUN]


@pytest.mark.parametrize(
    ("batchnorm", "dysoft", "verdict"),
    [
        (["diverged at epoch 3"] * 2, [[3.0, 2.0]] * 2, HOLDS),
        ([[3.0, 2.0]] * 2, ["diverged at epoch 3"] * 2, CONTRADICTED),
        (["diverged at epoch 3"] * 2, ["diverged at epoch 3"] * 2, UNDECIDED),
        ([[3.0, 90.0], [3.0, 80.0]], [[3.0, 3.1], [3.0, 3.2]], HOLDS),
        ([[3.0, 9.0], [3.0, 8.0]], [[3.0, 3.1], [3.0, 3.2]], UNDECIDED),  # of two seeds little is known
        ([[3.0, 1e20], [3.0, 1e18]], [[3.0, 2.0], [3.0, 2.0]], HOLDS),  # whatever the orders of magnitude between seeds
        ([[3.0, 3.1], [3.0, 3.2]], [[3.0, 3.2], [3.0, 3.1]], UNDECIDED),
        ([[3.0, 9.0]], [[3.0, 3.1]], UNDECIDED),  # one seed
        ([[]], [[]], NOT_RUN),
        (["out of memory"], [[3.0, 2.0]], NOT_RUN),
    ],
)
def test_unstable_training(batchnorm: list[Any], dysoft: list[Any], verdict: str, write: Any, tmp_path: Path) -> None:
    for variant, seeds in (("batchnorm", batchnorm), ("dysoft", dysoft)):
        for seed, losses in enumerate(seeds):
            status = losses if isinstance(losses, str) else "done"
            curve = [] if isinstance(losses, str) else [{"test_loss": loss} for loss in losses]
            write(tmp_path / "results", {"schema": 1, "id": f"cifar100/hadaptive_net_s/{variant}/seed{seed}",
                                         "scale": "cpu", "status": status, "metrics": {}, "curve": curve})  # fmt: skip
    variance(tmp_path, write)
    found = judged(spec(tuple(range(len(batchnorm)))), tmp_path, "13")["13"]
    assert found.parts[2].verdict == verdict, found.parts[2]


def expansions(folder: Path, write: Any, dearer: float = 1.0, steep: float = 0.0) -> None:
    """Counts by eqs. 12 to 14 of 8 x 8 pixels, but ACH `dearer` times as dear, or dearer with more channels."""

    def point(m: int, n: int) -> dict[str, Any]:
        counts = {
            "pointwise": m * n,
            "ghost": m * (n // 2) + (n - n // 2) * 9,
            "ach": (m * m + n - m) * dearer * m**steep,
        }
        others = {"hadamard_products": 0, "flops": 1, "flops_all": 1}
        ways: dict[str, dict[str, Any]] = {
            way: {"n": n, "macs": round(64 * macs), "macs_with_hadamard": round(64 * macs), **others}
            for way, macs in counts.items()
        }
        ways["ach"]["k"] = 2
        ways["ghost"] |= {"s": n // 2, "kernel": 3}
        return {"channels": m, "ratio": n // m, **ways}

    metrics = {"channels": [point(m, 4 * m) for m in (16, 64, 256)], "ratios": [point(64, 64 * r) for r in (4, 8, 16)]}
    write(folder / "results", {"schema": 1, "id": "expansions", "scale": "cpu", "status": "done", "metrics": metrics,
                               "settings": {"image_size": 8}})  # fmt: skip


@pytest.mark.parametrize(
    ("given", "contradicted"),
    [
        ({}, set()),
        ({"dearer": 3.0}, {"Counts", "nearer", "below"}),
        ({"steep": 0.2}, {"Counts", "nearer", "flat", "below"}),
        ({"dearer": 0.1}, {"Counts", "nearer"}),
    ],
)
def test_complexity_of_expanding_channels(
    given: dict[str, float], contradicted: set[str], write: Any, tmp_path: Path
) -> None:
    expansions(tmp_path, write, **given)
    found = judged(spec(stand_in="digits"), tmp_path, "11")["11"]
    assert found.verdict == (CONTRADICTED if contradicted else HOLDS) and not found.demonstration
    assert len(found.parts) == 5
    for part in found.parts:
        expected = CONTRADICTED if any(word in part.comparison for word in contradicted) else HOLDS
        assert part.verdict == expected, part
    if not given:
        assert "eq. 15 is off by up to 100%, eq. 17 by 11%" in found.parts[0].because


def test_files_say_what_they_are(accuracy: Put, tmp_path: Path) -> None:
    others(accuracy)
    curves(accuracy, 60.0, 50.0, 55.0)
    given = spec((0, 1, 2), stand_in="digits")
    found = statements.judge(given, tmp_path / "results")
    assert [path.name for path in report.write(found, given, tmp_path)] == ["claims.md", "claims.csv"]
    body = (tmp_path / "claims.md").read_text()
    assert "Demonstration, not a result" in body
    assert "| 1 | Table 1 | contradicted (demonstration) | 1 holds, 1 contradicted | undecided |" in body
    with (tmp_path / "claims.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == sum(len(each.parts) + len(each.beside) for each in found)
    assert lines[0]["comparison"] == "Top-1: Softsign > Sigmoid" and lines[0]["verdict"] == HOLDS
    assert float(lines[0]["low"]) < float(lines[0]["difference"]) == 10 < float(lines[0]["high"])
    assert float(lines[0]["p"]) < 0.05 and float(lines[0]["probability_above"]) > 0.95
    assert re.search(r"^1 +Table 1 +contradicted \(demonstration\) +1 holds, ", report.table(found), re.M)


@pytest.mark.parametrize(("stand_in", "code"), [(None, 1), ("digits", 0)])
def test_strict_fails_where_one_is_contradicted_on_real_data(
    stand_in: str | None,
    code: int,
    accuracy: Put,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    others(accuracy)
    curves(accuracy, 50.0, 60.0, 40.0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.json").write_text(spec((0, 1, 2), stand_in=stand_in).model_dump_json())
    words = ["claims", "--spec", "spec.json"]
    assert cli.main(words) == 0
    assert cli.main([*words, "--strict"]) == code
    said = capsys.readouterr()
    assert ("contradicted at scale cpu: claims 1;" in said.err) is (code == 1)
    assert "paper_tables/claims.md" in said.out


@pytest.mark.parametrize(
    ("ach", "verdict", "gap"),
    [(78.0, HOLDS, "+6 points"), (72.0, CONTRADICTED, "-6 points"), (75.1, UNDECIDED, "+0.2 points")],
)
def test_claim_10_asks_which_of_two_is_nearer(write: Any, tmp_path: Path, ach: float, verdict: str, gap: str) -> None:
    found = Study(config.load(ROOT / "params.yaml")).claims
    table = found.tables["table13"]
    change = {"stand_in": None, "seeds": (0, 1, 2)}
    sources = {key: each.model_copy(update=change) for key, each in table.sources.items()}
    table = table.model_copy(update={"sources": sources, "scale": "cpu"})
    given = found.model_copy(update={"scale": "cpu", "tables": {**found.tables, "table13": table}})
    for variant, top1 in (("ffn_fixed", 70.0), ("ffn_ach", ach), ("ffn_two_thirds", 80.0)):
        for seed in range(3):
            write(tmp_path / "results", {
                "schema": 1, "id": f"sst2/bert_6/{variant}/seed{seed}", "scale": "cpu", "status": "done",
                "metrics": {"top1_last": top1 + (seed - 1) / 10}, "data": {"test_examples": IMAGES},
            })  # fmt: skip
    ten = judged(given, tmp_path, "10")["10"]
    assert len(ten.parts) == 12 and ten.paper == UNDECIDED
    said = "SST-2: BERT-6: ACH nearer BERT-6: FFN, two thirds than BERT-6: FFN, fixed channels"
    (part,) = (part for part in ten.parts if part.comparison == said)
    assert part.verdict == verdict and gap in part.because and not part.demonstration
    assert [each.verdict for each in ten.parts].count(NOT_RUN) == 9
    assert {each.verdict for each in ten.beside} == {NOT_RUN}, "BERT's own layer was not run"
    text = report.as_markdown([ten], given)
    assert text.count("- beside the claim: ") == len(ten.beside) == 8
    lines = list(csv.DictReader(report.as_csv([ten], given).splitlines()))
    assert [line["beside"] for line in lines] == ["no"] * 12 + ["yes"] * 8


def sweep(tmp_path: Path, cells: dict[str, list[dict[str, Any]]]) -> None:
    metrics = {panel: [{"status": "done", **cell} for cell in each] for panel, each in cells.items()}
    put(tmp_path / "results", {"id": "kernels/figure7", "scale": "cpu", "metrics": metrics})


def test_the_regions_of_figure_7_are_counted_by_cells(tmp_path: Path) -> None:
    def cell(channels: int, size: int, direct: float, parity: float) -> dict[str, Any]:
        return {"channels": channels, "size": size, "direct_indexing_us": direct, "parity_balanced_us": parity}

    sizes = (6, 7, 31, 32, 63)
    few = [cell(4, size, 9.0, 1.0 if size > 31 else 8.9) for size in sizes]
    many = [cell(64, size, 9.0, 1.0) for size in sizes]
    sweep(tmp_path, {"a": [], "b": [*few, *many]})
    many_small, near = judged(spec(), tmp_path, "12")["12"].parts
    assert (many_small.verdict, many_small.because) == (
        UNDECIDED,
        "in 2 of 2 cells, the other in 0; p = 0.5, 0.5 by Holm's method",
    )
    assert (near.verdict, near.because) == (
        UNDECIDED,
        "in 0 of 6 cells, the other in 6; p = 0.031, 0.062 by Holm's method",
    )
    for each in few:
        each["direct_indexing_iqr_us"] = 0.3  # more than the 0.1 between them
    sweep(tmp_path, {"a": [], "b": [*few, *many]})
    assert judged(spec(), tmp_path, "12")["12"].parts[1].because.startswith("in 0 of 6 cells, the other in 5")
    sweep(tmp_path, {"a": [], "b": []})
    assert {part.verdict for part in judged(spec(), tmp_path, "12")["12"].parts} == {NOT_RUN}


def test_claim_4_is_a_ratio_of_latencies_beyond_their_spread(tmp_path: Path) -> None:
    def latency(native: float, other: float, iqr: float, *blocks: float) -> str:
        parts = {"native": native, "direct_indexing": other, "parity_balanced": other, "fused": other}
        metrics = {
            name: {"status": "done", "eager": {"status": "done", "median_ms": ms, "mean_ms": ms, "iqr_ms": iqr,
                                               "blocks_ms": [ms + each for each in blocks]}}
            for name, ms in parts.items()
        }  # fmt: skip
        put(tmp_path / "results", {"id": "kernels/table4", "scale": "cpu", "metrics": metrics})
        return judged(spec(), tmp_path, "4")["4"].verdict

    assert latency(13.0, 7.2, 0.1) == HOLDS
    assert latency(12.4, 7.2, 0.1) == UNDECIDED
    assert latency(11.5, 7.2, 0.1) == CONTRADICTED
    assert latency(12.4, 7.2, 1.0, -0.03, 0.02, 0.0, 0.01, -0.01) == HOLDS, "of blocks that agree the median is sure"
    assert "medians of 5 and 5 blocks of runs" in judged(spec(), tmp_path, "4")["4"].parts[0].because
    assert latency(12.4, 7.2, 0.0, -1.0, 1.0, 0.0, 0.5, -0.5) == UNDECIDED
    said = judged(spec(), tmp_path, "4")["4"].parts[0].comparison
    assert said == "Latency: Native > 1.7 x Direct-Indexing"
