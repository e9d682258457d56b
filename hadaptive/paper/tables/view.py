"""A frame as strings: numbers with their digits, marks and footnotes, the best in bold. The same for every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hadaptive.paper.cells import Cell, Remark
from hadaptive.paper.tables.frame import WORDS, Column, Frame


@dataclass(frozen=True)
class Shown:
    """A cell as it is set. `text` is "" where the cell is empty: then `mark` leads to the footnote with the reason.

    Without either the cell is blank: a tick that is not set.
    """

    text: str = ""
    spread: str = ""
    mark: str = ""
    bold: bool = False
    arrow: str = ""
    underlined: bool = False


@dataclass(frozen=True)
class Head:
    """A column's head; `mark` leads to a footnote that concerns the whole column.

    `text` stands under the column's span: its name, or the unit alone where the span has the title.
    """

    column: Column
    text: str
    mark: str = ""


@dataclass(frozen=True)
class Span:
    """A title over `width` columns of the typeset table, `first` to `last` (the label's column is 1).

    `rule` asks for a rule beneath, where it holds several together.
    """

    title: str
    first: int
    last: int
    rule: bool

    @property
    def width(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Line:
    """A table's line. `rule` asks for a rule above it, where a group begins; `mark` as a head's."""

    label: str
    cite: str
    cells: list[Shown]
    rule: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Panel:
    """One sub-table: its title ("" if it has none), heads, titles over several columns, lines, and what stands beneath.

    `footnotes` are (mark, text), by mark; `caption` and `notes` are the frame's sentences that concern its columns.
    """

    title: str
    heads: list[Head]
    spans: list[Span]
    lines: list[Line]
    footnotes: list[tuple[str, str]]
    caption: list[str]
    notes: list[str]


@dataclass
class _Footnotes:
    """Marks in the order of first use; remarks of one kind share one."""

    texts: dict[str, dict[str, None]] = field(default_factory=dict)

    def mark(self, *remarks: Remark) -> str:
        for remark in remarks:
            self.texts.setdefault(remark.kind, {})[remark.text] = None
        return ",".join(letters(list(self.texts).index(remark.kind)) for remark in remarks)

    def listed(self) -> list[tuple[str, str]]:
        return [
            (letters(n), next(iter(texts)) if len(texts) == 1 else f"{kind} (each case in the CSV)")
            for n, (kind, texts) in enumerate(self.texts.items())
        ]


def letters(number: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa"""
    head, last = divmod(number, 26)
    return (letters(head - 1) if head else "") + chr(ord("a") + last)


def number(value: float, digits: int, signed: bool = False) -> str:
    """A value with that many digits after the point, minus signs typographic; zero has no sign."""
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if not text.strip("+-0."):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def best(cells: Sequence[Cell], groups: Sequence[int], digits: int) -> list[bool]:
    """Which cells are the greatest of their group, compared as printed, so that what looks equal ties.

    A group with fewer than two measured cells has no best.
    """
    rounded = [None if cell.value is None else round(cell.value, digits) for cell in cells]
    found = []
    for value, group in zip(rounded, groups, strict=True):
        rivals = [v for v, g in zip(rounded, groups, strict=True) if g == group and v is not None]
        found.append(value is not None and len(rivals) > 1 and value == max(rivals))
    return found


def best_of_row(cells: Sequence[Cell], columns: Sequence[Column]) -> list[bool]:
    """Which cells are the greatest of their row, compared as printed; a row with fewer than two has none."""
    rounded = [None if c.value is None else round(c.value, k.digits) for c, k in zip(cells, columns, strict=True)]
    known = [value for value in rounded if value is not None]
    return [len(known) > 1 and value == max(known) for value in rounded]


def panels(frame: Frame) -> list[Panel]:
    """The frame's sub-tables, ready to be set."""
    parts = frame.panels()
    titles = frame.parts or [""] * len(parts)
    found = [_panel(frame, columns, title) for columns, title in zip(parts, titles, strict=True)]
    return [_turned(panel) for panel in found] if frame.turned else found


def _panel(frame: Frame, columns: list[Column], title: str) -> Panel:
    rows, footnotes = frame.spec.rows, _Footnotes()
    unit_only = [bool(column.unit) and not column.over for column in columns]
    heads = [
        Head(c, f"({c.unit})" if alone else c.name, footnotes.mark(*_stand_in(frame, c)))
        for c, alone in zip(columns, unit_only, strict=True)
    ]
    groups = [row.group for row in rows]
    bold = {c.key: best(frame.cells[c.key], groups, c.digits) if c.best else [False] * len(rows) for c in columns}
    for n in range(len(rows)):
        rivals = [c for c in columns if c.best_of_row]
        for c, first in zip(rivals, best_of_row([frame.cells[c.key][n] for c in rivals], rivals), strict=True):
            bold[c.key][n] |= first
    lines = [
        Line(
            row.label,
            row.cite,
            [
                Shown(row.words.get(c.key, ""), underlined=row.underlined)
                if c.role in WORDS
                else _shown(frame.cells[c.key], n, c, bold[c.key][n], groups, footnotes)
                for c in columns
            ],
            rule=n > 0 and row.group != groups[n - 1],
        )
        for n, row in enumerate(rows)
    ]
    concern = [note for note in frame.notes if note.source in {column.source for column in columns}]
    caption, notes = ([note.text for note in concern if note.in_caption is where] for where in (True, False))
    if any(map(any, bold.values())):
        by_row = any(column.best_of_row for column in columns)
        notes.append(f"Bold: the {'greatest of its row' if by_row else 'best of its group'}.")
    return Panel(title, heads, _spans(columns), lines, footnotes.listed(), caption, notes)


def _turned(panel: Panel) -> Panel:
    """The panel with lines and columns exchanged; its lines are few, so it has no groups."""
    spread = any(head.column.spread for head in panel.heads)
    heads = [
        Head(Column(str(n), line.label, spread=spread), f"{line.label} ({line.cite})" if line.cite else line.label)
        for n, line in enumerate(panel.lines)
    ]
    lines = [
        Line(head.column.name, "", [line.cells[n] for line in panel.lines], mark=head.mark)
        for n, head in enumerate(panel.heads)
    ]
    return replace(panel, heads=heads, spans=[], lines=lines)


def _spans(columns: list[Column]) -> list[Span]:
    """Neighbours with one `over` share a span; any other column has its own, with its title if it has a unit."""
    spans: list[Span] = []
    for n, column in enumerate(columns):
        first = spans[-1].last + 1 if spans else 2
        last = first + int(column.spread)  # a column with deviations is set as two
        if column.over and n and columns[n - 1].over == column.over:
            spans[-1] = Span(column.over, spans[-1].first, last, rule=True)
        else:
            title = column.over or (column.title if column.unit else "")
            spans.append(Span(title, first, last, rule=bool(column.over)))
    return spans


def _stand_in(frame: Frame, column: Column) -> list[Remark]:
    stand_in = frame.spec.source(column.source).stand_in if column.role == "measured" else None
    return [Remark.of(f"stand-in data: {stand_in}")] if stand_in else []


def _shown(
    cells: Sequence[Cell], n: int, column: Column, bold: bool, groups: Sequence[int], notes: _Footnotes
) -> Shown:
    cell = cells[n]
    if cell.value is None and cell.printed:
        return Shown(cell.printed)
    mark = notes.mark(*cell.remarks)
    if cell.value is None:
        return Shown(mark=mark)
    text = cell.printed or number(cell.value, column.digits, signed=column.role == "difference")
    spread = number(cell.std, column.digits) if column.spread and cell.std is not None else ""
    if column.percent and column.role == "measured" and 0 <= cell.value < 10**-column.digits:
        text, spread = f"<{number(10**-column.digits, column.digits)}", ""
    if column.percent:
        text, spread = (text, f"{spread}%") if spread else (f"{text}%", "")
    first = cells[groups.index(groups[n])]
    return Shown(text, spread, mark, bold, _arrow(cell, first, column.digits) if column.arrow else "")


def _arrow(cell: Cell, first: Cell, digits: int) -> str:
    """Up or down from the first of the group, compared as printed."""
    assert cell.value is not None
    change = 0.0 if first.value is None else round(cell.value, digits) - round(first.value, digits)
    return "↑" if change > 0 else "↓" if change < 0 else ""
