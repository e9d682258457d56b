"""Every table, figure and claim together, for the page that shows them. Imports no torch."""

from __future__ import annotations

from hadaptive.config import Params
from hadaptive.paper.spec import BundleSpec
from hadaptive.study.papers import about, claims, figures, tables
from hadaptive.tasks import TASKS


def bundle(params: Params) -> BundleSpec:
    """All of the chosen scale."""
    return BundleSpec(
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=about(params, tuple(TASKS)),
        tables=tables(params),
        figures=figures(params),
        claims=claims(params),
    )
