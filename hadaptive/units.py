"""Durations and sizes in words. Imports no torch."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a duration rounded as an estimate is: "40 s", "12 min", "3.5 h", "12 d"."""
    for least, unit, name in ((2 * 86400, 86400, "d"), (5400, 3600, "h"), (90, 60, "min")):
        if seconds >= least:
            return f"{_rounded(seconds / unit)} {name}"
    return f"{seconds:.0f} s"


def measured_duration(seconds: float) -> str:
    """Return a duration in its two largest units: "1.2 s", "48 s", "3 min 12 s", "5 h 7 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{whole} s"
    parts = (whole // 3600, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")
    return " ".join(f"{number} {unit}" for number, unit in [part for part in parts if part[0]][:2])


def size(count: float) -> str:
    """Return a number of bytes as "340 MB" or "1.2 GB"."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{_rounded(count / unit)} {name}"
    return f"{_rounded(count / 1e3)} kB"


def _rounded(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
