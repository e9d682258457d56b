"""What the coarse stages take together: metrics, records, prepared data. Imports no torch."""

from __future__ import annotations

from hadaptive.config import Params
from hadaptive.paper.spec import ClaimsSpec, FigureSpec, MetricsSpec, TableSpec, metrics_paths, records_needed
from hadaptive.study.papers import claims, figures, tables
from hadaptive.study.runs import runs


def metrics(params: Params) -> MetricsSpec:
    """What is written as metrics: every cell of every table."""
    return MetricsSpec(scale=params.scale, tables=tables(params))


def metric_files(params: Params) -> list[str]:
    """The files of `metrics`, one a row of a table."""
    return [path.as_posix() for paths in metrics_paths(metrics(params)).values() for path in paths.values()]


def records(params: Params) -> list[str]:
    """Every record that a table, a figure or the claims read."""
    specs: list[TableSpec | FigureSpec | ClaimsSpec]
    specs = [*tables(params).values(), *figures(params).values(), claims(params)]
    return sorted({path.as_posix() for spec in specs for path in records_needed(spec)})


def manifests(params: Params) -> list[str]:
    """The manifest of every prepared data set that a Run is trained on; none where nothing is run."""
    if params.takes == "only":
        return []
    return sorted({f"data/prepared/{run.dataset}/manifest.json" for run in runs(params).values()})
