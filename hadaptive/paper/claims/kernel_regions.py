"""Claim 12 (Figure 7): where which of the paper's two GPU algorithms is faster, from the record of the sweep.

Many channels and small maps: channels above and sizes below the median of those swept, at the sweep's fixed batch.
Near a multiple of 32: sizes that differ from one by at most a pixel. An algorithm wins a cell where it is faster by
more than half the interquartile ranges of both (which older records lack), and a region where it wins more cells than
the other beyond what fair coins would decide (a sign test, as if cells were independent, which neighbours are not).
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.estimates import tossed
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.spec import ClaimsSpec, record_path
from hadaptive.record.measures import SweepRecord, Swept

MANY = "Parity-balanced is faster at many channels and small maps"
NEAR = "Direct-indexing is faster near multiples of 32 pixels"
MULTIPLE = 32  # threads of a warp
DIRECT, PARITY = 0, 1  # places in a cell's times


def findings(spec: ClaimsSpec, results_root: Path) -> Iterator[Finding]:
    """In how many cells of each region the algorithm wins, and in how many the other."""
    record = read_record(record_path(spec, spec.sweep, results_root), spec.sweep, spec.scale, SweepRecord)
    if isinstance(record, Remark):
        yield from (Finding(comparison, None, record.text, measured=False) for comparison in (MANY, NEAR))
        return
    yield from (replace(each, edited=record.edited) for each in _regions(record))


def _regions(record: SweepRecord) -> Iterator[Finding]:
    a, b = ([cell for cell in cells if cell.status == "done"] for cells in (record.metrics.a, record.metrics.b))
    channels, sizes = {cell.channels or 0 for cell in b}, {cell.size for cell in b}
    few, large = (statistics.median(values) if values else 0 for values in (channels, sizes))
    yield _won(MANY, [cell for cell in b if (cell.channels or 0) > few and cell.size < large], PARITY)
    yield _won(NEAR, [cell for cell in (*a, *b) if _near(cell.size)], DIRECT)


def _near(size: int) -> bool:
    return size > 1 and min(size % MULTIPLE, -size % MULTIPLE) <= 1


def _won(comparison: str, cells: Sequence[Swept], scheme: int) -> Finding:
    if not cells:
        return Finding(comparison, None, "no such cell was measured", measured=False)
    gaps = [cell.times_us[1 - scheme] - cell.times_us[scheme] for cell in cells]
    beyond = [gap for gap, cell in zip(gaps, cells, strict=True) if abs(gap) > sum(cell.spreads_us) / 2]
    won, lost = sum(gap > 0 for gap in beyond), sum(gap < 0 for gap in beyond)
    because = f"in {won} of {len(cells)} cells, the other in {lost}"
    return Finding(comparison, None if won == lost else won > lost, because, p=tossed(won, lost))
