"""What captions say of a scale, and the sources from which tables take their columns. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection

from hadaptive.config import ClassificationTask, SearchTask, Task, TextTask
from hadaptive.data.settings import DATASETS
from hadaptive.paper.spec import Source
from hadaptive.recipes import PAPER_WIDTH, released
from hadaptive.study.selection import Selection
from hadaptive.tasks import SEARCH, TASKS

IMAGE_TASKS = ("cifar100", "imagenet1k")  # of Table 7 and, with their settings, of every caption on images

# Measures whose one record holds all rows of a table, each with the task that sets the models' size, if one does.
TOGETHER = {"detectors": None, "text_models": "sst2"}


def about(
    selection: Selection,
    tasks: tuple[str, ...] = IMAGE_TASKS,
    latency: bool = False,
    models: Collection[str] | None = None,
) -> str:
    """Return one line on the scale: data and recipe of some tasks, seeds, and how latency is measured.

    `models` are those that are shown, and whose own recipes are therefore told; None: all that are selected.
    """
    scale = selection.settings
    parts = []
    for name, task in selection.tasks.items():
        if name in tasks:
            meant = "cifar100" if TASKS[name] is SEARCH else name  # a search is on what the paper's was
            title = DATASETS[task.dataset].title
            data = title if task.dataset == meant else f"{title} in place of {DATASETS[meant].title}"
            differing = _differing(selection, task, models) if isinstance(task, ClassificationTask) else ""
            parts.append(f"{'architecture search on ' * (meant != name)}{data} ({task.recipe.about()}{differing})")
    counts = sorted({len(seeds) for seeds in (scale.seeds, *scale.seeds_of.values())})
    parts.append(f"{' or '.join(map(str, counts))} seed{'s' if counts[-1] > 1 else ''}")
    if latency:
        measured = f"latency at batch 1, 224 px, {scale.latency.runs} runs, CPU threads: {scale.latency.threads}"
        parts.append(measured)
    return "; ".join(parts)


def _differing(selection: Selection, task: ClassificationTask, models: Collection[str] | None) -> str:
    """Return the models whose recipe differs, by their settings; for example "; epochs 4: MobileOne-S0"."""
    labels: dict[str, list[str]] = {}
    zoo = selection.params.zoo
    for model, own in task.recipe_of.items():
        if selection.selects(model) and (models is None or model in models):
            named = own.model_dump(include=own.model_fields_set).items()
            settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in named)
            labels.setdefault(settings, []).append(zoo[model].label if model in zoo else model)
    return "".join(f"; {settings}: {', '.join(those)}" for settings, those in labels.items())


def about_search(selection: Selection) -> str:
    """Return one line on how the scale searches, or why it does not."""
    if selection.search is None:
        return selection.absent["search"]
    return _about_search(selection.search, len(selection.search_seeds))


def _about_search(task: SearchTask, seeds: int) -> str:
    recipe = task.recipe
    images = f"{recipe.train_examples} training images" if recipe.train_examples else "all training images"
    if recipe.protocol == "paper":
        held = "architecture steps on the test set"
    else:
        held = f"{recipe.held_out:.0%} of them held out for the architecture"
    return (
        f"{DATASETS[task.dataset].title} ({images}, {held}, {recipe.image_size} px, {recipe.epochs} epochs, batch "
        f"{recipe.batch_size}), tau {recipe.tau_max:g} to {recipe.tau_min:g} {recipe.tau_decay}, "
        f"rates {recipe.lr:g} and {recipe.lr_architecture:g}, {seeds} seed{'s' if seeds > 1 else ''}{released(recipe)}"
    )


def sources(selection: Selection, *names: str) -> dict[str, Source]:
    """Sources by name: measures, and the paper's tasks with their seeds, absence and stand-ins."""
    scale = selection.settings
    sources_by_name = {}
    for name in names:
        if name in TOGETHER:
            task = TOGETHER[name]
            absent = None if task is None or task in selection.tasks else selection.absent[task]
            sources_by_name[name] = Source(
                record=name,
                absent=absent,
                selected=selection.selected,
                other_models=_other_width(selection.tasks.get(task)) if task else None,
            )
            continue
        if name not in TASKS:
            sources_by_name[name] = Source(selected=selection.selected)
            continue
        dataset = selection.tasks[name].dataset if name in selection.tasks else name
        sources_by_name[name] = Source(
            seeds=tuple(scale.seeds),
            seeds_of={model: tuple(seeds) for model, seeds in scale.seeds_of.items()},
            absent=selection.absent.get(name),
            selected=selection.selected,
            stand_in=DATASETS[dataset].title if dataset != name else None,
        )
    return sources_by_name


def _other_width(task: Task | None) -> str | None:
    """How BERT's width differs from the paper's."""
    width = task.recipe.width if isinstance(task, TextTask) else PAPER_WIDTH
    return None if width == PAPER_WIDTH else f"{width} channels in place of {PAPER_WIDTH}"
