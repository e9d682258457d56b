"""Figure 3's diagram against the module it draws, and the figure of variances through depth."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from hadaptive import config
from hadaptive.nn.ach import AdaptiveCrossHadamard
from hadaptive.nn.scores import SCORES
from hadaptive.paper.figures import figure3, figure_a2, render_figure
from hadaptive.paper.spec import FigureSpec
from hadaptive.paper.tables.layouts import LAYOUTS
from hadaptive.study import Study

ROOT = Path(__file__).resolve().parents[2]
STUDY = Study(config.load(ROOT / "params.yaml"))
FIGURES = STUDY.figures
A2 = FigureSpec(figure="figure_a2", scale="cpu", about="Hadaptive-Net-S", records=("variance",))


def test_the_diagram_draws_the_variants_of_the_table() -> None:
    drawn = {variation.variant: variation.title for variation in figure3.VARIATIONS}
    assert drawn == {row.variant: row.label for row in LAYOUTS["figure3_table"].rows if row.published}


@pytest.mark.parametrize("variation", figure3.VARIATIONS, ids=lambda each: each.variant)
def test_the_diagram_is_the_module(variation: figure3.Variation) -> None:
    ach = AdaptiveCrossHadamard(8, 4, **STUDY.options("hadaptive_net_s", variation.variant))  # type: ignore[arg-type]
    changed = {*variation.gone, *variation.instead}
    assert isinstance(ach.pointwise, nn.Identity) is ("pointwise" in changed)
    assert (type(ach.score) is SCORES["eca"]) is ("score" not in changed)
    assert (ach.score is None) is ("score" in variation.gone) is ("choice" in variation.gone)
    assert (ach.selection == "fixed") is (variation.instead.get("select") == "first k")
    assert type(ach.norm).__name__ == ("BatchNorm2d" if variation.instead.get("norm") == "batch norm" else "DySoft")


def test_the_diagram_needs_no_record_and_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (render_figure(FIGURES["figure3"], tmp_path, tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [f"figure3.{ending}" for ending in ("pdf", "png", "csv", "txt")]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


MONTE_CARLO = {
    "samples": 9,
    "formula": [{"measured": 1.0, "formula": 1.0, "standard_error": 0.1}],
    "bound": [{"products": 1.0, "dysoft": 0.5}],
}


def record() -> dict[str, Any]:
    def spread(value: float) -> dict[str, Any]:
        return {"median": value, "least": value / 2, "greatest": None if value > 99 else 2 * value}

    depth = [
        {"variant": variant, "state": state, "layer": n, "products": spread(4.0 * n), "normalised": spread(after)}
        for variant, after in (("dysoft", 0.1), ("batchnorm", 100.0))
        for state in ("start", "trained")
        for n in (1, 2)
    ]
    return {"schema": 1, "id": "variance", "scale": "cpu", "status": "done", "metrics": {**MONTE_CARLO, "depth": depth}}


def test_variances_are_drawn_from_the_record(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record())
    drawn = figure_a2.draw(A2, tmp_path / "results")
    for ax in drawn.figure.axes:
        lines = [value for line in ax.lines[:4] for value in line.get_ydata()]  # before, then after normalisation
        assert lines == pytest.approx([4.0, 8.0, 4.0, 8.0, 0.1, 0.1, 100.0, 100.0])
    render_figure(A2, tmp_path / "results", tmp_path)
    with (tmp_path / "figure_a2.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and rows[0]["products_median"] == "4" and rows[-1]["normalised_greatest"] == ""
    assert "after DySoft: medians 0.1 to 0.1, the greatest channel 0.2" in (tmp_path / "figure_a2.txt").read_text()


@pytest.mark.parametrize("depth", [None, []])
def test_without_a_measurement_the_axes_are_empty_and_say_why(depth: Any, write: Any, tmp_path: Path) -> None:
    if depth is not None:
        write(tmp_path / "results", {**record(), "metrics": {**MONTE_CARLO, "depth": depth}})
    drawn = figure_a2.draw(A2, tmp_path / "results")
    why = "not run" if depth is None else "Hadaptive-Net-S not trained in this run"
    assert not drawn.figure.axes, "one line in place of empty axes"
    assert [text.get_text() for text in drawn.figure.texts] == [drawn.figure.get_suptitle(), f"Not measured: {why}."]
