"""Frames: a table's columns and cells, before any typesetting. One function a table, from records and nothing else.

A new table is an entry in ``params.yaml``, a function here, and its line in ``TABLES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hadaptive.paper.cells import Cell, Record, Remark, aggregate, look_up, read_record
from hadaptive.paper.published import errata, published
from hadaptive.paper.spec import Row, TableSpec, record_ids, record_path


@dataclass(frozen=True)
class Column:
    """A column: what it is called, where a measured one is read (source, metric, times factor), how it is set."""

    key: str  # its name in the CSV, and in the published table
    title: str
    source: str = ""
    metric: str = ""  # dotted path in the record's metrics
    factor: float = 1.0
    unit: str = ""
    over: str = ""  # title spanning it and its neighbours
    digits: int = 2
    role: Literal["measured", "published", "difference"] = "measured"
    best: bool = False  # the greatest of each group in bold
    spread: bool = False  # deviations over seeds are shown
    shown: bool = True  # else in the CSV only
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

    def panels(self) -> list[list[Column]]:
        """The shown columns by sub-table."""
        shown = [column for column in self.columns if column.shown]
        return [[c for c in shown if c.panel == number] for number in sorted({c.panel for c in shown})]


class Records:
    """The records a spec names, each read once; `cell` is the only way from a record to a table."""

    def __init__(self, spec: TableSpec, results_root: Path) -> None:
        self.spec, self.root = spec, results_root
        self._read: dict[str, Record | Remark] = {}

    def read(self, record_id: str) -> Record | Remark:
        if record_id not in self._read:
            path = record_path(self.spec, record_id, self.root)
            self._read[record_id] = read_record(path, record_id, self.spec.scale)
        return self._read[record_id]

    def of(self, source: str) -> Iterator[Record]:
        """The usable records of a source, in row order."""
        for row in self.spec.rows if source in self.spec.sources else ():
            for record_id in record_ids(self.spec, row, source) if self.spec.why_not(row, source) is None else ():
                record = self.read(record_id)
                if not isinstance(record, Remark):
                    yield record

    def cell(self, row: Row, column: Column) -> Cell:
        """The measured cell of a row and a column, aggregated over the seeds."""
        why_not = self.spec.why_not(row, column.source)
        if why_not is not None:
            return Cell.empty(why_not)
        results: dict[str, float | Remark] = {}
        for record_id in record_ids(self.spec, row, column.source):
            number = look_up(self.read(record_id), column.metric)
            seed = record_id.rpartition("/")[2].replace("seed", "seed ")
            results[seed] = number if isinstance(number, Remark) else number * column.factor
        return aggregate(results)

    def cells(self, columns: Sequence[Column]) -> dict[str, list[Cell]]:
        """All cells of some measured columns."""
        return {column.key: [self.cell(row, column) for row in self.spec.rows] for column in columns}

    def values(self, source: str, *names: str) -> str:
        """What the records of a source say at a path, each different value once: "1", or "1 or 2"."""
        found: dict[str, None] = {}
        for record in self.of(source):
            value: object = record
            for name in names:
                value = value.get(name) if isinstance(value, dict) else None
            if value is not None:
                found[str(value)] = None
        return " or ".join(found)


def compare(frame: Frame, table: str) -> Frame:
    """The frame with published, measured and difference side by side for each shown column, and the errata beneath.

    A difference is measured minus published; it is left empty where other data stand in for the paper's. Columns under
    one spanning title make one sub-table, so that each fits a page.
    """
    paper = published(table)
    spans = list(dict.fromkeys(column.over for column in frame.columns if column.shown))
    columns: list[Column] = []
    cells = dict(frame.cells)
    for column in frame.columns:
        if not column.shown:
            columns.append(column)
            continue
        ours = replace(column, title="here", unit="", over=column.name, best=False, panel=spans.index(column.over))
        theirs = replace(ours, key=f"{column.key}_published", title="paper", role="published", spread=False)
        difference = replace(theirs, key=f"{column.key}_difference", title="diff.", role="difference")
        columns += [theirs, ours, difference]
        texts = [paper.get(row.label, {}).get(column.key, "") for row in frame.spec.rows]
        cells[theirs.key] = [Cell(float(t), printed=t) if t else Cell.empty("not published") for t in texts]
        stand_in = frame.spec.source(column.source).stand_in is not None
        pairs = zip(cells[ours.key], cells[theirs.key], strict=True)
        cells[difference.key] = [_difference(mine, printed, stand_in) for mine, printed in pairs]
    return replace(
        frame,
        stem=f"{frame.stem}_compare",
        title=f"{frame.title} Paper: as published; here: as measured; diff.: here minus paper.",
        parts=tuple(spans),
        columns=tuple(columns),
        cells=cells,
        findings=tuple(erratum.line() for erratum in errata(table)),
    )


def _difference(ours: Cell, theirs: Cell, stand_in: bool) -> Cell:
    if ours.value is None or theirs.value is None:
        return Cell(remark=ours.remark if ours.value is None else theirs.remark)
    return Cell.empty("no difference: not the same data") if stand_in else Cell(ours.value - theirs.value)


DEVICES = {"gpu": "GPU", "cpu": "CPU", "mobile": "Mobile"}
WHERE = ("device", "processor", "runtime")  # what a latency record may say of where it ran
TASKS = {"cifar100": "CIFAR-100", "imagenet1k": "ImageNet-1k"}


def _table7_columns() -> Iterator[Column]:
    yield Column("params_m", "Params", "complexity", "parameters_inference", 1e-6, "M")
    yield Column("flops_m", "FLOPs", "complexity", "macs", 1e-6, "M", digits=0)
    for metric in ("parameters", "macs_training_form", "hadamard_products", "flops_all"):
        key = {"parameters": "params_training_form"}.get(metric, metric)
        yield Column(f"{key}_m", "", "complexity", metric, 1e-6, shown=False)
    for device, title in DEVICES.items():
        key = f"latency_{device}"
        yield Column(f"{key}_ms", title, "latency", f"{device}.median_ms", over="Latency (ms)")
        for number in ("mean", "iqr"):
            yield Column(f"{key}_{number}_ms", "", "latency", f"{device}.{number}_ms", shown=False)
    yield Column("latency_gpu_eager_ms", "", "latency", "gpu.eager.median_ms", shown=False)
    for task, title in TASKS.items():
        key = f"{task}_top1"
        yield Column(key, title, task, "top1_last", over="Top-1 accuracy (%)", best=True, spread=True)
        yield Column(f"{key}_best_on_test", "", task, "top1_best_on_test", shown=False)  # "the paper's protocol"
        yield Column(f"{task}_top5", "", task, "top5_last", shown=False)
        yield Column(f"{task}_train_top1", "", task, "train_top1_last", shown=False)


def table7(spec: TableSpec, results_root: Path) -> list[Frame]:
    """Table 7, comparison of efficient models, and its compare version.

    Accuracy is the last epoch's, never selected on test; best-on-test is in the CSV. The paper mixes 100 and 1000
    classes, training and inference form; here one convention holds for all models, and the training form is in the CSV.
    """
    records = Records(spec, results_root)
    columns = tuple(_table7_columns())
    cells = records.cells(columns)
    frame = Frame(
        stem="table7",
        spec=spec,
        title="Comparison of efficient models (the paper's Table 7).",
        columns=columns,
        cells=cells,
        notes=tuple(_table7_notes(records, cells)),
    )
    return [frame, compare(frame, "table7")]


def _table7_notes(records: Records, cells: dict[str, list[Cell]]) -> Iterator[Note]:
    """The table's convention, and how the cells were measured as the records say it."""
    convention = "FLOPs are multiply-accumulates of convolutions and linear layers, as in the paper's Table 7."
    yield Note("complexity", convention, in_caption=True)
    classes, size = (records.values("complexity", "settings", name) for name in ("num_classes", "image_size"))
    if classes and size:
        yield Note("complexity", f"Parameters and FLOPs: inference form, {classes} classes, {size} px.")
    for device, title in DEVICES.items():
        said = {name: records.values("latency", "metrics", device, name) for name in ("runs", "threads", *WHERE)}
        if said["runs"]:
            threads = f", {said['threads']} thread{'' if said['threads'] == '1' else 's'}" if said["threads"] else ""
            how = ", one CUDA graph" if device == "gpu" else ""
            where = "".join(f", {said[name]}" for name in WHERE if said[name])
            yield Note("latency", f"{title} latency: batch 1{threads}{how}, median of {said['runs']} runs{where}.")
    for task in TASKS:
        n = max(cell.n for cell in cells[f"{task}_top1"])
        seeds = f"mean and sample standard deviation over {n} seeds" if n > 1 else "one seed"
        if n:
            data = "the stand-in data" if records.spec.source(task).stand_in else TASKS[task]
            yield Note(task, f"Accuracy on {data}: after the last epoch, {seeds}.")


TABLES: dict[str, Callable[[TableSpec, Path], list[Frame]]] = {"table7": table7}
