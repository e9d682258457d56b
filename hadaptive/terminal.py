"""Tables for a terminal, as wide as it is."""

from __future__ import annotations

import io
import shutil
import sys
from typing import Any


def columns() -> int:
    """Return the terminal's width; 120 where output goes to a file."""
    return shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 120


def as_text(table: Any, width: int | None = None) -> str:
    """Return a table of rich's as plain text, its cells wrapped to the terminal's width."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width or columns(), highlight=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
