"""Records made up for one claim: clearly true, clearly false, or within noise.

The numbers stand in the words of the tables, not derived from the comparisons that they test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hadaptive import config
from hadaptive.paper.claims import statements
from hadaptive.paper.claims.statements import CLAIMS, Judged
from hadaptive.paper.spec import ClaimsSpec, TableSpec, record_ids
from hadaptive.paper.tables import TABLES
from hadaptive.study import Study
from tests.records import put

ROOT = Path(__file__).resolve().parents[3]
STUDY = Study(config.load(ROOT / "params.yaml"))
SEEDS = (0, 1, 2)
WOBBLE = (-0.3, 0.0, 0.3)  # points by which the seeds of a training differ


def real(table: TableSpec) -> TableSpec:
    """The table at scale cpu with three seeds, where nothing is absent and nothing stands in for the paper's data."""
    change = {"absent": None, "stand_in": None, "selected": None, "seeds_of": {}}
    sources = {
        name: source.model_copy(update=change | ({"seeds": SEEDS} if source.seeds else {}))
        for name, source in table.sources.items()
    }
    return table.model_copy(update={"scale": "cpu", "demonstration": False, "sources": sources})


SPEC: ClaimsSpec = STUDY.claims.model_copy(
    update={
        "scale": "cpu",
        "demonstration": False,
        "tables": {name: real(table) for name, table in STUDY.claims.tables.items()},
        "explained": ("explain/one", "explain/two"),
    }
)
Fill = Callable[["World"], None]


@dataclass
class World:
    """Records made up for one scenario; written when they are all there."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def cells(self, table: str, column: str, values: Mapping[str, float | Sequence[float]]) -> None:
        """Make cells of a table, by the labels of their rows: one value, about which seeds wobble, or one for each."""
        spec = SPEC.tables[table]
        found = next(c for c in TABLES[table](spec, Path("none"))[0].columns if c.key == column)
        rows = {row.label: row for row in spec.rows}
        for label, value in values.items():
            for n, record_id in enumerate(record_ids(spec, rows[label], found.source)):
                one = value + WOBBLE[n] * found.spread if isinstance(value, int | float) else value[n]
                counted = {"parameters": 1, "macs": 1} if found.source == "complexity" else {}
                record = self.records.setdefault(record_id, {"metrics": counted, "data": {"test_examples": 10_000}})
                *parts, last = found.metric_of(rows[label]).split(".")
                place = record["metrics"]
                for part in parts:
                    place = place.setdefault(part, {})
                place[last] = round(one / found.factor) if found.factor != 1 else one

    def write(self, folder: Path) -> None:
        for record_id, fields in self.records.items():
            put(folder, {"id": record_id, "scale": "cpu", "status": "done", **fields})


def judged(number: str, fill: Fill, folder: Path) -> Judged:
    """The claim of that number on the records of a scenario."""
    world = World()
    fill(world)
    world.write(folder)
    (found,) = statements.judge(SPEC, folder, [claim for claim in CLAIMS if claim.number == number])
    return found


def top1(table: str, values: Mapping[str, float | Sequence[float]], column: str = "top1") -> Fill:
    return lambda world: world.cells(table, column, values)


def together(*parts: Fill) -> Fill:
    def fill(world: World) -> None:
        for part in parts:
            part(world)

    return fill


Scenarios = dict[str, list[tuple[str, Fill, str]]]


def named(scenarios: Scenarios) -> list[Any]:
    """The scenarios as parameters of a test: the claim's number, its records, its verdict."""
    return [
        pytest.param(number, fill, verdict, id=f"{number}: {name}")
        for number, each in scenarios.items()
        for name, fill, verdict in each
    ]


def check(number: str, fill: Fill, verdict: str, folder: Path) -> None:
    found = judged(number, fill, folder)
    assert found.verdict == verdict, [part for part in found.parts if part.verdict != "holds"]
    assert not found.demonstration
