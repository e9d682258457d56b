"""Claim 13 (appendix A.2): what the record on variances and the trainings of Figure 3 say of DySoft and batch norm."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.estimates import student
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.spec import ClaimsSpec, record_ids, record_path
from hadaptive.record.measures import VarianceRecord
from hadaptive.record.trainings import ClassificationRecord

ERRORS = 4.0  # standard errors of a Monte Carlo estimate that are noise: of seven estimates none should be beyond
GREATEST = sys.float_info.max  # the level of a training that diverged
TIMES = 2.0  # a test loss that is not so many times as high is no sign of unstable training
TABLE = "figure3_table"


def findings(spec: ClaimsSpec, results_root: Path) -> Iterator[Finding]:
    """The formula, the bound, and the training."""
    formula = "Variance of a product as by the formula"
    bound = "Variance after DySoft (scale 1) below 1, however large before"
    record = read_record(record_path(spec, spec.variance, results_root), spec.variance, spec.scale, VarianceRecord)
    if isinstance(record, Remark):
        yield Finding(formula, None, record.text, measured=False)
        yield Finding(bound, None, record.text, measured=False)
    else:
        cases, edited = record.metrics.formula, record.edited
        off = max(abs(case.measured - case.formula) / case.standard_error for case in cases)
        samples = f"{len(cases)} pairs of {record.metrics.samples:,} samples"
        because = f"at most {off:.1f} Monte Carlo standard errors off, {samples}"
        yield Finding(formula, off <= ERRORS, because, edited=edited)
        greatest = max(record.metrics.bound, key=lambda case: case.dysoft)
        because = f"at most {greatest.dysoft:.6f}, of products of variance {greatest.products:.2g}"
        yield Finding(bound, greatest.dysoft < 1, because, edited=edited)
    yield _training(spec, results_root)


def _training(spec: ClaimsSpec, results_root: Path) -> Finding:
    """Training with batch norm diverges, or its test loss reaches a higher level than with DySoft.

    The level of a training is its greatest test loss. One that is not finite, at any epoch, is a training that
    diverged: its level is the greatest number there is. Levels are compared as logarithms, since losses that explode
    differ by orders of magnitude between seeds, by Welch's t test; each deviation over seeds is taken as log(TIMES) at
    least: below that no training is unstable.
    """
    comparison = "Training with batch norm diverges, or its test loss reaches a higher level than with DySoft"
    table = spec.tables[TABLE]
    stand_in = table.source("cifar100").stand_in is not None
    levels: dict[str, list[float]] = {}
    edited = False
    for row in table.rows:
        if row.variant not in ("dysoft", "batchnorm"):
            continue
        if (why := table.why_not(row, "cifar100")) is not None:
            return Finding(comparison, None, why, measured=False)
        levels[row.variant] = []
        for record_id in record_ids(table, row, "cifar100"):
            path = record_path(table, record_id, results_root)
            record = read_record(path, record_id, table.scale, ClassificationRecord)
            if isinstance(level := _level(record), str):
                return Finding(comparison, None, f"{row.variant}: {level}", measured=False)
            levels[row.variant].append(level)
            edited |= record.edited
    if len(levels) < 2:
        return Finding(comparison, None, "Figure 3 has no such rows", measured=False)
    finding = _compared(comparison, levels["batchnorm"], levels["dysoft"])
    return replace(finding, demonstration=stand_in, edited=edited)


def _compared(comparison: str, batchnorm: Sequence[float], dysoft: Sequence[float]) -> Finding:
    """Whether the first levels are higher."""
    gone = [each.count(GREATEST) for each in (batchnorm, dysoft)]
    because = f"greatest test loss {max(batchnorm):.3g} with batch norm, {max(dysoft):.3g} with DySoft"
    if any(gone):
        because = f"diverged: batch norm {gone[0]} of {len(batchnorm)} seeds, DySoft {gone[1]} of {len(dysoft)}"
    if min(len(batchnorm), len(dysoft)) < 2:
        return Finding(comparison, None, f"{because}; one seed, whose noise is not known")
    logs = [[math.log(level) for level in each] for each in (batchnorm, dysoft)]
    gap = statistics.fmean(logs[0]) - statistics.fmean(logs[1])
    least = math.log(TIMES) ** 2
    estimate = student(gap, *((max(statistics.variance(each), least) / len(each), len(each) - 1) for each in logs))
    seeds = " and ".join(dict.fromkeys(str(len(each)) for each in logs))
    because += f"; of their logarithms {estimate.words('')}, over {seeds} seeds"
    return Finding(comparison, gap > 0, because, p=estimate.p, estimate=estimate)


def _level(record: ClassificationRecord | Remark) -> float | str:
    """Greatest test loss of a training, `GREATEST` where it diverged; or why there is none."""
    if isinstance(record, Remark):
        return GREATEST if record.text.startswith("diverged") else record.text
    losses = [GREATEST if epoch.test_loss is None else epoch.test_loss for epoch in record.curve]
    return max(losses) if losses and max(losses) > 0 else "no test loss recorded"
