"""Class-balanced subsets, the same for every Run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced_subset(labels_N: NDArray[np.integer], examples: int) -> NDArray[np.int64]:
    """Indices, ascending, of a fixed class-balanced choice of `examples` of N examples.

    Classes are dealt in turn, so counts differ by at most one while no class runs out, and a smaller subset lies
    within a larger one. The choice depends on the labels alone (seed 0), never on a Run's seed: all Runs see the same
    subset. Raises ValueError unless 1 <= examples <= N.
    """
    count = len(labels_N)
    if not 1 <= examples <= count:
        raise ValueError(f"examples = {examples}, but the split has {count}; choose 1 to {count}")
    # NumPy promises the stream of a bit generator for ever (NEP 19), that of permutation() only for a version.
    shuffled = np.argsort(np.random.PCG64(0).random_raw(count), kind="stable")
    by_class = shuffled[np.argsort(labels_N[shuffled], kind="stable")]
    sorted_labels = labels_N[by_class]
    rank_in_class = np.arange(count) - np.searchsorted(sorted_labels, sorted_labels, side="left")
    turn = np.argsort(rank_in_class, kind="stable")
    return np.sort(by_class[turn[:examples]]).astype(np.int64)
