"""Figure 7: drawn from its record, the same bytes each time; empty and saying why where nothing was measured."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hadaptive.errors import UserError
from hadaptive.paper.figures import figure7, render_figure, style
from hadaptive.paper.spec import FigureSpec

SPEC = FigureSpec(figure="figure7", scale="gpu", about="float32", records=("kernels/figure7",))


def record(**changes: Any) -> dict[str, Any]:
    """A is slower on small maps, B on large ones; the largest did not fit."""
    cells: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    for panel, row in (("a", "batch"), ("b", "channels")):
        for n in (2, 64):
            for size, a_us, b_us in ((4, 3.0, 1.0), (16, 2.0, 2.0), (32, 1.0, 4.0)):
                cells[panel].append(
                    {row: n, "size": size, "status": "done", "direct_indexing_us": a_us, "parity_balanced_us": b_us}
                )
    cells["a"][-1] = {"batch": 64, "size": 32, "status": "out of memory"}
    return {"schema": 1, "id": "kernels/figure7", "scale": "gpu", "status": "done",
            "settings": {"fixed_channels": 64, "fixed_batch": 64}, "metrics": {"device": "A GPU", **cells},
            **changes}  # fmt: skip


def test_four_files_the_same_bytes_each_time(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record())
    first, second = (render_figure(SPEC, tmp_path / "results", tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == [f"figure7.{ending}" for ending in ("pdf", "png", "csv", "txt")]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].read_bytes().startswith(b"%PDF") and b"CreationDate" not in first[0].read_bytes()


def test_values_are_the_normalised_difference(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record())
    render_figure(SPEC, tmp_path / "results", tmp_path)
    with (tmp_path / "figure7.csv").open() as file:
        lines = {(line["panel"], line["row"], line["size"]): line for line in csv.DictReader(file)}
    assert len(lines) == 12
    assert float(lines["a", "2", "4"]["difference"]) == pytest.approx(0.5, abs=1e-6)
    assert float(lines["b", "64", "32"]["difference"]) == pytest.approx(-0.6, abs=1e-6)
    empty = lines["a", "64", "32"]
    assert (empty["difference"], empty["direct_indexing_us"], empty["reason"]) == ("", "", "out of memory")


def test_red_is_where_a_is_slower_and_white_is_no_difference(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record())
    drawn = figure7.draw(SPEC, tmp_path / "results")
    (image,) = drawn.figure.axes[0].collections
    assert image.norm.vmin == -image.norm.vmax == -0.6
    red, white, blue = (image.cmap(image.norm(value))[:3] for value in (0.5, 0.0, -0.5))
    assert red[0] > red[2] + 0.3 and blue[2] > blue[0] + 0.3
    assert min(white) > 0.95
    assert np.ma.getmaskarray(image.get_array()).tolist() == [[False, False, False], [False, False, True]]
    assert image.cmap.get_bad()[:3] == pytest.approx([0xE8 / 255] * 3)


def test_words_say_what_the_figure_shows(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record())
    render_figure(SPEC, tmp_path / "results", tmp_path)
    said = (tmp_path / "figure7.txt").read_text()
    for words in (
        "scale gpu",
        "A GPU",
        "B is faster in 40% of 5 cells",
        "-0.60, is at channels 2, size 32",
        "1 cell is empty: out of memory",
    ):
        assert words in said, said
    _, alt, scale = said.split("\n\n")
    assert alt in (tmp_path / "figure7.png").read_bytes().decode("latin-1") and scale == "Scale: gpu\n"


@pytest.mark.parametrize("why", ["no CUDA device", "not run", "not recorded"])
def test_without_a_measurement_the_axes_are_empty_and_say_why(why: str, write: Any, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"scale": "demo", "demonstration": True})
    if why == "no CUDA device":
        write(tmp_path / "results", record(scale="demo", status=why, metrics={}))
    if why == "not recorded":
        write(tmp_path / "results", record(scale="demo", metrics={}))
    drawn = figure7.draw(spec, tmp_path / "results")
    assert not drawn.figure.axes, "one line in place of empty axes"
    assert [text.get_text() for text in drawn.figure.texts] == [drawn.figure.get_suptitle(), f"Not measured: {why}."]
    assert drawn.figure.get_suptitle() == "Demonstration, not a result. Scale demo"
    assert drawn.rows[1:] == [] and why in drawn.alt


def test_hostile_words_are_drawn_as_they_are(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", record(status=r"broke $\frac$ & _x^ {"))
    assert len(render_figure(SPEC, tmp_path / "results", tmp_path)) == 4


@pytest.mark.parametrize("numbers", [[2, 4, 7, 8, 12, 14, 16, 20, 24, 28, 31, 32, 33, 40, 48, 56, 63, 64, 65],
                                     list(range(1, 65)), [5], [1, 2]])  # fmt: skip
def test_ticks_leave_room_and_name_multiples_of_32(numbers: list[int]) -> None:
    places = figure7._ticks(numbers)
    assert 1 <= len(places) <= figure7.TICKS
    assert {n for n in numbers if n % 32 == 0} <= {numbers[place] for place in places}


def test_the_house_style_leaves_matplotlib_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with style.house():
        assert matplotlib.rcParams["font.family"] == ["STIXGeneral"]
    assert dict(matplotlib.rcParams) == before


def test_unknown_figure_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no figure 'figure77'\. Did you mean 'figure7'"):
        render_figure(SPEC.model_copy(update={"figure": "figure77"}), tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
