"""Figure 5: what ways of expanding channels cost, over channels."""

from __future__ import annotations

from pathlib import Path

from hadaptive.paper.figures import Drawn, expansions
from hadaptive.paper.spec import FigureSpec


def draw(spec: FigureSpec, results_root: Path) -> Drawn:
    """See `expansions`."""
    return expansions.draw(spec, results_root, expansions.CHANNELS)
