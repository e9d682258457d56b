"""What is measured without a training of its own, derived from params.yaml alone. Imports no torch."""

from __future__ import annotations

from typing import Any

from hadaptive.config import Params
from hadaptive.run import Classification, KernelMeasure, Measure, VarianceMeasure
from hadaptive.study.runs import runs
from hadaptive.study.selection import options, pairs, seeds

TABLE4_NET = "hadaptive_net_l"
A2_NET, A2_VARIANTS, A2_IMAGES = "hadaptive_net_s", ("dysoft", "batchnorm"), 128  # appendix A.2, claim 13
FIGURE7_FIXED = {"fixed_channels": 64, "fixed_batch": 64}  # channels in (a), batch in (b); the paper does not say
LATENCY_INPUT = {"image_size": 224, "num_classes": 100}  # Table 7: measured on models for CIFAR-100 at 224 px


def measures(params: Params) -> dict[str, Measure]:
    """Complexity and latency of every selected model, by id."""
    latency = params.scales[params.scale].latency
    found = [
        Measure(
            scale=params.scale, kind=kind, model=model, variant=variant, options=options(params, variant, model),
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
    seed = seeds(params, A2_NET)[0]
    found = {name: runs(params).get(f"cifar100/{A2_NET}/{name}/seed{seed}") for name in A2_VARIANTS}
    trained = [run for run in found.values() if isinstance(run, Classification)]
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
