"""A model from rows given as data: what a search has found (section 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hadaptive.nn.hadaptive_net import ACH, CNA, Ghost, HadaptiveNet, Row, min_image_size

__all__ = ["as_row", "hadaptive_net_found", "min_image_size", "rows_of"]

KINDS: dict[str, type[Row]] = {"conv": CNA, "ghost": Ghost, "ach": ACH}


def as_row(given: Mapping[str, Any]) -> Row:
    """Return a row of `hadaptive_net` from its kind ("conv", "ghost", "ach" under `op`) and that kind's fields.

    Raises ValueError for an unknown kind, TypeError for a field that is missing or unknown.
    """
    words = dict(given)
    op = words.pop("op", None)
    if op not in KINDS:
        raise ValueError(f"unknown kind of row {op!r}; known: {', '.join(KINDS)}")
    return KINDS[op](**words)


def rows_of(name: str, options: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the rows that the options hold."""
    return tuple(as_row(row) for row in options["rows"])


def hadaptive_net_found(
    rows: Sequence[Mapping[str, Any]], found_by: Sequence[str] = (), **options: Any
) -> HadaptiveNet:
    """Hadaptive-Net of these rows (see `as_row`); `found_by` names the searches and changes nothing.

    Options: those of HadaptiveNet and of AdaptiveCrossHadamard; what a row says itself comes first.
    """
    return HadaptiveNet(tuple(as_row(row) for row in rows), name="hadaptive_net_found", **options)
