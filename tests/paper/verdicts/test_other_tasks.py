"""Claims on detection, text and the search: each on records that make it true, false, and neither."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS, UNDECIDED
from hadaptive.run import Search
from tests.paper.verdicts.world import SEEDS, STUDY, Fill, Scenarios, World, check, judged, named, together

# Table 3


def searched(margin: float, wobble: float = 0.0) -> Fill:
    """Ghost before layer 10 and DySoft from it on are ahead of all others by `margin` points, give or take by seed."""

    def fill(world: World) -> None:
        (run,) = (
            run for run in STUDY.runs.values() if isinstance(run, Search) and run.variant == "table3" and run.seed == 0
        )
        for seed in SEEDS:
            ahead = margin + wobble * (seed - 1)
            confidence = {}
            for number in run.space.searched():
                names = run.space.layers[number].choose
                first = "ghost" if number < 10 else "ach_dysoft"
                rest = (100 - ahead) / len(names)
                confidence[str(number)] = {name: rest + ahead * (name == first) for name in names}
            metrics = {"confidence": confidence, "chosen": [layer.choose[0] for layer in run.space.layers]}
            world.records[f"search/table3/seed{seed}"] = {
                "run": {"space": run.space.model_dump(mode="json")},
                "metrics": metrics,
                "curve": [{"epoch": 1, "confidence": confidence}],
            }

    return fill


# Table 6
BACKBONES = ("MobileNetV3-S", "MobileNetV2-1.0", "GhostNetV3-1.0", "Hadaptive-Net-S", "Hadaptive-Net-M",
             "Hadaptive-Net-L")  # fmt: skip
GOOD6 = ((15, 15, 18, 16, 20, 24), (60, 60, 64, 62, 66, 70))


def detected(map_: Sequence[float], miou: Sequence[float]) -> Fill:
    return together(
        *(
            lambda world, column=column, values=values: world.cells(  # type: ignore[misc]
                "table6", column, dict(zip(BACKBONES, values, strict=True))
            )
            for column, values in (("map_50_95", map_), ("miou", miou))
        )
    )


# Table 13


def berts(fixed: float, ach: float, two_thirds: float, full: float) -> Fill:
    kinds = {"FFN, fixed channels": fixed, "ACH": ach, "FFN, two thirds": two_thirds, "FFN": full}

    def fill(world: World) -> None:
        for task in ("sst2", "mnli10"):
            world.cells("table13", task, {f"BERT-{n}: {kind}": top for n in (6, 12) for kind, top in kinds.items()})

    return fill


SCENARIOS: Scenarios = {
    "3": [
        ("as the paper", searched(40, 1), HOLDS),
        ("the other way", searched(-20, 1), CONTRADICTED),
        ("seeds disagree", searched(0, 30), UNDECIDED),
    ],
    "7": [
        ("both as the paper", detected(*GOOD6), HOLDS),
        ("L is the worst", detected((24, 24, 22, 20, 16, 12), (70, 70, 68, 66, 62, 58)), CONTRADICTED),
        ("mIoU the other way", detected(GOOD6[0], tuple(reversed(GOOD6[1]))), CONTRADICTED),
        ("mIoU alike", detected(GOOD6[0], [64] * 6), UNDECIDED),
        ("all alike", detected([20] * 6, [64] * 6), UNDECIDED),
    ],
    "10": [
        ("nearer the full layer", berts(50, 70, 74, 80), HOLDS),
        ("nearer that of two thirds, not BERT's", berts(50, 60, 64, 90), HOLDS),
        ("nearer the fixed one", berts(50, 55, 80, 60), CONTRADICTED),
        ("better than the full one", berts(50, 80, 70, 90), CONTRADICTED),
        ("as good as the full one", berts(50, 70, 70.2, 80), UNDECIDED),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "fill", "verdict"), named(SCENARIOS))
def test_the_verdict_is_that_of_the_records(number: str, fill: Fill, verdict: str, tmp_path: Path) -> None:
    check(number, fill, verdict, tmp_path)


def test_bert_s_own_layer_stands_beside_claim_10_without_weight(tmp_path: Path) -> None:
    ten = judged("10", berts(50, 60, 64, 90), tmp_path)  # nearer the fixed layer than BERT's own
    assert ten.verdict == HOLDS and len(ten.beside) == 8
    nearer = "SST-2: BERT-6: ACH nearer BERT-6: FFN than BERT-6: FFN, fixed channels"
    assert {part.verdict for part in ten.beside if part.comparison == nearer} == {CONTRADICTED}
