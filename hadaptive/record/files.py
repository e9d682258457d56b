"""Records as files: one reader, which refuses what is damaged, and one writer, which seals. Imports no torch."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hadaptive.errors import UserError
from hadaptive.record.kinds import kind_of
from hadaptive.record.parts import Record
from hadaptive.records import SCHEMA, environment, seal, write_json
from hadaptive.run import Executed, Run

DAMAGED = "record damaged"  # what an empty cell says
CACHED = 8192  # records kept in memory


@dataclass(frozen=True)
class Missing:
    """There is no such record."""

    path: Path


@dataclass(frozen=True)
class Damaged:
    """A record that cannot be read, or whose values are impossible. `what` is wrong; `reason` is what a cell says."""

    path: Path
    what: str
    reason: str = DAMAGED

    def __str__(self) -> str:
        return f"{self.reason}: {self.path}: {self.what}; delete it and run the same command again"


class RecordDamaged(UserError):
    """A record that cannot be used; the message names the file, what is wrong, and the remedy."""


def find(path: Path) -> Record | Damaged | Missing:
    """Return the record at `path`, or what is wrong with it. Whoever reads many records reads them by this function.

    An unchanged file is read and checked once per process.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return Missing(path)
    except OSError as error:
        return Damaged(path, _said(error))
    if not stat.S_ISREG(status.st_mode):
        return Damaged(path, "not a regular file")
    return _read(path, status.st_ino, status.st_mtime_ns, status.st_size)


def read(path: Path) -> Record:
    """Return the record at `path`. Raises RecordDamaged, and UserError where there is none."""
    match find(path):
        case Record() as record:
            return record
        case Damaged() as damaged:
            raise RecordDamaged(str(damaged))
        case Missing():
            raise UserError(f"{path}: no such record; run the command that makes it")


def envelope(
    executed: Executed,
    metrics: Mapping[str, Any],
    *,
    status: str = "done",
    environment: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the fields of the record of a Run or measure: its settings, what was measured, the machine, and `more`.

    `environment` is added to what every record says of the machine.
    """
    settings = executed.model_dump(mode="json")
    return {
        "schema": SCHEMA,
        "id": executed.id,
        "scale": executed.scale,
        "status": status,
        **({"kind": "training", "run": settings} if isinstance(executed, Run) else settings),
        "metrics": dict(metrics),
        "environment": {**_environment(), **(environment or {})},
        **more,
    }


_environment = environment  # `envelope` has a parameter of that name


def write(path: Path, fields: Mapping[str, Any]) -> Record:
    """Seal the fields of a record, write them atomically, and return the record.

    Raises ValueError for NaN and infinity, and RecordDamaged for what `read` would refuse.
    """
    sealed = {**fields, "sha256": seal(fields)}
    record = _checked(path, json.loads(json.dumps(sealed)))
    if isinstance(record, Damaged):
        raise RecordDamaged(f"{path} was not written: {record.what}")
    write_json(path, sealed)
    return record


@lru_cache(maxsize=CACHED)
def _read(path: Path, inode: int, mtime_ns: int, size: int) -> Record | Damaged:
    try:
        text = path.read_bytes().decode("utf-8")
        raw = json.loads(text, parse_constant=_no_number, parse_float=_float, parse_int=_int)
        if "\\u" in text:  # a lone surrogate cannot be written to any file
            json.dumps(raw, ensure_ascii=False).encode("utf-8")
    except OSError as error:
        return Damaged(path, _said(error))
    except RecursionError:
        return Damaged(path, "nested too deeply")
    except ValueError as error:
        return Damaged(path, _short(str(error)))
    return _checked(path, raw)


def _checked(path: Path, raw: Any) -> Record | Damaged:
    if not isinstance(raw, dict):
        return Damaged(path, "not a JSON object")
    schema = raw.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        reason = f"record of schema {str(schema)[:20]}, not {SCHEMA}"
        return Damaged(path, "written by a newer version of this project", reason)
    try:
        return kind_of(raw).of(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        return Damaged(path, _short(f"{where}: {message}" if where else message))
    except (ValueError, RecursionError) as error:
        return Damaged(path, _short(str(error)))


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text[:40])


def _int(text: str) -> int:
    if len(text) > 19:  # of 64 bits
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _said(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
