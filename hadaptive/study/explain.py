"""What Grad-CAM is measured on, derived from params.yaml: images, nets, records (appendix A.6). Imports no torch."""

from __future__ import annotations

from typing import Any

from hadaptive.config import Params
from hadaptive.explain.settings import CREDITS, EMBEDDED, named_photos
from hadaptive.paper.spec import FigureSpec
from hadaptive.run import Classification, ExplainMeasure
from hadaptive.study.runs import runs
from hadaptive.study.selection import seeds

EXPLAINED_NET, EXPLAINED = "hadaptive_net_s", ("all_ghost", "dysoft")  # the baseline, then the net with ACH
FIGURES = ("figure8", "figure9")


def explain_measures(params: Params) -> dict[str, ExplainMeasure]:
    """One measure an image, by its name: both nets, trained with every seed; none where they are not trained."""
    known = runs(params)
    asked = [
        known.get(f"cifar100/{EXPLAINED_NET}/{variant}/seed{n}")
        for variant in EXPLAINED
        for n in seeds(params, EXPLAINED_NET)
    ]
    trained = [run for run in asked if isinstance(run, Classification)]
    settings: dict[str, Any] = {"model": EXPLAINED_NET, "nets": []}
    if len(trained) == len(asked):
        settings |= {"data": f"data/prepared/{trained[0].dataset}", "image_size": trained[0].recipe.image_size}
        settings["nets"] = [
            {"variant": run.variant, "seed": run.seed, "options": run.options,
             "weights": (run.folder / "last.pt").as_posix()}
            for run in trained
        ]  # fmt: skip
    return {
        name: ExplainMeasure(
            scale=params.scale, name=name, settings={"image": photo.file, "subject": photo.subject, **settings}
        )
        for name, photo in named_photos(params.explain).items()
    }


def explain_inputs(params: Params, name: str) -> list[str]:
    """Files that the measure of an image reads, but for images inside a dependency."""
    settings = explain_measures(params)[name].settings
    nets = [each["weights"] for each in settings["nets"]]
    image = [] if settings["image"].startswith(EMBEDDED) else [settings["image"]]
    return [*image, *([f"{settings['data']}/manifest.json", *nets] if nets else [])]


def explain_figures(params: Params, about: str) -> list[FigureSpec]:
    """Figures 8 and 9: the first two images; with one image Figure 9 is empty and says so."""
    measures = list(explain_measures(params).values())
    stand_in = params.scales[params.scale].stand_in
    found = []
    for name, measure in zip(FIGURES, [*measures, None], strict=False):
        said = "explain.images in params.yaml names one image"
        if measure is not None:
            credit = CREDITS.get(measure.settings["image"])
            said = f"{measure.name}{f' (photo: {credit})' if credit else ''}; nets trained on {about}"
        records = () if measure is None else (measure.id,)
        found.append(FigureSpec(figure=name, scale=params.scale, demonstration=stand_in, about=said, records=records))
    return found
