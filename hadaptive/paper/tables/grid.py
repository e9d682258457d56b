"""Frames of the tables in `layouts`: one function for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import Cell
from hadaptive.paper.spec import TableSpec
from hadaptive.paper.tables import notes
from hadaptive.paper.tables.frame import Frame, Note, Records, beside
from hadaptive.paper.tables.layouts import LAYOUTS, Layout
from hadaptive.paper.tables.notes import TASKS

TITAN = "The paper's latency: NVIDIA RTX TITAN, ONNX Runtime, and a CUDA operator of its own for Hadaptive-Net."


def sources(layout: Layout) -> list[str]:
    """What the layout's columns read, in their order."""
    return list(dict.fromkeys(column.source for column in layout.columns if column.role == "measured"))


def frames(spec: TableSpec, results_root: Path) -> list[Frame]:
    """The table and its compare version."""
    layout, records = LAYOUTS[spec.table], Records(spec, results_root)
    columns = [column for column in layout.columns if column.role == "measured"]
    cells = records.cells([column for column in columns if column.key not in layout.derived])
    cells |= {key: derive(cells) for key, derive in layout.derived.items()}
    notes = tuple(_notes(layout, records, cells))
    frame = Frame(
        stem=spec.table,
        spec=spec,
        title=layout.title,
        columns=layout.columns,
        cells=cells,
        notes=notes,
        rows_are=layout.rows_are,
        turned=layout.turned,
    )
    _, *compared = beside(frame, split=layout.split)
    if "latency" in spec.sources:
        compared = [replace(each, notes=(*each.notes, Note("latency", TITAN))) for each in compared]
    return [frame, *compared]


def _notes(layout: Layout, records: Records, cells: dict[str, list[Cell]]) -> Iterator[Note]:
    """What the layout says, once for the table, and how the cells were measured as the records say it."""
    given = sources(layout)
    first = "complexity" if "complexity" in given else given[0]
    if layout.caption:
        yield Note(first, layout.caption, in_caption=True)
    for text in layout.notes:
        yield Note(first, text)
    if "complexity" in given:
        yield from notes.counted(records, "training form")
    if "latency" in given:
        yield from notes.latency(records, ("cpu", "gpu"))
    for task in TASKS:
        top1 = [c.key for c in layout.columns if c.source == task and c.metric == "top1_last"]
        if top1:
            yield from notes.accuracy(records, task, cells[top1[0]])
