"""The trainings, and what each depends on besides its settings. Imports no torch.

A Run that several tables share exists once, because its id says all it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hadaptive.config import FOUND, ClassificationTask
from hadaptive.data.settings import DATASETS, DataSettings
from hadaptive.run import ModelMeasure, Run
from hadaptive.study.selection import Selection
from hadaptive.tasks import SEARCH, TASKS


def trainings(selection: Selection) -> Iterator[Run]:
    """Yield every training of the chosen scale. Tasks whose data are absent are left out (see `Selection.absent`)."""
    for name, settings in selection.tasks.items():
        task = TASKS[name]
        if name in selection.absent or task is SEARCH:
            continue
        for model, variant in selection.trained_on(task):
            common = {
                "scale": selection.scale,
                "task": name,
                "model": model,
                "variant": variant,
                "options": selection.options(model, variant),
                "dataset": settings.dataset,
                "recipe": settings.recipe_for(model) if isinstance(settings, ClassificationTask) else settings.recipe,
            }
            for seed in selection.seeds(model):
                yield task.run.model_validate({**common, "seed": seed})
    yield from selection.searches


def manifests_of(run: Run, settings: DataSettings) -> list[str]:
    """Return the manifests of the prepared data that a Run is trained on: of an image folder also its shards'."""
    folder = f"data/prepared/{run.dataset}"
    if settings.shards and DATASETS[run.dataset].kind == "folder":
        return [f"{folder}/manifest.json", f"{folder}/{run.image_size}px/manifest.json"]
    return [f"{folder}/manifest.json"]


def depends_on(executed: Run | ModelMeasure) -> list[str]:
    """Return the records that must be there before a Run or a measurement can start, besides its data."""
    return [f"results/{executed.scale}/{search}/record.json" for search in executed.options.get("found_by", ())]


def code_of(model: str, options: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """List modules besides the zoo that make a model: ours and retrofits have some, so ACH retrains no baseline."""
    ours = ("hadaptive.nn.hadaptive_net",) if model.startswith("hadaptive_net") else ()
    ours = ("hadaptive.nn.found",) if model == FOUND else ours
    if (options or {}).get("feed_forward") == "ach":
        return ("hadaptive.nn.text_ach",)
    return (*ours, "hadaptive.nn.retrofit") if "retrofit" in (options or {}) else ours


def trainer_code(run: Run) -> tuple[str, ...]:
    """Return the modules whose code makes the result of a Run."""
    recipe = getattr(run, "recipe", None)  # of detection and text has no such option
    released = ("hadaptive.train.as_released",) if getattr(recipe, "as_released", False) else ()
    return (TASKS[run.task].trainer, *code_of(run.model, run.options), *released)
