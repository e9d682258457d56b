"""The small files that metrics and plots are read from: the numbers of the CSV, a file a row, nothing left over."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hadaptive.paper.spec import MetricsSpec, TableSpec, metrics_paths
from hadaptive.paper.tables import metrics, render


def test_a_row_s_file_holds_the_numbers_of_its_cells(
    make_spec: Callable[..., TableSpec], fill: Any, tmp_path: Path
) -> None:
    table = make_spec()
    fill(table, tmp_path)
    spec = MetricsSpec(scale="cpu", tables={"table7": table})
    stale = tmp_path / "cpu/metrics/table7/gone-base.json"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    assert MetricsSpec.model_validate_json(spec.model_dump_json(exclude_defaults=True)) == spec
    written = metrics.write(spec, tmp_path)
    assert not stale.exists() and set(metrics_paths(spec, tmp_path)["table7"].values()) < set(written)
    render.render(table, tmp_path, tmp_path)
    with (tmp_path / "table7.csv").open() as file:
        rows = {(row["model"], row["variant"]): row for row in csv.DictReader(file)}
    for row, path in metrics_paths(spec, tmp_path)["table7"].items():
        values = json.loads(path.read_text())
        assert set(values) == {"params_m", "flops_m", "latency_cpu_ms", "cifar100_top1"}, (
            "what has no number is left out"
        )
        assert {key: f"{value:.10g}" for key, value in values.items()} == {key: rows[row][key] for key in values}


def test_rows_that_are_not_run_have_no_file(make_spec: Callable[..., TableSpec]) -> None:
    table = make_spec()
    chosen = table.rows[0].model
    sources = {name: source.model_copy(update={"selected": (chosen,)}) for name, source in table.sources.items()}
    spec = MetricsSpec(scale="cpu", tables={"table7": table.model_copy(update={"sources": sources})})
    assert list(metrics_paths(spec)["table7"]) == [(chosen, table.rows[0].variant)]


def test_curves_are_the_finished_trainings_each_once(
    make_spec: Callable[..., TableSpec], fill: Any, write: Any, tmp_path: Path
) -> None:
    table = make_spec()
    records = fill(table, tmp_path)
    ids = [record_id for record_id in records if record_id.startswith("cifar100/")]
    curve = [
        {"epoch": n, "lr": 0.1, "tau": {"a": 1}, "train_loss": 1 / n, "test_loss": None, "test_top1": 10.0 * n}
        for n in (1, 2)
    ]
    write(tmp_path, {**records[ids[0]], "curve": curve})
    write(tmp_path, {**records[ids[1]], "curve": curve, "status": "diverged at epoch 2"})
    spec = MetricsSpec(scale="cpu", tables={"table7": table, "again": table})
    assert list(metrics.curves(spec, tmp_path)) == [
        (ids[0], 1, "test_top1", 10.0), (ids[0], 1, "train_loss", 1.0),
        (ids[0], 2, "test_top1", 20.0), (ids[0], 2, "train_loss", 0.5),
    ]  # fmt: skip
