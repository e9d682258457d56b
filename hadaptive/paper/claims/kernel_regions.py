"""Claim 12 (Figure 7): where which of the paper's two GPU algorithms is faster, from the record of the sweep.

Many channels and small maps: channels above and sizes below the median of those swept, at the sweep's fixed batch.
Near a multiple of 32: sizes that differ from one by at most a pixel. An algorithm wins where it does in most cells.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.spec import ClaimsSpec, record_path

MANY = "Parity-balanced is faster at many channels and small maps"
NEAR = "Direct-indexing is faster near multiples of 32 pixels"
MULTIPLE = 32  # threads of a warp
Cells = Sequence[Mapping[str, Any]]


def findings(spec: ClaimsSpec, results_root: Path) -> Iterator[Finding]:
    """Each region's share of cells that the algorithm wins."""
    record = read_record(record_path(spec, spec.sweep, results_root), spec.sweep, spec.scale)
    if isinstance(record, Remark):
        yield from (Finding(said, None, record.text, measured=False) for said in (MANY, NEAR))
        return
    panels: dict[str, Cells] = {
        name: [cell for cell in record["metrics"][name] if cell["status"] == "done"] for name in ("a", "b")
    }
    channels, sizes = (sorted({cell[axis] for cell in panels["b"]}) for axis in ("channels", "size"))
    few, large = (statistics.median(values) if values else 0 for values in (channels, sizes))
    many = [cell for cell in panels["b"] if cell["channels"] > few and cell["size"] < large]
    yield _won(MANY, many, "parity_balanced_us", "direct_indexing_us")
    near = [cell for cell in (*panels["a"], *panels["b"]) if _near(cell["size"])]
    yield _won(NEAR, near, "direct_indexing_us", "parity_balanced_us")


def _near(size: int) -> bool:
    return size > 1 and min(size % MULTIPLE, -size % MULTIPLE) <= 1


def _won(said: str, cells: Cells, one: str, other: str) -> Finding:
    if not cells:
        return Finding(said, None, "no such cell was measured", measured=False)
    won = sum(cell[one] < cell[other] for cell in cells)
    return Finding(said, 2 * won > len(cells), f"in {won} of {len(cells)} cells")
