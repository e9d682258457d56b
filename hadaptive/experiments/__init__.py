"""What has to be run and shown, derived from params.yaml alone: Runs, measures, tables, figures. Imports no torch."""

from hadaptive.experiments.bundle import bundle
from hadaptive.experiments.executed import executed
from hadaptive.experiments.explain import EXPLAINED_NET, explain_inputs, explain_measures
from hadaptive.experiments.measures import (
    A2_NET,
    TABLE4_NET,
    kernel_measures,
    measures,
    variance_inputs,
    variance_measure,
)
from hadaptive.experiments.overview import expansion_measure, structure_measure
from hadaptive.experiments.papers import claims, figures, tables
from hadaptive.experiments.runs import code_of, find, runs, trainer_code
from hadaptive.experiments.selection import absent_tasks, options
from hadaptive.experiments.targets import check_target
from hadaptive.paper.files import CLAIMS_ENDINGS, ENDINGS, FIGURE_ENDINGS, KINDS

__all__ = [
    "A2_NET", "CLAIMS_ENDINGS", "ENDINGS", "EXPLAINED_NET", "FIGURE_ENDINGS", "KINDS", "TABLE4_NET", "absent_tasks",
    "bundle", "check_target", "claims", "code_of", "executed", "expansion_measure", "explain_inputs",
    "explain_measures", "figures", "find", "kernel_measures", "measures", "options", "runs", "structure_measure", "tables", "trainer_code",
    "variance_inputs", "variance_measure",
]  # fmt: skip
