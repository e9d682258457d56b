"""The trainings of text, Table 13, derived from params.yaml alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hadaptive.config import Params, TextTask
from hadaptive.run import Text
from hadaptive.study.selection import options, seeds, selected


def text_pairs(params: Params) -> list[tuple[str, str]]:
    """(net, variant) of every net for text, selected or not: first BERT as it is, then the others in file order."""
    return [
        (model, variant)
        for model in params.text
        for variant in ("base", *(name for name, each in params.variants.items() if model in each.of))
    ]


def texts(params: Params, absent: Mapping[str, str]) -> Iterator[Text]:
    """Every training of text, of the tasks that are not `absent`."""
    for task, settings in params.scales[params.scale].tasks.named().items():
        if task in absent or not isinstance(settings, TextTask):
            continue
        for model, variant in text_pairs(params):
            for seed in seeds(params, model) if selected(params, model) else []:
                yield Text(
                    scale=params.scale, task=task, model=model, variant=variant, options=options(params, variant),
                    dataset=settings.dataset, recipe=settings.recipe, seed=seed,
                )  # fmt: skip
