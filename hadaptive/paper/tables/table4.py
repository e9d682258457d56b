"""Table 4: Hadaptive-Net-L with each implementation of its ACH, on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import Cell, Remark
from hadaptive.paper.spec import TableSpec
from hadaptive.paper.tables.frame import Column, Frame, Note, Records, beside, combined

LATENCIES = {"latency": "eager", "latency_graph": "graph"}


def _columns() -> Iterator[Column]:
    yield Column("latency_ms", "Latency", "table4", "{variant}.eager.median_ms", unit="ms", relative_to="Native")
    yield Column("latency_graph_ms", "CUDA graph", "table4", "{variant}.graph.median_ms", unit="ms")
    yield Column("launches", "Launches", "table4", "{variant}.launches", digits=0)
    for key, part in LATENCIES.items():
        for number in ("mean", "iqr"):
            metric = f"{{variant}}.{part}.{number}_ms"
            yield Column(f"{key}_{number}_ms", f"Latency, {number}", "table4", metric, unit="ms", shown=False)


def frames(spec: TableSpec, results_root: Path) -> list[Frame]:
    """Table 4, acceleration performance, and its compare version.

    The paper's three rows and ours; beside the latency, that of the same forward pass replayed as one CUDA graph, and
    how many times faster than the first row each is.
    """
    records = Records(spec, results_root)
    columns = list(_columns())
    cells = records.cells(columns)
    for place, (key, title) in enumerate({"latency": "Times faster", "latency_graph": "Times faster, graph"}.items()):
        faster = Column(f"{key}_times_faster", title, "table4", shown=place == 0)
        cells[faster.key] = [_times_faster(cells[f"{key}_ms"][0], cell) for cell in cells[f"{key}_ms"]]
        columns.append(faster)
    frame = Frame(
        stem="table4",
        spec=spec,
        title="Acceleration of Hadaptive-Net-L on a GPU (the paper's Table 4).",
        columns=tuple(columns),
        cells=cells,
        notes=tuple(_notes(records)),
        rows_are="ACH by",
    )
    theirs = Note("table4", "The paper's latency: NVIDIA RTX TITAN, ONNX Runtime 1.16 (appendix A.4).")
    return [
        frame,
        *(
            replace(each, notes=(*each.notes, theirs))
            for each in beside(frame, split=False, also=["latency_mean_ms"])[1:]
        ),
    ]


def _times_faster(native: Cell, cell: Cell) -> Cell:
    if cell.value is None or native.value is None:
        empty = Cell(remark=cell.remark if cell.value is None else Remark.of("native not measured"))
        return combined(empty, native, cell)
    return combined(Cell(native.value / cell.value, n=1), native, cell)


def _notes(records: Records) -> Iterator[Note]:
    device, runs = (records.values("table4", "metrics", *path) for path in (("device",), ("native", "eager", "runs")))
    if device:
        size = records.values("table4", "settings", "image_size")
        how = f"batch 1, {size} px, float32, device idle before each run, median of {runs} runs, {device}"
        yield Note("table4", f"Latency: {how}; CUDA graph: the same forward pass replayed as one.")
        yield Note("table4", "Times faster: latency of the first row over that of the row.")
