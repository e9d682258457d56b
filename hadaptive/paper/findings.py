"""A part of a claim that is not a comparison of two cells, as it came out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A part of the claim: true, false, or None where it cannot be told; then `measured` tells noise from absence.

    `paper`: whether the paper's own numbers say so; None where it prints none.
    """

    said: str
    true: bool | None
    because: str
    measured: bool = True
    demonstration: bool = False
    paper: bool | None = None
