"""Table 6 and the picture of detections: rows from params.yaml's `detection`. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hadaptive.config import DetectionTask, Params
from hadaptive.paper.spec import FigureSpec, Row, Source, TableSpec
from hadaptive.run import Detection
from hadaptive.study.selection import absent_tasks, options, seeds, selected

TASK = "coco"


def detections(params: Params, absent: Mapping[str, str]) -> Iterator[Detection]:
    """Every training of a detector, of the tasks that are not `absent`."""
    for task, settings in params.scales[params.scale].tasks.named().items():
        if task in absent or not isinstance(settings, DetectionTask):
            continue
        for model, entry in params.detection.items():
            for seed in seeds(params, model) if selected(params, model) else []:
                yield Detection(
                    scale=params.scale, task=task, model=model, variant=entry.variant,
                    options=options(params, entry.variant), dataset=settings.dataset, recipe=settings.recipe, seed=seed,
                )  # fmt: skip


def table6(params: Params, source: Source, about: str) -> TableSpec:
    """Table 6, from the `source` of the task."""
    rows = tuple(
        Row(model=model, variant=entry.variant, label=entry.label, cite=entry.cite, ours=entry.cite == "ours")
        for model, entry in params.detection.items()
    )
    return TableSpec(
        table="table6",
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=about,
        rows=rows,
        sources={TASK: source},
    )


def figure(params: Params, about: str) -> FigureSpec:
    """Detections drawn on sample images: those of the last of our nets that is trained, the largest."""
    ours = [run for run in detections(params, absent_tasks(params)) if params.detection[run.model].cite == "ours"]
    label = f"SSD on {params.detection[ours[-1].model].label}; " if ours else ""
    first = [run.id for run in ours if run.model == ours[-1].model][:1]
    return FigureSpec(
        figure="figure_detections",
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=f"{label}{about}",
        records=tuple(first),
    )
