"""The triangular index: a bijection, robust against an approximate root; and the paper's own formula, which is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels import triangular


@pytest.mark.parametrize("k", [*range(2, 65), 127, 128, 256, 1000, 1024])
def test_unpack_walks_the_triangle_row_by_row_and_pack_undoes_it(k: int) -> None:
    want = [(i, j) for i in range(k) for j in range(i + 1, k)]
    assert len(want) == triangular.count(k)
    assert [triangular.unpack(p, k) for p in range(len(want))] == want
    assert [triangular.pack(i, j, k) for i, j in want] == list(range(len(want)))


@given(st.integers(2, 10**6), st.data())
def test_pack_inverts_unpack_for_large_k(k: int, data: st.DataObject) -> None:
    p = data.draw(st.integers(0, triangular.count(k) - 1))
    i, j = triangular.unpack(p, k)
    assert 0 <= i < j < k
    assert triangular.pack(i, j, k) == p


def _rows_float32(k: int, ulp: int, shifted: bool) -> np.ndarray:
    """Row of every pair as a kernel computes it, with a root that is `ulp` units in the last place off."""
    m = 2 * k - 1
    p = np.arange(triangular.count(k), dtype=np.int64)
    root = np.sqrt((m * m - 8 * p - (4 if shifted else 0)).astype(np.float32))
    root = (root.view(np.int32) + ulp).view(np.float32)
    return ((np.float32(m) - root) * np.float32(0.5)).astype(np.int32)


def _rows_exact(k: int) -> np.ndarray:
    return np.repeat(np.arange(k - 1), np.arange(k - 1, 0, -1))


@pytest.mark.parametrize("ulp", [-7, -1, 0, 1, 7])
def test_float32_rows_are_right_for_every_k_even_with_an_approximate_root(ulp: int) -> None:
    for k in [*range(2, 130), *range(131, triangular.MAX_K, 31), triangular.MAX_K]:
        assert np.array_equal(_rows_float32(k, ulp, shifted=True), _rows_exact(k)), k


@pytest.mark.parametrize("k", range(3, 65))
def test_without_the_half_step_one_ulp_breaks_every_k(k: int) -> None:
    assert np.array_equal(_rows_float32(k, 0, shifted=False), _rows_exact(k))
    assert not np.array_equal(_rows_float32(k, 1, shifted=False), _rows_exact(k))


def test_errata_the_formula_as_typeset_is_right_for_two_and_three_channels_only() -> None:
    """Section 4.2 puts the half outside the floor: with n=4, p=2 it gives i = 1/2."""
    assert triangular.row_as_typeset(2, 4) == 0.5
    assert triangular.unpack(2, 4) == (0, 3)
    for k in range(2, 65):
        rows = [triangular.row_as_typeset(p, k) for p in range(triangular.count(k))]
        assert (rows == _rows_exact(k).tolist()) == (k <= 3), k
