"""Variance of cross-Hadamard products through depth, under DySoft and batch norm (appendix A.2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from hadaptive.paper.cells import Remark, read_record
from hadaptive.paper.figures import Drawn, style
from hadaptive.paper.spec import FigureSpec, record_path
from hadaptive.record.measures import Depth, Spread, VarianceRecord

if TYPE_CHECKING:
    import pandas as pd

STATES = {"start": "(a) At the start, batch statistics", "trained": "(b) Trained, stored statistics"}
LABELS = {"dysoft": "DySoft", "batchnorm": "Batch norm"}
PARTS = {"products": "before", "normalised": "after"}
LOOKS: tuple[tuple[Literal["--", "-"], str], ...] = (("--", "before"), ("-", "after"))
NUMBERS = ("median", "least", "greatest")


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """A panel for each measured state: medians over channels as lines, least to greatest as bands (seaborn)."""
    (record_id,) = spec.records
    record = read_record(record_path(spec, record_id, results_root), record_id, spec.scale, VarianceRecord)
    layers: list[Depth] = [] if isinstance(record, Remark) else record.metrics.depth
    why = record.text if isinstance(record, Remark) else "Hadaptive-Net-S not trained in this run"
    shown = {state: title for state, title in STATES.items() if any(each.state == state for each in layers)}
    if not shown:
        made = style.absent(spec, why)
    else:
        made = style.figure(height_in=2.6)
        style.heading(made, spec, *(f"not measured: {title}" for state, title in STATES.items() if state not in shown))
        axes = made.subplots(1, len(shown), squeeze=False)[0]
        for ax, (state, title) in zip(axes, shown.items(), strict=True):
            _panel(ax, [each for each in layers if each.state == state])
            ax.set(title=title, xlabel="ACH layer, from the input", ylabel="")
        axes[0].set_ylabel("Variance over images and pixels")
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
    """Median, least and greatest variance of the products before or after their normalizer."""
    found: Spread = getattr(layer, part)
    return found.median, found.least, found.greatest


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _panel(ax: Axes, layers: list[Depth]) -> None:
    import seaborn  # brings pandas: only where something is drawn

    ax.set_yscale("log")
    medians = _medians(layers)
    for part, (look, _) in zip(PARTS, LOOKS, strict=True):
        seaborn.lineplot(
            medians[medians["part"] == part],
            x="layer",
            y="variance",
            hue="variant",
            style="variant",
            palette=dict(zip(LABELS, style.COLOURS, strict=False)),
            markers=dict(zip(LABELS, style.MARKS, strict=False)),
            dashes=False,
            estimator=None,
            linestyle=look,
            markersize=2.5,
            markeredgecolor="auto",
            legend=False,
            ax=ax,
        )
    for variant, colour in zip(LABELS, style.COLOURS, strict=False):
        mine = [each for each in layers if each.variant == variant]
        least, greatest = ([_or_gap(_spread(each, "normalised")[n]) for each in mine] for n in (1, 2))
        ax.fill_between([each.layer for each in mine], least, greatest, color=colour, alpha=0.15, linewidth=0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xticks(sorted({each.layer for each in layers}))
    ax.axhline(1, color=style.FAINT, linewidth=0.6, linestyle=":")


def _medians(layers: list[Depth]) -> pd.DataFrame:
    """The median variance of each layer, before and after normalisation, in long form."""
    import pandas as pd

    rows = [(each.variant, each.layer, part, _or_gap(_spread(each, part)[0])) for each in layers for part in PARTS]
    return pd.DataFrame(rows, columns=["variant", "layer", "part", "variance"])


def _or_gap(value: float | None) -> float:
    """A variance to draw: what is not finite, and zero on a logarithmic axis, is a gap."""
    return value if value else float("nan")


def _alt(spec: FigureSpec, layers: list[Depth], why: str) -> str:
    """What the figure shows, in words, from the numbers in it."""
    sentences = [
        "Two line plots of the variance of cross-Hadamard products against the number of the ACH layer, before and "
        "after normalisation by DySoft and by batch norm; bands from the least to the greatest channel."
    ]
    if not layers:
        sentences.append(f"Empty, not measured: {why}.")
    for state, title in STATES.items():
        for variant, label in LABELS.items():
            mine = [each for each in layers if (each.state, each.variant) == (state, variant)]
            for part, when in PARTS.items():
                spreads = [_spread(each, part) for each in mine]
                medians = [median for median, _, _ in spreads if median is not None]
                greatest = [most for _, _, most in spreads if most is not None]
                if medians and greatest:
                    sentences.append(
                        f"{title}, {when} {label}: medians {min(medians):.2g} to {max(medians):.2g}, the "
                        f"greatest channel {max(greatest):.2g}."
                    )
    marked = "Demonstration, not a result. " if spec.demonstration else ""
    return f"{marked}{' '.join(sentences)} Scale {spec.scale}: {spec.about}."
