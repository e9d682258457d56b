"""The search's tables and its figure: which rows, from which records, or why there are none. Imports no torch."""

from __future__ import annotations

from typing import Any

from hadaptive.config import FOUND, Params, SearchTask
from hadaptive.data.settings import DATASETS
from hadaptive.paper.spec import FigureSpec, Head, Row, Source, TableSpec
from hadaptive.space import Space
from hadaptive.study.search import TASK, search_absent, search_seeds, search_selected, searches
from hadaptive.study.selection import all_pairs

S = "hadaptive_net_s"
OVER = {"ghost": "Ghost conf.", "ach": "ACH conf."}  # as the paper heads them


def search_tables(params: Params) -> dict[str, TableSpec]:
    """A table of confidences a space, under the space's name."""
    return {name: _table(params, name, space) for name, space in params.search.items()}


def found_table(params: Params, about: str, sources: dict[str, Source]) -> TableSpec:
    """The nets found beside the published S; `sources` are those of complexity and of the task they are trained on."""
    variant = params.zoo[S].variant if S in params.zoo else "dysoft"
    absent = None if (S, variant) in all_pairs(params) else f"{S}/{variant} is not in params.yaml"
    columns = ("params_m", "flops_m", "top1", "top1_best_on_test")
    rows = [Row(model=S, variant=variant, label="Hadaptive-Net-S", cite="published", has=columns, absent=absent)]
    rows += [
        Row(model=FOUND, variant=name, label=f"Found in the space of {_title(name)}", published=name, group=1,
            absent=search_absent(params))
        for name in params.search
    ]  # fmt: skip
    return TableSpec(
        table="found",
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=f"{about}; search: {_about(params)}",
        rows=tuple(rows),
        sources={**sources, TASK: _source(params, flat=True)},
    )


def search_figure(params: Params) -> FigureSpec:
    """Confidences over epochs, from every search."""
    runs = tuple(search.id for search in searches(params))
    return FigureSpec(
        figure="figure_search",
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=_about(params) if runs else _why_not(params),
        records=runs,
    )


def _table(params: Params, name: str, space: Space) -> TableSpec:
    rows = []
    for number, layer in enumerate(space.layers):
        choose = layer.choose if len(layer.choose) > 1 else []
        rows.append(
            Row(model=FOUND, variant=str(number), label=str(number), said={"channels": str(layer.out)},
                underlined=layer.stride == 2, has=tuple(choose))
        )  # fmt: skip
    return TableSpec(
        table=name,
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=f"{space.about}; {_about(params)}",
        rows=tuple(rows),
        heads=_heads(space),
        sources={TASK: _source(params, record=f"{TASK}/{name}")},
    )


def _heads(space: Space) -> tuple[Head, ...]:
    """A column a candidate; those of one operator share a title where there are several."""
    names = space.in_search()
    ops = [space.candidates[name].op for name in names]
    found = []
    for name, op in zip(names, ops, strict=True):
        title = space.candidates[name].title or name
        found.append(Head(key=name, title=title, over=OVER.get(op, "") if ops.count(op) > 1 else ""))
    return tuple(found)


def _source(params: Params, **how: Any) -> Source:
    task = params.scales[params.scale].tasks.search
    stand_in = DATASETS[task.dataset].title if task and task.dataset != "cifar100" else None
    selected = (FOUND,) if search_selected(params) else ()
    return Source(seeds=search_seeds(params), absent=search_absent(params), selected=selected, stand_in=stand_in, **how)


def _why_not(params: Params) -> str:
    return search_absent(params) or ("" if search_selected(params) else "not selected in this run") or "no space given"


def _title(name: str) -> str:
    return f"Table {name.removeprefix('table')}" if name.startswith("table") else name


def _about(params: Params) -> str:
    """One line on how the chosen scale searches."""
    task = params.scales[params.scale].tasks.search
    return _said(task, search_seeds(params)) if task else _why_not(params)


def _said(task: SearchTask, seeds: tuple[int, ...]) -> str:
    recipe = task.recipe
    images = f"{recipe.train_examples} training images" if recipe.train_examples else "all training images"
    if recipe.protocol == "paper":
        held = "architecture steps on the test set"
    else:
        held = f"{recipe.held_out:.0%} of them held out for the architecture"
    return (
        f"{DATASETS[task.dataset].title} ({images}, {held}, {recipe.image_size} px, {recipe.epochs} epochs, batch "
        f"{recipe.batch_size}), tau {recipe.tau_max:g} to {recipe.tau_min:g} {recipe.tau_decay}, "
        f"rates {recipe.lr:g} and {recipe.lr_architecture:g}, {len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    )
