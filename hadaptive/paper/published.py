"""What the paper prints, as it prints it: CSV files by table, and where it contradicts itself (``errata.yaml``).

These numbers stand beside measured ones and never in their place.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_HERE = Path(__file__).parent
_KEYS = {"figure3": 4, "table13": 2}  # how many columns name a row, joined by commas, where the first alone does not


def printed(table: str) -> bool:
    """Whether the paper has a table of that name."""
    return (_HERE / "published" / f"{table}.csv").is_file()


def published(table: str) -> dict[str, Mapping[str, str]]:
    """A table of the paper: the row's name (first column, or its ticks) -> column -> the text printed ("" where blank).

    Raises ValueError for a table that is not there or whose first column does not name its rows.
    """
    path = _HERE / "published" / f"{table}.csv"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.csv")))
        raise ValueError(f"no published table {table!r}; there are {known}")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    head, body, keys = rows[0], rows[1:], _KEYS.get(table, 1)
    found: dict[str, Mapping[str, str]] = {
        ",".join(row[:keys]): dict(zip(head[keys:], row[keys:], strict=True)) for row in body
    }
    if len(found) < len(body):
        raise ValueError(f"published table {table!r} has two rows of one name; its key is more than one column")
    return found


@dataclass(frozen=True)
class Erratum:
    """One contradiction: `where` it stands, what the paper `says`, what `is` (in fact, or in the code), what we do."""

    where: str
    says: str
    is_: str
    here: str
    by: str  # "fact": arithmetic or counting shows it; "code": the authors' code does otherwise
    tables: tuple[str, ...]

    def line(self) -> str:
        """One line for beneath a table."""
        ground = "the authors' code: " if self.by == "code" else "in fact: "
        return f"{self.where}: the paper: {self.says}; {ground}{self.is_}. Here: {self.here}."


@cache
def all_errata() -> tuple[Erratum, ...]:
    """Every erratum, in the file's order; read once, as each table asks for its own."""
    entries = yaml.safe_load((_HERE / "errata.yaml").read_text(encoding="utf-8"))
    return tuple(Erratum(e["where"], e["says"], e["is"], e["here"], e["by"], tuple(e["tables"])) for e in entries)


def errata(table: str) -> list[Erratum]:
    """The errata that concern a table, in the file's order."""
    return [erratum for erratum in all_errata() if table in erratum.tables]
