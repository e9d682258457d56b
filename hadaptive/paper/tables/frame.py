"""A table's columns and cells, before any typesetting: what the frames of all tables share.

Cells are group-bys of the tidy table in `hadaptive.paper.results`; pandas is imported where they are made, as planning
reads this module and needs no pandas.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hadaptive.paper.cells import Cell, R, Remark, look_up, read_record
from hadaptive.paper.published import errata, published
from hadaptive.paper.spec import Row, TableSpec, record_ids, record_ids_needed, record_path
from hadaptive.record import Record

if TYPE_CHECKING:
    import pandas as pd

WORDS = ("words", "quoted")  # roles of columns that hold a row's words


@dataclass(frozen=True)
class Column:
    """A column: what it is called, where a measured one is read (source, metric, times factor), how it is set."""

    key: str  # its name in the CSV, and in the published table
    title: str
    source: str = ""
    metric: str = ""  # dotted path in the record's metrics; {model} and {variant} are the row's
    factor: float = 1.0
    unit: str = ""
    over: str = ""  # title spanning it and its neighbours
    digits: int = 2
    role: Literal["measured", "published", "difference", "words", "quoted"] = (
        "measured"  # words: those of the row; quoted: the paper's
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
    relative_to: str = ""  # measured on another machine than the paper's: compared as ratios to the row of this label

    @property
    def name(self) -> str:
        """Title with unit: "Params (M)"."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def metric_of(self, row: Row) -> str:
        """The path of a row's number in its record's metrics."""
        return self.metric.format(model=row.model, variant=row.variant)


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


BLANK = Cell(remark=Remark.of("the row has no such column"), printed="-")  # no cell at all; counted nowhere


class Records:
    """The records that a spec names, and the cells made of them."""

    def __init__(self, spec: TableSpec, results_root: Path) -> None:
        self.spec, self.root = spec, results_root

    @cached_property
    def table(self) -> pd.DataFrame:
        """All their metrics (see `results.tidy`)."""
        from hadaptive.paper.results import tidy

        paths = {each: record_path(self.spec, each, self.root) for each in record_ids_needed(self.spec)}
        return tidy(paths, self.spec.scale, self.spec.reference)

    def read(self, record_id: str) -> Record | Remark:
        """A record, or why it cannot be used."""
        return self.read_as(Record, record_id)

    def read_as(self, kind: type[R], record_id: str) -> R | Remark:
        """A record of a kind, or why it cannot be used."""
        return read_record(record_path(self.spec, record_id, self.root), record_id, self.spec.scale, kind)

    def of(self, source: str) -> Iterator[Record]:
        """The usable records of a source, in row order."""
        for row in self.spec.rows if source in self.spec.sources else ():
            for record_id in record_ids(self.spec, row, source) if self.spec.why_not(row, source) is None else ():
                record = self.read(record_id)
                if not isinstance(record, Remark):
                    yield record

    def cells(self, columns: Sequence[Column]) -> dict[str, list[Cell]]:
        """The cells of some measured columns, in row order: means over the seeds, or why there are none."""
        import pandas as pd

        from hadaptive.paper.results import aggregate

        fixed: dict[tuple[int, str], Cell] = {}
        asked = []
        for n, row in enumerate(self.spec.rows):
            for column in columns:
                if row.has is not None and column.key not in row.has:
                    fixed[n, column.key] = BLANK
                elif (why_not := self.spec.why_not(row, column.source)) is not None:
                    fixed[n, column.key] = Cell.empty(why_not)
                else:
                    metric = column.metric_of(row)
                    ids = record_ids(self.spec, row, column.source)
                    asked += [(n, column.key, each, metric, column.factor) for each in ids]
        wanted = pd.DataFrame(asked, columns=["row", "column", "id", "asked", "factor"])
        found = self._numbers(wanted)
        cells = {**fixed, **aggregate(found, "row", "column")}
        return {column.key: [cells[n, column.key] for n in range(len(self.spec.rows))] for column in columns}

    def _numbers(self, wanted: pd.DataFrame) -> pd.DataFrame:
        """For each record and metric asked for the value in the column's unit; without one, the reason."""
        whole = self.table.drop_duplicates("id")[["id", "seed", "checksum"]]
        numbers = self.table[["id", "metric", "value", "status"]].rename(columns={"metric": "asked"})
        found = wanted.merge(whole, on="id", how="left").merge(numbers, on=["id", "asked"], how="left")
        found["value"] *= found["factor"]
        lacking = found["status"].isna()
        whys = [
            look_up(self.read(record), metric)
            for record, metric in found.loc[lacking, ["id", "asked"]].itertuples(False)
        ]
        found.loc[lacking, "status"] = [why.text for why in whys if isinstance(why, Remark)]
        return found

    def values(self, source: str, *names: str) -> str:
        """What the records of a source say at a path, each different value once: "1", or "1 or 2"."""
        found: dict[str, None] = {}
        for record in self.of(source):
            if (value := record.at(*names)) is not None:
                found[str(value)] = None
        return " or ".join(found)


def beside(frame: Frame, split: bool = True, also: Collection[str] = ()) -> list[Frame]:
    """The frame alone where the paper has no such table, otherwise with its version beside the published values.

    That has published, measured and difference side by side for each column that the paper has, and the errata beneath;
    what the paper does not have stands as measured. A difference is measured minus published; it is left empty where
    other data stand in for the paper's. With `split` the columns under one spanning title make one sub-table, so that
    each fits a page. The columns `also` stand there too, otherwise in the CSV alone.
    """
    table = frame.spec.printed_as
    if table is None:
        return [frame]
    columns = tuple(replace(column, shown=column.shown or column.key in also) for column in frame.columns)
    return [frame, _compared(replace(frame, columns=columns), table, split)]


def _compared(frame: Frame, table: str, split: bool) -> Frame:
    import pandas as pd

    paper = pd.DataFrame.from_dict(dict(published(table)), orient="index")
    names = pd.DataFrame({"name": [row.published or row.label for row in frame.spec.rows]})
    texts = names.join(paper, on="name").drop(columns="name").fillna("")  # one row of the paper may stand beside two
    numbers = texts.mask(texts.apply(lambda column: column.str.startswith("<")), "0").apply(
        pd.to_numeric, errors="coerce"
    )
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
        if name not in paper:
            columns.append(ours)
            continue
        theirs = replace(
            ours, key=f"{column.key}_published", title="paper", role="published", spread=False, arrow=False
        )
        title = "ratio diff." if column.relative_to else "diff."
        difference = replace(theirs, key=f"{column.key}_difference", title=title, role="difference")
        columns += [theirs, ours, difference]
        mine = cells[ours.key]
        cells[theirs.key] = [
            Cell(value, printed=text) if text else BLANK if cell is BLANK else Cell.empty("not published")
            for text, value, cell in zip(texts[name], numbers[name], mine, strict=True)
        ]
        values, printed_values = pd.Series([cell.value for cell in mine], dtype=float), numbers[name]
        if column.relative_to:
            base = pd.Series([row.label == column.relative_to for row in frame.spec.rows])
            values, printed_values = (each / each[base].max() for each in (values, printed_values))
        gaps = values - printed_values
        source = frame.spec.source(column.source)
        unlike = source.other_models or ("not the same data" if source.stand_in else "")
        cells[difference.key] = [
            _difference(gap, cell, printed, unlike, column.relative_to)
            for gap, cell, printed in zip(gaps, mine, cells[theirs.key], strict=True)
        ]
    return replace(
        frame,
        stem=f"{frame.stem}_compare",
        title=f"{frame.title} Paper: as published; here: as measured; diff.: here minus paper.",
        notes=(*frame.notes, *_ratio_notes(columns)),
        parts=tuple(spans),
        turned=False,
        columns=tuple(columns),
        cells=cells,
        findings=tuple(erratum.line() for erratum in errata(table)),
    )


def _ratio_notes(columns: Sequence[Column]) -> Iterator[Note]:
    """That latencies of different machines are compared as ratios, for each source that has some."""
    differences = [column for column in columns if column.relative_to and column.role == "difference"]
    for source, label in dict.fromkeys((column.source, column.relative_to) for column in differences):
        yield Note(source, f"Other machines than the paper's: diff. is that of the ratios to {label}.")


def combined(cell: Cell, *of: Cell) -> Cell:
    """A cell computed from others: it was made from their records."""
    records = tuple(dict.fromkeys(each for one in of for each in one.records))
    return replace(cell, records=records, edited=any(one.edited for one in of))


def _difference(gap: float, ours: Cell, theirs: Cell, unlike: str, relative_to: str) -> Cell:
    if BLANK in (ours, theirs):
        return BLANK
    if ours.value is None or theirs.value is None:
        return Cell(remark=ours.remark if ours.value is None else theirs.remark)
    if unlike:
        return Cell.empty(f"no difference: {unlike}")
    if math.isnan(gap):
        return Cell.empty(f"no ratio: no latency of {relative_to}")
    return Cell(gap, edited=ours.edited)
