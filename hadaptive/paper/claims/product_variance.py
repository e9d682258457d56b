"""Claim 13 (appendix A.2): what the record on variances and the trainings of Figure 3 say of DySoft and batch norm."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.spec import ClaimsSpec, record_ids, record_path
from hadaptive.record.measures import VarianceRecord
from hadaptive.record.trainings import ClassificationRecord

ERRORS = 4.0  # standard errors of a Monte Carlo estimate that are noise: of seven estimates none should be beyond
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

    A test loss that is not finite, at any epoch, is a training that diverged. The level of any other is its greatest
    test loss. Levels are compared as logarithms, since losses that explode differ by orders of magnitude between
    seeds; the noise is their deviation over seeds or, if larger, log(TIMES): below that no training is unstable.
    """
    said = "Training with batch norm diverges, or its test loss reaches a higher level than with DySoft"
    table = spec.tables[TABLE]
    stand_in = table.source("cifar100").stand_in is not None
    levels: dict[str, list[float]] = {}
    edited = False
    for row in table.rows:
        if row.variant not in ("dysoft", "batchnorm"):
            continue
        if (why := table.why_not(row, "cifar100")) is not None:
            return Finding(said, None, why, measured=False)
        levels[row.variant] = []
        for record_id in record_ids(table, row, "cifar100"):
            path = record_path(table, record_id, results_root)
            record = read_record(path, record_id, table.scale, ClassificationRecord)
            if isinstance(level := _level(record), str):
                return Finding(said, None, f"{row.variant}: {level}", measured=False)
            levels[row.variant].append(level)
            edited |= record.edited
    if len(levels) < 2:
        return Finding(said, None, "Figure 3 has no such rows", measured=False)
    true, because = _compared(levels["batchnorm"], levels["dysoft"])
    return Finding(said, true, because, demonstration=stand_in, edited=edited)


def _compared(batchnorm: Sequence[float], dysoft: Sequence[float]) -> tuple[bool | None, str]:
    """Whether the first levels are higher, by more than noise; in words."""
    if math.inf in (*batchnorm, *dysoft):
        gone = [each.count(math.inf) for each in (batchnorm, dysoft)]
        shares = [count / len(each) for count, each in zip(gone, (batchnorm, dysoft), strict=True)]
        because = f"diverged: batch norm {gone[0]} of {len(batchnorm)} seeds, DySoft {gone[1]} of {len(dysoft)}"
        return None if shares[0] == shares[1] else shares[0] > shares[1], because
    because = f"greatest test loss {max(batchnorm):.3g} with batch norm, {max(dysoft):.3g} with DySoft"
    if min(len(batchnorm), len(dysoft)) < 2:
        return None, f"{because}; one seed, whose noise is not known"
    logs = [[math.log(level) for level in each] for each in (batchnorm, dysoft)]
    gap = statistics.fmean(logs[0]) - statistics.fmean(logs[1])
    noise = max(sum(map(statistics.stdev, logs)), math.log(TIMES))
    because += f"; of their logarithms {gap:+.3g}, noise {noise:.2g} (deviations over seeds, or a factor of {TIMES:g})"
    return None if abs(gap) <= noise else gap > 0, because


def _level(record: ClassificationRecord | Remark) -> float | str:
    """Greatest test loss of a training, infinite where it diverged; or why there is none."""
    if isinstance(record, Remark):
        return math.inf if record.text.startswith("diverged") else record.text
    losses = [math.inf if epoch.test_loss is None else epoch.test_loss for epoch in record.curve]
    return max(losses) if losses and max(losses) > 0 else "no test loss recorded"
