"""The tasks by name: what a Run of each is, which module trains it, the metric that sums it up. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from hadaptive.run import Classification, Detection, Run, Search, Text


@dataclass(frozen=True)
class Task:
    """`trainer` is a module with `train(run, job)`, which returns a Result (see `hadaptive.train.record`)."""

    run: type[Run]
    trainer: str
    metric: str  # key of a record's metrics
    label: str  # of that metric


CLASSIFICATION = Task(Classification, "hadaptive.train.classify", "top1_last", "top-1 (%)")
DETECTION = Task(Detection, "hadaptive.train.detect", "map_last", "mAP (%)")
TEXT = Task(Text, "hadaptive.train.text", "top1_last", "accuracy (%)")
SEARCH = Task(Search, "hadaptive.search.train", "top1_last", "top-1 (%) of the preferred architecture")
TASKS = {
    "cifar100": CLASSIFICATION,
    "imagenet1k": CLASSIFICATION,
    "coco": DETECTION,
    "sst2": TEXT,
    "mnli": TEXT,
    "search": SEARCH,
}
