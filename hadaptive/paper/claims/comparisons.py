"""Two cells of a table compared: one holds to be greater, is within noise, is contradicted, or was not run.

Two accuracies differ by more than noise where their intervals do not overlap: mean plus and minus the binomial standard
error of the test set (for mAP as if every image were a trial, which is rough), or the sample deviation over seeds where
that is larger; two seeds may agree by chance. Counts of parameters and FLOPs have no noise but rounding: what a table
prints alike is within it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hadaptive.paper.cells import BY_HAND, Cell
from hadaptive.paper.spec import ClaimsSpec
from hadaptive.paper.tables import TABLES
from hadaptive.paper.tables.frame import Column, Frame, Records

HOLDS, NOISE, CONTRADICTED, NOT_RUN = "holds", "within noise", "contradicted", "not run"


@dataclass(frozen=True)
class Greater:
    """In one column of a table the cell of the row `more` is greater than `times` that of `less` (labels of rows)."""

    table: str
    column: str
    more: str
    less: str
    times: float = 1.0

    @property
    def rows(self) -> list[str]:
        return [self.more, self.less]


@dataclass(frozen=True)
class Nearer:
    """In one column of a table the cell of the row `one` is nearer to that of `near` than to that of `far`.

    What is compared are its two distances; so noises add up, that of the one twice.
    """

    table: str
    column: str
    one: str
    near: str
    far: str

    @property
    def rows(self) -> list[str]:
        return [self.one, self.near, self.far]


@dataclass(frozen=True)
class Verdict:
    """One comparison as it came out: in words, with numbers; `paper` is the same on the paper's own numbers."""

    said: str
    verdict: str
    because: str
    paper: str = ""
    demonstration: bool = False


class Compared:
    """A table's cells by label and column, measured and published."""

    def __init__(self, spec: ClaimsSpec, name: str, results_root: Path) -> None:
        self.spec = spec.tables[name]
        self.records = Records(self.spec, results_root)
        frames: list[Frame] = TABLES[name](self.spec, results_root)
        self.columns = {column.key: column for column in frames[0].columns}
        self.cells = frames[1].cells
        self.rows = {row.label: n for n, row in enumerate(self.spec.rows)}

    def verdict(self, expected: Greater | Nearer) -> Verdict:
        """How a comparison came out on the records, and on the paper's own numbers."""
        column, rows = self.columns[expected.column], expected.rows
        nearer = isinstance(expected, Nearer)
        times = 1.0 if isinstance(expected, Nearer) else expected.times
        words = f"{rows[0]} nearer {rows[1]} than {rows[2]}" if nearer else f"{rows[0]} > {rows[1]}"
        said = f"{_called(column)}: " + (words if times == 1 else f"{rows[0]} > {times:g} x {rows[1]}")
        missing = [row for row in rows if row not in self.rows]
        if missing:
            return Verdict(said, NOT_RUN, f"params.yaml has no row {' and '.join(missing)}")
        places = [self.rows[row] for row in rows]
        cells = [self.cells[column.key][n] for n in places]
        printed = [self.cells[f"{column.key}_published"][n] for n in places]
        if nearer:
            verdict, because = self._nearer(cells, column)
        else:
            verdict, because = self._compare(cells[0], cells[1], column, times, self._spreads(column, places))
        because += f"; {BY_HAND.text}" if any(cell.edited for cell in cells) else ""
        known = [cell.value for cell in printed if cell.value is not None]
        known[1:] = [value * times for value in known[1:]]
        paper = ""
        if len(known) == len(printed):
            agrees = abs(known[1] - known[0]) < abs(known[0] - known[2]) if nearer else known[0] > known[1]
            paper = HOLDS if agrees else CONTRADICTED
        stand_in = self.spec.source(column.source).stand_in is not None and column.spread
        return Verdict(said, verdict, because, paper, stand_in)

    def _nearer(self, cells: Sequence[Cell], column: Column) -> tuple[str, str]:
        values = [cell.value for cell in cells if cell.value is not None]
        if len(values) < len(cells):
            reasons = [cell.remark.text for cell in cells if cell.value is None and cell.remark]
            return NOT_RUN, "; ".join(dict.fromkeys(reasons))
        one, near, far = values
        to_near, to_far = abs(near - one), abs(one - far)
        numbers = f"{to_near:.4g} from the one, {to_far:.4g} from the other"
        widths = [self._noise(cell, column) for cell in cells]
        if None in widths:
            return NOT_RUN, f"{numbers}; the records do not say how many examples were tested"
        noise = sum(width * times for width, times in zip(widths, (2, 1, 1), strict=True) if width is not None)
        gap = to_far - to_near
        because = f"{numbers}: {gap:+.3g}, noise {noise:.2g}"
        return NOISE if abs(gap) <= noise else HOLDS if gap > 0 else CONTRADICTED, because

    def _spreads(self, column: Column, places: Sequence[int]) -> list[float] | None:
        """Half the interquartile ranges of cells that are medians of latencies; None where they are not."""
        cells = self.cells.get(f"{column.key.removesuffix('_ms')}_iqr_ms")
        values = [cells[n].value for n in places] if cells else [None]
        return None if None in values else [value / 2 for value in values if value is not None]

    def _compare(
        self, more: Cell, less: Cell, column: Column, times: float, spreads: list[float] | None
    ) -> tuple[str, str]:
        reasons = [cell.remark.text for cell in (more, less) if cell.value is None and cell.remark]
        if more.value is None or less.value is None:
            return NOT_RUN, "; ".join(dict.fromkeys(reasons))
        numbers = f"{more.value:.4g} against {less.value:.4g}"
        if spreads is not None:
            noise, gap = spreads[0] + times * spreads[1], more.value - times * less.value
            verdict = NOISE if abs(gap) <= noise else HOLDS if gap > 0 else CONTRADICTED
            return verdict, f"{numbers} ms, noise {noise:.2g} (half the interquartile ranges)"
        if not column.spread:
            printed = [round(value, column.digits) for value in (more.value, less.value)]
            numbers = " against ".join(f"{value:.{column.digits}f}" for value in printed)
            verdict = NOISE if printed[0] == printed[1] else HOLDS if printed[0] > printed[1] else CONTRADICTED
            return verdict, f"{numbers}, counted"
        widths = [self._noise(cell, column) for cell in (more, less)]
        if None in widths:
            return NOT_RUN, f"{numbers}; the records do not say how many images were tested"
        noise = sum(width for width in widths if width is not None)
        several = more.std is not None and less.std is not None
        over = "deviations over seeds or, if larger, " * several + "binomial standard errors"
        because = f"{numbers}, noise {noise:.2g} ({over})"
        if abs(more.value - less.value) <= noise:
            return NOISE, because
        return (HOLDS if more.value > less.value else CONTRADICTED), because

    def _noise(self, cell: Cell, column: Column) -> float | None:
        """Half the width of a cell's interval, in percent."""
        assert cell.value is not None
        images = self.records.values(column.source, "data", "test_examples")
        if not images.isdecimal() or int(images) == 0:
            return cell.std
        share = cell.value / 100
        return max(cell.std or 0.0, 100 * math.sqrt(max(0.0, share * (1 - share)) / int(images)))


def _called(column: Column) -> str:
    return f"{column.over}, {column.title}" if column.over else column.title
