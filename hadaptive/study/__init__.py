"""What has to be run and shown, derived from params.yaml alone: Runs, measures, tables, figures. Imports no torch."""

from hadaptive.paper.files import CLAIMS_ENDINGS, ENDINGS, FIGURE_ENDINGS, KINDS
from hadaptive.study.bundle import bundle
from hadaptive.study.collected import manifests, metric_files, metrics, records
from hadaptive.study.executed import executed
from hadaptive.study.explain import EXPLAINED_NET, explain_inputs, explain_measures
from hadaptive.study.measures import (
    A2_NET,
    TABLE4_NET,
    kernel_measures,
    measures,
    variance_inputs,
    variance_measure,
)
from hadaptive.study.overview import expansion_measure, structure_measure
from hadaptive.study.papers import about, claims, figures, tables
from hadaptive.study.runs import code_of, find, runs, trainer_code
from hadaptive.study.search import depends_on
from hadaptive.study.selection import absent_tasks, options
from hadaptive.study.targets import bundle_files, check_target

__all__ = [
    "A2_NET", "CLAIMS_ENDINGS", "ENDINGS", "EXPLAINED_NET", "FIGURE_ENDINGS", "KINDS", "TABLE4_NET", "about",
    "absent_tasks", "bundle", "bundle_files", "check_target", "claims", "code_of", "depends_on", "executed",
    "expansion_measure", "explain_inputs", "explain_measures", "figures", "find", "kernel_measures", "manifests",
    "measures", "metric_files", "metrics", "options", "records", "runs", "structure_measure", "tables", "trainer_code",
    "variance_inputs", "variance_measure",
]  # fmt: skip
