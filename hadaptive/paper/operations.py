"""Operations for expanding m channels to n, by the paper's formulas, for one pixel (f = 1): eqs. 12 to 18.

Where a formula as printed does not follow from those before it, both stand here: `_printed` and as it must be. Any kind
of number goes in: floats, fractions, symbols.
"""

from __future__ import annotations

from typing import Any


def pointwise(m: Any, n: Any) -> Any:
    """Multiply-accumulates of a 1x1 convolution (eq. 12)."""
    return m * n


def ghost(m: Any, n: Any, s: Any, k: Any) -> Any:
    """Of a Ghost module: s channels convolved, the others from those by k x k depthwise (eq. 13)."""
    return m * s + (n - s) * k**2


def ach(m: Any, n: Any) -> Any:
    """Of ACH: a 1x1 convolution, then one multiplication a product (eq. 14). Its score is left out."""
    return m**2 + (n - m)


def ghost_ratio(m: Any, n: Any, s: Any, k: Any) -> Any:
    """Ghost over pointwise, as eqs. 12 and 13 give it."""
    return s / n + (n - s) * k**2 / (m * n)


def ghost_ratio_printed(m: Any, n: Any, s: Any, k: Any) -> Any:
    """Eq. 15 as printed: adds what multiplies."""
    return s / n + (n - s) / n + k**2 / m


def ghost_ratio_short(m: Any, n: Any, s: Any, k: Any) -> Any:
    """Eq. 16."""
    return s / n


def ach_ratio(m: Any, n: Any) -> Any:
    """ACH over pointwise, as eqs. 12 and 14 give it."""
    return m / n + 1 / m - 1 / n


def ach_ratio_printed(m: Any, n: Any) -> Any:
    """Eq. 17 as printed: its last sign is wrong."""
    return m / n + 1 / m + 1 / n


def ach_ratio_short(m: Any, n: Any) -> Any:
    """Eq. 18."""
    return m / n


def ach_ratio_in_section_4_1(m: Any, n: Any) -> Any:
    """What the text of section 4.1 says, and eq. 18 does not."""
    return 1 / m
