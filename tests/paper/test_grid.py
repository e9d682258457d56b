"""The tables of `layouts`: rows, ticks, arrows, both modules, conventions, and that they compile."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hadaptive import config
from hadaptive.paper.published import errata, published
from hadaptive.paper.spec import TableSpec, record_ids
from hadaptive.paper.tables import grid
from hadaptive.paper.tables.layouts import LAYOUTS
from hadaptive.paper.tables.render import render, text
from hadaptive.study import Study
from tests.paper.test_compile import compiled

ROOT = Path(__file__).resolve().parents[2]
Fill = Callable[..., dict[str, dict[str, Any]]]


def spec(name: str, **changes: Any) -> TableSpec:
    """The table as params.yaml derives it, at a scale of real data with three seeds, ImageNet absent."""
    found = Study(config.load(ROOT / "params.yaml")).tables[name]
    sources = {
        key: source.model_copy(update={"seeds": (0, 1, 2), "stand_in": None} if key.startswith("cifar100") else {})
        for key, source in found.sources.items()
    }
    fields = {"scale": "cpu", "demonstration": False, "sources": sources, **changes}
    return TableSpec.model_validate({**found.model_dump(), **fields})


def read(path: Path) -> dict[str, dict[str, str]]:
    with path.open() as file:
        return {line["label"]: line for line in csv.DictReader(file)}


# Rows that the paper does not have: what its code does where the text says otherwise, and the other way round.
OURS_ALONE = {
    "table1": ("Sigmoid, plain start",),
    "figure3_table": ("(5) released gradient",),
    "v1_table1": ("released module", "corrected sign", "affine moments"),
}


@pytest.mark.parametrize("name", OURS_ALONE)
def test_rows_that_the_paper_does_not_have_say_so(name: str) -> None:
    layout = LAYOUTS[name]
    alone = [row for row in layout.rows if (row.published or row.label) not in published(layout.published or name)]
    assert [row.label for row in alone] == list(OURS_ALONE[name])
    assert any("not in the paper" in note.lower() for note in layout.notes)


@pytest.mark.parametrize("name", LAYOUTS)
def test_rows_are_those_published_each_once_and_in_order(name: str) -> None:
    layout = LAYOUTS[name]
    rows = published(layout.published or name)
    names = [row.published or row.label for row in layout.rows]
    assert [name for name in dict.fromkeys(names) if name in rows] == list(rows)
    extra = [row.label for row in layout.rows if names.count(row.published or row.label) > 1 and row.published]
    assert all("v1" in label or "FFN" in label for label in extra), "two of ours beside one of the paper's"
    printed = {key for row in rows.values() for key in row}
    shown = {column.published or column.key for column in layout.columns if column.shown and column.role == "measured"}
    ours = {"table13": {"params_m"}, "table8": {"gflops_attention"}}.get(name, set())
    assert printed - {"formula", "removed"} == shown - ours


@pytest.mark.parametrize("name", LAYOUTS)
def test_cells_are_those_of_the_records(name: str, fill: Fill, tmp_path: Path) -> None:
    made = spec(name)
    records = fill(made, tmp_path / "results")
    render(made, tmp_path / "results", tmp_path)
    lines = read(tmp_path / f"{name}.csv")
    for row in made.rows:
        for column in LAYOUTS[name].columns:
            if column.role == "words" or not column.metric or made.sources[column.source].absent:
                continue
            found = []
            for record_id in record_ids(made, row, column.source):
                value = records[record_id]["metrics"]
                for part in column.metric.split("."):
                    value = value.get(part, {})
                if isinstance(value, int | float):
                    found.append(value * column.factor)
            if found:
                assert float(lines[row.label][column.key]) == pytest.approx(sum(found) / len(found), rel=1e-8)
            else:
                assert lines[row.label][f"{column.key}_reason"]


def test_flops_of_tables_5_and_8_are_twice_those_of_thop(fill: Fill, tmp_path: Path) -> None:
    for name, key, unit in (("table5", "flops_m", 1e6), ("table8", "gflops", 1e9)):
        made = spec(name)
        records = fill(made, tmp_path / "results")
        frame, compared = grid.frames(made, tmp_path / "results")
        for row, cell in zip(made.rows, frame.cells[key], strict=True):
            thop = records[f"complexity/{row.model}/{row.variant}"]["metrics"]["macs_thop"]
            assert cell.value == pytest.approx(2 * thop / unit)
        for each in (frame, compared):
            caption = text(each, "tex").partition(r"\label")[0]
            assert "FLOPs are twice the count of thop" in caption and "batch norms with an activation" in caption
            assert ("matrix products of attention" in caption) is (name == "table8")


def test_table_8_shows_the_full_count_beside_the_paper_s(fill: Fill, tmp_path: Path) -> None:
    made = spec("table8")
    records = fill(made, tmp_path / "results")
    frame, compared = grid.frames(made, tmp_path / "results")
    shown = [column.key for column in frame.columns if column.shown]
    assert shown[shown.index("gflops") + 1] == "gflops_attention"
    for row, cell in zip(made.rows, frame.cells["gflops_attention"], strict=True):
        counts = records[f"complexity/{row.model}/{row.variant}"]["metrics"]
        assert cell.value == pytest.approx(2e-9 * counts["macs_thop_attention"])
    assert "gflops_published" in compared.cells and "gflops_attention_published" not in compared.cells


def test_table_2_has_a_line_for_each_module_and_the_best_of_each_in_bold(fill: Fill, tmp_path: Path) -> None:
    made = spec("table2")
    records = fill(made, tmp_path / "results")
    render(made, tmp_path / "results", tmp_path)
    table = [line for line in (tmp_path / "table2.md").read_text().splitlines() if line.startswith("|")]
    assert table[0] == "| Replaced | / | IB 0 | IB 1 | IB 9 | IB 8 | IB 10 | IB 9, 10 |"
    assert [line.split("|")[1].strip() for line in table[2:]] == ["Top-1 (%)", "Top-1, v1 ACH (%)"]
    assert [line.count("**") for line in table[2:]] == [2, 2]
    first = [records[f"cifar100/mobilenetv3_small_100/repl_0_v1/seed{n}"]["metrics"]["top1_last"] for n in (0, 1, 2)]
    assert f"{sum(first) / 3:.2f}" in table[3] and f"{sum(first) / 3:.2f}" not in table[2]
    lines = read(tmp_path / "table2_compare.csv")
    assert lines["IB 9, 10"]["top1_published"] == lines["IB 9, 10"]["top1_v1_published"] == "71.58"
    assert (tmp_path / "table2_compare.md").read_text().count("\n| IB") == 6, "the compare version is not turned"


def test_arrows_point_from_the_model_as_it_was(fill: Fill, write: Any, tmp_path: Path) -> None:
    made = spec("table5", sources={"complexity": {}, "cifar100": {"seeds": [0]}})
    records = fill(made, tmp_path / "results")
    for variant, parameters, top1 in (
        ("base", 2_000_000, 70.0),
        ("repl", 1_900_000, 71.0),
        ("repl_v1", 2_000_100, 70.001),
    ):
        record = records[f"complexity/mobilenetv3_small_100/{variant}"]
        record["metrics"]["parameters"] = parameters
        write(tmp_path / "results", record)
        record = records[f"cifar100/mobilenetv3_small_100/{variant}/seed0"]
        record["metrics"]["top1_last"] = top1
        write(tmp_path / "results", record)
    render(made, tmp_path / "results", tmp_path)
    body = (tmp_path / "table5.md").read_text()
    lines = {line.split("|")[1].strip(): line.split("|")[2:4] for line in body.splitlines() if "MobileNetV3-S" in line}
    found = {label: [cell.strip() for cell in cells] for label, cells in lines.items()}
    assert found["MobileNetV3-S"] == ["70.00", "2.00"]
    assert found["MobileNetV3-S (repl.)"] == ["71.00 ↑", "1.90 ↓"]
    assert found["MobileNetV3-S (repl., v1 ACH)"] == ["70.00", "2.00"], "what looks equal has no arrow"
    tex = (tmp_path / "table5.tex").read_text()
    assert r"71.00&\,$\uparrow$" in tex and r"1.90\,$\downarrow$" in tex


def test_ticks_are_the_published_ones_but_for_the_erratum(tmp_path: Path) -> None:
    body = (render(spec("figure3_table"), tmp_path, tmp_path), (tmp_path / "figure3_table.md").read_text())[1]
    lines = [line.split("|")[2:6] for line in body.splitlines() if line.startswith("| (") or line.startswith("| ACH")]
    ticks = [",".join("1" if cell.strip() else "0" for cell in line) for line in lines]
    assert ticks[:-1] == list(published("figure3"))
    assert ticks[-1] == ticks[-2] == "1,1,1,1", "the released gradient takes no part away"
    assert "Figure 3's table" in {erratum.where for erratum in errata("figure3")}


def test_accuracy_drop_is_from_the_first_design(fill: Fill, tmp_path: Path) -> None:
    made = spec("v1_table1")
    fill(made, tmp_path / "results")
    frame = grid.frames(made, tmp_path / "results")[0]
    top1, drop = frame.cells["top1"], frame.cells["accuracy_drop"]
    assert drop[0].value is None
    assert [cell.value for cell in drop[1:]] == [top1[0].value - cell.value for cell in top1[1:]]


def test_a_row_that_params_yaml_lacks_says_so(tmp_path: Path) -> None:
    made = spec("table1")
    rows = [made.rows[0].model_copy(update={"absent": "hadaptive_net_s/dysig is not in params.yaml"}), *made.rows[1:]]
    render(made.model_copy(update={"rows": tuple(rows)}), tmp_path, tmp_path)
    assert read(tmp_path / "table1.csv")["Sigmoid"]["top1_reason"] == "hadaptive_net_s/dysig is not in params.yaml"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", LAYOUTS)
def test_compiles_within_the_page(name: str, fill: Fill, tmp_path: Path) -> None:
    made = spec(name)
    fill(made, tmp_path / "results")
    for path in render(made, tmp_path / "results", tmp_path):
        if path.suffix == ".tex":
            log = compiled(path.read_text(), tmp_path)
            for bad in ("Missing character", "Float too large", "Overfull"):
                assert bad not in log, log


def test_models_of_another_width_have_no_difference_from_the_papers(tmp_path: Path) -> None:
    at = {scale: Study(config.load(ROOT / "params.yaml", given={"scale": scale})) for scale in ("cpu", "paper")}
    render(at["cpu"].tables["table13"], ROOT / "results", tmp_path)
    line = read(tmp_path / "table13_compare.csv")["BERT-6: ACH"]
    assert line["mid_channels"] == "338" and line["mid_channels_difference"] == ""
    assert "no difference: 128 channels in place of 768" in (tmp_path / "table13_compare.md").read_text()
    assert at["paper"].tables["table13"].source("text_models").other_models is None, "as wide as the paper's"
