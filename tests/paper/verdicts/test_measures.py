"""Claims on latencies, counts, kernels, variances and Grad-CAM: each on records that make it true, false, and neither.

And that every claim is tried so, here or in the two files beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS, UNDECIDED
from hadaptive.paper.claims.statements import CLAIMS
from tests.paper.test_gradcam_figures import record as explained
from tests.paper.verdicts import test_images, test_other_tasks
from tests.paper.verdicts.world import Fill, Scenarios, World, check, named, together

# Table 4


def implementations(native: float, ours: float, iqr: float) -> Fill:
    def fill(world: World) -> None:
        times = {"native": native, "direct_indexing": ours, "parity_balanced": ours}
        world.records["kernels/table4"] = {
            "metrics": {
                name: {"status": "done", "eager": {"status": "done", "median_ms": ms, "mean_ms": ms, "iqr_ms": iqr}}
                for name, ms in times.items()
            }
        }

    return fill


# Figures 5 and 6


def expanded(dearer: float) -> Fill:
    """Counts by eqs. 12 to 14 of 8 x 8 pixels, ACH so many times as dear."""

    def point(m: int, n: int) -> dict[str, Any]:
        macs = {"pointwise": m * n, "ghost": m * (n // 2) + (n - n // 2) * 9, "ach": (m * m + n - m) * dearer}
        ways: dict[str, dict[str, Any]] = {
            way: {"n": n, "macs": round(64 * each), "macs_with_hadamard": round(64 * each), "hadamard_products": 0,
                  "flops": 1, "flops_all": 1}
            for way, each in macs.items()
        }  # fmt: skip
        ways["ach"]["k"] = 2
        ways["ghost"] |= {"s": n // 2, "kernel": 3}
        return {"channels": m, "ratio": n // m, **ways}

    def fill(world: World) -> None:
        metrics = {
            "channels": [point(m, 4 * m) for m in (16, 64, 256)],
            "ratios": [point(64, 64 * r) for r in (4, 8, 16)],
        }
        world.records["expansions"] = {"metrics": metrics, "settings": {"image_size": 8}}

    return fill


# Figure 7
CHANNELS, SIZES = (4, 8, 12, 16, 40, 48, 56, 64), (4, 7, 14, 31, 32, 33, 63, 64)


def swept(parity_us: Callable[[int, int], float], iqr_us: float = 0.0) -> Fill:
    """Panel (b): microseconds by channels and size; direct-indexing always takes 1.5."""

    def fill(world: World) -> None:
        cells = [
            {"channels": c, "size": s, "status": "done", "direct_indexing_us": 1.5, "direct_indexing_iqr_us": iqr_us,
             "parity_balanced_us": parity_us(c, s), "parity_balanced_iqr_us": iqr_us}
            for c in CHANNELS for s in SIZES
        ]  # fmt: skip
        world.records["kernels/figure7"] = {"metrics": {"a": [], "b": cells}}

    return fill


def parity_s(channels: int, size: int) -> bool:
    """Whether parity-balanced should win: with many channels and small maps, and not near multiples of 32."""
    return (channels > 14 and size < 32) or size not in (31, 32, 33, 63, 64)


# Appendix A.2


def variances(off: float, dysoft: float) -> Fill:
    def fill(world: World) -> None:
        case = {"measured": 1.0 + off * 0.01, "formula": 1.0, "standard_error": 0.01}
        bound = {"std": 9.0, "products": 81.0, "dysoft": dysoft}
        world.records["variance"] = {"metrics": {"samples": 1000, "formula": [case], "bound": [bound]}}

    return fill


def losses(batchnorm: Sequence[Sequence[float | None]], dysoft: Sequence[Sequence[float | None]]) -> Fill:
    """The test losses of each seed, epoch by epoch."""

    def fill(world: World) -> None:
        variances(0.0, 0.99)(world)
        for variant, seeds in (("batchnorm", batchnorm), ("dysoft", dysoft)):
            for seed, each in enumerate(seeds):
                world.records[f"cifar100/hadaptive_net_s/{variant}/seed{seed}"] = {
                    "metrics": {},
                    "curve": [{"test_loss": loss} for loss in each],
                }

    return fill


STEADY = [[4.0, 3.0, 2.9], [4.1, 3.1, 2.8], [4.2, 3.0, 2.8]]


# Appendix A.6


def focused(ghost: Sequence[Sequence[int | None]], ours: Sequence[Sequence[int | None]]) -> Fill:
    """The layers of two images, by seed."""

    def fill(world: World) -> None:
        for name, *layers in zip(("one", "two"), ghost, ours, strict=True):
            made = explained(name, *map(list, layers), [0, 0, 1, 1])  # type: ignore[arg-type]
            world.records[f"explain/{name}"] = {key: made[key] for key in ("settings", "metrics")}

    return fill


SCENARIOS: Scenarios = {
    "4": [
        ("twice as fast", implementations(14.0, 7.0, 0.1), HOLDS),
        ("1.5 times as fast", implementations(10.5, 7.0, 0.1), CONTRADICTED),
        ("1.72 times, within the spread", implementations(12.04, 7.0, 0.5), UNDECIDED),
    ],
    "11": [
        ("as the formulas", expanded(1.0), HOLDS),
        ("three times as dear", expanded(3.0), CONTRADICTED),
    ],  # counts are exact: nothing is within noise
    "12": [
        ("each in its region", swept(lambda c, s: 1 if parity_s(c, s) else 2), HOLDS),
        ("each in the other's", swept(lambda c, s: 2 if parity_s(c, s) else 1), CONTRADICTED),
        ("in every other cell", swept(lambda c, s: 1 + (CHANNELS.index(c) + SIZES.index(s)) % 2), UNDECIDED),
        ("by less than the spread of the runs", swept(lambda c, s: 1.48 if parity_s(c, s) else 1.52, 0.1), UNDECIDED),
    ],
    "13": [
        ("it explodes", losses([[4.0, 9e9], [4.0, 1e7], [4.0, 1e8]], STEADY), HOLDS),
        ("it is high from the first epoch on", losses([[1e9, 1e9, 1e9]] * 3, STEADY), HOLDS),
        ("it is never finite", losses([[None] * 3] * 3, STEADY), HOLDS),
        ("it is once not finite", losses([[4.0, None, 2.9]] * 3, STEADY), HOLDS),
        ("DySoft explodes", losses(STEADY, [[4.0, 9e9], [4.0, 1e7], [4.0, 1e8]]), CONTRADICTED),
        ("DySoft is never finite", losses(STEADY, [[None] * 3] * 3), CONTRADICTED),
        ("the formula is wrong", together(losses([[None]] * 3, STEADY), variances(9.0, 0.99)), CONTRADICTED),
        ("the bound is wrong", together(losses([[None]] * 3, STEADY), variances(0.0, 1.2)), CONTRADICTED),
        ("a bump of 0.015", losses([[3.0, 3.015]] * 3, [[3.0, 2.9]] * 3), UNDECIDED),
        ("it diverges with one seed of three", losses([[None], *STEADY[1:]], STEADY), UNDECIDED),
        ("both alike", losses(STEADY, STEADY), UNDECIDED),
        ("neither is ever finite", losses([[None]] * 3, [[None]] * 3), UNDECIDED),
    ],
    "14": [
        ("earlier", focused([[6, 6], [7, None]], [[2, 2], [3, 3]]), HOLDS),
        ("later", focused([[2, 2], [3, 3]], [[6, 6], [7, None]]), CONTRADICTED),
        ("seeds differ", focused([[2, 6], [2, 6]], [[1, 6], [1, 6]]), UNDECIDED),
        ("seeds agree, images do not", focused([[2, 2], [6, 6]], [[3, 3], [4, 4]]), UNDECIDED),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "fill", "verdict"), named(SCENARIOS))
def test_the_verdict_is_that_of_the_records(number: str, fill: Fill, verdict: str, tmp_path: Path) -> None:
    check(number, fill, verdict, tmp_path)


def test_every_claim_is_tried_in_every_way() -> None:
    tried = {**test_images.SCENARIOS, **test_other_tasks.SCENARIOS, **SCENARIOS}
    assert set(tried) == {claim.number for claim in CLAIMS}
    for number, each in tried.items():
        every = {HOLDS, CONTRADICTED} if number == "11" else {HOLDS, CONTRADICTED, UNDECIDED}
        assert {verdict for _, _, verdict in each} == every
