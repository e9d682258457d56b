"""What all settings have in common. Imports no torch."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Settings(BaseModel):
    """A part of params.yaml: rejects unknown keys, infinity and NaN, and yes or no in the place of a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _yes_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python would read `epochs: yes` as 1 epoch."""
        given = value if isinstance(value, list) else [value]
        if any(isinstance(number, bool) for number in given) and _numbers_only(cls, info.field_name or ""):
            raise ValueError("yes, no, true and false are no numbers; give a number")
        return value


@cache
def _numbers_only(model: type[BaseModel], field: str) -> bool:
    kinds = set(_leaves(model.model_fields[field].annotation))
    return bool(kinds & {int, float}) and not kinds & {bool, Any}


def _leaves(annotation: Any) -> list[Any]:
    inner = get_args(annotation)
    return [leaf for part in inner for leaf in _leaves(part)] if inner else [annotation]
