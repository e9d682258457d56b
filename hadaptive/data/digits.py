"""The embedded stand-in for scale `demo`: scikit-learn's digits.

1,797 real scans of handwritten digits, 8x8 pixels, ten classes (the test part of UCI's "Optical Recognition of
Handwritten Digits"). No better-suited set was found within a well-kept package on PyPI: packages offering colour
images download them on first use, or embed no more than a few pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hadaptive.data.prepared import Arrays, write_arrays
from hadaptive.data.settings import DataSettings
from hadaptive.data.subset import balanced_subset

TEST_EXAMPLES = 360  # 36 a class, the usual fifth


def prepare(name: str, destination: Path, settings: DataSettings) -> dict[str, Any]:
    """Write the digits to `destination`; returns the manifest."""
    return write_arrays(name, destination, load())


def load() -> Arrays:
    """Return the digits as uint8 (N, 3, 8, 8), grey repeated over three channels; 1,437 to train on and 360 to test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey_NHW = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # the scans have 17 levels, 0..16
    images_NCHW = np.repeat(grey_NHW[:, None], 3, axis=1)
    labels_N = bunch.target.astype(np.int64)
    test = balanced_subset(labels_N, TEST_EXAMPLES)
    train = np.setdiff1d(np.arange(len(labels_N)), test)
    return Arrays(
        train_images=images_NCHW[train],
        train_labels=labels_N[train],
        test_images=images_NCHW[test],
        test_labels=labels_N[test],
        classes=[str(name) for name in bunch.target_names],
        source="scikit-learn, sklearn.datasets.load_digits",
    )
