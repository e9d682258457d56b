"""What is reported of repeated measurements. Imports numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

BLOCKS = 10


def repeated(times_ms: ArrayLike) -> dict[str, Any]:
    """`summary` of runs in the order in which they were made, and `blocks_ms`, the medians of ten parts of them.

    A comparison of two medians resamples the blocks: runs next to one another are alike, as a machine's state drifts.
    """
    times = np.asarray(times_ms, dtype=np.float64)
    blocks = [float(np.median(block)) for block in np.array_split(times, min(BLOCKS, len(times)))]
    return {**summary(times), "blocks_ms": blocks}


def summary(times_ms: ArrayLike) -> dict[str, float]:
    """Median, mean, quartiles, interquartile range and minimum of times in milliseconds."""
    times = np.asarray(times_ms, dtype=np.float64)
    q1, median, q3 = (float(q) for q in np.quantile(times, (0.25, 0.5, 0.75)))
    return {
        "median_ms": median,
        "mean_ms": float(times.mean()),
        "q1_ms": q1,
        "q3_ms": q3,
        "iqr_ms": q3 - q1,
        "min_ms": float(times.min()),
    }
