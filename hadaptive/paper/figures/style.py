"""The house style of figures: sizes, type, colours. Imports matplotlib, without its global state or a display.

The page is the paper's: one column, a text width of 5.5 in, so a figure is as wide as the text. Type is STIX, which
comes with matplotlib and goes with LaTeX's own, at 6 pt or more. Colours can be told apart without red-green vision
and, by their lightness, in greyscale (tests/paper/test_style.py simulates both); marks differ in shape as well.
"""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from hadaptive.paper.spec import FigureSpec
from hadaptive.records import atomic

WIDTH_IN = 5.5
DPI = 200
SMALL = 6.0  # pt, the smallest type
# CIELAB lightness 28, 44, 60, 78, then 36, 52, 69, 5: the first four are furthest apart
COLOURS = ("#07456D", "#C33101", "#08A479", "#53CEFF", "#7E17C3", "#E607B2", "#D2A206", "#111111")
MARKS = ("o", "D", "s", "^", "v", "P", "X", "p")
OURS = COLOURS[1]  # ACH and nets with it, wherever they stand beside others
INK, FAINT, LINE, EMPTY, PAPER = "#222222", "#666666", "#BBBBBB", "#E8E8E8", "#F7F7F7"

_STYLE: dict[Any, Any] = {
    "font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 8, "text.parse_math": False,
    "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK,
    "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 1.2,
    "image.interpolation": "nearest", "pdf.fonttype": 42, "figure.dpi": DPI, "savefig.dpi": DPI,
}  # fmt: skip


@contextlib.contextmanager
def house() -> Iterator[None]:
    """Everything drawn inside is in the house style, whatever matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "axes.prop_cycle": cycler(color=COLOURS)})
        yield


def figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure of the page's width."""
    made = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(made)
    return made


def heading(made: Figure, spec: FigureSpec, *more: str) -> None:
    """The line above a figure: its scale, what else is said, and that it is a demonstration where it is one."""
    marked = "Demonstration, not a result. " if spec.demonstration else ""
    heading = ", ".join((f"Scale {spec.scale}", *(text for text in more if text)))
    made.suptitle(f"{marked}{heading}", fontsize=8, fontweight="bold" if marked else "normal")


def absent(spec: FigureSpec, *why: str) -> Figure:
    """A figure of one line, of which nothing was measured: the reasons."""
    reasons = textwrap.wrap(f"Not measured: {'; '.join(why)}.", 110)
    made = figure(height_in=0.3 + 0.16 * len(reasons))
    heading(made, spec)
    made.text(0.5, 0.02, "\n".join(reasons), ha="center", va="bottom", color=FAINT)
    return made


def empty(ax: Axes, *why: str) -> None:
    """Axes on which nothing was measured: no ticks, and the reasons."""
    ax.set_facecolor(PAPER)
    ax.set_xticks([])
    ax.set_yticks([])
    reasons = "\n".join(("not measured:", *(textwrap.fill(reason, 30) for reason in why)))
    ax.text(0.5, 0.5, reasons, ha="center", va="center", transform=ax.transAxes, color=FAINT)


def tint(colour: str) -> str:
    """What fills a box whose line has that colour; boxes in ink are white."""
    if colour in (INK, LINE):
        return "white"
    red, green, blue = (1 - 0.12 * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))


def diverging() -> Colormap:
    """Blue below zero, white at it, red above; grey where there is no value."""
    return matplotlib.colormaps["RdBu_r"].with_extremes(bad=EMPTY)


def save(made: Figure, stem: Path, title: str, alt: str) -> list[Path]:
    """Write stem.pdf and stem.png, with title and alternative text in them; the same figure gives the same bytes."""
    described = {
        "pdf": {"Title": title, "Subject": alt, "Creator": None, "Producer": None, "CreationDate": None},
        "png": {"Title": title, "Description": alt, "Software": None},
    }
    paths = []
    for ending, metadata in described.items():
        path = stem.with_suffix(f".{ending}")
        with atomic(path) as temporary:
            made.savefig(temporary, format=ending, metadata=metadata)
        paths.append(path)
    return paths
