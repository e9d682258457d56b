"""What has to be run, derived from params.yaml alone: the Runs, the measures, what each table needs. Imports no torch.

A Run that several tables share exists once, because its id says all it depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hadaptive.config import Params
from hadaptive.data.settings import DATASETS, available
from hadaptive.errors import UserError, nearest
from hadaptive.paper.claims import CLAIM_TABLES
from hadaptive.paper.frames.grid import sources as sources_of
from hadaptive.paper.frames.layouts import LAYOUTS, Layout
from hadaptive.paper.spec import ClaimsSpec, FigureSpec, Row, Source, TableSpec
from hadaptive.run import KernelMeasure, Measure, Run, VarianceMeasure

KINDS = ("", "_compare")  # a table as measured, and beside the published values
ENDINGS = ("tex", "md", "csv")
CLAIMS_ENDINGS = ("md", "csv")
FIGURE_ENDINGS = ("pdf", "png", "csv", "txt")
TABLE4_NET = "hadaptive_net_l"
A2_NET, A2_VARIANTS, A2_IMAGES = "hadaptive_net_s", ("dysoft", "batchnorm"), 128  # appendix A.2, claim 13
IMPLEMENTATIONS = {  # of ACH: the paper's three, as it names them, and ours
    "native": "Native", "direct_indexing": "Direct-Indexing", "parity_balanced": "Parity-Balanced", "fused": "Fused",
}  # fmt: skip
FIGURE7_FIXED = {"fixed_channels": 64, "fixed_batch": 64}  # channels in (a), batch in (b); the paper does not say
PAPERS_TASKS = ("cifar100", "imagenet1k")
LATENCY_INPUT = {"image_size": 224, "num_classes": 100}  # Table 7: measured on models for CIFAR-100 at 224 px


def options(params: Params, variant: str) -> dict[str, object]:
    """Keyword arguments that a variant gives its model's builder; `base` gives none."""
    return dict(params.variants[variant].options) if variant in params.variants else {}


def pairs(params: Params) -> list[tuple[str, str]]:
    """(model, variant) of every model selected: first the variant that Table 7 shows, then the others in file order."""
    return [pair for pair in _all_pairs(params) if params.models == "all" or pair[0] in params.models]


def _all_pairs(params: Params) -> list[tuple[str, str]]:
    found = []
    for model, entry in params.zoo.items():
        others = [name for name, variant in params.variants.items() if model in variant.of]
        found += [(model, name) for name in dict.fromkeys((entry.variant, *others))]
    return found


def runs(params: Params) -> dict[str, Run]:
    """Every training of the chosen scale, by id. Tasks whose data cannot be had are left out (see `absent_tasks`)."""
    scale, absent = params.scales[params.scale], absent_tasks(params)
    found = [
        Run(
            scale=params.scale, task=task, model=model, variant=variant, options=options(params, variant),
            dataset=settings.dataset, recipe=settings.recipe, seed=seed,
        )
        for task, settings in scale.tasks.items()
        if task not in absent
        for model, variant in pairs(params)
        for seed in scale.seeds
    ]  # fmt: skip
    return {run.id: run for run in found}


def measures(params: Params) -> dict[str, Measure]:
    """Complexity and latency of every selected model, by id."""
    latency = params.scales[params.scale].latency
    found = [
        Measure(
            scale=params.scale, kind=kind, model=model, variant=variant, options=options(params, variant),
            settings={**LATENCY_INPUT, **(latency.model_dump() if kind == "latency" else {})},
        )
        for model, variant in pairs(params)
        for kind in ("complexity", "latency")
    ]  # fmt: skip
    return {measure.id: measure for measure in found}


def kernel_measures(params: Params) -> dict[str, KernelMeasure]:
    """What is measured of the GPU kernels, by name."""
    scale = params.scales[params.scale]
    variant = params.zoo[TABLE4_NET].variant if TABLE4_NET in params.zoo else "base"
    net = {"model": TABLE4_NET, "options": options(params, variant), **LATENCY_INPUT}
    timing = {"runs": scale.latency.runs, "warmup": scale.latency.warmup}
    sweep = {**scale.kernels.model_dump(), **FIGURE7_FIXED}
    found = (
        KernelMeasure(scale=params.scale, name="table4", settings={**net, **timing}),
        KernelMeasure(scale=params.scale, name="figure7", settings=sweep),
    )
    return {measure.name: measure for measure in found}


def variance_measure(params: Params) -> VarianceMeasure:
    """What is measured for appendix A.2; without the trained nets (not selected, no data) only what needs none."""
    seed = params.scales[params.scale].seeds[0]
    found = {name: runs(params).get(f"cifar100/{A2_NET}/{name}/seed{seed}") for name in A2_VARIANTS}
    trained = [run for run in found.values() if run is not None]
    settings: dict[str, Any] = {"model": A2_NET, "images": A2_IMAGES, "variants": {}}
    if len(trained) == len(found):
        settings |= {"data": f"data/prepared/{trained[0].dataset}", "image_size": trained[0].recipe.image_size}
        settings["variants"] = {
            run.variant: {"options": run.options, "weights": (run.folder / "last.pt").as_posix()} for run in trained
        }
    return VarianceMeasure(scale=params.scale, settings=settings)


def variance_inputs(params: Params) -> list[str]:
    """Files that `variance_measure` reads."""
    settings = variance_measure(params).settings
    weights = [how["weights"] for how in settings["variants"].values()]
    return [f"{settings['data']}/manifest.json", *weights] if weights else []


def absent_tasks(params: Params) -> dict[str, str]:
    """Tasks of the paper that the chosen scale cannot run, each with the reason an empty cell gives."""
    tasks = params.scales[params.scale].tasks
    reasons = {
        task: available(tasks[task].dataset, params.data) if task in tasks else f"not part of scale {params.scale}"
        for task in PAPERS_TASKS
    }
    return {task: reason for task, reason in reasons.items() if reason}


def check_target(params: Params, path: str) -> None:
    """UserError, with the nearest right one, for a file under paper_tables/ or results/ that no rule makes."""
    folder, suffix = path.partition("/")[0], path.rpartition(".")[2]
    ours = {*ENDINGS, *FIGURE_ENDINGS, "json", "pt", "onnx"}
    if suffix not in ours:  # not ours to judge: `--report paper_tables/report.html`
        return
    if folder == "paper_tables":
        known = [
            f"paper_tables/{name}{kind}.{ending}" for name in tables(params) for kind in KINDS for ending in ENDINGS
        ]
        known += [f"paper_tables/{name}.{ending}" for name in figures(params) for ending in FIGURE_ENDINGS]
        known += [f"paper_tables/claims.{ending}" for ending in CLAIMS_ENDINGS]
    elif folder == "results":
        known = [str(r.folder / f) for r in runs(params).values() for f in ("record.json", "last.pt", "best.pt")]
        known += [
            str(m.folder / f) for m in measures(params).values() for f in ("record.json", "model.onnx", "plain.onnx")
        ]
        known += [str(m.folder / "record.json") for m in kernel_measures(params).values()]
        known.append(str(variance_measure(params).folder / "record.json"))
    else:
        return
    if path not in known:
        raise UserError(f"no rule makes {path} at scale {params.scale}.{nearest(path, known)}")


def find(params: Params, run_id: str) -> Run:
    """The Run of that id at the chosen scale. UserError with the nearest id for an unknown one."""
    known = runs(params)
    if run_id not in known:
        raise UserError(f"no Run {run_id!r} at scale {params.scale}.{nearest(run_id, list(known))}")
    return known[run_id]


def code_of(model: str, options: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Modules that make a model besides the zoo: only ours and retrofits have some, so ACH retrains no baseline."""
    ours = ("hadaptive.nn.hadaptive_net",) if model.startswith("hadaptive_net") else ()
    return (*ours, "hadaptive.nn.retrofit") if "retrofit" in (options or {}) else ours


def tables(params: Params) -> dict[str, TableSpec]:
    """Every table, by name: which rows, from which records, or why there are none."""
    grids = {name: _grid(params, name, layout) for name, layout in LAYOUTS.items()}
    return {"table4": _table4(params), "table7": _table7(params), **grids}


def figures(params: Params) -> dict[str, FigureSpec]:
    """Every figure, by name."""
    sweep, variance = kernel_measures(params)["figure7"], variance_measure(params)
    stand_in = params.scales[params.scale].stand_in
    swept = f"float32, NCHW, time within a CUDA graph, median of {sweep.settings['runs']} runs"
    shown = f"Hadaptive-Net-S, {variance.settings['images']} test images; {about(params, latency=False)}"
    found = (
        FigureSpec(figure="figure3", scale=params.scale, about="a diagram; nothing is measured"),
        FigureSpec(figure="figure7", scale=params.scale, demonstration=stand_in, about=swept, record=sweep.id),
        FigureSpec(figure="figure_a2", scale=params.scale, demonstration=stand_in, about=shown, record=variance.id),
    )
    return {figure.figure: figure for figure in found}


def claims(params: Params) -> ClaimsSpec:
    """What the paper's claims are checked on."""
    known = tables(params)
    return ClaimsSpec(
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        tables={name: known[name] for name in CLAIM_TABLES},
        variance=variance_measure(params).id,
    )


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
        sources=_sources(params, ["complexity", "latency", *PAPERS_TASKS]),
    )


def _grid(params: Params, name: str, layout: Layout) -> TableSpec:
    """A table of `layouts`: its rows with a reason where params.yaml lacks one."""
    known = set(_all_pairs(params))
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
        about=about(params, latency="latency" in needed),
        rows=tuple(rows),
        sources=sources,
    )


def _sources(params: Params, names: list[str]) -> dict[str, Source]:
    """Sources by name: measures, and the paper's tasks with their seeds, absence and stand-ins."""
    scale, absent = params.scales[params.scale], absent_tasks(params)
    selected = None if params.models == "all" else tuple(params.models)
    found = {}
    for name in names:
        if name not in PAPERS_TASKS:
            found[name] = Source(selected=selected)
            continue
        dataset = scale.tasks[name].dataset if name in scale.tasks else name
        stand_in = DATASETS[dataset].title if dataset != name else None
        seeds = tuple(scale.seeds)
        found[name] = Source(seeds=seeds, absent=absent.get(name), selected=selected, stand_in=stand_in)
    return found


def about(params: Params, latency: bool = True) -> str:
    """One line on the chosen scale for a caption: data, image size, epochs, examples, and how latency is measured."""
    scale = params.scales[params.scale]
    parts = []
    for name, task in scale.tasks.items():
        recipe = task.recipe
        title = DATASETS[task.dataset].title
        data = title if task.dataset == name else f"{title} in place of {DATASETS[name].title}"
        examples = f"{recipe.train_examples} training images" if recipe.train_examples else "all training images"
        epochs = f"{recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''}"
        parts.append(
            f"{data} ({examples}, {recipe.image_size} px, {epochs}, batch {recipe.batch_size}, {recipe.precision})"
        )
    seeds = f"{len(scale.seeds)} seed{'s' if len(scale.seeds) > 1 else ''}"
    measured = f"latency at batch 1, 224 px, {scale.latency.runs} runs, CPU threads: {scale.latency.threads}"
    return "; ".join((*parts, seeds, *([measured] if latency else [])))
