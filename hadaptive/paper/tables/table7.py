"""Table 7: comparison of efficient models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import Cell
from hadaptive.paper.spec import TableSpec
from hadaptive.paper.tables import notes
from hadaptive.paper.tables.frame import Column, Frame, Note, Records, beside
from hadaptive.paper.tables.notes import DEVICES

BESIDE = {  # as the paper measured, means and on a GPU ONNX Runtime: over and title of a column in the compare version
    "latency_gpu_onnx_mean_ms": ("GPU", "ONNX mean"),
    "latency_cpu_mean_ms": ("CPU", "mean"),
    "latency_mobile_mean_ms": ("Mobile", "mean"),
}
TASKS = {name: notes.TASKS[name] for name in ("cifar100", "imagenet1k")}  # of the paper's Table 7


def _table7_columns() -> Iterator[Column]:
    yield Column("params_m", "Params", "complexity", "parameters_inference", 1e-6, "M")
    yield Column("flops_m", "FLOPs", "complexity", "macs", 1e-6, "M", digits=0)
    for metric in ("parameters", "macs_training_form", "hadamard_products", "flops_all"):
        key = {"parameters": "params_training_form"}.get(metric, metric)
        yield Column(f"{key}_m", "", "complexity", metric, 1e-6, shown=False)
    for device, title in DEVICES.items():
        key = f"latency_{device}"
        yield Column(
            f"{key}_ms", title, "latency", f"{device}.median_ms", over="Latency (ms)", relative_to="MobileNetV3-S"
        )
        if device == "gpu":
            for number in ("mean", "median"):
                yield Column(f"{key}_onnx_{number}_ms", "", "latency", f"gpu_onnx.{number}_ms", shown=False)
        for number in ("mean", "iqr"):
            yield Column(f"{key}_{number}_ms", "", "latency", f"{device}.{number}_ms", shown=False)
    yield Column("latency_cpu_plain_ms", "", "latency", "cpu_plain.median_ms", shown=False)
    yield Column("latency_gpu_eager_ms", "", "latency", "gpu.eager.median_ms", shown=False)
    for task, title in TASKS.items():
        key = f"{task}_top1"
        yield Column(key, title, task, "top1_last", over="Top-1 accuracy (%)", best=True, spread=True)
        yield Column(f"{key}_best_on_test", "", task, "top1_best_on_test", shown=False)  # "the paper's protocol"
        yield Column(f"{task}_top5", "", task, "top5_last", shown=False)
        yield Column(f"{task}_train_top1", "", task, "train_top1_last", shown=False)


def frames(spec: TableSpec, results_root: Path) -> list[Frame]:
    """Table 7, comparison of efficient models, and its compare version.

    The paper's latencies are means, on the GPU by ONNX Runtime: the compare version has such beside the medians.

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
    frame, *compared = beside(frame, also=BESIDE)
    return [
        frame,
        *(
            replace(
                each,
                columns=tuple(_beside(column) for column in each.columns),
                notes=(*each.notes, *notes.latency(records, ("gpu_onnx",))),
            )
            for each in compared
        ),
    ]


def _beside(column: Column) -> Column:
    over, title = BESIDE.get(column.key, (column.over, column.title))
    return replace(column, over=over, title=title)


def _table7_notes(records: Records, cells: dict[str, list[Cell]]) -> Iterator[Note]:
    """The table's convention, and how the cells were measured as the records say it."""
    yield Note("complexity", notes.MACS, in_caption=True)
    yield from notes.counted(records, "inference form")
    yield from notes.latency(records, DEVICES)
    if any(cell.value is not None for cell in cells["latency_cpu_plain_ms"]):
        form = "Models with ACH run on the CPU in the fastest equivalent form of standard operators known here"
        yield Note("latency", f"{form}; the plain export is in the CSV.")
    for task in TASKS:
        yield from notes.accuracy(records, task, cells[f"{task}_top1"])
