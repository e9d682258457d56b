"""The parts and the envelope that records of every kind have, with the values that are possible. Imports no torch.

Numbers that the project computes with are fields with bounds; whatever else a record holds is kept and shown as it is.
Fields that older records lack have a default, which is how those are upgraded.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from hadaptive.records import seal

SEALED, EDITED, UNSEALED = "unmodified", "edited by hand", "without a checksum"

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0, le=1e9)]
Percent = Annotated[float, Field(ge=0, le=100 + 1e-6)]  # a mean of rounded parts may exceed 100 by rounding
Fraction = Annotated[float, Field(ge=0, le=1 + 1e-6)]
Text = Annotated[str, Field(max_length=4000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Confidences = dict[str, dict[str, Percent]]  # layer's number -> candidate -> percent


class Part(BaseModel):
    """A part of a record. Types are exact ("71" and true are no numbers); unknown keys are kept."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=())


class Environment(Part):
    """Machine, versions and commit."""

    processor: Text | None = None
    instruction_sets: dict[str, Text] | None = None
    cores: Count | None = None
    system: Text | None = None
    python: Text | None = None
    packages: dict[str, Text] = {}
    git_commit: Text | None = None
    git_dirty: bool | None = None
    device: Text | None = None
    threads: Count | None = None
    processes: Count | None = None


class Record(Part):
    """The envelope of every record; `metrics` is what was measured, its type depends on the kind."""

    version: Literal[1] = Field(alias="schema")
    id: str
    scale: str
    kind: str
    status: Text
    metrics: Part = Part()
    environment: Environment = Environment()
    code: Text | None = None
    finished: Text | None = None
    sha256: Text | None = None
    _raw: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _id_is_of_its_kind(self) -> Self:
        if self.kind != "training" and self.id.partition("/")[0] != self.kind:
            raise ValueError(f"the id {self.id[:80]!r} is not that of a record of kind {self.kind[:80]!r}")
        return self

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """The record with these fields. Raises pydantic's ValidationError."""
        record = cls.model_validate(dict(raw))
        record._raw = raw
        return record

    @property
    def raw(self) -> Mapping[str, Any]:
        """Every field as it stands in the file."""
        return self._raw

    @cached_property
    def seal(self) -> str:
        """SEALED, EDITED or UNSEALED: whether its fields have the checksum that they were written with."""
        return UNSEALED if self.sha256 is None else SEALED if self.sha256 == seal(self._raw) else EDITED

    @property
    def edited(self) -> bool:
        return self.seal == EDITED

    @property
    def made_with(self) -> Mapping[str, Any]:
        """The settings that it was made with: those of its Run, or of its measure."""
        return self._raw

    def at(self, *names: str) -> Any:
        """Return the value at a path of names; None where there is nothing."""
        value: Any = self._raw
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


class SkippedRecord(Record):
    """A measurement that was not made; `status` says why."""
