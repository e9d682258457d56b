"""Figures 1, 2, 4, 5 and 6: what they show is what the records say, and nothing lies over anything else."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hadaptive import config
from hadaptive.measure import expansions, structure
from hadaptive.nn.hadaptive_net import NETS, HadaptiveNet
from hadaptive.paper.figures import FIGURES, figure1, figure2, figure4, figure5, figure6, render_figure, style
from hadaptive.paper.published import published
from hadaptive.paper.spec import FigureSpec, record_ids
from hadaptive.record import envelope
from hadaptive.study import Study
from tests.paper.looks import faults

STUDY = Study(config.load(Path(__file__).resolve().parents[2] / "params.yaml"))
SPECS = STUDY.figures
DRAWN = {"figure1": figure1, "figure2": figure2, "figure4": figure4, "figure5": figure5, "figure6": figure6}


@cache
def counted() -> dict[str, Any]:
    return expansions.record(STUDY.measures["expansions"])


@cache
def built(name: str = "hadaptive_net_s", **options: Any) -> dict[str, Any]:
    net = HadaptiveNet(NETS[name], name=name, num_classes=100, **options)
    measure = STUDY.measures["structure/hadaptive_net_s/dysoft"]
    return envelope(measure, {"layers": structure.layers(net, 224)})


def draw(name: str, root: Path, spec: FigureSpec | None = None) -> Any:
    with style.house():
        return DRAWN[name].draw(spec or SPECS[name], root)


def test_every_figure_of_the_experiments_can_be_drawn_without_a_record(tmp_path: Path) -> None:
    assert set(SPECS) == set(FIGURES)
    for name in DRAWN:
        paths = render_figure(SPECS[name], tmp_path / "results", tmp_path)
        assert [path.suffix for path in paths] == [".pdf", ".png", ".csv", ".txt"]
        said = (tmp_path / f"{name}.txt").read_text()
        assert "not run" in said and "at scale demo\n" in said
        assert not faults(draw(name, tmp_path / "results").figure)


@pytest.mark.parametrize("name", ["figure2", "figure6"])
@pytest.mark.slow
def test_the_same_record_gives_the_same_bytes(name: str, write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", built() if name in ("figure2", "figure4") else counted())
    first, second = (render_figure(SPECS[name], tmp_path / "results", tmp_path / folder) for folder in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


# Figures 2 and 4


USUAL = {
    "input": "96 × 14 × 14",  # noqa: RUF001
    "pointwise": "1×1 conv, 96 → 96",  # noqa: RUF001
    "bn": "batch norm",
    "score": "ECA, kernel 5",
    "choice": "training: Gumbel top-k, inference: top-k",
    "selected": "k = 16",
    "products": "all pairs ⊙, 16·15/2 = 120",
    "norm": "DySoft",
    "output": "216 × 14 × 14",  # noqa: RUF001
}


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({}, {}),
        ({"score": "learned"}, {"score": "learned score"}),
        ({"score": "evaluation", "norm": "crosshada"}, {"score": "evaluation net", "norm": "CrossHadaNorm"}),
        ({"selection": "topk"}, {"choice": "top-k"}),
        ({"product_of": "unnormalised"}, {"selected": "k = 16, not, normalised"}),
        ({"pointwise": False}, {"pointwise": None}),
        ({"selection": "fixed"}, {"score": None, "choice": None, "selected": "the first 16"}),
    ],
)
def test_an_option_of_the_module_changes_figure_2(
    options: dict[str, Any], changed: dict[str, Any], write: Any, tmp_path: Path
) -> None:
    write(tmp_path, built(**options))
    drawn = draw("figure2", tmp_path)
    assert not faults(drawn.figure)
    assert dict(drawn.rows[1:]) == {part: text for part, text in {**USUAL, **changed}.items() if text is not None}


def test_the_picture_in_the_readme_is_the_current_drawing(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    spec = Study(config.load(root / "params.yaml", given={"scale": "cpu"})).figures["figure2"]
    drawn = draw("figure2", root / "results", spec).figure
    drawn.savefig(tmp_path / "now.png", dpi=style.DPI)
    small = [
        np.asarray(Image.open(path).convert("L").resize((220, 90)), float)
        for path in (tmp_path / "now.png", root / "docs/pictures/figure2.png")
    ]
    difference = float(np.abs(small[0] - small[1]).mean())
    assert difference < 1, "copy paper_tables/figure2.png, made at scale cpu, to docs/pictures/"


def test_figure_2_of_a_net_without_ach_says_so(write: Any, tmp_path: Path) -> None:
    write(tmp_path, built(all_ghost=True))
    assert "the model has no such module" in draw("figure2", tmp_path).alt


@pytest.mark.parametrize("name", ["hadaptive_net_s", "hadaptive_net_l"])
def test_figure_4_is_the_net(name: str, write: Any, tmp_path: Path) -> None:
    write(tmp_path, built(name))
    drawn = draw("figure4", tmp_path)
    assert not faults(drawn.figure)
    rows = [dict(zip(drawn.rows[0], row, strict=True)) for row in drawn.rows[1:]]
    assert [row["kind"] for row in rows] == [type(row).__name__ for row in NETS[name]] + ["FN"]
    assert [row["channels"] for row in rows[:-1]] == [str(row.out) for row in NETS[name]]
    assert rows[0]["stage"] == "stem" and rows[1]["stage"] == "stage 1" and rows[-1]["stage"] == "head"


def test_an_option_changes_figure_4(write: Any, tmp_path: Path) -> None:
    write(tmp_path, built())
    usual = draw("figure4", tmp_path)
    write(tmp_path, built(all_ghost=True, head_hidden_size=640))
    other = draw("figure4", tmp_path)
    assert "ACH, k = 16; 5×5" in usual.alt and "ACH" not in other.alt.partition("Beneath")[0]  # noqa: RUF001
    assert "FN 1280" in usual.alt and "FN 640" in other.alt


# Figures 5 and 6


@pytest.mark.parametrize("name", ["figure5", "figure6"])
def test_marks_are_the_counts_and_lines_the_formulas(name: str, write: Any, tmp_path: Path) -> None:
    write(tmp_path, counted())
    drawn = draw(name, tmp_path)
    assert not faults(drawn.figure)
    axes = drawn.figure.axes
    points = counted()["metrics"]["channels" if name == "figure5" else "ratios"]
    marks = [tuple(place) for place in axes[0].collections[0].get_offsets()]
    assert len(marks) == 3 * len(points)
    heights = sorted(round(height * 1e9) for _, height in marks)
    assert heights == sorted(p[way]["macs_with_hadamard"] for p in points for way in ("pointwise", "ghost", "ach"))
    for line in axes[0].lines[:3]:  # ends of the formulas' curves are near the first and last counts
        ends = [height * 1e9 for height in (line.get_ydata()[0], line.get_ydata()[-1])]
        assert all(min(abs(end / height - 1) for height in heights) < 0.06 for end in ends)
    assert len(drawn.rows) == 1 + 3 * len(points)


# Figure 1

MODELS = [row.label for row in SPECS["figure1"].table.rows]  # type: ignore[union-attr]


def table7_spec(stand_in: str | None) -> FigureSpec:
    spec = SPECS["figure1"]
    assert spec.table is not None
    sources = {
        name: source.model_copy(update={"stand_in": stand_in if name == "cifar100" else None})
        for name, source in spec.table.sources.items()
    }
    table = spec.table.model_copy(update={"sources": sources, "scale": "cpu"})
    return spec.model_copy(update={"scale": "cpu", "table": table, "demonstration": bool(stand_in)})


def fill(spec: FigureSpec, write: Any, root: Path, labels: list[str], share: float) -> None:
    """Records of Table 7 near the published numbers, accuracies times `share`."""
    rng, table = random.Random(0), spec.table
    assert table is not None
    for row in table.rows:
        if row.label not in labels:
            continue
        printed = published("table7")
        said = {name: float(text) for name, text in printed.get(row.label, printed["StarNet-S4"]).items()}
        metrics = {
            "complexity": {"macs": round(said["flops_m"] * 1e6), "parameters": 1, "parameters_inference": 1},
            "latency": {"cpu": {"status": "done", "median_ms": said["latency_cpu_ms"] * rng.uniform(0.02, 0.08)},
                        "gpu": {"status": "no CUDA device"}, "mobile": {"status": "adb not installed"}},
            "cifar100": {"top1_last": said["cifar100_top1"] * share + rng.uniform(-2, 2)},
        }  # fmt: skip
        for source, found in metrics.items():
            for record_id in record_ids(table, row, source):
                write(root, {"schema": 1, "id": record_id, "scale": "cpu", "status": "done", "metrics": found})


@pytest.mark.parametrize(
    ("labels", "share", "stand_in", "bands"),
    [(MODELS, 1.0, None, 1), (MODELS, 0.5, None, 2), (MODELS[:3], 1.0, "digits", 2)],
)
def test_figure_1_is_legible_however_much_was_measured(
    labels: list[str], share: float, stand_in: str | None, bands: int, write: Any, tmp_path: Path
) -> None:
    spec = table7_spec(stand_in)
    fill(spec, write, tmp_path, labels, share)
    drawn = draw("figure1", tmp_path, spec)
    assert len(drawn.figure.axes) == 2 * bands
    assert not faults(drawn.figure)
    rows = [dict(zip(drawn.rows[0], row, strict=True)) for row in drawn.rows[1:]]
    assert len(rows) == 2 * len(MODELS)
    assert {row["label"] for row in rows if row["x_measured"]} == set(labels)
    assert all(row["reason"] == ("" if row["label"] in labels else "not run") for row in rows)
    if len(labels) < len(MODELS):
        assert f"{len(MODELS) - len(labels)} models (not run)" in drawn.alt
    for ax in drawn.figure.axes:
        named = [text.get_text() for text in ax.texts if text.get_text().strip()]
        assert len(named) in (len(MODELS), len(labels))


def test_figure_1_shows_ours_over_the_others_filled_where_measured(write: Any, tmp_path: Path) -> None:
    spec = table7_spec(None)
    fill(spec, write, tmp_path, MODELS, 1.0)
    ax = draw("figure1", tmp_path, spec).figure.axes[0]
    marked = [line for line in ax.lines if line.get_marker() != "None"]
    ours = {line.get_linestyle(): line for line in marked if line.get_color() == style.OURS}
    assert ours["-"].get_zorder() == max(line.get_zorder() for line in marked)
    assert ours["-"].get_markerfacecolor() == style.OURS and ours[":"].get_markerfacecolor() == "white"
    assert list(ours[":"].get_xdata()) == pytest.approx([131, 339, 669])
    assert list(ours[":"].get_ydata()) == pytest.approx([73.57, 74.10, 74.73])


def test_figure_1_reads_the_records_of_table_7() -> None:
    assert SPECS["figure1"].table == STUDY.tables["table7"] and not SPECS["figure1"].records
