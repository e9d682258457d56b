"""Table 9: as the net is built, in the paper's notation, beside the paper's; without a record."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

from hadaptive import config
from hadaptive.measure.structure import record
from hadaptive.paper.published import published
from hadaptive.paper.tables.render import render
from hadaptive.paper.tables.table9 import arguments
from hadaptive.study import Study
from tests.paper.test_compile import compiled

STUDY = Study(config.load(Path(__file__).resolve().parents[2] / "params.yaml"))
SPEC = STUDY.tables["table9"]


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    return record(STUDY.measures["structure/hadaptive_net_s/dysoft"])


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_net_as_built_is_the_paper_s_table(built: Any, write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", built)
    names = [path.name for path in render(SPEC, tmp_path / "results", tmp_path)]
    assert names == [f"table9{kind}.{end}" for kind in ("", "_compare") for end in ("tex", "md", "csv")]
    mine, beside = read(tmp_path / "table9.csv"), read(tmp_path / "table9_compare.csv")
    assert len(mine) == len(beside) == 16 and {line["agrees"] for line in beside} == {"✓"}
    assert mine[6]["arguments"] == "[96, 96, 'Hada', 16, 5, 1]" and mine[6]["width"] == "216"
    assert (
        mine[0]["arguments"] == "[3, 32, 2, 2] {BN, None}" and mine[0]["width_reason"] == "the row has no such column"
    )
    assert sum(float(line["parameters_k"]) for line in mine) == pytest.approx(2102.632)
    assert sum(float(line["macs_m"]) for line in mine) == pytest.approx(130.9944)
    assert "emonstration" not in (tmp_path / "table9.md").read_text()


def test_a_layer_that_differs_or_is_missing_is_said(built: Any, write: Any, tmp_path: Path) -> None:
    layers = [dict(layer) for layer in built["metrics"]["layers"][:15]]
    layers[6] |= {"kernel": 3}
    write(tmp_path / "results", {**built, "metrics": {"layers": layers}})
    render(SPEC, tmp_path / "results", tmp_path)
    lines = read(tmp_path / "table9_compare.csv")
    assert [line["label"] for line in lines if line["agrees"] != "✓"] == ["6", "15"]
    assert lines[6]["arguments"] == "[96, 96, 'Hada', 16, 3, 1]" and lines[6]["agrees"] == "no"
    assert lines[6]["arguments_published"] == "[96, 96, 'Hada', 16, 5, 1]" and lines[15]["arguments"] == ""


def test_without_a_record_nothing_is_filled_in(tmp_path: Path) -> None:
    render(SPEC, tmp_path / "results", tmp_path)
    (line,) = read(tmp_path / "table9.csv")
    assert (line["label"], line["arguments"], line["macs_m"], line["macs_m_reason"]) == ("all", "", "", "not run")
    beside = read(tmp_path / "table9_compare.csv")
    assert len(beside) == 16 and {line["agrees"] for line in beside} == {"not run"}
    assert not any(line["arguments"] for line in beside)


def test_the_notation_is_the_paper_s() -> None:
    said = {label: arguments(row) for label, row in published("table9").items()}
    assert said["3"] == "[32, 64, 'Ghost', 4.0, 2, 2]" and said["15"] == "[960, 100, 1280, 0.3]"
    assert said["14"] == "[128, 960, 1, 1] {BN, HS}"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles_within_the_page(built: Any, write: Any, tmp_path: Path) -> None:
    write(tmp_path / "results", built)
    for path in render(SPEC, tmp_path / "results", tmp_path):
        if path.suffix == ".tex":
            log = compiled(path.read_text(), tmp_path)
            assert "Overfull" not in log and "Missing character" not in log
