"""What the tables and Runs say as plain numbers in small files, for tools that compare two states of a project.

Every row of a table is a JSON file with its measured cells, means over the seeds as in the table's CSV; every curve of
every Run behind the tables is lines of one CSV: run, epoch, quantity, value.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.spec import MetricsSpec, TableSpec, metrics_paths, record_ids, record_path
from hadaptive.paper.tables import frames_of
from hadaptive.records import write_json, write_text

NOT_LEARNING = ("epoch", "lr", "examples_per_s", "wall_s")  # of a curve: settings and speeds


def cells(spec: TableSpec, results_root: Path) -> dict[tuple[str, str], dict[str, float]]:
    """The measured cells of a table that show a number, by row (model, variant) and column."""
    frame = frames_of(spec, results_root)[0]
    columns = [column for column in frame.columns if column.shown and column.role == "measured"]
    found: dict[tuple[str, str], dict[str, float]] = {}
    for n, row in enumerate(spec.rows):
        values = {column.key: frame.cells[column.key][n].value for column in columns}
        found[row.model, row.variant] = {key: value for key, value in values.items() if value is not None}
    return found


def curves(spec: MetricsSpec, results_root: Path) -> Iterator[tuple[str, int, str, float]]:
    """(Run, epoch, quantity, value) of every finished training that a table reads, in the tables' order."""
    for record_id, table in dict(_trainings(spec)).items():
        record = read_record(record_path(table, record_id, results_root), record_id, spec.scale)
        for number, entry in enumerate([] if isinstance(record, Remark) else record.get("curve", []), 1):
            for quantity, value in _numbers(entry).items():
                yield record_id, entry.get("epoch", number), quantity, value


def write(spec: MetricsSpec, results_root: Path) -> list[Path]:
    """Write both below results_root/<scale>/ and delete the files of rows that are no more; returns the paths."""
    written = []
    for table, paths in metrics_paths(spec, results_root).items():
        values = cells(spec.tables[table], results_root)
        for row, path in paths.items():
            write_json(path, values[row])
            written.append(path)
    for path in (results_root / spec.scale / "metrics").glob("*/*.json"):
        if path not in written:
            path.unlink()
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(
        [("run", "epoch", "quantity", "value"), *curves(spec, results_root)]
    )
    written.append(results_root / spec.scale / "curves.csv")
    write_text(written[-1], lines.getvalue())
    return written


def _trainings(spec: MetricsSpec) -> Iterator[tuple[str, TableSpec]]:
    for table in spec.tables.values():
        for name, source in table.sources.items():
            for row in table.rows if source.seeds is not None else ():
                if table.why_not(row, name) is None:
                    yield from ((record_id, table) for record_id in record_ids(table, row, name))


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in entry.items()
        if name not in NOT_LEARNING and type(value) in (int, float) and math.isfinite(value)
    }
