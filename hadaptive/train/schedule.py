"""Learning rates by step: linear warm-up, then a cosine to zero (section 5.3)."""

from __future__ import annotations

import math


def cosine(step: int, steps: int, *, peak: float, warmup: float, floor: float = 0.0) -> float:
    """Return the learning rate of optimiser step `step` (0-based) out of `steps`.

    The first `warmup` part of the steps rises linearly and reaches `peak` at its end; the cosine then falls from `peak`
    towards `floor`, which it would reach one step after the last.
    """
    rising = round(warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))
