"""The tidy table of all results: every number of every record once, and every table a group-by of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hadaptive
from hadaptive import cli, config, identity
from hadaptive.paper.spec import record_ids
from hadaptive.paper.tables import frames_of
from hadaptive.study import Study

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "results/reference/cpu"
KEY = ["id", "metric"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return hadaptive.results(scale="cpu")


def study() -> Study:
    return Study(config.load(ROOT / "params.yaml", {"scale": "cpu"}))


def numbers(value: Any, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], float]:
    """Every number of a JSON value by where it stands."""
    if isinstance(value, list):
        value = {str(n): each for n, each in enumerate(value) if isinstance(each, dict)}
    if isinstance(value, dict):
        return {key: number for name, each in value.items() for key, number in numbers(each, (*at, name)).items()}
    return {at: value} if isinstance(value, int | float) and not isinstance(value, bool) else {}


def test_every_number_of_every_committed_record_is_one_row(table: pd.DataFrame) -> None:
    shown = table[table["provenance"] == "reference record"]
    assert not table.duplicated(KEY).any()
    for path in sorted(COMMITTED.rglob("record.json")):
        record = json.loads(path.read_text())
        rows = shown[shown["id"] == record["id"]]
        expected = {".".join(at): number for at, number in numbers(record["metrics"]).items()}
        assert len(rows), record["id"]
        if record["status"] == "done":
            found = rows[rows["status"] == "done"].set_index("metric")["value"].to_dict()
            assert found == expected
        assert set(rows["commit"]) == {record["environment"]["git_commit"]} and set(rows["checksum"]) == {"unmodified"}
    training = table.query("id == 'cifar100/hadaptive_net_s/dysoft/seed1'").iloc[0]
    named = ["scale", "task", "model", "variant", "seed"]
    assert training[named].tolist() == ["cpu", "cifar100", "hadaptive_net_s", "dysoft", 1]


def test_what_has_no_value_has_a_reason(table: pd.DataFrame) -> None:
    empty = table["value"].isna()
    assert not (table.loc[empty, "status"] == "done").any() and (table.loc[~empty, "status"] == "done").all()
    assert set(table.loc[table["checksum"].isna(), "status"]) == {"not run"}
    gpu = table.query("task == 'latency' and metric == 'gpu'")
    assert len(gpu) and set(gpu["status"]) == {"no CUDA device"}


def test_cells_are_means_and_deviations_of_its_rows(table: pd.DataFrame) -> None:
    values = table.set_index(KEY)["value"]
    checked = 0
    for spec in study().tables.values():
        frame = frames_of(spec, ROOT / "results")[0]
        for column in frame.columns:
            for row, cell in zip(frame.spec.rows, frame.cells.get(column.key, ()), strict=False):
                if not column.metric or cell.value is None or column.source == "structure":
                    continue
                metric = column.metric_of(row)
                seeds = [values.get((each, metric), math.nan) for each in record_ids(spec, row, column.source)]
                found = pd.Series(seeds) * column.factor
                assert cell.value == pytest.approx(found.mean()) and cell.n == found.count()
                assert (cell.std or 0) == pytest.approx(0 if cell.std is None else found.std())
                checked += 1
    assert checked > 300


def test_the_files_are_the_same_table(table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert cli.main(["results", "--scale", "cpu", "--out", str(tmp_path)]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "results.parquet"), table)
    written = pd.read_csv(
        tmp_path / "results.csv",
        dtype={"seed": "Int64"},
        keep_default_na=False,
        na_values={name: [""] for name in table.columns.difference(["metric"])},
    )
    pd.testing.assert_frame_equal(written, table, check_dtype=False)


def test_an_unknown_scale_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(hadaptive.errors.UserError, match="scale"):
        hadaptive.results(scale="cpus")


def test_the_operator_and_the_workflow_need_no_pandas() -> None:
    reached = identity.closure("hadaptive.nn.ach")
    assert "hadaptive.nn.norms" in reached
    assert not [name for name in reached if "pandas" in identity._imports(name, identity._file(name))]
