"""A table's columns and cells, before any typesetting: what the frames of all tables share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hadaptive.paper.cells import Cell, R, Remark, aggregate, look_up, read_record
from hadaptive.paper.published import errata, published
from hadaptive.paper.spec import Row, TableSpec, record_ids, record_path
from hadaptive.record import Record

WORDS = ("said", "quoted")  # roles of columns that hold a row's words


@dataclass(frozen=True)
class Column:
    """A column: what it is called, where a measured one is read (source, metric, times factor), how it is set."""

    key: str  # its name in the CSV, and in the published table
    title: str
    source: str = ""
    metric: str = ""  # dotted path in the record's metrics; {variant} is the row's
    factor: float = 1.0
    unit: str = ""
    over: str = ""  # title spanning it and its neighbours
    digits: int = 2
    role: Literal["measured", "published", "difference", "said", "quoted"] = (
        "measured"  # said: words of the row; quoted: the paper's
    )
    published: str = ""  # its name in the published table, where it is not the key
    best: bool = False  # the greatest of each group in bold
    best_of_row: bool = False  # the greatest of each row in bold
    percent: bool = False  # every cell has its own per cent sign, and what is less than its digits can say is "<0.01%"
    arrow: bool = False  # an arrow says how it stands to the first of its group
    spread: bool = False  # deviations over seeds are shown
    shown: bool = True  # else in the CSV only
    left: bool = False  # words set from the left
    panel: int = 0  # number of the sub-table that shows it

    @property
    def name(self) -> str:
        """Title with unit: "Params (M)"."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Note:
    """A sentence on how the columns of a source came to be, beneath the table or in its caption."""

    source: str
    text: str
    in_caption: bool = False


@dataclass(frozen=True)
class Frame:
    """A table: rows (of the spec) by columns, a cell for each, and what is said around it.

    `cells[key]` has one cell a row. `stem` names the files. `parts` are the titles of sub-tables, if there are several.
    """

    stem: str
    spec: TableSpec
    title: str
    columns: tuple[Column, ...]
    cells: dict[str, list[Cell]]
    notes: tuple[Note, ...] = ()
    parts: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    rows_are: str = "Model"  # head of the first column
    turned: bool = False  # a row of the frame is a column of the table

    def panels(self) -> list[list[Column]]:
        """The shown columns by sub-table."""
        shown = [column for column in self.columns if column.shown]
        return [[c for c in shown if c.panel == number] for number in sorted({c.panel for c in shown})]


BLANK = Cell(remark=Remark.of("the row has no such column"), printed="-")


class Records:
    """The records a spec names, each read once; `cell` is the only way from a record to a table."""

    def __init__(self, spec: TableSpec, results_root: Path) -> None:
        self.spec, self.root = spec, results_root
        self._read: dict[str, Record | Remark] = {}

    def read(self, record_id: str) -> Record | Remark:
        if record_id not in self._read:
            self._read[record_id] = self.read_as(Record, record_id)
        return self._read[record_id]

    def read_as(self, kind: type[R], record_id: str) -> R | Remark:
        return read_record(record_path(self.spec, record_id, self.root), record_id, self.spec.scale, kind)

    def of(self, source: str) -> Iterator[Record]:
        """The usable records of a source, in row order."""
        for row in self.spec.rows if source in self.spec.sources else ():
            for record_id in record_ids(self.spec, row, source) if self.spec.why_not(row, source) is None else ():
                record = self.read(record_id)
                if not isinstance(record, Remark):
                    yield record

    def cell(self, row: Row, column: Column) -> Cell:
        """The measured cell of a row and a column, aggregated over the seeds."""
        if row.has is not None and column.key not in row.has:
            return BLANK
        why_not = self.spec.why_not(row, column.source)
        if why_not is not None:
            return Cell.empty(why_not)
        results: dict[str, float | Remark] = {}
        read = record_ids(self.spec, row, column.source)
        for record_id in read:
            number = look_up(self.read(record_id), column.metric.format(variant=row.variant))
            seed = record_id.rpartition("/")[2].replace("seed", "seed ")
            results[seed] = number if isinstance(number, Remark) else number * column.factor
        edited = any(self.read(each).edited for each in read)
        return replace(aggregate(results), records=tuple(read), edited=edited)

    def cells(self, columns: Sequence[Column]) -> dict[str, list[Cell]]:
        """All cells of some measured columns."""
        return {column.key: [self.cell(row, column) for row in self.spec.rows] for column in columns}

    def values(self, source: str, *names: str) -> str:
        """What the records of a source say at a path, each different value once: "1", or "1 or 2"."""
        found: dict[str, None] = {}
        for record in self.of(source):
            if (value := record.at(*names)) is not None:
                found[str(value)] = None
        return " or ".join(found)


def compare(frame: Frame, table: str, split: bool = True) -> Frame:
    """The frame with published, measured and difference side by side for each column that the paper has, and the
    errata beneath; what the paper does not have stands as measured.

    `table` is the published one. A difference is measured minus published; it is left empty where other data stand in
    for the paper's. With `split` the columns under one spanning title make one sub-table, so that each fits a page.
    """
    paper = published(table)
    printed = {key for row in paper.values() for key in row}
    spans = list(dict.fromkeys(column.over for column in frame.columns if column.shown)) if split else []
    columns: list[Column] = []
    cells = dict(frame.cells)
    for column in frame.columns:
        if not column.shown or column.role in WORDS:
            columns.append(column)
            continue
        panel = spans.index(column.over) if split else 0
        ours = replace(column, title="here", unit="", over=column.name, best=False, panel=panel)
        name = column.published or column.key
        if name not in printed:
            columns.append(ours)
            continue
        theirs = replace(
            ours, key=f"{column.key}_published", title="paper", role="published", spread=False, arrow=False
        )
        difference = replace(theirs, key=f"{column.key}_difference", title="diff.", role="difference")
        columns += [theirs, ours, difference]
        texts = [paper.get(row.published or row.label, {}).get(name, "") for row in frame.spec.rows]
        cells[theirs.key] = [
            _printed(text) if text or mine is not BLANK else BLANK
            for text, mine in zip(texts, cells[column.key], strict=True)
        ]
        stand_in = frame.spec.source(column.source).stand_in is not None
        pairs = zip(cells[ours.key], cells[theirs.key], strict=True)
        cells[difference.key] = [_difference(mine, printed, stand_in) for mine, printed in pairs]
    return replace(
        frame,
        stem=f"{frame.stem}_compare",
        title=f"{frame.title} Paper: as published; here: as measured; diff.: here minus paper.",
        parts=tuple(spans),
        turned=False,
        columns=tuple(columns),
        cells=cells,
        findings=tuple(erratum.line() for erratum in errata(table)),
    )


def showing(frame: Frame, *keys: str) -> Frame:
    """The frame with these columns shown, which otherwise stand in its CSV alone."""
    return replace(frame, columns=tuple(replace(c, shown=c.shown or c.key in keys) for c in frame.columns))


def _printed(text: str) -> Cell:
    """A published cell; what is printed as less than a number counts as 0."""
    if not text:
        return Cell.empty("not published")
    return Cell(0.0 if text.startswith("<") else float(text), printed=text)


def combined(cell: Cell, *of: Cell) -> Cell:
    """A cell computed from others: it was made from their records."""
    records = tuple(dict.fromkeys(each for one in of for each in one.records))
    return replace(cell, records=records, edited=any(one.edited for one in of))


def _difference(ours: Cell, theirs: Cell, stand_in: bool) -> Cell:
    if BLANK in (ours, theirs):
        return BLANK
    if ours.value is None or theirs.value is None:
        return Cell(remark=ours.remark if ours.value is None else theirs.remark)
    if stand_in:
        return Cell.empty("no difference: not the same data")
    return Cell(ours.value - theirs.value, edited=ours.edited)
