"""Sentences on how cells were measured, as their records say it, shared by tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hadaptive.paper.cells import Cell
from hadaptive.paper.tables.frame import Note, Records

TASKS = {
    "cifar100": "CIFAR-100",
    "imagenet1k": "ImageNet-1k",
    "sst2": "SST-2",
    "mnli": "MNLI's matched validation set",
}
DEVICES = {"gpu": "GPU", "cpu": "CPU", "mobile": "Mobile"}
MACS = (  # in captions, of the counts that Table 7 calls FLOPs
    "FLOPs are multiply-accumulates of convolutions and linear layers, as in the paper's Table 7; norms, activations, "
    "pooling and Hadamard products count nothing."
)
NAMES = DEVICES | {"gpu_onnx": "GPU, ONNX Runtime"}
WHERE = ("device", "processor", "runtime")  # what a latency record may say of where it ran


def counted(records: Records, form: str) -> Iterator[Note]:
    """In which form, for how many classes and at which size parameters and FLOPs were counted."""
    classes, size = (records.values("complexity", "settings", name) for name in ("num_classes", "image_size"))
    if classes and size:
        yield Note("complexity", f"Parameters and FLOPs: {form}, {classes} classes, {size} px.")


def latency(records: Records, devices: Iterable[str]) -> Iterator[Note]:
    """How the latency on each device was measured."""
    for device in devices:
        measured = {name: records.values("latency", "metrics", device, name) for name in ("runs", "threads", *WHERE)}
        if measured["runs"]:
            threads = (
                f", {measured['threads']} thread{'' if measured['threads'] == '1' else 's'}"
                if measured["threads"]
                else ""
            )
            how = ", one CUDA graph" if device == "gpu" else ""
            where = "".join(f", {measured[name]}" for name in WHERE if measured[name])
            text = f"{NAMES[device]} latency: batch 1{threads}{how}, median of {measured['runs']} runs{where}."
            yield Note("latency", text)


def accuracy(records: Records, task: str, cells: Sequence[Cell]) -> Iterator[Note]:
    """On which data, after which epoch and over how many seeds the accuracies of a task were measured."""
    counts = sorted({cell.n for cell in cells if cell.n})
    if counts:
        several = f"mean and sample standard deviation over {counts[-1]} seeds"
        one = "one seed" if len(counts) == 1 else "one seed where no deviation is shown"
        seeds = one if counts[-1] == 1 else several if counts[0] > 1 else f"{several}, {one}"
        device = records.values(task, "environment", "device")
        where = f", trained on {device}" if device else ""
        data = f"the stand-in for {TASKS[task]}" if records.spec.source(task).stand_in else TASKS[task]
        yield Note(task, f"Accuracy on {data}: after the last epoch, {seeds}{where}.")
