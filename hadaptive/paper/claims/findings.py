"""What is found for one part of a claim, and what comes of all parts together: verdicts, at an error of 5% for a claim.

A part **holds** or is **contradicted** where its difference is beyond noise (or is an exact count), is **undecided**
where it is not, and **not run** where a record is missing. Within a claim the parts that have noise are tested together
by Holm's method: a claim of 33 comparisons that were all equal would otherwise be contradicted nearly always.

A claim is contradicted where one of its parts is; else not run where none of its parts was run; else undecided where a
part that was run is; else it **holds partly** where all that was run holds and something was not run; else it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hadaptive.paper.claims.estimates import LEVEL, Estimate
from hadaptive.paper.spec import ClaimsSpec

HOLDS, PARTLY, UNDECIDED, CONTRADICTED, NOT_RUN = "holds", "holds partly", "undecided", "contradicted", "not run"
VERDICTS = (HOLDS, PARTLY, UNDECIDED, CONTRADICTED, NOT_RUN)


@dataclass(frozen=True)
class Finding:
    """A part of a claim: true, false, or None where that cannot be determined; `measured` tells which of two reasons.

    `p`: how probable such a difference is by chance; None: there is no chance in it. `estimate`: where one was made.
    `paper`, `paper_p`: the same of the paper's own numbers; None where it prints none.
    `seeds`: how many seeds of each model would decide a difference as large as the paper's at a level of the test, None
    for no number of them.
    """

    comparison: str
    true: bool | None
    because: str
    measured: bool = True
    demonstration: bool = False
    paper: bool | None = None
    paper_p: float | None = None
    edited: bool = False  # a record that it rests on was edited by hand
    p: float | None = None
    estimate: Estimate | None = None
    seeds: Callable[[float], int | None] | None = None


Findings = Callable[[ClaimsSpec, Path], Iterator[Finding]]  # of a spec and the root of the results


def holm(ps: Sequence[float]) -> list[float]:
    """The p values adjusted by Holm's method (1979): those below a level hold together at that level."""
    adjusted, most = [0.0] * len(ps), 0.0
    for rank, n in enumerate(sorted(range(len(ps)), key=lambda n: ps[n])):
        most = max(most, min(1.0, (len(ps) - rank) * ps[n]))
        adjusted[n] = most
    return adjusted


def decided(parts: Sequence[tuple[bool | None, float | None]]) -> list[tuple[str, float | None]]:
    """The verdict of each part of a claim, and its p by Holm's method.

    A part is what came out (None: neither), and its own p (None: there is no chance in it).
    """
    tested = [n for n, (true, p) in enumerate(parts) if true is not None and p is not None]
    adjusted = dict(zip(tested, holm([parts[n][1] or 0.0 for n in tested]), strict=True))
    verdicts = []
    for n, (true, _) in enumerate(parts):
        p = adjusted.get(n)
        sure = true is not None and (p is None or p < LEVEL)
        verdicts.append((UNDECIDED if not sure else HOLDS if true else CONTRADICTED, p))
    return verdicts


def together(verdicts: Sequence[str]) -> str:
    """The verdict of a claim by those of its parts; empty where it has none."""
    there = set(verdicts)
    if CONTRADICTED in there:
        return CONTRADICTED
    if there <= {NOT_RUN}:
        return NOT_RUN if there else ""
    if UNDECIDED in there:
        return UNDECIDED
    return PARTLY if NOT_RUN in there else HOLDS
