"""What a claim that is no comparison of table cells rests on: findings, each from records of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hadaptive.paper.spec import ClaimsSpec


@dataclass(frozen=True)
class Finding:
    """A part of a claim: true, false, or None where it cannot be determined; then `measured` tells noise from absence.

    `paper`: whether the paper's own numbers say so; None where it prints none.
    """

    said: str
    true: bool | None
    because: str
    measured: bool = True
    demonstration: bool = False
    paper: bool | None = None
    edited: bool = False  # a record that it rests on was edited by hand


Findings = Callable[[ClaimsSpec, Path], Iterator[Finding]]  # of a spec and the root of the results
