"""A table for the page: as measured, as published and the difference, in one; and for each cell its records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hadaptive.paper.bundle.provenance import Place, place, reproduce
from hadaptive.paper.order import subject
from hadaptive.paper.tables.frame import BLANK, Column, Frame
from hadaptive.paper.tables.view import Head, Panel, Shown, number, panels

Behind = Callable[[Place, Shown], tuple[int, bool]]  # a cell -> its number in the data; whether a record was edited


@dataclass(frozen=True)
class Td:
    """A cell: as measured, as published, the difference. `number` finds its records; words have none."""

    shown: Shown
    paper: str = ""
    difference: str = ""
    number: int | None = None
    edited: bool = False
    align: str = "number"


@dataclass(frozen=True)
class Th:
    """A head over `width` columns and `height` lines.

    `column` is the number of the column that it alone heads; `key` marks the column to see first on a phone.
    """

    text: str
    mark: str = ""
    width: int = 1
    height: int = 1
    column: int | None = None
    key: bool = False


@dataclass(frozen=True)
class Tr:
    label: str
    cite: str
    mark: str
    rule: bool
    cells: list[Td]


@dataclass(frozen=True)
class Part:
    """A sub-table."""

    title: str
    heads: list[list[Th]]
    lines: list[Tr]
    footnotes: list[tuple[str, str]]
    notes: list[str]


@dataclass(frozen=True)
class Table:
    """`data` goes to the page's script: of each cell where it stands, its numbers, its records by number."""

    name: str
    called: str
    subject: str
    caption: str
    rows_are: str
    compared: bool
    parts: list[Part]
    findings: tuple[str, ...]
    data: dict[str, Any]


def table(
    name: str, called: str, frame: Frame, compared: Frame | None, record: Callable[[str], tuple[int, bool]]
) -> Table:
    """The table of a frame. `record` gives a record's number on the page, and whether it was edited by hand."""
    cells: list[dict[str, Any]] = []
    commands: dict[str, int] = {}

    def behind(at: Place, how: Shown) -> tuple[int, bool]:
        assert at.cell is not None
        found = [record(each) for each in at.cell.records]
        command = commands.setdefault(reproduce(frame.spec, at.cell.records), len(commands))
        cells.append(_data(at, how) | {"records": [n for n, _ in found], "command": command})
        return len(cells) - 1, any(edited for _, edited in found)

    parts = [
        _part(frame, compared, columns, panel, behind)
        for columns, panel in zip(frame.panels(), panels(frame), strict=True)
    ]
    sentences = [sentence for panel in panels(frame) for sentence in panel.caption]
    return Table(
        name=name,
        called=called,
        subject=subject(name, frame.title),
        caption=" ".join((*dict.fromkeys(sentences), f"{frame.spec.about[:1].upper()}{frame.spec.about[1:]}.")),
        rows_are=frame.rows_are,
        compared=compared is not None and any(c.role == "published" for c in compared.columns),
        parts=parts,
        findings=compared.findings if compared else (),
        data={"called": called, "cells": cells, "commands": list(commands)},
    )


def _part(
    frame: Frame,
    compared: Frame | None,
    columns: list[Column],
    panel: Panel,
    behind: Behind,
) -> Part:
    lines = []
    for n, line in enumerate(panel.lines):
        tds = []
        for m, shown in enumerate(line.cells):
            column, row = (columns[n], m) if frame.turned else (columns[m], n)
            tds.append(_td(shown, place(frame, compared, column, row), behind))
        lines.append(Tr(line.label, line.cite, line.mark, line.rule, tds))
    if frame.turned:
        heads = [[Th(head.text, head.mark) for head in panel.heads]]
    else:
        heads = _heads(panel.heads, _key(frame, columns))
    return Part(panel.title, heads, lines, panel.footnotes, panel.notes)


def _td(shown: Shown, at: Place, behind: Behind) -> Td:
    if at.cell is None or at.cell is BLANK:  # words, or a candidate that the layer does not have
        return Td(shown, shown.text, shown.text, align="words")
    n, edited = behind(at, shown)
    paper = at.published.printed if at.published else ""
    value = at.difference.value if at.difference else None
    difference = "" if value is None else number(value, at.column.digits, signed=True)
    return Td(shown, paper, difference, n, edited)


def _key(frame: Frame, columns: list[Column]) -> int | None:
    """The first column of results, those whose best is bold, that has any; None where the table has none."""
    results = [n for n, column in enumerate(columns) if column.best]
    return next((n for n in results if any(cell.value is not None for cell in frame.cells[columns[n].key])), None)


def _heads(heads: list[Head], key: int | None) -> list[list[Th]]:
    """One line of heads, or two where a title spans several."""
    if not any(head.column.over for head in heads):
        return [[Th(head.column.name, head.mark, column=n, key=n == key) for n, head in enumerate(heads)]]
    upper: list[Th] = []
    lower: list[Th] = []
    before = ""
    for n, head in enumerate(heads):
        over = head.column.over
        if not over:
            upper.append(Th(head.column.name, head.mark, height=2, column=n, key=n == key))
        else:
            if over == before:
                upper[-1] = Th(over, width=upper[-1].width + 1)
            else:
                upper.append(Th(over))
            lower.append(Th(head.column.name, head.mark, column=n, key=n == key))
        before = over
    return [upper, lower]


def _data(at: Place, shown: Shown) -> dict[str, Any]:
    """A cell in words and exact numbers; what it does not have is left out."""
    assert at.cell is not None
    column, cell = at.column, at.cell
    times = "" if column.factor == 1 else f", times {column.factor:g}"
    title = f"{column.over}: {column.title}" if column.over else column.title
    fields: dict[str, Any] = {
        "key": f"{at.row.label}/{column.key}",  # as `hadaptive cell` takes it
        "row": at.row.label,
        "column": title,
        "shown": " ".join(
            part for part in (shown.text, f"± {shown.spread}" if shown.spread else "", column.unit) if part
        ),
        "metric": f"{column.source}: {column.metric_of(at.row)}{times}" if column.metric else "",
        "value": None if cell.value is None else f"{cell.value:.10g}",
        "std": None if cell.std is None else f"{cell.std:.4g}",
        "n": cell.n if cell.n > 1 else None,
        "remark": "; ".join(remark.text for remark in cell.remarks),
    }
    if at.published is not None:
        fields["paper"] = at.published.printed or "not published"
    if at.difference is not None and at.published is not None and at.published.printed:
        found = at.difference
        fields["difference"] = (
            found.remark.text if found.value is None and found.remark else number(found.value or 0, column.digits, True)
        )
    return {name: value for name, value in fields.items() if value not in (None, "")}
