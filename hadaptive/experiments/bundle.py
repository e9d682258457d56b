"""Every table, figure and claim together, for the page that shows them. Imports no torch."""

from __future__ import annotations

from hadaptive.config import Params
from hadaptive.experiments.papers import about, claims, figures, tables
from hadaptive.paper.spec import BundleSpec


def bundle(params: Params) -> BundleSpec:
    """All of the chosen scale."""
    return BundleSpec(
        scale=params.scale,
        demonstration=params.scales[params.scale].stand_in,
        about=about(params),
        tables=tables(params),
        figures=figures(params),
        claims=claims(params),
    )
