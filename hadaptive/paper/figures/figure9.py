"""Figure 9: a complex scenario, see `gradcam`."""

from hadaptive.paper.figures.gradcam import draw

__all__ = ["draw"]
