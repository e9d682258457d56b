"""Durations and sizes in words."""

from __future__ import annotations

import pytest

from hadaptive.units import duration, measured_duration, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (40, "40 s"), (150, "2.5 min"), (14400, "4.0 h"), (1036800, "12 d"), (172800000, "2,000 d")],
)
def test_an_estimate_is_rounded(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.23, "1.2 s"), (59.6, "1 min"), (192.4, "3 min 12 s"), (18420, "5 h 7 min")]
)
def test_a_measurement_keeps_two_units(seconds: float, words: str) -> None:
    assert measured_duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(2500, "2.5 kB"), (16.2e6, "16 MB"), (1.5e9, "1.5 GB"), (2e12, "2.0 TB")])
def test_a_size_has_a_decimal_unit(count: float, words: str) -> None:
    assert size(count) == words
