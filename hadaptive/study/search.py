"""The searches, and the nets they find, derived from params.yaml alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from hadaptive.config import FOUND, Params
from hadaptive.data.settings import available
from hadaptive.run import Measure, Run, Search

TASK = "search"


def search_selected(params: Params) -> bool:
    """Whether `models` of params.yaml lets the searches run."""
    return params.models == "all" or FOUND in params.models


def search_absent(params: Params) -> str | None:
    """Why the chosen scale cannot search, as a cell says it; None: it can."""
    task = params.scales[params.scale].tasks.search
    return f"not part of scale {params.scale}" if task is None else available(task.dataset, params.data)


def search_seeds(params: Params) -> tuple[int, ...]:
    """Seeds of the searches: their own, else the scale's."""
    scale = params.scales[params.scale]
    return tuple((scale.tasks.search.seeds if scale.tasks.search else None) or scale.seeds)


def searches(params: Params) -> Iterator[Search]:
    """Every search of the chosen scale: all spaces, all seeds."""
    task = params.scales[params.scale].tasks.search
    if task is None or search_absent(params) or not search_selected(params):
        return
    for name, space in params.search.items():
        for seed in search_seeds(params):
            yield Search(
                scale=params.scale, task=TASK, model="hadaptive_net", variant=name, dataset=task.dataset, seed=seed,
                space=space, recipe=task.recipe,
            )  # fmt: skip


def found_pairs(params: Params) -> list[tuple[str, str]]:
    """(model, variant) of every net that is found: one a space, by all its seeds together."""
    return list(dict.fromkeys((FOUND, search.variant) for search in searches(params)))


def found_options(params: Params, space: str) -> dict[str, object]:
    """The options of a found net before anything was searched: what settles them (see `hadaptive.search.found`)."""
    return {"found_by": [search.id for search in searches(params) if search.variant == space]}


def depends_on(run: Run | Measure) -> list[str]:
    """Records that must be there before a Run or a measurement can start, besides its data."""
    return [f"results/{run.scale}/{each}/record.json" for each in run.options.get("found_by", ())]
