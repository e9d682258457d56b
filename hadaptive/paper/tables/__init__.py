"""Frames: what a table holds, from records and nothing else. `frame` has what they share.

A new table of Runs is a layout in `layouts`; one with a logic of its own is an entry in `study/tables.py`, a module
here, and its line in `TABLES`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hadaptive.paper.spec import TableSpec
from hadaptive.paper.tables import grid, search, table4, table6, table7, table9
from hadaptive.paper.tables.frame import Frame
from hadaptive.paper.tables.layouts import LAYOUTS

TABLES: dict[str, Callable[[TableSpec, Path], list[Frame]]] = {
    "table4": table4.frames,
    "table6": table6.frames,
    "table7": table7.frames,
    "table9": table9.frames,
    **dict.fromkeys(LAYOUTS, grid.frames),
    **dict.fromkeys(search.PUBLISHED, search.frames),
    "found": search.found_frames,
}


def frames_of(spec: TableSpec, results_root: Path) -> list[Frame]:
    """The frames of a table; one whose columns stand in its spec is that of a search space. KeyError for no table."""
    make = search.frames if spec.heads else TABLES[spec.table]
    return make(spec, results_root)
