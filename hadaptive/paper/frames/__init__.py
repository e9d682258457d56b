"""Frames: what a table holds, from records and nothing else. One module a table, `frame` for what they share.

A new table is an entry in `experiments.tables`, a module here, and its line in `TABLES`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hadaptive.paper.frames import table4, table7
from hadaptive.paper.frames.frame import Frame
from hadaptive.paper.spec import TableSpec

TABLES: dict[str, Callable[[TableSpec, Path], list[Frame]]] = {"table4": table4.frames, "table7": table7.frames}
