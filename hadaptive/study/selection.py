"""What params.yaml selects of tasks, models, variants and seeds at the chosen scale. Imports no torch."""

from __future__ import annotations

from functools import cached_property

from hadaptive.config import FOUND, Params, Scale, SearchTask
from hadaptive.data.settings import available
from hadaptive.run import Search
from hadaptive.tasks import DETECTION, SEARCH, TASKS, TEXT, Task

Pair = tuple[str, str]  # a model and one of its variants


class Selection:
    """The chosen scale of `params`, read once. What depends on the disk is as it was when it was first asked for."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.scale = params.scale
        self.settings: Scale = params.scales[params.scale]
        self.stand_in = self.settings.stand_in
        self.tasks = self.settings.tasks.named()

    @cached_property
    def absent(self) -> dict[str, str]:
        """Tasks of the paper that the scale cannot run, each with the reason an empty cell gives."""
        reasons = {
            task: available(self.tasks[task].dataset, self.params.data)
            if task in self.tasks
            else f"not part of scale {self.scale}"
            for task in TASKS
        }
        return {task: reason for task, reason in reasons.items() if reason}

    @property
    def selected(self) -> tuple[str, ...] | None:
        """The models that `models` of params.yaml lets run; None: all."""
        return None if self.params.models == "all" else tuple(self.params.models)

    def selects(self, model: str) -> bool:
        """Return whether `models` of params.yaml lets a model run."""
        return self.selected is None or model in self.selected

    def seeds(self, model: str) -> list[int]:
        """Return the seeds a model is trained with."""
        return self.settings.seeds_of.get(model, self.settings.seeds)

    def options(self, model: str, variant: str) -> dict[str, object]:
        """Keyword arguments that a variant gives its model's builder; `base` gives none.

        A model that is found has none before the searches have run, only their ids (see `hadaptive.search.found`).
        """
        if model == FOUND:
            return {"found_by": [search.id for search in self.searches if search.variant == variant]}
        variants = self.params.variants
        return dict(variants[variant].options) if variant in variants else {}

    def _variants(self, model: str, first: str) -> list[Pair]:
        others = (name for name, variant in self.params.variants.items() if model in variant.of)
        return [(model, variant) for variant in dict.fromkeys((first, *others))]

    @cached_property
    def image_pairs(self) -> list[Pair]:
        """Every classifier of images in params.yaml, selected or not: first the variant that Table 7 shows."""
        return [pair for model, entry in self.params.zoo.items() for pair in self._variants(model, entry.variant)]

    @cached_property
    def text_pairs(self) -> list[Pair]:
        """Every model for text in params.yaml, selected or not: first BERT as it is."""
        return [pair for model in self.params.text for pair in self._variants(model, "base")]

    @cached_property
    def pairs(self) -> list[Pair]:
        """The selected classifiers of images, last those that the searches find: one for each space, by all seeds."""
        searched = dict.fromkeys((FOUND, search.variant) for search in self.searches)
        return [pair for pair in self.image_pairs if self.selects(pair[0])] + list(searched)

    def trained_on(self, task: Task) -> list[Pair]:
        """Return the selected models that are trained on a task."""
        if task is DETECTION:
            pairs = [(model, entry.variant) for model, entry in self.params.detection.items()]
        elif task is TEXT:
            pairs = self.text_pairs
        else:
            return self.pairs
        return [pair for pair in pairs if self.selects(pair[0])]

    @property
    def search(self) -> SearchTask | None:
        """How the scale searches, if it does."""
        return self.settings.tasks.search

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """Seeds of the searches: their own, otherwise the scale's."""
        return tuple((self.search.seeds if self.search else None) or self.settings.seeds)

    @cached_property
    def searches(self) -> tuple[Search, ...]:
        """Every architecture search: all spaces, all seeds."""
        (name,) = (name for name, task in TASKS.items() if task is SEARCH)
        if self.search is None or name in self.absent or not self.selects(FOUND):
            return ()
        return tuple(
            Search(
                scale=self.scale,
                task=name,
                model="hadaptive_net",
                variant=variant,
                dataset=self.search.dataset,
                seed=seed,
                space=space,
                recipe=self.search.recipe,
            )
            for variant, space in self.params.search.items()
            for seed in self.search_seeds
        )
