"""What has to be run and shown, derived from params.yaml alone: Runs, measures, tables, figures. Imports no torch."""

from hadaptive.experiments.bundle import bundle
from hadaptive.experiments.collected import manifests, metric_files, metrics, records
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
from hadaptive.experiments.papers import about, claims, figures, tables
from hadaptive.experiments.runs import code_of, find, runs, trainer_code
from hadaptive.experiments.search import depends_on
from hadaptive.experiments.selection import absent_tasks, options
from hadaptive.experiments.targets import bundle_files, check_target
from hadaptive.paper.files import CLAIMS_ENDINGS, ENDINGS, FIGURE_ENDINGS, KINDS

__all__ = [
    "A2_NET", "CLAIMS_ENDINGS", "ENDINGS", "EXPLAINED_NET", "FIGURE_ENDINGS", "KINDS", "TABLE4_NET", "about",
    "absent_tasks", "bundle", "bundle_files", "check_target", "claims", "code_of", "depends_on", "executed",
    "expansion_measure", "explain_inputs", "explain_measures", "figures", "find", "kernel_measures", "manifests",
    "measures", "metric_files", "metrics", "options", "records", "runs", "structure_measure", "tables", "trainer_code",
    "variance_inputs", "variance_measure",
]  # fmt: skip
