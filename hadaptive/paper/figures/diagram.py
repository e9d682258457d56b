"""Boxes, arrows and channels for diagrams: vector graphics of matplotlib's patches, all at one line width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from hadaptive.paper.figures import style

LINE_PT = 0.7
MANY = 40  # stripes: more are too thin for lines between them
DASHES = (0, (2, 1.5))


def canvas(ax: Axes, width: float, height: float) -> None:
    """Axes without axes, whose unit is the same in both directions: 0 to `width`, 0 to `height`."""
    ax.set_xlim(0, width)
    ax.set_ylim(0, height)
    ax.set_aspect("equal")
    ax.axis("off")


def box(
    ax: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    text: str,
    *,
    colour: str = style.INK,
    faint: bool = False,
    strong: bool = False,
    size: float = 6.5,
    **words: Any,
) -> None:
    """A rounded box about (x, y) with words in it; `faint` is dashed and grey, `strong` has a thicker line."""
    edge = style.LINE if faint else colour
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.08",
            edgecolor=edge,
            facecolor=style.tint(edge),
            linewidth=1.0 if strong else LINE_PT,
            zorder=2,
            linestyle=DASHES if faint else "-",
        )
    )
    written = "#AAAAAA" if faint else style.INK
    ax.text(x, y, text, ha="center", va="center", fontsize=size, color=written, zorder=3, linespacing=1.15, **words)


def arrow(ax: Axes, points: Sequence[tuple[float, float]], *, faint: bool = False, head: bool = True) -> None:
    """A line through the points, with a head at the last."""
    colour = style.LINE if faint else style.INK
    if len(points) > 2 or not head:
        xs, ys = zip(*(points[:-1] if head else points), strict=True)
        ax.plot(xs, ys, color=colour, linewidth=LINE_PT, solid_joinstyle="round")
    if head:
        look = {
            "arrowstyle": "-|>,head_width=0.12,head_length=0.25",
            "color": colour,
            "linewidth": LINE_PT,
            "linestyle": DASHES if faint else "-",
            "shrinkA": 0,
            "shrinkB": 0,
        }
        ax.annotate("", xy=points[-1], xytext=points[-2], arrowprops=look)


def plus(ax: Axes, x: float, y: float, radius: float) -> None:
    """A sum: a plus in a circle."""
    ax.add_patch(Circle((x, y), radius, fill=False, edgecolor=style.INK, linewidth=LINE_PT))
    arm = 0.6 * radius
    for xs, ys in (((x - arm, x + arm), (y, y)), ((x, x), (y - arm, y + arm))):
        ax.plot(xs, ys, color=style.INK, linewidth=LINE_PT)


def channels(ax: Axes, x: float, bottom: float, width: float, height: float, colours: Sequence[str]) -> None:
    """A feature map as a stack of its channels, a stripe each, the first on top."""
    each = height / len(colours)
    parted = "white" if len(colours) <= MANY else None
    for n, colour in enumerate(colours):
        y = bottom + height - (n + 1) * each
        ax.add_patch(
            Rectangle((x, y), width, each, facecolor=colour, edgecolor=parted or colour, linewidth=0.15, zorder=2)
        )
    ax.add_patch(Rectangle((x, bottom), width, height, fill=False, edgecolor=style.INK, linewidth=LINE_PT, zorder=3))
