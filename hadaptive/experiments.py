"""What has to be run, derived from params.yaml alone: the Runs, the measures, what each table needs. Imports no torch.

A Run that several tables share exists once, because its id says all it depends on.
"""

from __future__ import annotations

from hadaptive.config import Params
from hadaptive.data.settings import DATASETS, available
from hadaptive.errors import UserError, nearest
from hadaptive.paper.spec import FigureSpec, Row, Source, TableSpec
from hadaptive.run import KernelMeasure, Measure, Run

KINDS = ("", "_compare")  # a table as measured, and beside the published values
ENDINGS = ("tex", "md", "csv")
FIGURE_ENDINGS = ("pdf", "png", "csv", "txt")
TABLE4_NET = "hadaptive_net_l"
IMPLEMENTATIONS = {  # of ACH: the paper's three, as it names them, and ours
    "native": "Native", "direct_indexing": "Direct-Indexing", "parity_balanced": "Parity-Balanced", "fused": "Fused",
}  # fmt: skip
FIGURE7_FIXED = {"fixed_channels": 64, "fixed_batch": 64}  # channels in (a), batch in (b); the paper does not say
LATENCY_INPUT = {"image_size": 224, "num_classes": 100}  # Table 7: measured on models for CIFAR-100 at 224 px


def options(params: Params, variant: str) -> dict[str, object]:
    """Keyword arguments that a variant gives its model's builder; `base` gives none."""
    return dict(params.variants[variant].options) if variant in params.variants else {}


def pairs(params: Params) -> list[tuple[str, str]]:
    """(model, variant) of every model selected: first the variant that Table 7 shows, then the others in file order."""
    chosen = list(params.zoo) if params.models == "all" else params.models
    found = []
    for model in chosen:
        others = [name for name, variant in params.variants.items() if model in variant.of]
        first = params.zoo[model].variant
        found += [(model, name) for name in dict.fromkeys((first, *others))]
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


def absent_tasks(params: Params) -> dict[str, str]:
    """Tasks of the paper that the chosen scale cannot run, each with the reason an empty cell gives."""
    tasks = params.scales[params.scale].tasks
    reasons = {
        task: available(tasks[task].dataset, params.data) if task in tasks else f"not part of scale {params.scale}"
        for task in ("cifar100", "imagenet1k")
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
    elif folder == "results":
        known = [str(r.folder / f) for r in runs(params).values() for f in ("record.json", "last.pt", "best.pt")]
        known += [str(m.folder / f) for m in measures(params).values() for f in ("record.json", "model.onnx")]
        known += [str(m.folder / "record.json") for m in kernel_measures(params).values()]
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


def code_of(model: str) -> tuple[str, ...]:
    """Modules that make a model besides the zoo: only ours have some, so a change of ACH retrains no baseline."""
    return ("hadaptive.nn.hadaptive_net",) if model.startswith("hadaptive_net") else ()


def tables(params: Params) -> dict[str, TableSpec]:
    """Every table, by name: which rows, from which records, or why there are none."""
    return {"table4": _table4(params), "table7": _table7(params)}


def figures(params: Params) -> dict[str, FigureSpec]:
    """Every figure, by name."""
    sweep = kernel_measures(params)["figure7"]
    said = f"float32, NCHW, time within a CUDA graph, median of {sweep.settings['runs']} runs"
    figure7 = FigureSpec(
        figure="figure7", scale=params.scale, demonstration=params.scales[params.scale].stand_in, about=said,
        record=sweep.id,
    )  # fmt: skip
    return {figure7.figure: figure7}


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
    scale, absent = params.scales[params.scale], absent_tasks(params)
    rows = [
        Row(
            model=model, variant=entry.variant, label=entry.label, cite=entry.cite, ours=entry.cite == "ours",
            group=entry.group,
        )
        for model, entry in sorted(params.zoo.items(), key=lambda item: item[1].group or 0)
        if entry.group is not None
    ]  # fmt: skip
    selected = None if params.models == "all" else tuple(params.models)
    sources = {kind: Source(selected=selected) for kind in ("complexity", "latency")}
    for task in ("cifar100", "imagenet1k"):
        dataset = scale.tasks[task].dataset if task in scale.tasks else task
        stand_in = DATASETS[dataset].title if dataset != task else None
        sources[task] = Source(
            seeds=tuple(scale.seeds), absent=absent.get(task), selected=selected, stand_in=stand_in
        )  # fmt: skip
    return TableSpec(
        table="table7",
        scale=params.scale,
        demonstration=scale.stand_in,
        about=about(params),
        rows=tuple(rows),
        sources=sources,
    )


def about(params: Params) -> str:
    """One line on the chosen scale for a caption: data, image size, epochs, examples."""
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
    latency = f"latency at batch 1, 224 px, {scale.latency.runs} runs, CPU threads: {scale.latency.threads}"
    return "; ".join((*parts, seeds, latency))
