"""What expanding channels costs: counts on modules against the paper's formulas, corrected and as printed."""

from __future__ import annotations

import json

import pytest
import sympy

from hadaptive import cli
from hadaptive.measure.expansions import chosen, point, record
from hadaptive.paper import operations
from hadaptive.paper.claims import expansion_cost
from hadaptive.record.measures import Point
from hadaptive.run import Measure

m, n, s, k = sympy.symbols("m n s k", positive=True)
ECA = 5  # multiply-accumulates a channel of ACH's score, once an image, which eq. 14 leaves out


def test_the_corrected_ratios_follow_from_equations_12_to_14() -> None:
    ghost = operations.ghost(m, n, s, k) / operations.pointwise(m, n)
    ach = operations.ach(m, n) / operations.pointwise(m, n)
    assert sympy.simplify(ghost - operations.ghost_ratio(m, n, s, k)) == 0
    assert sympy.simplify(ach - operations.ach_ratio(m, n)) == 0


def test_the_printed_ratios_do_not() -> None:
    off = operations.ghost_ratio_printed(m, n, s, k) - operations.ghost_ratio(m, n, s, k)
    assert sympy.simplify(off - ((n - s) / n + k**2 / m - (n - s) * k**2 / (m * n))) == 0
    assert off.subs({m: 64, n: 256, s: 128, k: 3}) > sympy.Rational(1, 2)
    assert sympy.simplify(operations.ach_ratio_printed(m, n) - operations.ach_ratio(m, n)) == 2 / n


def test_the_short_forms_are_the_limits_of_many_channels() -> None:
    wide = {n: 4 * m, s: 2 * m, k: 3}
    for exact, short in ((operations.ghost_ratio, operations.ghost_ratio_short),):
        assert sympy.limit(exact(m, n, s, k).subs(wide), m, sympy.oo) == short(m, n, s, k).subs(wide)
    assert sympy.limit(operations.ach_ratio(m, 4 * m), m, sympy.oo) == operations.ach_ratio_short(m, 4 * m)
    assert sympy.limit(operations.ach_ratio_in_section_4_1(m, 4 * m), m, sympy.oo) == 0


@pytest.mark.parametrize(("channels", "ratio", "size"), [(16, 4, 8), (17, 3, 5), (64, 24, 4), (33, 2, 1)])
def test_counts_are_the_formulas_to_the_last_operation(channels: int, ratio: float, size: int) -> None:
    found, pixels = point(channels, ratio, size), size**2
    ghost, ach, convolved = (found[way] for way in ("ghost", "ach", "pointwise"))
    assert convolved["n"] == ach["n"] == channels + ach["k"] * (ach["k"] - 1) // 2
    assert ghost["n"] in (ach["n"], ach["n"] + 1)
    assert convolved["macs_with_hadamard"] == pixels * operations.pointwise(channels, convolved["n"])
    assert ghost["macs_with_hadamard"] == pixels * operations.ghost(channels, ghost["n"], ghost["s"], ghost["kernel"])
    assert ach["macs_with_hadamard"] == pixels * operations.ach(channels, ach["n"]) + ECA * channels
    assert ach["flops"] == 2 * ach["macs"] + ach["hadamard_products"] < ach["flops_all"]
    assert expansion_cost.ratio(Point.model_validate(found), "pointwise") == 1


def test_k_is_the_nearest_and_a_ratio_out_of_reach_is_an_error() -> None:
    for channels, ratio in ((16, 4), (64, 24), (512, 4)):
        off = [abs(channels + k * (k - 1) / 2 - ratio * channels) for k in range(2, channels + 1)]
        assert off[chosen(channels, ratio) - 2] == min(off)
    with pytest.raises(ValueError, match="no k expands 16 channels about 24 times"):
        chosen(16, 24)


def test_the_verb_writes_the_record(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    settings = {"channels": [8, 16], "ratio": 2, "fixed_channels": 8, "ratios": [2, 3], "image_size": 2}
    measure = Measure(kind="expansions", scale="demo", settings=settings)
    assert cli.main(["measure", measure.dumps()]) == 0
    written = json.loads((measure.folder / "record.json").read_text())
    assert written["metrics"] == record(measure)["metrics"] and written["id"] == "expansions"
    assert [each["channels"] for each in written["metrics"]["channels"]] == [8, 16]
