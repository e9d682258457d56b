"""Claim 13 (appendix A.2): what the record on variances and the trainings of Figure 3 say of DySoft and batch norm."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator
from pathlib import Path

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.spec import ClaimsSpec, record_ids, record_path
from hadaptive.record.kinds import ClassificationRecord, VarianceRecord

ERRORS = 4.0  # standard errors of a Monte Carlo estimate that are noise: of seven estimates none should be beyond
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
    """Training with batch norm diverges, or its test loss rises more from one epoch to the next than with DySoft.

    Rises are compared as log(1 + rise): losses that explode differ by orders of magnitude between seeds, and the
    deviation of the plain ones would hide any rise. (Those were compared until real trainings showed that.)
    """
    said = "Training with batch norm diverges, or its test loss rises more between epochs than with DySoft"
    table = spec.tables[TABLE]
    stand_in = table.source("cifar100").stand_in is not None
    rises: dict[str, list[float]] = {}
    edited = False
    for row in table.rows:
        if row.variant not in ("dysoft", "batchnorm"):
            continue
        if (why := table.why_not(row, "cifar100")) is not None:
            return Finding(said, None, why, measured=False)
        rises[row.variant] = []
        for record_id in record_ids(table, row, "cifar100"):
            path = record_path(table, record_id, results_root)
            record = read_record(path, record_id, table.scale, ClassificationRecord)
            if isinstance(rise := _rise(record), str):
                return Finding(said, None, f"{row.variant}: {rise}", measured=False)
            rises[row.variant].append(rise)
            edited |= record.edited
    if len(rises) < 2:
        return Finding(said, None, "Figure 3 has no such rows", measured=False)
    batchnorm, dysoft = rises["batchnorm"], rises["dysoft"]
    if math.inf in batchnorm or math.inf in dysoft:
        counts = [f"{each.count(math.inf)} of {len(each)}" for each in (batchnorm, dysoft)]
        because = f"diverged: batch norm {counts[0]} seeds, DySoft {counts[1]}"
        more = batchnorm.count(math.inf) / len(batchnorm) > dysoft.count(math.inf) / len(dysoft)
        return Finding(said, more, because, demonstration=stand_in, edited=edited)
    means = [statistics.fmean(each) for each in (batchnorm, dysoft)]
    because = f"greatest rise {means[0]:.3g} with batch norm, {means[1]:.3g} with DySoft"
    if min(len(batchnorm), len(dysoft)) < 2:
        return Finding(
            said, None, f"{because}; one seed, whose noise is not known", demonstration=stand_in, edited=edited
        )
    logs = [[math.log1p(rise) for rise in each] for each in (batchnorm, dysoft)]
    noise, gap = sum(map(statistics.stdev, logs)), statistics.fmean(logs[0]) - statistics.fmean(logs[1])
    because += f"; of log(1 + rise) {gap:+.3g}, noise {noise:.2g} (deviations over seeds)"
    return Finding(said, None if abs(gap) <= noise else gap > 0, because, demonstration=stand_in, edited=edited)


def _rise(record: ClassificationRecord | Remark) -> float | str:
    """Greatest rise of the test loss between epochs, infinite for a training that diverged; or why there is none."""
    if isinstance(record, Remark):
        return math.inf if record.text.startswith("diverged") else record.text
    losses = [math.inf if epoch.test_loss is None else epoch.test_loss for epoch in record.curve]
    if len(losses) < 2:
        return "one epoch"
    return max(0.0, *(after - before for before, after in itertools.pairwise(losses)))
