"""What is reported of repeated measurements. Imports numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


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
