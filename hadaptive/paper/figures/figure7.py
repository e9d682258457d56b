"""Figure 7: runtime of Direct-Indexing (A) against Parity-Balanced (B), as (A - B) / (A + B + eps) over sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.measures import SweepRecord, Swept

EPSILON_US = 1e-6
TICKS = 10  # labels an axis, at most
SCHEMES = {"direct_indexing": "A", "parity_balanced": "B"}


@dataclass(frozen=True)
class Panel:
    """One heatmap: rows (batches or channels) by sizes; a cell without a number is NaN, `reasons` are why."""

    letter: str
    row: str  # what the rows are: "batch" or "channels"
    label: str
    rows: list[int]
    sizes: list[int]
    values: np.ndarray[Any, np.dtype[np.float64]]
    reasons: list[str]
    table: list[list[str]]


def difference(a_us: float, b_us: float) -> float:
    """(A - B) / (A + B + eps): above zero where Parity-Balanced is faster."""
    return (a_us - b_us) / (a_us + b_us + EPSILON_US)


def panel(letter: str, row: str, label: str, record: SweepRecord | Remark) -> Panel:
    """A panel out of the record's cells; without a usable record it is empty, with the reason."""
    cells: list[Swept] = [] if isinstance(record, Remark) else getattr(record.metrics, letter)
    if not cells:
        why = record.text if isinstance(record, Remark) else "not recorded"
        return Panel(letter, row, label, [], [], np.empty((0, 0)), [why], [])
    rows, sizes = (sorted({getattr(cell, key) for cell in cells}) for key in (row, "size"))
    values = np.full((len(rows), len(sizes)), np.nan)
    reasons, table = [], []
    for cell in cells:
        times = [getattr(cell, f"{scheme}_us") for scheme in SCHEMES]
        value, number = math.nan, getattr(cell, row)
        if cell.status == "done":
            value = values[rows.index(number), sizes.index(cell.size)] = difference(*cell.times_us)
        else:
            reasons.append(cell.status)
        written = ["" if time is None else f"{time:.10g}" for time in times]
        shown = "" if math.isnan(value) else f"{value:.6f}"
        reason = "" if cell.status == "done" else cell.status
        table.append([letter, row, str(number), str(cell.size), *written, shown, reason])
    return Panel(letter, row, label, rows, sizes, values, list(dict.fromkeys(reasons)), table)


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """The figure; both maps share one scale, symmetric about zero."""
    (record_id,) = spec.records
    record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, SweepRecord)
    settings = {} if isinstance(record, Remark) else record.settings
    device = "" if isinstance(record, Remark) else record.metrics.device
    panels = [
        panel("a", "batch", "Batch size", record),
        panel("b", "channels", "Channels", record),
    ]
    fixed = [f"{settings.get('fixed_channels')} channels", f"batch {settings.get('fixed_batch')}"]
    titles = [f"({p.letter}) {p.label}" + (f", {f}" if settings else "") for p, f in zip(panels, fixed, strict=True)]
    finite = [abs(value) for p in panels for value in p.values[np.isfinite(p.values)]]
    limit = max(0.1, math.ceil(10 * max(finite)) / 10) if finite else 1.0

    title = f"Figure 7: runtime of the GPU algorithms{', ' + device if device else ''}, at scale {spec.scale}"
    drawn = [(each, head) for each, head in zip(panels, titles, strict=True) if np.isfinite(each.values).any()]
    if not drawn:
        made = style.absent(spec, *dict.fromkeys(reason for each in panels for reason in each.reasons))
    else:
        made = style.figure(height_in=2.75)
        style.heading(made, spec, device)
        axes = made.subplots(1, len(drawn), squeeze=False)[0]
        for ax, (each, head) in zip(axes, drawn, strict=True):
            image = _heatmap(ax, each, limit)
            ax.set(title=head, xlabel="Spatial size (height = width)", ylabel=each.label)
        bar = made.colorbar(image, ax=list(axes), fraction=0.05, aspect=24)
        bar.set_label("(A − B) / (A + B + ε)")  # noqa: RUF001
        bar.outline.set_visible(False)
        made.supxlabel(_key(panels), fontsize=7, color=style.FAINT)
    head_row = ["panel", "rows", "row", "size", *(f"{name}_us" for name in SCHEMES), "difference", "reason"]
    rows = [head_row, *(line for each in panels for line in each.table)]
    return Drawn(made, title, _alt(spec, panels, titles), rows)


def _heatmap(ax: Axes, each: Panel, limit: float) -> Any:
    """The map, with the least row at the bottom."""
    import pandas as pd
    import seaborn  # brings pandas: only where something is drawn

    values = pd.DataFrame(each.values, index=each.rows, columns=each.sizes)
    seaborn.heatmap(values, cmap=style.diverging(), vmin=-limit, vmax=limit, cbar=False, ax=ax)
    ax.invert_yaxis()
    ax.set_box_aspect(1)
    ax.set_facecolor(style.EMPTY)
    for axis, numbers in ((ax.xaxis, each.sizes), (ax.yaxis, each.rows)):
        places = _ticks(numbers)
        axis.set_ticks([place + 0.5 for place in places], [str(numbers[place]) for place in places], rotation=0)
    return ax.collections[0]


def _ticks(numbers: list[int]) -> list[int]:
    """Places of the numbers to label: all of few, else some that leave room, multiples of 32 and the ends first."""
    apart = math.ceil(len(numbers) / TICKS)
    ends = (0, len(numbers) - 1)
    chosen: list[int] = []
    for place in sorted(range(len(numbers)), key=lambda n: (numbers[n] % 32 > 0, n not in ends, numbers[n] % 8 > 0)):
        if all(abs(place - other) >= apart for other in chosen):
            chosen.append(place)
    return sorted(chosen)


def _key(panels: list[Panel]) -> str:
    missing = list(dict.fromkeys(reason for each in panels for reason in each.reasons))
    key = "Red: direct-indexing (A) is slower. Blue: parity-balanced (B) is slower."
    return key + (f" Grey: not measured ({'; '.join(missing)})." if missing else "")


def _alt(spec: FigureSpec, panels: list[Panel], titles: list[str]) -> str:
    """What the figure shows, in words, from the numbers in it."""
    sentences = [
        "Two heatmaps of the normalised difference of runtimes, (A - B) / (A + B), A direct-indexing, B "
        "parity-balanced: red where A is slower, blue where B is slower."
    ]
    for each, title in zip(panels, titles, strict=True):
        values = each.values[np.isfinite(each.values)]
        if not values.size:
            sentences.append(f"{title}: empty, not measured: {'; '.join(each.reasons)}.")
            continue
        most = np.unravel_index(np.nanargmax(np.abs(each.values)), each.values.shape)
        sentences.append(
            f"{title} against sizes {each.sizes[0]} to {each.sizes[-1]}: B is faster in {(values > 0).mean():.0%} of "
            f"{values.size} cells, A in {(values < 0).mean():.0%}; median {np.median(values):+.2f}; the largest "
            f"difference, {each.values[most]:+.2f}, is at {each.row} {each.rows[most[0]]}, size {each.sizes[most[1]]}."
        )
        if missing := each.values.size - values.size:
            sentences.append(f"{missing} cell{' is' if missing == 1 else 's are'} empty: {'; '.join(each.reasons)}.")
    marked = "Demonstration, not a result. " if spec.demonstration else ""
    return f"{marked}{' '.join(sentences)} Scale {spec.scale}: {spec.about}."
