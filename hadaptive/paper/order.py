"""The order in which the paper shows its tables and figures, and what each is called in running text."""

from __future__ import annotations

import re
from collections.abc import Iterable

PAPER = (
    "figure1", "figure2", "table1", "table2", "table3", "table4", "figure3", "figure3_table", "table5", "table6",
    "table7", "table8", "table9", "figure4", "figure_a2", "table10", "table11", "table12", "figure5", "figure6",
    "figure7", "figure8", "figure9", "table13",
)  # fmt: skip


def in_order(names: Iterable[str]) -> list[str]:
    """First what the paper has, as it has it; then what only this project shows; the first version's tables last."""

    def place(name: str) -> tuple[int, list[int | str]]:
        if name in PAPER:
            return PAPER.index(name), []
        numbers_apart: list[int | str] = [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)]
        return len(PAPER) + name.startswith("v1_"), numbers_apart

    return sorted(names, key=place)


def subject(name: str, title: str) -> str:
    """What goes on after "Table 7: ": a title without the float's own name, the scale, and its number at the end."""
    words = re.sub(r",? at scale [\w.+-]+$", "", title.removeprefix(f"{called(name)}: "))
    words = re.sub(r" \([^()]*\)\.$", "", words).rstrip(".")
    return words[:1].lower() + words[1:] if words.split(" ")[0][1:].islower() else words


def called(name: str) -> str:
    """For example "Table 7", "Figure A.2", "Figure 3, numbers", "Table 5 of the first version"."""
    first = name.startswith("v1_")
    found = re.fullmatch(r"(table|figure)_?([a-z]?)(\d+)(_table)?", name.removeprefix("v1_"))
    if not found:
        return name.removeprefix("figure_").removeprefix("table_").replace("_", " ").capitalize()
    kind, part, number, numbers = found.groups()
    heading = f"{kind.capitalize()} {part.upper()}{'.' if part else ''}{number}{', numbers' if numbers else ''}"
    return f"{heading} of the first version" if first else heading
