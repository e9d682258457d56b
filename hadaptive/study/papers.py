"""Every table, figure and claim: which rows, from which records, or why there are none. Imports no torch."""

from __future__ import annotations

from typing import TypeVar

from hadaptive.config import Params
from hadaptive.data.settings import DATASETS
from hadaptive.errors import UserError
from hadaptive.paper.claims.statements import CLAIM_TABLES
from hadaptive.paper.spec import ClaimsSpec, FigureSpec, Row, Source, TableSpec, record_ids_needed
from hadaptive.paper.tables.grid import sources as sources_of
from hadaptive.paper.tables.layouts import LAYOUTS, Layout
from hadaptive.study import detection
from hadaptive.study.executed import executed
from hadaptive.study.explain import explain_figures, explain_measures
from hadaptive.study.measures import TABLE4_NET, kernel_measures, variance_measure
from hadaptive.study.overview import expansion_measure, overview_figures, table9
from hadaptive.study.reference import usable
from hadaptive.study.search_papers import found_table, search_figure, search_tables
from hadaptive.study.selection import absent_tasks, all_pairs
from hadaptive.study.text import text_pairs
from hadaptive.tasks import SEARCH, TASKS, TEXT

IMPLEMENTATIONS = {  # of ACH: the paper's three, as it names them, and ours
    "native": "Native", "direct_indexing": "Direct-Indexing", "parity_balanced": "Parity-Balanced", "fused": "Fused",
}  # fmt: skip
IMAGE_TASKS = ("cifar100", "imagenet1k")  # of Table 7 and, with their settings, of every caption on images


def tables(params: Params) -> dict[str, TableSpec]:
    """Every table, by name: which rows, from which records, or why there are none."""
    grids = {name: _grid(params, name, layout) for name, layout in LAYOUTS.items()}
    of_detection = about(params, (detection.TASK,), latency=False)
    table6 = detection.table6(params, _sources(params, [detection.TASK])[detection.TASK], of_detection)
    own = {"table4": _table4(params), "table6": table6, "table7": _table7(params), "table9": table9(params)}
    found = found_table(params, about(params, latency=False), _sources(params, ["complexity", "cifar100"]))
    others = {**own, **grids, "found": found}
    for name in set(others) & set(params.search):
        raise UserError(f"params.yaml: search.{name}: there is a table of that name already; call the space otherwise")
    return _from_reference(params, {**others, **search_tables(params)})


def figures(params: Params) -> dict[str, FigureSpec]:
    """Every figure, by name."""
    sweep, variance = kernel_measures(params)["figure7"], variance_measure(params)
    stand_in = params.scales[params.scale].stand_in
    swept = f"float32, NCHW, time within a CUDA graph, median of {sweep.settings['runs']} runs"
    shown = f"Hadaptive-Net-S, {variance.settings['images']} test images; {about(params, latency=False)}"
    found = (
        FigureSpec(figure="figure3", scale=params.scale, about="a diagram; nothing is measured"),
        FigureSpec(figure="figure7", scale=params.scale, demonstration=stand_in, about=swept, records=(sweep.id,)),
        *overview_figures(params, _table7(params)),
        FigureSpec(figure="figure_a2", scale=params.scale, demonstration=stand_in, about=shown, records=(variance.id,)),
        detection.figure(params, about(params, (detection.TASK,), latency=False)),
        *explain_figures(params, about(params, latency=False)),
        search_figure(params),
    )
    return _from_reference(params, {figure.figure: figure for figure in found})


def claims(params: Params) -> ClaimsSpec:
    """What the paper's claims are checked on."""
    known = tables(params)
    found = ClaimsSpec(
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        tables={name: known[name] for name in CLAIM_TABLES if name in known},
        variance=variance_measure(params).id,
        explained=tuple(measure.id for measure in explain_measures(params).values()),
        expansions=expansion_measure(params).id,
        sweep=kernel_measures(params)["figure7"].id,
    )
    return _from_reference(params, {"claims": found})["claims"]


Spec = TypeVar("Spec", TableSpec, FigureSpec, ClaimsSpec)


def _from_reference(params: Params, specs: dict[str, Spec]) -> dict[str, Spec]:
    """The specs, each told which of its records came with the project."""
    taken, only = usable(params, executed(params)), params.takes == "only"
    found = {}
    for name, spec in specs.items():
        needed = record_ids_needed(spec)
        came = tuple(each for each in needed if each in taken)
        change: dict[str, object] = {"reference": came, "only_reference": only}
        if (came or only) and needed and not isinstance(spec, ClaimsSpec):
            change["about"] = f"{spec.about}; {_came(len(came), len(needed), only)}"
        if isinstance(spec, FigureSpec) and spec.table is not None:  # it is drawn from what that table reads
            change["table"] = spec.table.model_copy(update={"reference": came, "only_reference": only})
        found[name] = spec.model_copy(update=change)
    return found


def _came(came: int, needed: int, only: bool) -> str:
    """How many of the records came with the project, in words."""
    every = "all records" if needed > 1 else "its record"
    which = every if came == needed else f"{came} of {needed} records"
    return f"{which} came with the project{', the rest was not run' * (only and came < needed)}"


def _table4(params: Params) -> TableSpec:
    measure = kernel_measures(params)["table4"]
    absent = None if TABLE4_NET in params.zoo else f"{TABLE4_NET} is not in the zoo"
    selected = None if params.models == "all" else tuple(params.models)
    rows = [
        Row(
            model=TABLE4_NET, variant=name, label=label, published=name, cite="ours" if name == "fused" else "",
            ours=name == "fused",
        )
        for name, label in IMPLEMENTATIONS.items()
    ]  # fmt: skip
    return TableSpec(
        table="table4",
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=f"batch 1, {measure.settings['image_size']} px, {measure.settings['runs']} runs",
        rows=tuple(rows),
        sources={"table4": Source(record=measure.id, absent=absent, selected=selected)},
    )


def _table7(params: Params) -> TableSpec:
    rows = [
        Row(
            model=model, variant=entry.variant, label=entry.label, cite=entry.cite, ours=entry.cite == "ours",
            group=entry.group,
        )
        for model, entry in sorted(params.zoo.items(), key=lambda item: item[1].group or 0)
        if entry.group is not None
    ]  # fmt: skip
    return TableSpec(
        table="table7",
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=about(params),
        rows=tuple(rows),
        sources=_sources(params, ["complexity", "latency", *IMAGE_TASKS]),
    )


def _grid(params: Params, name: str, layout: Layout) -> TableSpec:
    """A table of `layouts`: its rows with a reason where params.yaml lacks one."""
    known = {*all_pairs(params), *text_pairs(params)}
    rows = [
        row if (row.model, row.variant) in known
        else row.model_copy(update={"absent": f"{row.model}/{row.variant} is not in params.yaml"})
        for row in layout.rows
    ]  # fmt: skip
    needed = sources_of(layout)
    found = _sources(params, [layout.others.get(source, source) for source in needed])
    sources = {
        source: found[layout.others[source]].model_copy(
            update={"folder": layout.others[source], "variants": layout.variants}
        )
        if source in layout.others
        else found[source]
        for source in needed
    }
    return TableSpec(
        table=name,
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=about(params, _tasks_of(needed), latency="latency" in needed),
        rows=tuple(rows),
        sources=sources,
    )


def _sources(params: Params, names: list[str]) -> dict[str, Source]:
    """Sources by name: measures, and the paper's tasks with their seeds, absence and stand-ins."""
    scale, absent = params.scales[params.scale], absent_tasks(params)
    tasks = scale.tasks.named()
    selected = None if params.models == "all" else tuple(params.models)
    found = {}
    for name in names:
        if name not in TASKS:
            found[name] = Source(selected=selected)
            continue
        dataset = tasks[name].dataset if name in tasks else name
        stand_in = DATASETS[dataset].title if dataset != name else None
        seeds_of = {model: tuple(seeds) for model, seeds in scale.seeds_of.items()}
        found[name] = Source(
            seeds=tuple(scale.seeds), seeds_of=seeds_of, absent=absent.get(name), selected=selected, stand_in=stand_in
        )
    return found


def _tasks_of(sources: list[str]) -> tuple[str, ...]:
    """The tasks a caption speaks of: those of text where the table has some, else those on images."""
    return tuple(name for name in sources if name in TASKS and TASKS[name] is TEXT) or IMAGE_TASKS


def about(params: Params, tasks: tuple[str, ...] = IMAGE_TASKS, latency: bool = True) -> str:
    """One line on the chosen scale for a caption: data and recipe of some tasks, and how latency is measured."""
    scale = params.scales[params.scale]
    parts = []
    for name, task in scale.tasks.named().items():
        if name in tasks:
            meant = "cifar100" if TASKS[name] is SEARCH else name  # a search is on what the paper's was
            title = DATASETS[task.dataset].title
            data = title if task.dataset == meant else f"{title} in place of {DATASETS[meant].title}"
            parts.append(f"{'architecture search on ' * (meant != name)}{data} ({task.recipe.about()})")
    counts = sorted({len(seeds) for seeds in (scale.seeds, *scale.seeds_of.values())})
    seeds = f"{' or '.join(map(str, counts))} seed{'s' if counts[-1] > 1 else ''}"
    measured = f"latency at batch 1, 224 px, {scale.latency.runs} runs, CPU threads: {scale.latency.threads}"
    return "; ".join((*parts, seeds, *([measured] if latency else [])))
