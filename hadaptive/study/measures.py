"""What is measured rather than trained: a registry of kinds of measures. Imports no torch.

A new kind is a module with `record(measure)` and an entry of `MEASURES` at the end of this file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hadaptive.config import TextTask
from hadaptive.data.vocabulary import SIZE as VOCABULARY
from hadaptive.explain.settings import EMBEDDED, named_photos
from hadaptive.run import Classification, Measure, ModelMeasure, NamedMeasure, Run
from hadaptive.study.runs import code_of, depends_on
from hadaptive.study.selection import Selection

TABLE4_NET, TABLE9_NET = "hadaptive_net_l", "hadaptive_net_s"
A2_NET, A2_VARIANTS, A2_IMAGES = "hadaptive_net_s", ("dysoft", "batchnorm"), 128  # appendix A.2, claim 13
EXPLAINED_NET, EXPLAINED = "hadaptive_net_s", ("all_ghost", "dysoft")  # the baseline, then the model with ACH
FIGURE5 = {"channels": [16, 32, 64, 96, 128, 192, 256, 384, 512], "ratio": 4}  # the paper gives the ends
FIGURE6 = {"fixed_channels": 64, "ratios": [4, 8, 12, 16, 20, 24]}
FIGURE7 = {"fixed_channels": 64, "fixed_batch": 64}  # channels in (a), batch in (b); the paper does not say
LATENCY_INPUT = {"image_size": 224, "num_classes": 100}  # Table 7: measured on models for CIFAR-100 at 224 px
DETECTOR_INPUT = {"image_size": 320, "num_classes": 80}  # Table 6: COCO at the paper's size
TEXT_INPUT = {"vocabulary": VOCABULARY, "classes": 2}  # Table 13: BERT's word pieces, the classes of SST-2
FAST_FORM = "hadaptive.measure.fast_form"

Runs = Mapping[str, Run]  # trainings, by id


def _complexity(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Yield the operations and parameters of every selected model."""
    return _models(selection, "complexity", LATENCY_INPUT)


def _latency(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Yield the latency of every selected model."""
    return _models(selection, "latency", {**LATENCY_INPUT, **selection.settings.latency.model_dump()})


def _models(selection: Selection, kind: str, settings: dict[str, Any]) -> Iterator[Measure]:
    for model, variant in selection.pairs:
        options = selection.options(model, variant)
        yield ModelMeasure(
            scale=selection.scale, kind=kind, model=model, variant=variant, options=options, settings=settings
        )


def _kernels(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Yield the GPU kernels: a model with each implementation (Table 4), and the operator over sizes (Figure 7)."""
    scale = selection.settings
    options = selection.options(TABLE4_NET, _shown(selection, TABLE4_NET))
    timing = {"runs": scale.latency.runs, "warmup": scale.latency.warmup}
    of_net = {"model": TABLE4_NET, "options": options, **LATENCY_INPUT, **timing}
    yield NamedMeasure(scale=selection.scale, kind="kernels", name="table4", settings=of_net)
    sweep = {**scale.kernels.model_dump(), **FIGURE7}
    yield NamedMeasure(scale=selection.scale, kind="kernels", name="figure7", settings=sweep)


def _variance(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Variances of appendix A.2; without the trained models (not selected, no data) only what needs none."""
    seed = selection.seeds(A2_NET)[0]
    trained = _trained(runs, [f"cifar100/{A2_NET}/{name}/seed{seed}" for name in A2_VARIANTS])
    variants = {run.variant: {"options": run.options, "weights": _weights(run)} for run in trained}
    settings = {"model": A2_NET, "images": A2_IMAGES, "variants": variants, **_data(trained)}
    yield Measure(scale=selection.scale, kind="variance", settings=settings)


def _explain(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Grad-CAM of both models, trained with every seed, on each image; of none where they are not trained."""
    seeds = selection.seeds(EXPLAINED_NET)
    trained = _trained(runs, [f"cifar100/{EXPLAINED_NET}/{name}/seed{n}" for name in EXPLAINED for n in seeds])
    nets = [
        {"variant": run.variant, "seed": run.seed, "options": run.options, "weights": _weights(run)} for run in trained
    ]
    settings = {"model": EXPLAINED_NET, "nets": nets, **_data(trained)}
    for name, photo in named_photos(selection.params.explain).items():
        of_photo = {"image": photo.file, "subject": photo.subject, **settings}
        yield NamedMeasure(scale=selection.scale, kind="explain", name=name, settings=of_photo)


def _structure(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Yield the layers of Table 9's model, in the variant that Table 7 shows."""
    variant = _shown(selection, TABLE9_NET)
    options = selection.options(TABLE9_NET, variant)
    yield ModelMeasure(
        scale=selection.scale,
        kind="structure",
        model=TABLE9_NET,
        variant=variant,
        options=options,
        settings=LATENCY_INPUT,
    )


def _expansions(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Yield the operations of pointwise convolution, Ghost module and ACH, for Figures 5 and 6."""
    size = {"image_size": LATENCY_INPUT["image_size"]}
    yield Measure(scale=selection.scale, kind="expansions", settings={**FIGURE5, **FIGURE6, **size})


def _detectors(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Yield the parameters and operations of Table 6's detectors, together: of every one, selected or not."""
    entries = selection.params.detection.items()
    models = {model: {entry.variant: selection.options(model, entry.variant)} for model, entry in entries}
    if models:
        yield Measure(scale=selection.scale, kind="detectors", settings={"models": models, **DETECTOR_INPUT})


def _text_models(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Yield the parameters and channels of Table 13's models, as wide as the scale trains them."""
    task = selection.tasks.get("sst2")
    models: dict[str, dict[str, object]] = {}
    for model, variant in selection.text_pairs:
        models.setdefault(model, {})[variant] = selection.options(model, variant)
    if models and isinstance(task, TextTask):
        shape = {"width": task.recipe.width, "heads": task.recipe.heads, **TEXT_INPUT}
        yield Measure(scale=selection.scale, kind="text_models", settings={"models": models, **shape})


def _shown(selection: Selection, model: str) -> str:
    """Return the variant of a model that Table 7 shows."""
    zoo = selection.params.zoo
    return zoo[model].variant if model in zoo else "base"


def _trained(runs: Runs, ids: list[str]) -> list[Classification]:
    """Return the trainings of these ids; none unless there are all."""
    trained = [run for run in map(runs.get, ids) if isinstance(run, Classification)]
    return trained if len(trained) == len(ids) else []


def _weights(run: Run) -> str:
    return (run.folder / "last.pt").as_posix()


def _data(trained: list[Classification]) -> dict[str, Any]:
    """Return the test set on which trained models are measured; nothing where there are none."""
    if not trained:
        return {}
    return {"data": f"data/prepared/{trained[0].dataset}", "image_size": trained[0].recipe.image_size}


@dataclass(frozen=True)
class Kind:
    """`derive` gives its measures, and `module` has `record(measure)`, which returns a record.

    With `gpu` it is `record(measure, gpu, limit_s)`. Rules and verbs of their own make complexity and latency, which
    also write and read exported models.
    """

    module: str
    derive: Callable[[Selection, Runs], Iterator[Measure]]
    model: type[Measure] = Measure
    gpu: bool = False  # measured on a GPU where there is one
    alone: bool = False  # nothing else runs beside it
    exported: bool = False  # of models exported to ONNX, ours by a module on which baselines do not depend
    counted: bool = False  # exact counts, which need seconds and no data: measured even with `reference: only`


MEASURES = {
    "complexity": Kind("hadaptive.measure.record", _complexity, ModelMeasure, exported=True, counted=True),
    "latency": Kind("hadaptive.measure.record", _latency, ModelMeasure, gpu=True, alone=True, exported=True),
    "kernels": Kind("hadaptive.measure.bench_kernels.paper", _kernels, NamedMeasure, gpu=True, alone=True),
    "explain": Kind("hadaptive.explain.record", _explain, NamedMeasure),
    "variance": Kind("hadaptive.measure.variance", _variance),
    "structure": Kind("hadaptive.measure.structure", _structure, ModelMeasure, counted=True),
    "expansions": Kind("hadaptive.measure.expansions", _expansions, counted=True),
    "detectors": Kind("hadaptive.measure.detectors", _detectors, counted=True),
    "text_models": Kind("hadaptive.measure.text_models", _text_models, counted=True),
}


def measures(selection: Selection, runs: Runs) -> Iterator[Measure]:
    """Yield every measure of the chosen scale; `runs` are its trainings, some of whose models are measured."""
    for kind in MEASURES.values():
        yield from kind.derive(selection, runs)


def parse(text: str) -> Measure:
    """Return the measure of that JSON, as `Measure.dumps` writes it."""
    return MEASURES[json.loads(text)["kind"]].model.model_validate_json(text)


def inputs(measure: Measure) -> list[str]:
    """List the files that a measure reads: an image (unless a dependency holds it), data, checkpoints, searches."""
    settings = measure.settings
    image = [] if settings.get("image", EMBEDDED).startswith(EMBEDDED) else [settings["image"]]
    trained = [*settings.get("nets", ()), *settings.get("variants", {}).values()]
    data = [f"{settings['data']}/manifest.json"] if trained else []
    searches = depends_on(measure) if isinstance(measure, ModelMeasure) else []
    return [*image, *data, *(model["weights"] for model in trained), *searches]


def measure_code(measure: Measure) -> tuple[str, ...]:
    """Return the modules whose code makes the result of a measure."""
    kind = MEASURES[measure.kind]
    if isinstance(measure, ModelMeasure):
        ours = code_of(measure.model, measure.options)
    else:
        together = measure.settings.get("models", {measure.settings.get("model", ""): {"": {}}})
        each = [code_of(model, options) for model, variants in together.items() for options in variants.values()]
        ours = tuple(dict.fromkeys(name for names in each for name in names))
    return (kind.module, *ours, *((FAST_FORM,) if ours and kind.exported else ()))
