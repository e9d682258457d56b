"""Everything the page shows, gathered from the records of one scale and the files made at that scale."""

from __future__ import annotations

import base64
import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hadaptive.paper import files
from hadaptive.paper.bundle.provenance import evidence, places, shown
from hadaptive.paper.bundle.runs import Pairs, Shared, lean, version_words
from hadaptive.paper.bundle.tables import Table, table
from hadaptive.paper.claims.statements import Judged, judge
from hadaptive.paper.order import called, in_order, subject
from hadaptive.paper.published import Erratum, all_errata
from hadaptive.paper.spec import BundleSpec, FigureSpec, record_ids_needed
from hadaptive.record import EDITED, SEALED, UNSEALED

ROWS = 500  # of a figure's numbers; more are in the CSV alone


@dataclass(frozen=True)
class Figure:
    """A figure with its picture as a data URI and its numbers, or "" and the command that draws it."""

    name: str
    called: str
    subject: str
    title: str
    alt: str
    picture: str
    records: list[int]
    command: str
    numbers: list[list[str]]  # a head and rows


@dataclass(frozen=True)
class Empty:
    """A reason for which cells are empty: how many, and where: by table its columns with their numbers of cells."""

    reason: str
    cells: int
    where: dict[str, list[tuple[str, int]]]


@dataclass
class Runs:
    """The records the page speaks of, each read and checked once, by number in the order of first use."""

    spec: BundleSpec
    results_root: Path
    entries: list[dict[str, Any]] = field(default_factory=list)
    held: Shared = field(default_factory=Shared)
    environments: Shared = field(default_factory=Shared)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, record_id: str) -> tuple[int, bool]:
        """The record's number, and whether it was edited by hand."""
        if record_id not in self._numbers:
            self._numbers[record_id] = len(self.entries)
            found = evidence(self.spec, record_id, self.results_root)
            self.entries.append(lean(found, self.held, self.environments))
        n = self._numbers[record_id]
        return n, bool(self.entries[n]["edited"])

    def sealed(self, how: str) -> list[str]:
        return [entry["id"] for entry in self.entries if entry["seal"] == how]

    def present(self) -> list[Path]:
        """The records that can be read, as files."""
        return [Path(entry["path"]) for entry in self.entries if "recipe" in entry]


@dataclass(frozen=True)
class Contents:
    """All of the page. `left_out` are outputs in the folder that another scale made, or that are not made yet."""

    spec: BundleSpec
    floats: list[Table | Figure]
    claims: list[Judged]
    errata: tuple[Erratum, ...]
    empty: list[Empty]
    environments: list[tuple[int, Pairs]]
    commits: str
    edited: list[str]
    unsealed: list[str]
    left_out: list[str]
    measured: int
    cells: int
    sealed: int
    outputs: list[Path]
    records: list[Path]
    data: dict[str, Any]


def gather(spec: BundleSpec, results_root: Path, out_dir: Path) -> Contents:
    """Read everything once. What is missing is said; nothing of another scale gets in."""
    runs = Runs(spec, results_root)
    floats: list[Table | Figure] = []
    outputs: list[Path] = []
    left_out: list[str] = []
    counted: Counter[str] = Counter()
    reasons: dict[str, Counter[tuple[str, str]]] = {}
    for name in in_order((*spec.tables, *spec.figures)):
        if name in spec.figures:
            made, drawn = files.figure_files(name, out_dir), spec.figures[name]
            floats.append(_figure(drawn, runs, out_dir, files.of_scale(made, spec.scale)))
        else:
            shows = spec.tables[name]
            made = files.table_files(name, shows.compared, out_dir)
            frame, compared = shown(shows, results_root)
            floats.append(table(name, called(name), frame, compared, runs.number))
            for at in places(frame, compared):
                assert at.cell is not None
                counted["cells"] += 1
                counted["measured"] += at.cell.value is not None
                if at.cell.value is None and at.cell.remark:
                    column = f"{at.column.over}: {at.column.name}" if at.column.over else at.column.name
                    reasons.setdefault(at.cell.remark.kind, Counter())[name, column] += 1
        outputs += _kept(made, called(name), spec.scale, left_out)
    outputs += _kept(files.claims_files(out_dir), "The claims", spec.scale, left_out)
    ran = Counter(entry["environment"] for entry in runs.entries if "environment" in entry)
    environments = [(n, runs.environments.values[number]) for number, n in ran.most_common()]
    return Contents(
        spec=spec,
        floats=floats,
        claims=judge(spec.claims, results_root),
        errata=all_errata(),
        empty=_by_reason(reasons),
        environments=environments,
        commits=", ".join(dict.fromkeys(version_words(pairs) for _, pairs in environments)),
        edited=runs.sealed(EDITED),
        unsealed=runs.sealed(UNSEALED),
        sealed=len(runs.sealed(SEALED)),
        left_out=left_out,
        measured=counted["measured"],
        cells=counted["cells"],
        outputs=outputs,
        records=runs.present(),
        data={
            "scale": spec.scale,
            "records": runs.entries,
            "held": runs.held.values,
            "environments": runs.environments.values,
            "floats": {each.name: _data(each) for each in floats},
        },
    )


def _figure(spec: FigureSpec, runs: Runs, out_dir: Path, made: bool) -> Figure:
    title, alt, picture = f"{called(spec.figure)}: not drawn at scale {spec.scale}", "", ""
    numbers: list[list[str]] = []
    if made:
        title, alt = files.title_and_alt(spec.figure, out_dir)
        png = (out_dir / f"{spec.figure}.png").read_bytes()
        picture = f"data:image/png;base64,{base64.b64encode(png).decode()}"
        with (out_dir / f"{spec.figure}.csv").open(encoding="utf-8", newline="") as file:
            numbers = list(csv.reader(file))[:ROWS]
    records = [runs.number(each)[0] for each in record_ids_needed(spec)]
    command = f"uv run snakemake --cores 8 paper_tables/{spec.figure}.pdf --config scale={spec.scale}"
    return Figure(
        spec.figure,
        called(spec.figure),
        subject(spec.figure, title),
        title,
        alt,
        picture,
        records,
        command,
        numbers if len(numbers) > 1 else [],
    )


def _data(shown: Table | Figure) -> dict[str, Any]:
    if isinstance(shown, Table):
        return shown.data
    cell = {"key": "all", "row": shown.called, "column": "", "records": shown.records, "command": 0}
    return {"called": shown.called, "cells": [cell], "commands": [shown.command], "numbers": shown.numbers}


def _kept(made: Sequence[Path], what: str, scale: str, left_out: list[str]) -> list[Path]:
    """The files if they are whole and of the scale; else why they are left out."""
    if files.of_scale(list(made), scale):
        return list(made)
    there = any(path.exists() for path in made)
    left_out.append(f"{what}: {f'the files were not made at scale {scale}' if there else 'not made yet'}")
    return []


def _by_reason(reasons: dict[str, Counter[tuple[str, str]]]) -> list[Empty]:
    found = []
    for reason, counts in reasons.items():
        where: dict[str, list[tuple[str, int]]] = {}
        for (name, column), cells in counts.items():
            where.setdefault(name, []).append((column, cells))
        found.append(Empty(reason, counts.total(), where))
    return sorted(found, key=lambda empty: -empty.cells)
