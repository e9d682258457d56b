"""Figure 8: a simple scenario, see `gradcam`."""

from hadaptive.paper.figures.gradcam import draw

__all__ = ["draw"]
