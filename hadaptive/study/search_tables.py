"""The tables of the architecture search: confidences, and the models found. Imports no torch."""

from __future__ import annotations

from typing import Any

from hadaptive.config import FOUND
from hadaptive.data.settings import DATASETS
from hadaptive.paper.spec import Head, Row, Source, TableSpec
from hadaptive.space import Space
from hadaptive.study.captions import about, about_search, sources
from hadaptive.study.selection import Selection

TASK = "search"
S = "hadaptive_net_s"
OVER = {"ghost": "Ghost conf.", "ach": "ACH conf."}  # as the paper heads them


def search_tables(selection: Selection) -> dict[str, TableSpec]:
    """Return a table of confidences for each space, under the space's name."""
    return {name: _table(selection, name, space) for name, space in selection.params.search.items()}


def found_table(selection: Selection) -> TableSpec:
    """Return the models found beside the published S."""
    variant = selection.params.zoo[S].variant if S in selection.params.zoo else "dysoft"
    absent = None if (S, variant) in selection.image_pairs else f"{S}/{variant} is not in params.yaml"
    columns = ("params_m", "flops_m", "top1", "top1_best_on_test")
    rows = [Row(model=S, variant=variant, label="Hadaptive-Net-S", cite="published", has=columns, absent=absent)]
    rows += [
        Row(
            model=FOUND,
            variant=name,
            label=f"Found in the space of {_title(name)}",
            published=name,
            group=1,
            absent=selection.absent.get(TASK),
        )
        for name in selection.params.search
    ]
    return TableSpec(
        table="found",
        scale=selection.scale,
        demonstration=selection.stand_in,
        about=f"{about(selection, models={row.model for row in rows})}; search: {about_search(selection)}",
        rows=tuple(rows),
        sources={**sources(selection, "complexity", "cifar100"), TASK: _source(selection, flat=True)},
    )


def _table(selection: Selection, name: str, space: Space) -> TableSpec:
    rows = [
        Row(
            model=FOUND,
            variant=str(number),
            label=str(number),
            words={"channels": str(layer.out)},
            underlined=layer.stride == 2,
            has=tuple(layer.choose) if len(layer.choose) > 1 else (),
        )
        for number, layer in enumerate(space.layers)
    ]
    return TableSpec(
        table=name,
        scale=selection.scale,
        demonstration=selection.stand_in,
        about=f"{space.about}; {about_search(selection)}",
        rows=tuple(rows),
        heads=_heads(space),
        sources={TASK: _source(selection, record=f"{TASK}/{name}")},
    )


def _heads(space: Space) -> tuple[Head, ...]:
    """Return a column per candidate; those of one operator share a title where there are several."""
    names = space.in_search()
    ops: list[str] = [space.candidates[name].op for name in names]
    shared = {op: title for op, title in OVER.items() if ops.count(op) > 1}
    titles = [space.candidates[name].title or name for name in names]
    heads = zip(names, titles, ops, strict=True)
    return tuple(Head(key=name, title=title, over=shared.get(op, "")) for name, title, op in heads)


def _source(selection: Selection, **how: Any) -> Source:
    task = selection.search
    return Source(
        seeds=selection.search_seeds,
        absent=selection.absent.get(TASK),
        selected=(FOUND,) if selection.selects(FOUND) else (),
        stand_in=DATASETS[task.dataset].title if task and task.dataset != "cifar100" else None,
        **how,
    )


def _title(name: str) -> str:
    return f"Table {name.removeprefix('table')}" if name.startswith("table") else name
