"""Claim 3 (Table 3): which operator the search prefers in which layer, and which normalizer function of ACH."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hadaptive.paper.cells import Remark, look_up, read_record
from hadaptive.paper.claims.estimates import student
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.published import published
from hadaptive.paper.spec import ClaimsSpec, record_ids, record_path
from hadaptive.record.trainings import SearchRecord

TABLE, SOURCE = "table3", "search"
GHOST, DYSOFT, OTHERS = "ghost", "ach_dysoft", ("ach_dysig", "ach_dyalge")
LEAST = 1.0  # points of confidence: a deviation over seeds is never taken as smaller
SHALLOW, DEEP = range(3, 10), range(10, 14)  # "from the eleventh row on", counted from 0


@dataclass(frozen=True)
class _Layer:
    """What the searches say of one layer: by how many points of confidence it is as claimed, a number for each seed."""

    comparison: str
    paper: bool  # the sign of the same in the paper
    margins: tuple[float, ...] = ()
    edited: bool = False
    why: str = ""  # there are no margins


def findings(spec: ClaimsSpec, results_root: Path) -> Iterator[Finding]:
    """Layer by layer: Ghost or the best ACH first; of the deep layers also DySoft first among the curves.

    Student's t over seeds. A layer's variance is its own or that pooled over all layers, whichever is larger, and a
    point at least: where searches are sure of some layers and not of others, the sure ones say nothing of the others.
    """
    layers = list(_layers(spec, results_root))
    varied = [each.margins for each in layers if len(each.margins) > 1]
    degrees = sum(len(margins) - 1 for margins in varied)
    squares = sum((len(margins) - 1) * statistics.variance(margins) for margins in varied)
    pooled = max(squares / degrees, LEAST**2) if degrees else 0.0
    stand_in = TABLE in spec.tables and spec.tables[TABLE].source(SOURCE).stand_in is not None
    for each in layers:
        yield replace(_finding(each, pooled, degrees), demonstration=stand_in and not each.why, edited=each.edited)


def _finding(layer: _Layer, pooled: float, degrees: int) -> Finding:
    if layer.why:
        return Finding(layer.comparison, None, layer.why, measured=False, paper=layer.paper)
    mean, seeds = statistics.fmean(layer.margins), len(layer.margins)
    if seeds < 2:
        because = f"{mean:+.3g} points of confidence; one seed, whose noise is not known"
        return Finding(layer.comparison, None, because, paper=layer.paper)
    own = statistics.variance(layer.margins)
    variance, degrees = (own, seeds - 1) if own > pooled else (pooled, degrees)
    estimate = student(mean, (variance / seeds, degrees))
    because = f"{estimate.words('points of confidence')}; {seeds} seeds, deviation over seeds {variance**0.5:.2g}"
    return Finding(layer.comparison, mean > 0, because, paper=layer.paper, p=estimate.p, estimate=estimate)


def _layers(spec: ClaimsSpec, results_root: Path) -> Iterator[_Layer]:
    for layer in SHALLOW:
        yield _layer(spec, results_root, layer, f"Layer {layer}: Ghost > any ACH", (GHOST,), (DYSOFT, *OTHERS))
    for layer in DEEP:
        yield _layer(spec, results_root, layer, f"Layer {layer}: an ACH > Ghost", (DYSOFT, *OTHERS), (GHOST,))
        yield _layer(spec, results_root, layer, f"Layer {layer}: DySoft > DySig, DyAlge", (DYSOFT,), OTHERS)


def _layer(
    spec: ClaimsSpec, results_root: Path, layer: int, comparison: str, more: tuple[str, ...], less: tuple[str, ...]
) -> _Layer:
    """The greatest of `more` less the greatest of `less`, seed by seed."""
    paper = _margin({name: _number(text) for name, text in published(TABLE)[str(layer)].items()}, more, less) > 0
    table = spec.tables.get(TABLE)
    row = next((row for row in table.rows if row.variant == str(layer)), None) if table else None
    if table is None or row is None or not {*more, *less} <= set(row.has or ()):
        return _Layer(comparison, paper, why="the space in params.yaml has no such layer")
    if (why := table.why_not(row, SOURCE)) is not None:
        return _Layer(comparison, paper, why=why)
    margins, edited = [], False
    for record_id in record_ids(table, row, SOURCE):
        record = read_record(record_path(table, record_id, results_root), record_id, table.scale, SearchRecord)
        edited |= not isinstance(record, Remark) and record.edited
        found = {name: look_up(record, f"confidence.{layer}.{name}") for name in (*more, *less)}
        numbers = {name: value for name, value in found.items() if not isinstance(value, Remark)}
        if len(numbers) < len(found):
            return _Layer(
                comparison, paper, why=next(value.text for value in found.values() if isinstance(value, Remark))
            )
        margins.append(_margin(numbers, more, less))
    return _Layer(comparison, paper, tuple(margins), edited)


def _margin(numbers: dict[str, float], more: tuple[str, ...], less: tuple[str, ...]) -> float:
    return max(numbers[name] for name in more) - max(numbers[name] for name in less)


def _number(text: str) -> float:
    return 0.0 if not text or text.startswith("<") else float(text)
