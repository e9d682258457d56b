"""Which type a record has. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hadaptive.record.measures import (
    ComplexityRecord,
    DetectorsRecord,
    ExpansionsRecord,
    ExplainRecord,
    ImplementationsRecord,
    LatencyRecord,
    StructureRecord,
    SweepRecord,
    TextModelsRecord,
    VarianceRecord,
)
from hadaptive.record.parts import Record, SkippedRecord
from hadaptive.record.trainings import ClassificationRecord, DetectionRecord, SearchRecord, TextRecord, TrainingRecord
from hadaptive.tasks import CLASSIFICATION, DETECTION, SEARCH, TASKS, TEXT, Task

MEASURES: dict[str, type[Record]] = {
    "complexity": ComplexityRecord,
    "latency": LatencyRecord,
    "structure": StructureRecord,
    "variance": VarianceRecord,
    "expansions": ExpansionsRecord,
    "detectors": DetectorsRecord,
    "text_models": TextModelsRecord,
    "explain": ExplainRecord,
    "kernels/table4": ImplementationsRecord,
    "kernels/figure7": SweepRecord,
}
TRAININGS: dict[Task, type[TrainingRecord]] = {
    CLASSIFICATION: ClassificationRecord,
    DETECTION: DetectionRecord,
    TEXT: TextRecord,
    SEARCH: SearchRecord,
}


def kind_of(raw: Mapping[str, Any]) -> type[Record]:
    """Return the type of a record with these fields. Raises ValueError for an unknown kind."""
    kind = raw.get("kind")
    if kind == "training":
        run = raw.get("run")
        task = run.get("task") if isinstance(run, dict) else None
        model = TRAININGS.get(TASKS[task]) if isinstance(task, str) and task in TASKS else None
        return model or TrainingRecord
    name = raw.get("id") if kind == "kernels" else kind
    if not isinstance(name, str) or name not in MEASURES:
        raise ValueError(f"kind: there are no records of kind {str(name)[:80]!r}")
    skipped = raw.get("status") != "done" and not raw.get("metrics")
    return SkippedRecord if skipped else MEASURES[name]
