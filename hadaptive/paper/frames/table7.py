"""Table 7: comparison of efficient models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hadaptive.paper.cells import Cell
from hadaptive.paper.frames.frame import Column, Frame, Note, Records, compare
from hadaptive.paper.spec import TableSpec

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


def frames(spec: TableSpec, results_root: Path) -> list[Frame]:
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
