"""What params.yaml selects of models, variants, seeds and tasks at the chosen scale. Imports no torch."""

from __future__ import annotations

from hadaptive.config import FOUND, Params
from hadaptive.data.settings import available
from hadaptive.study.search import found_options, found_pairs
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


def seeds(params: Params, model: str) -> list[int]:
    """The seeds a model is trained with at the chosen scale."""
    scale = params.scales[params.scale]
    return scale.seeds_of.get(model, scale.seeds)


def absent_tasks(params: Params) -> dict[str, str]:
    """Tasks of the paper that the chosen scale cannot run, each with the reason an empty cell gives."""
    tasks = params.scales[params.scale].tasks.named()
    reasons = {
        task: available(tasks[task].dataset, params.data) if task in tasks else f"not part of scale {params.scale}"
        for task in TASKS
    }
    return {task: reason for task, reason in reasons.items() if reason}
