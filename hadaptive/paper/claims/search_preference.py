"""Claim 3 (Table 3): which operator the search prefers in which layer, and which curve of ACH."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from hadaptive.paper.cells import Remark, look_up, read_record
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.published import published
from hadaptive.paper.spec import ClaimsSpec, record_ids, record_path
from hadaptive.record.trainings import SearchRecord

TABLE, SOURCE = "table3", "search"
GHOST, DYSOFT, OTHERS = "ghost", "ach_dysoft", ("ach_dysig", "ach_dyalge")
SHALLOW, DEEP = range(3, 10), range(10, 14)  # "from the eleventh row on", counted from 0


def findings(spec: ClaimsSpec, results_root: Path) -> Iterator[Finding]:
    """Layer by layer: Ghost or the best ACH first; of the deep layers also DySoft first among the curves."""
    for layer in SHALLOW:
        yield _finding(spec, results_root, layer, f"Layer {layer}: Ghost > any ACH", (GHOST,), (DYSOFT, *OTHERS))
    for layer in DEEP:
        yield _finding(spec, results_root, layer, f"Layer {layer}: an ACH > Ghost", (DYSOFT, *OTHERS), (GHOST,))
        yield _finding(spec, results_root, layer, f"Layer {layer}: DySoft > DySig, DyAlge", (DYSOFT,), OTHERS)


def _finding(
    spec: ClaimsSpec, results_root: Path, layer: int, said: str, more: tuple[str, ...], less: tuple[str, ...]
) -> Finding:
    """The greatest of `more` against the greatest of `less`, seed by seed; the noise is the deviation over seeds."""
    paper = _margin({name: _number(text) for name, text in published(TABLE)[str(layer)].items()}, more, less) > 0
    table = spec.tables.get(TABLE)
    row = next((row for row in table.rows if row.variant == str(layer)), None) if table else None
    if table is None or row is None or not {*more, *less} <= set(row.has or ()):
        return Finding(said, None, "the space in params.yaml has no such layer", measured=False, paper=paper)
    if (why := table.why_not(row, SOURCE)) is not None:
        return Finding(said, None, why, measured=False, paper=paper)
    margins, edited = [], False
    for record_id in record_ids(table, row, SOURCE):
        record = read_record(record_path(table, record_id, results_root), record_id, table.scale, SearchRecord)
        edited |= not isinstance(record, Remark) and record.edited
        found = {name: look_up(record, f"confidence.{layer}.{name}") for name in (*more, *less)}
        numbers = {name: value for name, value in found.items() if not isinstance(value, Remark)}
        if len(numbers) < len(found):
            why = next(value.text for value in found.values() if isinstance(value, Remark))
            return Finding(said, None, why, measured=False, paper=paper)
        margins.append(_margin(numbers, more, less))
    stand_in = table.source(SOURCE).stand_in is not None
    mean, true = statistics.fmean(margins), None
    because = f"{mean:+.3g} points of confidence"
    if len(margins) < 2:
        because += "; one seed, whose noise is not known"
    else:
        noise = statistics.stdev(margins)
        true = None if abs(mean) <= noise else mean > 0
        because += f", noise {noise:.2g} (deviation over seeds)"
    return Finding(said, true, because, demonstration=stand_in, paper=paper, edited=edited)


def _margin(numbers: dict[str, float], more: tuple[str, ...], less: tuple[str, ...]) -> float:
    return max(numbers[name] for name in more) - max(numbers[name] for name in less)


def _number(text: str) -> float:
    return 0.0 if not text or text.startswith("<") else float(text)
