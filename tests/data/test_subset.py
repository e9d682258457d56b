from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hadaptive.data.subset import balanced_subset

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(np.array)


@given(LABELS, st.data())
def test_balanced_ascending_and_nested(labels: np.ndarray, data: st.DataObject) -> None:
    examples = data.draw(st.integers(1, len(labels)))
    chosen = balanced_subset(labels, examples)
    assert len(chosen) == examples
    assert (np.diff(chosen) > 0).all()
    counts = np.bincount(labels[chosen], minlength=6)
    available = np.bincount(labels, minlength=6)
    for label in range(6):  # a class gets fewer than another only by one, or because it ran out
        assert counts[label] >= min(available[label], counts.max() - 1)
    if examples > 1:
        assert set(balanced_subset(labels, examples - 1)) <= set(chosen)


def test_the_choice_is_fixed_for_ever() -> None:
    assert balanced_subset(np.arange(20) % 4, 8).tolist() == [0, 1, 2, 3, 8, 11, 13, 18]


def test_out_of_range() -> None:
    for examples in (0, 5):
        with pytest.raises(ValueError, match=f"examples = {examples}, but the split has 4"):
            balanced_subset(np.zeros(4, int), examples)
