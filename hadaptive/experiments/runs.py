"""The trainings, derived from params.yaml alone. Imports no torch.

A Run that several tables share exists once, because its id says all it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hadaptive.config import FOUND, Params, Task
from hadaptive.data.settings import available
from hadaptive.errors import UserError, nearest
from hadaptive.experiments.search import found_options, found_pairs, searches
from hadaptive.run import Classification, Run
from hadaptive.tasks import TASKS


def options(params: Params, variant: str, model: str = "") -> dict[str, object]:
    """Keyword arguments that a variant gives its model's builder; `base` gives none. Of a found net: its searches."""
    if model == FOUND:
        return found_options(params, variant)
    return dict(params.variants[variant].options) if variant in params.variants else {}


def pairs(params: Params) -> list[tuple[str, str]]:
    """(model, variant) of every model selected: first the variant that Table 7 shows, then the others in file order.

    Last the nets that the searches find.
    """
    return [pair for pair in all_pairs(params) if selected(params, pair[0])] + found_pairs(params)


def all_pairs(params: Params) -> list[tuple[str, str]]:
    found = []
    for model, entry in params.zoo.items():
        others = [name for name, variant in params.variants.items() if model in variant.of]
        found += [(model, name) for name in dict.fromkeys((entry.variant, *others))]
    return found


def selected(params: Params, model: str) -> bool:
    """Whether `models` of params.yaml lets a model run."""
    return params.models == "all" or model in params.models


def runs(params: Params) -> dict[str, Run]:
    """Every training of the chosen scale, by id. Tasks whose data cannot be had are left out (see `absent_tasks`)."""
    return {run.id: run for run in (*_classifiers(params), *searches(params))}


def _classifiers(params: Params) -> Iterator[Classification]:
    scale, absent = params.scales[params.scale], absent_tasks(params)
    for task, settings in scale.tasks.named().items():
        if task in absent or not isinstance(settings, Task):
            continue
        for model, variant in pairs(params):
            for seed in scale.seeds:
                yield Classification(
                    scale=params.scale, task=task, model=model, variant=variant,
                    options=options(params, variant, model), dataset=settings.dataset, recipe=settings.recipe,
                    seed=seed,
                )  # fmt: skip


def absent_tasks(params: Params) -> dict[str, str]:
    """Tasks of the paper that the chosen scale cannot run, each with the reason an empty cell gives."""
    tasks = params.scales[params.scale].tasks.named()
    reasons = {
        task: available(tasks[task].dataset, params.data) if task in tasks else f"not part of scale {params.scale}"
        for task in TASKS
    }
    return {task: reason for task, reason in reasons.items() if reason}


def find(params: Params, run_id: str) -> Run:
    """The Run of that id at the chosen scale. UserError with the nearest id for an unknown one."""
    known = runs(params)
    if run_id not in known:
        raise UserError(f"no Run {run_id!r} at scale {params.scale}.{nearest(run_id, list(known))}")
    return known[run_id]


def code_of(model: str, options: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Modules that make a model besides the zoo: only ours and retrofits have some, so ACH retrains no baseline."""
    ours = ("hadaptive.nn.hadaptive_net",) if model.startswith("hadaptive_net") else ()
    ours = ("hadaptive.nn.found",) if model == FOUND else ours
    return (*ours, "hadaptive.nn.retrofit") if "retrofit" in (options or {}) else ours


def trainer_code(run: Run) -> tuple[str, ...]:
    """Modules whose code makes the result of a Run."""
    return (TASKS[run.task].trainer, *code_of(run.model, run.options))
