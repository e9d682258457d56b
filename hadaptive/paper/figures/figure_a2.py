"""Variance of cross-Hadamard products through depth, under DySoft and batch norm (appendix A.2)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.measures import Depth, Spread, VarianceRecord

STATES = {"start": "(a) At the start, batch statistics", "trained": "(b) Trained, stored statistics"}
LABELS = {"dysoft": "DySoft", "batchnorm": "Batch norm"}
PARTS = {"products": "before", "normalised": "after"}
LOOKS: tuple[tuple[Literal["--", "-"], str], ...] = (("--", "before"), ("-", "after"))
NUMBERS = ("median", "least", "greatest")


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """Two panels: medians over channels as lines, least to greatest as bands; before the normaliser dashed."""
    (record_id,) = spec.records
    record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, VarianceRecord)
    layers: list[Depth] = [] if isinstance(record, Remark) else record.metrics.depth
    why = record.text if isinstance(record, Remark) else "Hadaptive-Net-S not trained in this run"
    made = style.figure(height_in=2.6)
    style.heading(made, spec)
    axes = made.subplots(1, 2)
    for ax, (state, title) in zip(axes, STATES.items(), strict=True):
        ax.set_title(title)
        ax.set_xlabel("ACH layer, from the input")
        _panel(ax, [each for each in layers if each.state == state], why)
    axes[0].set_ylabel("Variance over images and pixels")
    if layers:
        lines = [
            Line2D([], [], color=style.COLOURS[n], marker=style.MARKS[n], markersize=2.5, label=text)
            for n, text in enumerate(LABELS.values())
        ]
        lines += [
            Line2D([], [], color=style.FAINT, linestyle=look, label=f"{text} normalisation") for look, text in LOOKS
        ]
        made.legend(handles=lines, loc="outside lower center", ncols=4, frameon=False)
    rows = [["state", "variant", "layer", *(f"{part}_{name}" for part in PARTS for name in NUMBERS)]]
    rows += [
        [
            each.state,
            each.variant,
            str(each.layer),
            *(_number(value) for part in PARTS for value in _spread(each, part)),
        ]
        for each in layers
    ]
    return Drawn(made, f"Variance through depth (appendix A.2) at scale {spec.scale}", _alt(spec, layers, why), rows)


def _spread(layer: Depth, part: str) -> tuple[float | None, float | None, float | None]:
    """Median, least and greatest variance of the products before or after their normaliser."""
    found: Spread = getattr(layer, part)
    return found.median, found.least, found.greatest


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _panel(ax: Axes, layers: list[Depth], why: str) -> None:
    if not layers:
        style.empty(ax, why)
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    for variant, colour, mark in zip(LABELS, style.COLOURS, style.MARKS, strict=False):
        mine = [each for each in layers if each.variant == variant]
        depth = [each.layer for each in mine]
        for part, (look, _) in zip(PARTS, LOOKS, strict=True):
            median, least, greatest = ([_or_gap(_spread(each, part)[n]) for each in mine] for n in range(3))
            ax.plot(depth, median, look, color=colour, marker=mark, markersize=2.5)
            if part == "normalised":
                ax.fill_between(depth, least, greatest, color=colour, alpha=0.15, linewidth=0)
    ax.set_xticks(sorted({each.layer for each in layers}))
    ax.axhline(1, color=style.FAINT, linewidth=0.6, linestyle=":")


def _or_gap(value: float | None) -> float:
    """A variance to draw: what is not finite, and zero on a logarithmic axis, is a gap."""
    return value if value else float("nan")


def _alt(spec: FigureSpec, layers: list[Depth], why: str) -> str:
    """What the figure shows, in words, from the numbers in it."""
    said = [
        "Two line plots of the variance of cross-Hadamard products against the number of the ACH layer, before and "
        "after normalisation by DySoft and by batch norm; bands from the least to the greatest channel."
    ]
    if not layers:
        said.append(f"Empty, not measured: {why}.")
    for state, title in STATES.items():
        for variant, label in LABELS.items():
            mine = [each for each in layers if (each.state, each.variant) == (state, variant)]
            for part, when in PARTS.items():
                spreads = [_spread(each, part) for each in mine]
                medians = [median for median, _, _ in spreads if median is not None]
                greatest = [most for _, _, most in spreads if most is not None]
                if medians and greatest:
                    said.append(
                        f"{title}, {when} {label}: medians {min(medians):.2g} to {max(medians):.2g}, the "
                        f"greatest channel {max(greatest):.2g}."
                    )
    marked = "Demonstration, not a result. " if spec.demonstration else ""
    return f"{marked}{' '.join(said)} Scale {spec.scale}: {spec.about}."
