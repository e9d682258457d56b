"""Frames: what a table holds, from records and nothing else. `frame` has what they share.

A new table of Runs is a layout in `layouts`; one with a logic of its own is an entry in `experiments.tables`, a module
here, and its line in `TABLES`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hadaptive.paper.frames import grid, search, table4, table7
from hadaptive.paper.frames.frame import Frame
from hadaptive.paper.frames.layouts import LAYOUTS
from hadaptive.paper.spec import TableSpec

TABLES: dict[str, Callable[[TableSpec, Path], list[Frame]]] = {
    "table4": table4.frames,
    "table7": table7.frames,
    **dict.fromkeys(LAYOUTS, grid.frames),
    "found": search.found_frames,
}
