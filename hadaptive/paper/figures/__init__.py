"""Figures from records: one module a figure. matplotlib is imported when one is drawn.

A new figure is an entry in `study/figures.py`, a module here with `draw`, and its name in `FIGURES`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from hadaptive.errors import UserError, nearest
from hadaptive.paper.spec import FigureSpec
from hadaptive.records import write_text

FIGURES = (
    "figure1", "figure2", "figure3", "figure4", "figure5", "figure6", "figure7", "figure8", "figure9", "figure_a2",
    "figure_detections", "figure_ladder", "figure_search",
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A figure, a title, what it shows in words, and its numbers as a table with a head."""

    figure: Any
    title: str
    alt: str
    rows: list[list[str]]


def render_figure(spec: FigureSpec, results_root: Path, out_dir: Path) -> list[Path]:
    """Write a figure as .pdf and .png, its numbers as .csv, its title, alternative text and scale as .txt.

    Returns the paths. Where nothing was measured the axes are empty and say why. UserError for an unknown figure.
    """
    if spec.figure not in FIGURES:
        raise UserError(f"no figure {spec.figure!r}.{nearest(spec.figure, list(FIGURES))}")
    style = import_module("hadaptive.paper.figures.style")
    with style.house():
        drawn: Drawn = import_module(f"hadaptive.paper.figures.{spec.figure}").draw(spec, results_root)
        paths: list[Path] = style.save(drawn.figure, out_dir / spec.figure, drawn.title, drawn.alt)
    numbers = io.StringIO()
    csv.writer(numbers, lineterminator="\n").writerows(drawn.rows)
    description = f"{drawn.title}\n\n{drawn.alt}\n\nScale: {spec.scale}\n"
    for ending, text in (("csv", numbers.getvalue()), ("txt", description)):
        write_text(out_dir / f"{spec.figure}.{ending}", text)
        paths.append(out_dir / f"{spec.figure}.{ending}")
    return paths
