"""What is measured rather than trained: models, kernels, variances, Grad-CAM, ways of expanding. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hadaptive.explain.settings import EMBEDDED, named_photos
from hadaptive.measures import MEASURES
from hadaptive.run import Classification, Measure, ModelMeasure, NamedMeasure, Run
from hadaptive.study.runs import code_of, depends_on
from hadaptive.study.selection import Selection

TABLE4_NET, TABLE9_NET = "hadaptive_net_l", "hadaptive_net_s"
A2_NET, A2_VARIANTS, A2_IMAGES = "hadaptive_net_s", ("dysoft", "batchnorm"), 128  # appendix A.2, claim 13
EXPLAINED_NET, EXPLAINED = "hadaptive_net_s", ("all_ghost", "dysoft")  # the baseline, then the net with ACH
FIGURE5 = {"channels": [16, 32, 64, 96, 128, 192, 256, 384, 512], "ratio": 4}  # the paper gives the ends
FIGURE6 = {"fixed_channels": 64, "ratios": [4, 8, 12, 16, 20, 24]}
FIGURE7 = {"fixed_channels": 64, "fixed_batch": 64}  # channels in (a), batch in (b); the paper does not say
LATENCY_INPUT = {"image_size": 224, "num_classes": 100}  # Table 7: measured on models for CIFAR-100 at 224 px


def measures(selection: Selection, runs: Mapping[str, Run]) -> Iterator[Measure]:
    """Every measure of the chosen scale; `runs` are its trainings, some of whose models are measured."""
    yield from _models(selection)
    yield from _kernels(selection)
    yield from _explain(selection, runs)
    yield _variance(selection, runs)
    yield _structure(selection)
    yield _expansions(selection)


def inputs(measure: Measure) -> list[str]:
    """Files that a measure reads: an image (unless a dependency holds it), data, checkpoints, records of searches."""
    settings = measure.settings
    image = [] if settings.get("image", EMBEDDED).startswith(EMBEDDED) else [settings["image"]]
    trained = [*settings.get("nets", ()), *settings.get("variants", {}).values()]
    data = [f"{settings['data']}/manifest.json"] if trained else []
    searches = depends_on(measure) if isinstance(measure, ModelMeasure) else []
    return [*image, *data, *(model["weights"] for model in trained), *searches]


def measure_code(measure: Measure) -> tuple[str, ...]:
    """Modules whose code makes the result of a measure."""
    kind = MEASURES[measure.kind]
    if isinstance(measure, ModelMeasure):
        ours = code_of(measure.model, measure.options)
    else:
        ours = code_of(measure.settings.get("model", ""))
    return (kind.module, *ours, *(kind.with_ach if ours else ()))


def _models(selection: Selection) -> Iterator[ModelMeasure]:
    """Complexity and latency of every selected model."""
    latency = {**LATENCY_INPUT, **selection.settings.latency.model_dump()}
    for model, variant in selection.pairs:
        for kind, settings in {"complexity": LATENCY_INPUT, "latency": latency}.items():
            yield ModelMeasure(
                scale=selection.scale, kind=kind, model=model, variant=variant,
                options=selection.options(model, variant), settings=settings,
            )  # fmt: skip


def _kernels(selection: Selection) -> Iterator[NamedMeasure]:
    """The GPU kernels: a net with each implementation (Table 4), and the operator over sizes (Figure 7)."""
    scale = selection.settings
    options = selection.options(TABLE4_NET, _shown(selection, TABLE4_NET))
    timing = {"runs": scale.latency.runs, "warmup": scale.latency.warmup}
    of_net = {"model": TABLE4_NET, "options": options, **LATENCY_INPUT, **timing}
    yield NamedMeasure(scale=selection.scale, kind="kernels", name="table4", settings=of_net)
    sweep = {**scale.kernels.model_dump(), **FIGURE7}
    yield NamedMeasure(scale=selection.scale, kind="kernels", name="figure7", settings=sweep)


def _variance(selection: Selection, runs: Mapping[str, Run]) -> Measure:
    """Variances of appendix A.2; without the trained models (not selected, no data) only what needs none."""
    seed = selection.seeds(A2_NET)[0]
    trained = _trained(runs, [f"cifar100/{A2_NET}/{name}/seed{seed}" for name in A2_VARIANTS])
    variants = {run.variant: {"options": run.options, "weights": _weights(run)} for run in trained}
    settings = {"model": A2_NET, "images": A2_IMAGES, "variants": variants, **_data(trained)}
    return Measure(scale=selection.scale, kind="variance", settings=settings)


def _explain(selection: Selection, runs: Mapping[str, Run]) -> Iterator[NamedMeasure]:
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


def _structure(selection: Selection) -> ModelMeasure:
    """The layers of Table 9's net, in the variant that Table 7 shows."""
    variant = _shown(selection, TABLE9_NET)
    options = selection.options(TABLE9_NET, variant)
    return ModelMeasure(
        scale=selection.scale, kind="structure", model=TABLE9_NET, variant=variant, options=options,
        settings=LATENCY_INPUT,
    )  # fmt: skip


def _expansions(selection: Selection) -> Measure:
    """Operations of pointwise convolution, Ghost module and ACH, for Figures 5 and 6."""
    size = {"image_size": LATENCY_INPUT["image_size"]}
    return Measure(scale=selection.scale, kind="expansions", settings={**FIGURE5, **FIGURE6, **size})


def _shown(selection: Selection, model: str) -> str:
    """The variant of a model that Table 7 shows."""
    zoo = selection.params.zoo
    return zoo[model].variant if model in zoo else "base"


def _trained(runs: Mapping[str, Run], ids: list[str]) -> list[Classification]:
    """The trainings of these ids; none unless there are all."""
    trained = [run for run in map(runs.get, ids) if isinstance(run, Classification)]
    return trained if len(trained) == len(ids) else []


def _weights(run: Run) -> str:
    return (run.folder / "last.pt").as_posix()


def _data(trained: list[Classification]) -> dict[str, Any]:
    """The test set on which trained models are measured; nothing where there are none."""
    if not trained:
        return {}
    return {"data": f"data/prepared/{trained[0].dataset}", "image_size": trained[0].recipe.image_size}
