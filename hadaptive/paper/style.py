"""The house style of figures: sizes, type, colours. Imports matplotlib, without its global state or a display.

The page is the paper's: a text width of 5.5 in. Type is STIX, which comes with matplotlib and goes with LaTeX's own.
Colours can be told apart without red-green vision.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from hadaptive.records import atomic

WIDTH_IN = 5.5
DPI = 200
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito, 2008
INK, FAINT, EMPTY = "#222222", "#666666", "#E8E8E8"

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


def diverging() -> Colormap:
    """Blue below zero, white at it, red above; grey where there is no value."""
    return matplotlib.colormaps["RdBu_r"].with_extremes(bad=EMPTY)


def save(made: Figure, stem: Path, title: str, alt: str) -> list[Path]:
    """Write stem.pdf and stem.png, with title and alternative text in them; the same figure gives the same bytes."""
    said = {
        "pdf": {"Title": title, "Subject": alt, "Creator": None, "Producer": None, "CreationDate": None},
        "png": {"Title": title, "Description": alt, "Software": None},
    }
    paths = []
    for ending, metadata in said.items():
        path = stem.with_suffix(f".{ending}")
        with atomic(path) as temporary:
            made.savefig(temporary, format=ending, metadata=metadata)
        paths.append(path)
    return paths
