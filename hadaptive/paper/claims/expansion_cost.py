"""Claim 11 (section 4.1, appendix A.5): what counts of ways of expanding channels say of the paper's formulas."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hadaptive.paper import operations
from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.spec import ClaimsSpec, record_path
from hadaptive.record.measures import ExpansionsRecord, Point

OFF = 1e-4  # share by which a count may miss a formula that leaves the score out: its one number a channel
ABOUT = 0.5  # share of m/n within which a ratio is about that
FLAT = 0.1  # a cost as channels to a power within this of zero is flat
STRAIGHT = 0.01  # share by which points may miss a straight line

COUNTED = "Counts as by eqs. 12 to 14, and ratios as by eqs. 15 and 17 corrected"
SHORT = "ACH over pointwise convolution within half of m/n (eq. 18), and nearer to it than to 1/m (section 4.1)"
EVEN = "ACH over pointwise convolution flat in channels"
LINEAR = "ACH over pointwise convolution linear in m/n"
BELOW = "ACH below Ghost"


def ratio(point: Point, way: str) -> float:
    """Counted multiply-accumulates of a way of expanding over those of a pointwise convolution to the same width.

    Hadamard products are among them, as in eq. 14.
    """
    convolved, expanded = point.pointwise.macs / point.pointwise.n, point.way(way)
    return expanded.macs_with_hadamard / (convolved * expanded.n)


def findings(spec: ClaimsSpec, results_root: Path) -> Iterator[Finding]:
    """The formulas, and what the paper concludes from them; counts are exact and no demonstration."""
    record = read_record(
        record_path(spec, spec.expansions, results_root), spec.expansions, spec.scale, ExpansionsRecord
    )
    if isinstance(record, Remark):
        yield from (
            Finding(comparison, None, record.text, measured=False)
            for comparison in (COUNTED, SHORT, EVEN, LINEAR, BELOW)
        )
        return
    yield from (replace(each, edited=record.edited) for each in _judged(record))


def _judged(record: ExpansionsRecord) -> Iterator[Finding]:
    channels, ratios = record.metrics.channels, record.metrics.ratios
    points = [*channels, *ratios]
    yield _counted(points, record.settings.image_size**2)
    yield _about(points)
    yield _flat(channels)
    yield _linear(ratios)
    spans = {way: [ratio(point, way) for point in points] for way in ("ach", "ghost")}
    below = all(ach < ghost for ach, ghost in zip(*spans.values(), strict=True))
    because = ", ".join(
        f"{name} {min(spans[way]):.3f} to {max(spans[way]):.3f}" for way, name in (("ach", "ACH"), ("ghost", "Ghost"))
    )
    yield Finding(BELOW, below, f"{because} of a pointwise convolution")


def _counted(points: Sequence[Point], pixels: int) -> Finding:
    off, printed_15, printed_17 = 0.0, 0.0, 0.0
    for point in points:
        m, n = point.channels, point.ach.n
        ghost = (m, point.ghost.n, point.ghost.s, point.ghost.kernel)
        pairs = (
            (point.pointwise.macs_with_hadamard, operations.pointwise(m, point.pointwise.n) * pixels),
            (point.ghost.macs_with_hadamard, operations.ghost(*ghost) * pixels),
            (point.ach.macs_with_hadamard, operations.ach(m, n) * pixels),
            (ratio(point, "ghost"), operations.ghost_ratio(*ghost)),
            (ratio(point, "ach"), operations.ach_ratio(m, n)),
        )
        off = max(off, *(abs(counted / formula - 1) for counted, formula in pairs))
        printed_15 = max(printed_15, abs(operations.ghost_ratio_printed(*ghost) / ratio(point, "ghost") - 1))
        printed_17 = max(printed_17, abs(operations.ach_ratio_printed(m, n) / ratio(point, "ach") - 1))
    because = f"at most {off:.4%} off; as printed, eq. 15 is off by up to {printed_15:.0%}, eq. 17 by {printed_17:.0%}"
    return Finding(COUNTED, off <= OFF, because)


def _about(points: Sequence[Point]) -> Finding:
    sizes = [(ratio(point, "ach"), point.channels, point.ach.n) for point in points]
    short, text = operations.ach_ratio_short, operations.ach_ratio_in_section_4_1
    nearer = all(abs(counted - short(m, n)) < abs(counted - text(m, n)) for counted, m, n in sizes)
    above = [counted / short(m, n) - 1 for counted, m, n in sizes]
    about = nearer and max(map(abs, above)) <= ABOUT
    return Finding(SHORT, about, f"{min(above):.0%} to {max(above):.0%} above m/n")


def _flat(points: Sequence[Point]) -> Finding:
    costs = [ratio(point, "ach") for point in points]
    slope = statistics.linear_regression([math.log(point.channels) for point in points], list(map(math.log, costs)))
    ends = f"{costs[0]:.3f} at {points[0].channels} channels, {costs[-1]:.3f} at {points[-1].channels}"
    return Finding(EVEN, abs(slope.slope) < FLAT, f"{ends}: as channels to the power {slope.slope:.2f}")


def _linear(points: Sequence[Point]) -> Finding:
    places = [point.channels / point.ach.n for point in points]
    costs = [ratio(point, "ach") for point in points]
    line = statistics.linear_regression(places, costs)
    off = max(abs(line.slope * x + line.intercept - y) / y for x, y in zip(places, costs, strict=True))
    because = f"{line.slope:.3f} m/n + {line.intercept:.3f}, at most {off:.2%} off"
    return Finding(LINEAR, off <= STRAIGHT and line.slope > 0, because)
