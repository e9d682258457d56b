"""A cell is a measurement, or it is empty and says why. Nothing here can see a published number."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from hadaptive.record import Damaged, Missing, Record, find
from hadaptive.record.files import DAMAGED


@dataclass(frozen=True)
class Remark:
    """Something a reader must know about a cell. Remarks of one `kind` share a footnote; `text` has the detail."""

    kind: str
    text: str
    edited: bool = False  # it is what a record says that was edited by hand

    @classmethod
    def of(cls, text: str) -> Remark:
        """A remark whose kind is its text without the epoch at which it happened."""
        return cls(re.sub(r" at epoch \d+\b", "", text), text)


@dataclass(frozen=True)
class Cell:
    """Mean, sample standard deviation (None below two seeds) and count; or no value and a remark saying why.

    A cell with a value may carry a remark too (some seeds diverged). `printed` is a published value as its authors
    typeset it; a cell with it has n = 0. `records` are the ids of the records it was made from, none for printed ones.
    What an empty cell has as `printed` is set in the place of a footnote. `edited`: a record of it was edited by hand.
    """

    value: float | None = None
    std: float | None = None
    n: int = 0
    remark: Remark | None = None
    printed: str = ""
    records: tuple[str, ...] = field(default=(), compare=False)
    edited: bool = False

    def __post_init__(self) -> None:
        assert self.value is not None or self.remark is not None, "an empty cell needs a reason"
        assert self.value is None or math.isfinite(self.value), "a value is a finite number"

    @classmethod
    def empty(cls, reason: str) -> Cell:
        """A cell with nothing in it but the reason."""
        return cls(remark=Remark.of(reason))

    @property
    def remarks(self) -> list[Remark]:
        """Everything that a reader must know about it."""
        return [*([self.remark] if self.remark else []), *([BY_HAND] if self.edited else [])]


BY_HAND = Remark.of("record edited by hand: its checksum does not match")
R = TypeVar("R", bound=Record)


def read_record(path: Path, record_id: str, scale: str, kind: type[R]) -> R | Remark:
    """The record at `path`, or why it cannot be used: missing, damaged, of another run or kind, or not done."""
    found = find(path)
    if isinstance(found, Missing):
        return Remark.of("not run")
    if isinstance(found, Damaged):
        return Remark.of(found.reason)
    if (found.id, found.scale) != (record_id, scale):
        return Remark.of("record of another run")
    if found.status != "done":
        return replace(Remark.of(found.status), edited=found.edited)
    return found if isinstance(found, kind) else Remark.of(DAMAGED)


def look_up(record: Record | Remark, metric: str) -> float | Remark:
    """The number at a dotted path in a record's metrics ("cpu.median_ms", "depth.0.layer"), or why there is none.

    A part of the metrics may have a status of its own ("no CUDA device"), which is then the reason.
    """
    if isinstance(record, Remark):
        return record
    value: Any = record.at("metrics")
    for name in metric.split("."):
        if isinstance(value, list):
            value = {str(n): inner for n, inner in enumerate(value)}
        if not isinstance(value, dict) or name not in value:
            return Remark.of("not recorded")
        value = value[name]
        status = value.get("status", "done") if isinstance(value, dict) else "done"
        if status != "done":
            return Remark.of(str(status))
    if value is None:
        return Remark.of("not reached")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Remark.of("not a finite number")
    return float(value)
