"""What has to be run and shown, derived from params.yaml alone: Runs, measures, tables, figures. Imports no torch."""

from hadaptive.experiments.measures import (
    A2_NET,
    TABLE4_NET,
    kernel_measures,
    measures,
    variance_inputs,
    variance_measure,
)
from hadaptive.experiments.papers import about, claims, figures, manifests, metric_files, metrics, records, tables
from hadaptive.experiments.runs import absent_tasks, code_of, find, options, runs, trainer_code
from hadaptive.experiments.targets import CLAIMS_ENDINGS, ENDINGS, FIGURE_ENDINGS, KINDS, bundle_files, check_target

__all__ = [
    "A2_NET", "CLAIMS_ENDINGS", "ENDINGS", "FIGURE_ENDINGS", "KINDS", "TABLE4_NET", "about", "absent_tasks",
    "bundle_files", "check_target", "claims", "code_of", "figures", "find", "kernel_measures", "manifests", "measures",
    "metric_files", "metrics", "options", "records", "runs", "tables", "trainer_code", "variance_inputs",
    "variance_measure",
]  # fmt: skip
