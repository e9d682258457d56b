"""From a cell to its records: whether they are unmodified, and the command that reproduces the cell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hadaptive.paper.cells import Cell, Remark, read_record
from hadaptive.paper.spec import AnySpec, Row, TableSpec, record_path
from hadaptive.paper.tables import frames_of
from hadaptive.paper.tables.frame import BLANK, Column, Frame
from hadaptive.record import EDITED, SEALED, UNSEALED, Damaged, Record, find
from hadaptive.record.parts import Environment
from hadaptive.records import RECORD

ABSENT = "not found"
MEANS = {
    SEALED: "checksum matches",
    EDITED: "checksum does not match",
    UNSEALED: "no checksum to compare with",
    ABSENT: "no readable record",
}

LIBRARIES = {"pytorch": "PyTorch", "onednn": "oneDNN"}


@dataclass(frozen=True)
class Evidence:
    """A record that a cell was made from, or was to be made from.

    `status` is the record's own, or why it cannot be used; `seal` a key of MEANS. `record` is None where there is none
    that can be read. `reference` says that it is a reference record.
    """

    id: str
    path: Path
    status: str
    seal: str
    record: Record | None
    reference: bool = False


def evidence(spec: AnySpec, record_id: str, results_root: Path = Path("results")) -> Evidence:
    """A record that a table, a figure or the bundle reads, with its seal checked. That of another scale is none."""
    path, scale, reference = record_path(spec, record_id, results_root), spec.scale, record_id in spec.reference
    record = find(path)
    if isinstance(record, Damaged):
        return Evidence(record_id, path, f"{record.reason}: {record.what}", ABSENT, None, reference)
    usable = read_record(path, record_id, scale, Record)
    status = usable.text if isinstance(usable, Remark) else "done"
    if not isinstance(record, Record):
        return Evidence(record_id, path, status, ABSENT, None, reference)
    same = (record.id, record.scale) == (record_id, scale)
    return Evidence(record_id, path, status, record.seal, record if same else None, reference)


def machine(environment: Environment) -> str | None:
    """Where a record was made, with the instruction sets where it names them; None where it names no machine.

    For example "cpu: AMD EPYC (PyTorch AVX2, oneDNN AVX2)".
    """
    device, sets = environment.device or environment.processor, environment.instruction_sets
    if not device or sets is None:
        return device or None
    named = [f"{title} {sets[library]}" for library, title in LIBRARIES.items() if library in sets]
    return f"{device} ({', '.join(named)})"


@dataclass(frozen=True)
class Place:
    """A cell of a table, with what the paper prints there and how it differs; these are empty where the paper has none.

    `column` is the measured one, or words of the row itself ("words"), which have no cell.
    """

    column: Column
    row: Row
    number: int  # of the row
    cell: Cell | None
    published: Cell | None
    difference: Cell | None


def shown(spec: TableSpec, results_root: Path) -> tuple[Frame, Frame | None]:
    """A table as measured, and its version beside the published values, if it has one."""
    frame, *others = frames_of(spec, results_root)
    return frame, others[0] if others else None


def place(frame: Frame, compared: Frame | None, column: Column, number: int) -> Place:
    """What is known of the cell in a column and a row."""
    theirs = {} if compared is None else compared.cells
    cells = [frame.cells, theirs, theirs]
    keys = (column.key, f"{column.key}_published", f"{column.key}_difference")
    found = [cells[key][number] if key in cells else None for cells, key in zip(cells, keys, strict=True)]
    return Place(column, frame.spec.rows[number], number, *found)


def places(frame: Frame, compared: Frame | None) -> Iterator[Place]:
    """Every measured cell of a table that is shown, line by line; where a row has no such column there is none."""
    for number in range(len(frame.spec.rows)):
        for column in frame.columns:
            if column.shown and column.role == "measured" and frame.cells[column.key][number] is not BLANK:
                yield place(frame, compared, column, number)


def reproduce(spec: TableSpec, records: Sequence[str]) -> str:
    """The command that reproduces a cell: its records where they are missing or out of date, then its table.

    Without records (nothing could be run) it is the command for the table. Where the table shows reference records, new
    ones are made beside them, and the table goes on showing the reference records.
    """
    snakemake = "uv run snakemake --cores 8"
    if not records:
        return f"{snakemake} paper_tables/{spec.table}.tex --config scale={spec.scale}"
    paths = " ".join(shlex.quote(f"results/{spec.scale}/{each}/{RECORD}") for each in records)
    if any(each in spec.reference or each in spec.not_run for each in records):
        return f"{snakemake} {paths} --config scale={spec.scale} reference=never"
    return (
        f"{snakemake} {paths} --config scale={spec.scale} && uv run hadaptive render {spec.table} --scale {spec.scale}"
    )
