"""One cell of a table in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hadaptive.errors import UserError, nearest
from hadaptive.paper.bundle.provenance import MEANS, Place, evidence, machine, place, reproduce, shown
from hadaptive.paper.order import called
from hadaptive.paper.spec import TableSpec
from hadaptive.paper.tables.frame import Frame
from hadaptive.record import SEALED


def cell_text(tables: Mapping[str, TableSpec], table: str, row: str, column: str, results_root: Path) -> str:
    """The value of a cell, its records and the command that reproduces it.

    `row` is a label or model/variant, `column` one of the CSV, shown in the table or not. UserError for an unknown
    table, row or column, with the nearest name.
    """
    if table not in tables:
        raise UserError(f"no table {table!r}.{nearest(table, list(tables))}")
    frame, compared = shown(tables[table], results_root)
    rows = {name: n for n, each in enumerate(frame.spec.rows) for name in (f"{each.model}/{each.variant}", each.label)}
    columns = {each.key: each for each in frame.columns if each.role == "measured"}
    if row not in rows:
        raise UserError(f"{called(table)} has no row {row!r}.{nearest(row, list(rows))}")
    if column not in columns:
        shown_first = sorted((key for key in columns if key.startswith(column)), key=lambda key: not columns[key].shown)
        raise UserError(f"{called(table)} has no column {column!r}.{nearest(column, shown_first[:1] or list(columns))}")
    return "\n".join(_lines(frame, place(frame, compared, columns[column], rows[row]), results_root))


def _lines(frame: Frame, at: Place, results_root: Path) -> Iterator[str]:
    cell, column, scale = at.cell, at.column, frame.spec.scale
    assert cell is not None
    name = f"{column.over} {column.title}".strip() or column.key
    yield f"{called(frame.spec.table)}, {at.row.label}, {name}, scale {scale}"
    if frame.spec.demonstration:
        yield "Demonstration, not a result."
    unit = f" {column.unit}" if column.unit else ""
    if cell.value is None:
        assert cell.remark is not None
        yield f"empty: {cell.remark.text}"
    else:
        spread = "" if cell.std is None else f" ± {cell.std:.4g} over {cell.n} seeds"
        yield f"{cell.value:.10g}{unit}{spread}"
        for remark in cell.remarks:
            yield remark.text
    if at.published is not None:
        yield f"published: {at.published.printed or 'nothing'}"
    if at.difference is not None and at.difference.value is not None:
        yield f"here minus paper: {at.difference.value:+.{column.digits}f}"
    for record_id in cell.records:
        found = evidence(frame.spec, record_id, results_root)
        yield ""
        yield f"{record_id}: {found.status}"
        yield f"  {found.path}"
        if found.reference:
            yield "  reference record"
        if column.metric:
            yield f"  metrics: {column.metric_of(at.row)}"
        if found.record:
            ran = found.record.environment
            yield f"  {machine(ran)}, commit {ran.git_commit}"
        yield f"  record {found.seal}" + ("" if found.seal == SEALED else f": {MEANS[found.seal]}")
    yield ""
    yield "reproduce this cell:"
    yield f"  {reproduce(frame.spec, cell.records)}"
