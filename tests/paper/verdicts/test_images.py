"""Claims on tables of image classification: each on records that make it true, false, and neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS, UNDECIDED
from hadaptive.paper.claims.statements import CLAIMS
from hadaptive.paper.published import published
from tests.paper.verdicts.world import Fill, Scenarios, World, check, named, top1

# Tables 1, 2, Figure 3, v1's Table 1
BLOCKS = ("/", "IB 0", "IB 1", "IB 8", "IB 9", "IB 10", "IB 9, 10")
LATE_RAISE = dict(zip(BLOCKS, (60, 57, 57, 56, 62, 62, 64), strict=True))
LATE_LOWER = dict(zip(BLOCKS, (60, 62, 62, 62, 57, 57, 56), strict=True))
ALIKE = dict(zip(BLOCKS, (60, 60.1, 59.9, 60.2, 60, 59.9, 60.1), strict=True))
COMPONENTS = ("ACH", "(1) no pointwise conv", "(2) no ECA", "(3) fixed channels", "(4) batch norm")


def components(*values: float) -> Fill:
    return top1("figure3_table", dict(zip(COMPONENTS, values, strict=True)))


# Table 5
NETS5 = ("MobileNetV3-S", "MobileNetV4-S", "ShuffleNetV2-1.0", "StarNet-S1")


def retrofitted(gains: Sequence[float], flops: float) -> Fill:
    def fill(world: World) -> None:
        for net, gain in zip(NETS5, gains, strict=True):
            world.cells("table5", "top1", {net: 60, f"{net} (repl.)": 60 + gain})
            world.cells("table5", "flops_m", {net: 200, f"{net} (repl.)": 200 + flops})

    return fill


# Table 7
PAPER7 = published("table7")
RANKED7 = dict.fromkeys(PAPER7, 40.0) | {
    "Hadaptive-Net-S": 50.0,
    "Hadaptive-Net-M": 55.0,
    "Hadaptive-Net-L": 60.0,
    "MobileNetV4-L": 55.0,
}
FASTER = {"MobileNetV3-S": 3.0, "Hadaptive-Net-S": 2.0}


def compared(
    cifar100: Mapping[str, float], imagenet1k: Mapping[str, float], ms: Mapping[str, float], iqr: float = 0.1
) -> Fill:
    def fill(world: World) -> None:
        world.cells("table7", "cifar100_top1", RANKED7 | cifar100)
        world.cells("table7", "imagenet1k_top1", RANKED7 | {"MobileNetV4-L": 70.0} | imagenet1k)
        for device in ("gpu", "cpu", "mobile"):
            world.cells("table7", f"latency_{device}_ms", ms)
            world.cells("table7", f"latency_{device}_iqr_ms", dict.fromkeys(ms, iqr))

    return fill


# Table 8
VITS = ("MobileViT-small", "MobileViT-x-small")


def vits(gain: float, fewer: float) -> Fill:
    def fill(world: World) -> None:
        for net in VITS:
            world.cells("table8", "top1", {net: 60, f"{net} (replaced)": 60 + gain})
            world.cells("table8", "params_m", {net: 5, f"{net} (replaced)": 5 - fewer})
            world.cells("table8", "gflops", {net: 3, f"{net} (replaced)": 3 - fewer})

    return fill


SCENARIOS: Scenarios = {
    "1": [
        ("as the paper", top1("table1", {"Softsign": 60, "Sigmoid": 57, "Alge. Sigmoid": 54}), HOLDS),
        ("the other way", top1("table1", {"Softsign": 54, "Sigmoid": 57, "Alge. Sigmoid": 60}), CONTRADICTED),
        ("all alike", top1("table1", {"Softsign": 60, "Sigmoid": 59.8, "Alge. Sigmoid": 59.7}), UNDECIDED),
        ("seeds differ", top1("table1", {"Softsign": (64, 60, 56), "Sigmoid": 57, "Alge. Sigmoid": 54}), UNDECIDED),
    ],
    "2": [
        ("late raise", top1("table2", LATE_RAISE), HOLDS),
        ("late lower", top1("table2", LATE_LOWER), CONTRADICTED),
        ("all alike", top1("table2", ALIKE), UNDECIDED),
    ],
    "2, v1": [
        ("late raise", top1("table2", LATE_RAISE, "top1_v1"), HOLDS),
        ("late lower", top1("table2", LATE_LOWER, "top1_v1"), CONTRADICTED),
        ("all alike", top1("table2", ALIKE, "top1_v1"), UNDECIDED),
    ],
    "5": [
        ("each helps", components(60, 57, 57, 57, 54), HOLDS),
        ("none helps", components(54, 57, 57, 57, 60), CONTRADICTED),
        ("batch norm is not worst", components(60, 57, 54, 57, 57), CONTRADICTED),
        ("all alike", components(60, 59.8, 60.1, 59.9, 60), UNDECIDED),
    ],
    "6": [
        ("as the paper", retrofitted((3, -3, 3, 3), -20), HOLDS),
        ("the other way", retrofitted((-3, 3, -3, -3), -20), CONTRADICTED),
        ("more FLOPs", retrofitted((3, -3, 3, 3), 20), CONTRADICTED),
        ("all alike", retrofitted((0.1, -0.1, 0.1, 0.1), -20), UNDECIDED),
    ],
    "8": [
        ("as the paper", compared({}, {}, FASTER), HOLDS),
        ("S is the worst of its group", compared({"Hadaptive-Net-S": 30}, {}, FASTER), CONTRADICTED),
        ("a small model is better than L", compared({"StarNet-S1": 66, "Hadaptive-Net-S": 68}, {}, FASTER),
         CONTRADICTED),
        ("M is better than L", compared({"Hadaptive-Net-M": 65}, {}, FASTER), CONTRADICTED),
        ("L is better than V4-L on ImageNet-1k", compared({}, {"MobileNetV4-L": 50}, FASTER), CONTRADICTED),
        ("S is slower", compared({}, {}, {"MobileNetV3-S": 2.0, "Hadaptive-Net-S": 3.0}), CONTRADICTED),
        ("M and L are alike", compared({"Hadaptive-Net-M": 59.9}, {}, FASTER), UNDECIDED),
        ("latencies spread", compared({}, {}, FASTER, iqr=3.0), UNDECIDED),
    ],
    "9": [
        ("better and smaller", vits(3, 0.2), HOLDS),
        ("worse", vits(-3, 0.2), CONTRADICTED),
        ("larger", vits(3, -0.2), CONTRADICTED),
        ("alike", vits(0.1, 0.2), UNDECIDED),
    ],
    "15": [
        ("best", top1("v1_table1", {"CrossHadaNorm": 60, "(1) unnormalised features": 57, "(2) batch norm": 57}),
         HOLDS),
        ("worst", top1("v1_table1", {"CrossHadaNorm": 54, "(1) unnormalised features": 57, "(2) batch norm": 57}),
         CONTRADICTED),
        ("alike", top1("v1_table1", {"CrossHadaNorm": 60, "(1) unnormalised features": 59.8, "(2) batch norm": 60}),
         UNDECIDED),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "fill", "verdict"), named(SCENARIOS))
def test_the_verdict_is_that_of_the_records(number: str, fill: Fill, verdict: str, tmp_path: Path) -> None:
    check(number, fill, verdict, tmp_path)


def test_claim_8_names_every_model_of_the_paper_s_table() -> None:
    (eight,) = (claim for claim in CLAIMS if claim.number == "8")
    for task in ("cifar100", "imagenet1k"):
        of_l = {
            label
            for each in eight.expects
            if each.column == f"{task}_top1" and "Hadaptive-Net-L" in each.rows
            for label in each.rows
        }
        assert of_l == set(PAPER7)
