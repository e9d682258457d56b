"""The trainings, derived from params.yaml alone. Imports no torch.

A Run that several tables share exists once, because its id says all it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hadaptive.config import FOUND, ClassificationTask, Params
from hadaptive.errors import UserError, nearest
from hadaptive.run import Classification, Run
from hadaptive.study.detection import detections
from hadaptive.study.search import searches
from hadaptive.study.selection import absent_tasks, options, pairs, seeds
from hadaptive.study.text import texts
from hadaptive.tasks import TASKS


def runs(params: Params) -> dict[str, Run]:
    """Every training of the chosen scale, by id. Tasks whose data cannot be had are left out (see `absent_tasks`)."""
    absent = absent_tasks(params)  # of the disk, not of params alone
    if not _derived or _derived[0][0] is not params or _derived[0][1] != absent:
        found = (*_classifiers(params, absent), *detections(params, absent), *texts(params, absent), *searches(params))
        _derived[:] = [(params, absent, {run.id: run for run in found})]
    return dict(_derived[0][2])


_derived: list[tuple[Params, dict[str, str], dict[str, Run]]] = []  # the last: a plan asks over a hundred times


def _classifiers(params: Params, absent: Mapping[str, str]) -> Iterator[Classification]:
    for task, settings in params.scales[params.scale].tasks.named().items():
        if task in absent or not isinstance(settings, ClassificationTask):
            continue
        for model, variant in pairs(params):
            for seed in seeds(params, model):
                yield Classification(
                    scale=params.scale, task=task, model=model, variant=variant,
                    options=options(params, variant, model), dataset=settings.dataset, recipe=settings.recipe,
                    seed=seed,
                )  # fmt: skip


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
    if (options or {}).get("feed_forward") == "ach":
        return ("hadaptive.nn.text_ach",)
    return (*ours, "hadaptive.nn.retrofit") if "retrofit" in (options or {}) else ours


def trainer_code(run: Run) -> tuple[str, ...]:
    """Modules whose code makes the result of a Run."""
    return (TASKS[run.task].trainer, *code_of(run.model, run.options))
