"""Pair number <-> channel pair of the strict upper triangle, row by row: (0,1), (0,2), ..., (0,k-1), (1,2), ...

    p = i(2k-i-1)/2 + (j-i-1)                                   (section 4.2)

The paper inverts it as i = 1/2 floor((2k-1) - sqrt((2k-1)^2 - 8p)), which is no integer for k=4, p=2: the half belongs
inside the floor. Even then the root is exact at the first pair of every row, so a root that is one unit in the last
place off lands in the wrong row, and a GPU's sqrt.approx is. Here its argument is moved half a step into the row,

    i = floor(((2k-1) - sqrt((2k-1)^2 - 8p - 4)) / 2),

which leaves a margin at both ends of a row: right with a float32 root up to 7 ulp off, for every k up to `MAX_K`.
`device.unpack` and `device.pack` are the same two functions in Triton.
"""

from __future__ import annotations

import math

MAX_K = 1024
"""Largest number of selected channels for which the float32 form is proven (by exhaustion, in the tests)."""


def count(k: int) -> int:
    """Return the number of pairs of k channels."""
    return k * (k - 1) // 2


def pack(i: int, j: int, k: int) -> int:
    """Return the number of the pair (i, j), i < j."""
    return i * (2 * k - 1 - i) // 2 + j - i - 1


def unpack(p: int, k: int) -> tuple[int, int]:
    """Return the pair (i, j) with number p."""
    m = 2 * k - 1
    i = int((m - math.sqrt(m * m - 4 - 8 * p)) / 2)
    return i, p - i * (m - i) // 2 + i + 1


def parity_partners(me: int, k: int) -> list[int]:
    """Return the channels that program `me` of Algorithm 2 multiplies with its own, in parity_balanced's order."""
    below = me // 2
    steps = (me % 2 + 2 * t if t < below else me + 1 + 2 * (t - below) for t in range(k // 2))
    return [it for it in steps if it < k]


def row_as_typeset(p: int, k: int) -> float:
    """Return the row of pair p as section 4.2 prints it: wrong, kept for the errata."""
    m = 2 * k - 1
    return 0.5 * math.floor(m - math.sqrt(m * m - 8 * p))
