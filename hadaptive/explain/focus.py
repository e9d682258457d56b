"""Numbers that go with a Grad-CAM picture, and what "focuses on the subject" means in claim 14.

A map is brought to a grid of 8 x 8 cells (bilinear, antialiased where it shrinks), so that maps of all layers and image
sizes are measured alike and a fine texture all over the picture counts as what it is, spread out. On that grid:

- `entropy` is that of the cells as parts of their sum, over log 64: 1 where all are equal, 0 where one cell has all;
- `area` is the part of the cells that have at least half of the greatest one's value, in (0, 1];
- `on_subject` tells whether the greatest cell touches the box that params.yaml gives around the image's subject (the
  "pointing game" of Zhang et al., 2016); null where it gives none.

A map is focused where its area is at most a quarter and it is not off the subject. A net focuses at the first layer
from which on all its maps are focused, up to its last downsampling layer, which is not counted: beyond it, says
appendix A.6, the net looks for something else. A map that is zero everywhere, because nothing in the layer speaks for
the class, has no numbers and is not focused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

GRID, FOCUSED = 8, 0.25
Box = Sequence[float]  # left, top, right, bottom, as parts of width and height


class Numbers(NamedTuple):
    """Of one map; see above. All are None for a map that is zero everywhere or not finite."""

    entropy: float | None = None
    area: float | None = None
    on_subject: bool | None = None

    @property
    def focused(self) -> bool:
        return self.area is not None and self.area <= FOCUSED and self.on_subject is not False


def numbers(cam_HW: Tensor, subject: Box | None) -> Numbers:
    """The numbers of a map of values >= 0."""
    cells = F.interpolate(cam_HW.double()[None, None], (GRID, GRID), mode="bilinear", antialias=True).flatten()
    greatest = cells.max().item()
    if not 0 < greatest < math.inf:
        return Numbers()
    part = cells / greatest
    area = (part >= 0.5).double().mean().item()
    row, column = divmod(int(cells.argmax()), GRID)
    part = part / part.sum()
    entropy = -(part * part.clamp_min(1e-300).log()).sum().item() / math.log(len(cells))
    return Numbers(entropy, area, None if subject is None else _touches(column, row, subject))


def _touches(column: int, row: int, subject: Box) -> bool:
    left, top, right, bottom = (GRID * each for each in subject)
    return left < column + 1 and column < right and top < row + 1 and row < bottom


def focuses_at(maps: Sequence[Numbers], downsamples: Sequence[bool]) -> int | None:
    """The number, from 1, of the layer at which a net focuses; None if it does so at none."""
    found = None
    for layer in range(counted(downsamples), 0, -1):
        if not maps[layer - 1].focused:
            break
        found = layer
    return found


def counted(downsamples: Sequence[bool]) -> int:
    """How many layers stand before the last downsampling one; all, if none downsamples."""
    last = max((n for n, halves in enumerate(downsamples) if halves), default=0)
    return last or len(downsamples)
