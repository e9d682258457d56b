"""What an eye would see at once: words over words, words beyond a figure's edge or out of their box."""

from __future__ import annotations

import itertools
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from hadaptive.paper.figures import style

HAIR_PX = 0.5


def words(made: Figure) -> list[tuple[str, Any]]:
    """Every text that is drawn, with its box in pixels."""
    with style.house():  # in which figures are saved: how many ticks there are depends on their type
        made.draw_without_rendering()
        # ticks beyond the limits of their axes exist and are not drawn
        axes = [axis for ax in made.axes for axis in (ax.xaxis, ax.yaxis)]
        ticks = {tick for axis in axes for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())}
        drawn = {tick for axis in axes if axis.axes.axison for tick in axis._update_ticks()}
        hidden = {label for tick in ticks - drawn for label in (tick.label1, tick.label2)}
        found = [each for each in made.findobj(Text) if each not in hidden and each.get_visible()]
        return [(each.get_text(), each.get_window_extent()) for each in found if each.get_text().strip()]


def faults(made: Figure) -> list[str]:
    """Every pair of overlapping texts, every text cut off by the figure's edge, every text wider than its box."""
    seen = words(made)
    found = []
    for (one, a), (other, b) in itertools.combinations(seen, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        if wide > HAIR_PX and high > HAIR_PX:
            found.append(f"{one!r} over {other!r}")
    page = made.bbox
    for text, box in seen:
        if box.x0 < page.x0 - HAIR_PX or box.x1 > page.x1 + HAIR_PX or box.y0 < page.y0 or box.y1 > page.y1:
            found.append(f"{text!r} is cut off")
    for patch in made.findobj(FancyBboxPatch):
        frame = patch.get_window_extent()
        for text, box in seen:
            middle = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
            if frame.contains(*middle) and (box.x0 < frame.x0 or box.x1 > frame.x1 or box.height > frame.height):
                found.append(f"{text!r} is wider than its box")
    return found
