"""What has to be run and shown, derived from params.yaml alone: Runs, measures, tables, figures. Imports no torch."""

from hadaptive.experiments.measures import (
    A2_NET,
    TABLE4_NET,
    kernel_measures,
    measures,
    variance_inputs,
    variance_measure,
)
from hadaptive.experiments.papers import claims, figures, tables
from hadaptive.experiments.runs import absent_tasks, code_of, find, options, runs, trainer_code
from hadaptive.experiments.search import depends_on
from hadaptive.experiments.targets import CLAIMS_ENDINGS, ENDINGS, FIGURE_ENDINGS, KINDS, check_target

__all__ = [
    "A2_NET", "CLAIMS_ENDINGS", "ENDINGS", "FIGURE_ENDINGS", "KINDS", "TABLE4_NET", "absent_tasks", "check_target",
    "claims", "code_of", "depends_on", "figures", "find", "kernel_measures", "measures", "options", "runs", "tables",
    "trainer_code", "variance_inputs", "variance_measure",
]  # fmt: skip
