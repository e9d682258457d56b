"""From a cell to its records: which they are, whether they are as they were written, how to make them again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadaptive.paper.bundle.provenance import ABSENT, EDITED, SEALED, UNSEALED, evidence, places, reproduce, shown
from hadaptive.paper.order import PAPER, called, in_order
from hadaptive.paper.spec import FigureSpec
from hadaptive.paper.tables.frame import Frame
from hadaptive.records import seal
from tests.paper.bundle.conftest import Made
from tests.records import completed, put_sealed

RECORD = completed({"id": "latency/a/base", "scale": "demo", "metrics": {"x": 1.25}})
SPEC = FigureSpec(figure="a", scale="demo", about="a")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_a_seal_outlives_writing_and_reading(record: dict[str, Any]) -> None:
    assert seal(json.loads(json.dumps(record, indent=1))) == seal(record)


def test_a_seal_sees_every_kind_of_edit() -> None:
    edits = ({"metrics": {"x": 1.250001}}, {"status": "diverged"}, {"note": None}, {"metrics": {"x": "1.25"}})
    assert len({seal(RECORD), *(seal({**RECORD, **edit}) for edit in edits)}) == 1 + len(edits)
    assert seal({3: "a", 10: "b"}) == seal({"3": "a", "10": "b"})  # type: ignore[dict-item]


def test_what_a_record_is(tmp_path: Path) -> None:
    path = tmp_path / "demo/latency/a/base/record.json"

    def found() -> tuple[str, str]:
        each = evidence(SPEC, "latency/a/base", tmp_path)
        return each.seal, each.status

    assert found() == (ABSENT, "not run")
    put_sealed(tmp_path, RECORD)
    assert found() == (SEALED, "done")
    path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")))  # the same content, set otherwise
    assert found() == (SEALED, "done")
    path.write_text(path.read_text().replace("1.25", "99.9"))
    assert found() == (EDITED, "done")
    path.write_text(path.read_text().replace("99.9", "NaN"))
    assert found() == (ABSENT, "record damaged: NaN is not a finite number")
    path.write_text(json.dumps(RECORD))
    assert found() == (UNSEALED, "done")
    path.write_text("{")
    assert found()[0] == ABSENT and found()[1].startswith("record damaged: Expecting property name")
    shutil.copyfile(put_sealed(tmp_path, {**RECORD, "scale": "paper"}), path)
    assert found() == (SEALED, "record of another run")
    assert evidence(SPEC, "latency/a/base", tmp_path).record is None


def test_a_reference_record(tmp_path: Path) -> None:
    put_sealed(tmp_path / "reference", RECORD)
    assert evidence(SPEC, "latency/a/base", tmp_path).seal == ABSENT
    spec = SPEC.model_copy(update={"reference": ("latency/a/base",)})
    found = evidence(spec, "latency/a/base", tmp_path)
    assert found.reference and found.seal == SEALED and found.path.parts[-6:-4] == ("reference", "demo")


def frame(made: Made, name: str) -> tuple[Frame, Frame]:
    first, second = shown(made.spec.tables[name], made.results)
    assert second is not None
    return first, second


def test_every_measured_cell_knows_its_records(made: Made) -> None:
    for name in made.spec.tables:
        for at in places(*shown(made.spec.tables[name], made.results)):
            assert at.cell is not None
            assert at.cell.value is None or at.cell.records, f"{name} {at.row.label} {at.column.key}"


def test_a_cell_s_records_are_those_it_was_read_from(made: Made) -> None:
    found = {(at.row.label, at.column.key): at for at in places(*frame(made, "table7"))}
    at = found["Hadaptive-Net-S", "cifar100_top1"]
    assert at.cell is not None and at.cell.records == ("cifar100/hadaptive_net_s/dysoft/seed0",)
    record = json.loads(made.record(at.cell.records[0]).read_text())
    assert at.cell.value == record["metrics"]["top1_last"]
    assert at.published is not None and at.published.printed == "73.57"
    absent = found["Hadaptive-Net-S", "imagenet1k_top1"].cell
    assert absent is not None and absent.records == () and absent.remark is not None


def test_a_cell_computed_from_others_has_the_records_of_all(made: Made) -> None:
    at = next(at for at in places(*frame(made, "v1_table1")) if at.column.key == "accuracy_drop")
    stem = "cifar100/mobilenetv3_small_100/repl_v1"
    assert at.cell is not None and at.cell.records == (f"{stem}/seed0", f"{stem}_unnormalised/seed0")


def test_the_command_names_records_or_else_the_table(made: Made) -> None:
    spec = made.spec.tables["table7"]
    assert reproduce(spec, ["a/b", "c"]) == (
        "uv run snakemake --cores 8 results/demo/a/b/record.json results/demo/c/record.json --config scale=demo "
        "&& uv run hadaptive render table7 --scale demo"
    )
    reference = spec.model_copy(update={"reference": ("a/b",)})
    assert reproduce(reference, ["a/b"]).endswith("results/demo/a/b/record.json --config scale=demo reference=never")
    assert reproduce(spec, []) == "uv run snakemake --cores 8 paper_tables/table7.tex --config scale=demo"


def test_the_paper_s_order() -> None:
    mixed = ["v1_table5", "table13", "search", "table2", "figure3_table", "figure3", "v1_table1", "table10", "table9"]
    assert in_order(mixed) == ["table2", "figure3", "figure3_table", "table9", "table10", "table13", "search",
                               "v1_table1", "v1_table5"]  # fmt: skip
    assert in_order(reversed(PAPER)) == list(PAPER)


@pytest.mark.parametrize(
    ("name", "said"),
    [("table7", "Table 7"), ("figure_a2", "Figure A.2"), ("figure3_table", "Figure 3, numbers"),
     ("v1_table5", "Table 5 of the first version"), ("figure_detections", "Detections")],
)  # fmt: skip
def test_what_a_float_is_called(name: str, said: str) -> None:
    assert called(name) == said
