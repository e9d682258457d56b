"""Aggregation over seeds, and every way a record fails to give a number."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hadaptive.paper.cells import Cell, Remark, look_up, read_record
from hadaptive.paper.results import aggregate
from hadaptive.record import Record, TrainingRecord
from tests.records import completed

PERCENT = st.floats(0, 100)
FAILURES = st.sampled_from(["diverged at epoch 3", "diverged at epoch 4", "out of memory", "not run"]).map(Remark.of)


def aggregated(results: list[float | Remark]) -> Cell:
    """The cell of a row and a column, from one result a seed."""
    rows = [
        {"row": 0, "id": f"m/seed{n}", "seed": n, "checksum": "unmodified",
         "value": float("nan") if isinstance(result, Remark) else result,
         "status": result.text if isinstance(result, Remark) else "done"}
        for n, result in enumerate(results)
    ]  # fmt: skip
    (cell,) = aggregate(pd.DataFrame(rows), "row").values()
    return cell


@settings(max_examples=30)
@given(st.lists(PERCENT, min_size=1, max_size=6), st.randoms())
def test_mean_and_deviation_whatever_the_order(values: list[float], rng: Any) -> None:
    cell = aggregated(list(values))
    assert cell.value == pytest.approx(statistics.fmean(values))
    assert cell.n == len(values)
    assert cell.remark is None
    assert min(values) - 1e-9 <= cell.value <= max(values) + 1e-9
    expected = statistics.stdev(values) if len(values) > 1 else None  # n - 1 in the denominator
    assert cell.std == (expected if expected is None else pytest.approx(expected, rel=1e-12, abs=1e-12))
    rng.shuffle(values)
    again = aggregated(list(values))
    assert (again.value, again.n) == (pytest.approx(cell.value), cell.n)


@settings(max_examples=30)
@given(st.lists(PERCENT, max_size=4), st.lists(FAILURES, min_size=1, max_size=4))
def test_failed_seeds_are_counted_out_and_named(values: list[float], failures: list[Remark]) -> None:
    cell = aggregated([*values, *failures])
    assert cell.n == len(values)
    assert cell.remark is not None
    assert all(failure.text in cell.remark.text for failure in failures)
    if values:
        alone = aggregated(list(values))
        assert (cell.value, cell.std) == (pytest.approx(alone.value), pytest.approx(alone.std))
        assert cell.remark.text.startswith(f"{len(values)} of {len(values) + len(failures)} seeds, seed {len(values)}:")
    else:
        assert cell.value is None
        assert cell.remark.kind.count("diverged") <= 1


def test_sample_deviation_of_two_seeds() -> None:
    cell = aggregated([70.0, 72.0])
    assert (cell.value, cell.n) == (71.0, 2)
    assert cell.std == pytest.approx(2**0.5)


@pytest.mark.parametrize(
    ("metrics", "path", "found"),
    [
        ({"top1_last": 71}, "top1_last", 71.0),
        ({"cpu": {"status": "done", "median_ms": 1.5}}, "cpu.median_ms", 1.5),
        ({"gpu": {"status": "no CUDA device"}}, "gpu.median_ms", "no CUDA device"),
        ({"gpu": {"status": "no CUDA device"}}, "gpu.eager.median_ms", "no CUDA device"),
        ({}, "top1_last", "not recorded"),
        ({"cpu": 3}, "cpu.median_ms", "not recorded"),
        ({"top1_last": None}, "top1_last", "not reached"),
        ({"top1_last": "71.2"}, "top1_last", "not a finite number"),
        ({"top1_last": True}, "top1_last", "not a finite number"),
        ({"depth": [{"layer": 1}, {"layer": 2}]}, "depth.1.layer", 2.0),
        ({"depth": [{"layer": 1}]}, "depth.1.layer", "not recorded"),
    ],
)
def test_look_up(metrics: dict[str, Any], path: str, found: float | str) -> None:
    result = look_up(
        Record.of({"schema": 1, "id": "m", "scale": "cpu", "kind": "m", "status": "done", "metrics": metrics}), path
    )
    assert (result.text if isinstance(result, Remark) else result) == found


GOOD = completed({"id": "cifar100/m/base/seed0", "scale": "demo", "metrics": {"top1_last": 12.5}})
OTHER = completed({"id": "cifar100/m/base/seed1", "scale": "demo"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "not run"),
        ("", "record damaged"),
        (json.dumps(GOOD)[:-5], "record damaged"),
        ("\udcff", "record damaged"),
        ("[1]", "record damaged"),
        (json.dumps({**GOOD, "status": None}), "record damaged"),
        (json.dumps({**GOOD, "schema": 2}), "record of schema 2, not 1"),
        (json.dumps({**GOOD, "scale": "cpu"}), "record of another run"),
        (json.dumps(OTHER), "record of another run"),
        (json.dumps({**GOOD, "status": "diverged at epoch 7"}), "diverged at epoch 7"),
    ],
)
def test_records_that_give_no_number(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "record.json"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    assert read_record(path, GOOD["id"], "demo", TrainingRecord) == Remark.of(reason)


def test_a_good_record_is_read(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(GOOD))
    found = read_record(path, GOOD["id"], "demo", TrainingRecord)
    assert isinstance(found, TrainingRecord) and found.raw == GOOD and found.run.variant == "base"


def test_epochs_do_not_make_kinds() -> None:
    assert Remark.of("diverged at epoch 7").kind == Remark.of("diverged at epoch 12").kind == "diverged"


def test_an_empty_cell_needs_a_reason() -> None:
    with pytest.raises(AssertionError, match="needs a reason"):
        Cell()
