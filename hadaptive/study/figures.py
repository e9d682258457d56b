"""Every figure: from which records, and what its caption says. Imports no torch."""

from __future__ import annotations

from hadaptive.config import FOUND
from hadaptive.explain.settings import CREDITS
from hadaptive.paper.spec import FigureSpec, OtherScale
from hadaptive.run import Detection
from hadaptive.study.captions import about, about_search
from hadaptive.study.experiments import Experiments
from hadaptive.study.measures import A2_NET, EXPLAINED_NET
from hadaptive.study.selection import Selection
from hadaptive.study.tables import table7, table9

LADDER = {  # what the ladder compares over budgets: the first with each of the others
    "hadaptive_net_s/dysoft": "softsign (DySoft)",
    "hadaptive_net_s/dysig": "sigmoid (DySig), its authors' start",
    "hadaptive_net_s/sigmoid": "sigmoid, plain start",
    "hadaptive_net_s/batchnorm": "batch norm",
    "hadaptive_net_s/fixed": "fixed channels",
    "hadaptive_net_s/ste_released": "released gradient of the selection",
    "mobilenetv3_small_100/base": "MobileNetV3-S",
    "starnet_s1/base": "StarNet-S1",
}


def figures(experiments: Experiments) -> dict[str, FigureSpec]:
    """Return every figure, by name."""
    (structure,), (expansions,) = experiments.measures_of("structure"), experiments.measures_of("expansions")
    layers = table9(experiments).about
    counted = f"one image of {expansions.settings['image_size']} px, counted on PyTorch modules"
    specs = (
        FigureSpec(figure="figure3", scale=experiments.scale, about="a diagram; nothing is measured"),
        _sweep(experiments),
        _tradeoff(experiments),
        FigureSpec(figure="figure2", scale=experiments.scale, about=layers, records=(structure.id,)),
        FigureSpec(figure="figure4", scale=experiments.scale, about=layers, records=(structure.id,)),
        FigureSpec(figure="figure5", scale=experiments.scale, about=counted, records=(expansions.id,)),
        FigureSpec(figure="figure6", scale=experiments.scale, about=counted, records=(expansions.id,)),
        _variance(experiments),
        _detections(experiments),
        _gradcam(experiments, "figure8", 0),
        _gradcam(experiments, "figure9", 1),
        _search(experiments),
        _ladder(experiments),
    )
    return {figure.figure: figure for figure in specs}


def _figure(selection: Selection, name: str, about: str, *records: str) -> FigureSpec:
    """Return a figure of what the scale's own data and settings give."""
    return FigureSpec(
        figure=name, scale=selection.scale, demonstration=selection.stand_in, about=about, records=records
    )


def _tradeoff(selection: Selection) -> FigureSpec:
    """Figure 1, drawn from what Table 7 shows."""
    table = table7(selection)
    return _figure(selection, "figure1", table.about).model_copy(update={"table": table})


def _sweep(experiments: Experiments) -> FigureSpec:
    measure = experiments.measures["kernels/figure7"]
    swept = f"float32, NCHW, time within a CUDA graph, median of {measure.settings['runs']} runs"
    return _figure(experiments, "figure7", swept, measure.id)


def _variance(experiments: Experiments) -> FigureSpec:
    measure = experiments.measures["variance"]
    shown = f"Hadaptive-Net-S, {measure.settings['images']} test images; {about(experiments, models={A2_NET})}"
    return _figure(experiments, "figure_a2", shown, measure.id)


def _detections(experiments: Experiments) -> FigureSpec:
    """Detections drawn on sample images: those of the last of our models that is trained, the largest."""
    backbones, shown = experiments.params.detection, about(experiments, ("coco",))
    ours = [run for run in experiments.runs.values() if isinstance(run, Detection)]
    ours = [run for run in ours if backbones[run.model].cite == "ours"]
    if not ours:
        return _figure(experiments, "figure_detections", shown)
    first = next(run for run in ours if run.model == ours[-1].model)
    return _figure(experiments, "figure_detections", f"SSD on {backbones[first.model].label}; {shown}", first.id)


def _gradcam(experiments: Experiments, name: str, number: int) -> FigureSpec:
    """Figures 8 and 9, the first two images; with one image Figure 9 is empty and says so."""
    measures = experiments.measures_of("explain")
    if number >= len(measures):
        return _figure(experiments, name, "explain.images in params.yaml names one image")
    measure, layers = measures[number], [structure.id for structure in experiments.measures_of("structure")]
    credit = CREDITS.get(measure.settings["image"])
    photo = f"{measure.id.removeprefix('explain/')}{f' (photo: {credit})' if credit else ''}"
    figure = _figure(
        experiments,
        name,
        f"{photo}; models trained on {about(experiments, models={EXPLAINED_NET})}",
        measure.id,
        *layers,
    )
    return figure.model_copy(update={"image": measure.settings["image"], "subject": measure.settings["subject"]})


def _ladder(experiments: Experiments) -> FigureSpec:
    """Accuracy against budget: trainings of this scale, and of those that differ from it in their budget alone."""
    ladder = experiments.settings.ladder
    if ladder is None:
        return _figure(experiments, "figure_ladder", f"scale {experiments.scale} stands in no ladder of params.yaml")
    figure = _figure(experiments, "figure_ladder", about(experiments, ("cifar100",)), *_steps(experiments))
    others = tuple(
        _other(_at(experiments, name))
        for name, scale in experiments.params.scales.items()
        if scale.ladder == ladder and name != experiments.scale
    )
    return figure.model_copy(update={"others": others, "labels": LADDER})


def _other(experiments: Experiments) -> OtherScale:
    records = _steps(experiments)
    return OtherScale(
        scale=experiments.scale,
        records=records,
        reference=tuple(each for each in records if each in experiments.reference),
    )


def _at(experiments: Experiments, scale: str) -> Experiments:
    """The same parameters at another scale, of which reference records are read and nothing is run."""
    return Experiments(experiments.params.model_copy(update={"scale": scale, "reference": "only"}))


def _steps(experiments: Experiments) -> tuple[str, ...]:
    """The ids of the trainings that the ladder shows of a scale."""
    runs = experiments.runs.values()
    return tuple(run.id for run in runs if run.task == "cifar100" and f"{run.model}/{run.variant}" in LADDER)


def _search(selection: Selection) -> FigureSpec:
    """Confidences over epochs, from every search."""
    records = [search.id for search in selection.searches]
    not_selected = "no space given" if selection.selects(FOUND) else "not selected in this run"
    why_not = selection.absent.get("search", not_selected)
    return _figure(selection, "figure_search", about_search(selection) if records else why_not, *records)
