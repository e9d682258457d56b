"""Linear warm-up, then a cosine: its shape, for any length."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hadaptive.train.schedule import cosine


@given(st.integers(1, 3000), st.floats(0, 0.9), st.floats(1e-6, 1))
def test_rises_to_the_peak_then_falls_towards_zero(steps: int, warmup: float, peak: float) -> None:
    rates = [cosine(step, steps, peak=peak, warmup=warmup) for step in range(steps)]
    rising = round(warmup * steps)
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    assert all(a < b for a, b in pairwise(rates[:rising]))
    assert all(a > b for a, b in pairwise(rates[rising:]))
    assert abs(max(rates) - peak) <= 1e-9


def test_the_paper_s_numbers() -> None:
    # 782 steps an epoch, 200 epochs, 5% warm-up: 7,820 steps to the peak; half of the rest brings it to half
    steps = 782 * 200
    assert cosine(0, steps, peak=1e-3, warmup=0.05) == 1e-3 / 7820
    assert cosine(7819, steps, peak=1e-3, warmup=0.05) == 1e-3
    assert abs(cosine(7820 + (steps - 7820) // 2, steps, peak=1e-3, warmup=0.05) - 5e-4) < 1e-9
