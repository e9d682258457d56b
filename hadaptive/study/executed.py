"""Everything that leaves a record, of every family. Imports no torch."""

from __future__ import annotations

from hadaptive.config import Params
from hadaptive.run import Executed
from hadaptive.study.explain import explain_measures
from hadaptive.study.measures import kernel_measures, measures, variance_measure
from hadaptive.study.overview import expansion_measure, structure_measure
from hadaptive.study.runs import runs


def executed(params: Params) -> list[Executed]:
    """Every training and every measure of the chosen scale."""
    families = (runs(params), measures(params), kernel_measures(params), explain_measures(params))
    alone = (variance_measure(params), structure_measure(params), expansion_measure(params))
    return [*(each for family in families for each in family.values()), *alone]
