"""What records and manifests say about a whole study, gathered once for all answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from hadaptive.record import Damaged, Record, TrainingRecord, find

Manifest = Mapping[str, Any]
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Unanswered:
    """Why a question has no answer here."""

    reason: str
    word: str = "not answered"  # or "not applicable"


@dataclass(frozen=True)
class Facts:
    """The records of a study at one scale, and the manifests of its prepared data sets by name."""

    scale: str
    about: str
    demonstration: bool
    records: tuple[Record, ...]
    missing: int  # records that should be there and are not
    manifests: Mapping[str, Manifest]
    damaged: int = 0

    @cached_property
    def trainings(self) -> list[TrainingRecord]:
        return [record for record in self.records if isinstance(record, TrainingRecord)]

    @cached_property
    def done(self) -> list[TrainingRecord]:
        """The trainings that ended well."""
        return [record for record in self.trainings if record.status == "done"]

    def of(self, kind: type[R]) -> list[R]:
        return [record for record in self.records if isinstance(record, kind) and record.status == "done"]

    @property
    def seeds(self) -> list[int]:
        return sorted({record.run.seed for record in self.trainings})

    @property
    def wall_s(self) -> list[float]:
        return [record.wall_s for record in self.done if record.wall_s]

    def environments(self, *names: str) -> list[str]:
        """What the records' environments say at a path, each different value once."""
        found: dict[str, None] = {}
        for record in self.records:
            if (value := record.at("environment", *names)) is not None:
                found[str(value)] = None
        return sorted(found)

    def versions(self) -> str:
        """Python and packages, "torch 2.11.0"; several versions of one where records differ."""
        names = sorted({name for record in self.records for name in record.environment.packages})
        versions = [f"{name} {' or '.join(self.environments('packages', name))}" for name in names]
        python = self.environments("python")
        return ", ".join([*([f"Python {' or '.join(python)}"] if python else []), *versions])


def gather(scale: str, about: str, demonstration: bool, records: Iterable[Path], manifests: Iterable[Path]) -> Facts:
    """Read what there is; records that are missing or damaged are counted."""
    every = [find(path) for path in records]
    found = tuple(record for record in every if isinstance(record, Record))
    damaged = sum(isinstance(record, Damaged) for record in every)
    data = {path.parent.name: manifest for path in manifests if (manifest := _read(path))}
    return Facts(scale, about, demonstration, found, len(every) - len(found) - damaged, data, damaged)


def _read(path: Path) -> Manifest | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
