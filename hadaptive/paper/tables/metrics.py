"""What the tables and Runs say as plain numbers in small files, for tools that compare two states of a project.

Every row of a table is a JSON file with its measured cells, means over the seeds as in the table's CSV; every curve of
every Run behind the tables is lines of one CSV: run, epoch, quantity, value.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.spec import MetricsSpec, TableSpec, metrics_paths, record_ids, record_path
from hadaptive.paper.tables import frames_of
from hadaptive.record import EDITED, TrainingRecord
from hadaptive.record.trainings import Epoch
from hadaptive.records import write_json, write_text

NOT_LEARNING = ("epoch", "lr", "examples_per_s", "wall_s")  # of a curve: settings and speeds


def cells(spec: TableSpec, results_root: Path) -> dict[tuple[str, str], dict[str, float]]:
    """The measured cells of a table that show a number, by row (model, variant) and column.

    Beside a cell of which a record was edited by hand stands `<column>_edited_by_hand`: 1.
    """
    frame = frames_of(spec, results_root)[0]
    columns = [column for column in frame.columns if column.shown and column.role == "measured"]
    found: dict[tuple[str, str], dict[str, float]] = {}
    for n, row in enumerate(spec.rows):
        values: dict[str, float] = {}
        for column in columns:
            cell = frame.cells[column.key][n]
            values |= {column.key: cell.value} if cell.value is not None else {}
            values |= {f"{column.key}_edited_by_hand": 1.0} if cell.edited else {}
        found[row.model, row.variant] = values
    return found


def curves(spec: MetricsSpec, results_root: Path) -> Iterator[tuple[str, int, str, float]]:
    """(Run, epoch, quantity, value) of every finished training that a table reads, in the tables' order."""
    for record_id, table in dict(_trainings(spec)).items():
        record = read_record(record_path(table, record_id, results_root), record_id, spec.scale, TrainingRecord)
        if isinstance(record, Remark):
            continue
        name = f"{record_id} ({EDITED})" if record.edited else record_id
        for number, epoch in enumerate(record.curve, 1):
            for quantity, value in _numbers(epoch).items():
                yield name, epoch.epoch or number, quantity, value


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


def _numbers(epoch: Epoch) -> dict[str, float]:
    values = sorted({**dict(epoch), **(epoch.model_extra or {})}.items())
    return {name: value for name, value in values if name not in NOT_LEARNING and type(value) in (int, float)}
