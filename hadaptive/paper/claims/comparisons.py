"""Two or three cells of a table compared: the finding says which is greater, and how probable that is by chance.

Accuracies (mAP and mIoU as if every image were a trial, which is rough) are compared as `estimates` says: over seeds
and test examples. Latencies are medians over blocks of runs; older records tell quartiles alone, and then the spread
of one run is taken as that of the median, since runs of one session drift together. Counts of parameters and FLOPs have
no noise but rounding: what a table prints alike decides nothing. The paper's own numbers are judged in the same way,
with the size of its test set and the variance over seeds that `spreads.printed` says; its latencies, which it prints
without a spread, as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from hadaptive.paper.cells import Cell, Remark, look_up
from hadaptive.paper.claims import estimates
from hadaptive.paper.claims.estimates import Estimate, Sample, Spread
from hadaptive.paper.claims.findings import Finding
from hadaptive.paper.claims.spreads import TEST_EXAMPLES, Spreads, model_of, printed
from hadaptive.paper.spec import Row, record_ids
from hadaptive.paper.tables import TABLES
from hadaptive.paper.tables.frame import Column, Frame, Records
from hadaptive.record import Record, TrainingRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUARTILES = 1.349  # deviations of a normal distribution between its quartiles
UNKNOWN = "the variance over seeds is not known, as no model of this task has several seeds; run a second seed of one"


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

    @property
    def weights(self) -> tuple[float, ...]:
        """How its gap changes with each row's mean."""
        return 1.0, -self.times

    @property
    def words(self) -> str:
        return f"{self.more} > {self.less}" if self.times == 1 else f"{self.more} > {self.times:g} x {self.less}"

    def gap(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much it holds, of means (draws, rows); negative where it does not."""
        return means[:, 0] - self.times * means[:, 1]


@dataclass(frozen=True)
class Nearer:
    """In one column of a table the cell of the row `one` is nearer to that of `near` than to that of `far`."""

    table: str
    column: str
    one: str
    near: str
    far: str

    @property
    def rows(self) -> list[str]:
        return [self.one, self.near, self.far]

    @property
    def weights(self) -> tuple[float, ...]:
        """How its gap changes with each row's mean, where the one lies between the other two."""
        return 2.0, -1.0, -1.0

    @property
    def words(self) -> str:
        return f"{self.one} nearer {self.near} than {self.far}"

    def gap(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """The distance to the far one less that to the near one, of means (draws, rows)."""
        return abs(means[:, 0] - means[:, 2]) - abs(means[:, 1] - means[:, 0])


Comparison = Greater | Nearer


class Compared:
    """A table's cells by label and column, measured and published."""

    def __init__(self, name: str, spreads: Spreads) -> None:
        self.spec, self.spreads = spreads.spec.tables[name], spreads
        self.records = Records(self.spec, spreads.results_root)
        frames: list[Frame] = TABLES[name](self.spec, spreads.results_root)
        self.columns = {column.key: column for column in frames[0].columns}
        self.cells = frames[1].cells
        self.rows = {row.label: n for n, row in enumerate(self.spec.rows)}

    def find(self, expected: Comparison) -> Finding:
        """What the records say of a comparison, and what the paper's own numbers do."""
        column = self.columns[expected.column]
        comparison = f"{_called(column)}: {expected.words}"
        missing = [row for row in expected.rows if row not in self.rows]
        if missing:
            return Finding(comparison, None, f"params.yaml has no row {' and '.join(missing)}", measured=False)
        places = [self.rows[row] for row in expected.rows]
        cells = [self.cells[column.key][n] for n in places]
        theirs = self._published(expected, column, [self.cells[f"{column.key}_published"][n] for n in places])
        reasons = dict.fromkeys(cell.remark.text for cell in cells if cell.value is None and cell.remark)
        if reasons:
            finding = Finding(comparison, None, "; ".join(reasons), measured=False)
        elif column.spread:
            rows = [self.spec.rows[n] for n in places]
            finding = self._accuracies(comparison, expected, column, rows, theirs.estimate if theirs else None)
        else:
            finding = self._latencies(comparison, expected, column, places) or _counts(comparison, cells, column)
        stand_in = self.spec.source(column.source).stand_in is not None and column.spread
        finding = replace(finding, demonstration=stand_in, edited=any(cell.edited for cell in cells))
        return replace(finding, paper=theirs.true, paper_p=theirs.p) if theirs else finding

    def _accuracies(
        self, comparison: str, expected: Comparison, column: Column, rows: Sequence[Row], theirs: Estimate | None
    ) -> Finding:
        found = [self._sample(row, column) for row in rows]
        samples = [each for each in found if isinstance(each, Sample)]
        numbers = " against ".join(f"{each.mean:.4g}" for each in samples)
        if len(samples) < len(found):
            reasons = dict.fromkeys(each for each in found if isinstance(each, str))
            return Finding(comparison, None, f"{numbers or 'measured'}; {'; '.join(reasons)}")
        estimate = estimates.compare(samples, expected.gap)
        seeds = " and ".join(dict.fromkeys(str(len(each.values)) for each in samples))
        spreads = " and ".join(dict.fromkeys(each.spread.description for each in samples))
        answers = "paired" if estimates.paired(samples) else "not paired, as records lack the answers"
        because = (
            f"{numbers}: {estimate.words('points')}; seeds: {seeds}, deviation over seeds {spreads}; "
            f"{samples[0].examples:,} test examples, {answers}"
        )
        planned = None if theirs is None else _planned(expected, samples, theirs.gap)
        return Finding(comparison, estimate.gap > 0, because, p=estimate.p, estimate=estimate, seeds=planned)

    def _sample(self, row: Row, column: Column) -> Sample | str:
        """A row's accuracies with what is known of their noise, or why that is unknown."""
        ids = record_ids(self.spec, row, column.source)
        read = [(record, look_up(record, column.metric)) for record in map(self.records.read, ids)]
        done = [(of, value) for of, value in read if isinstance(of, Record) and not isinstance(value, Remark)]
        examples = [record.at("data", "test_examples") for record, _ in done]
        if not all(examples):
            return "the records do not say how many examples were tested"
        source = self.spec.source(column.source)
        spread = self.spreads.of(source.folder or column.source, column.metric, model_of(ids[0]))
        if spread is None:
            return UNKNOWN
        return sample([record for record, _ in done], column.metric, spread)

    def _latencies(
        self, comparison: str, expected: Comparison, column: Column, places: Sequence[int]
    ) -> Finding | None:
        """Medians of times compared; None where the column has none."""
        cells = self.cells.get(f"{column.key.removesuffix('_ms')}_iqr_ms")
        spreads = [cells[n].value for n in places] if cells else [None]
        if None in spreads or not isinstance(expected, Greater):
            return None
        medians = [self.cells[column.key][n].value or 0.0 for n in places]
        blocks = [self._blocks(self.spec.rows[n], column) for n in places]
        numbers = " against ".join(f"{median:.4g}" for median in medians)
        if all(blocks):
            estimate = estimates.compare_medians(blocks[0], blocks[1], expected.times)
            noise = f"medians of {len(blocks[0])} and {len(blocks[1])} blocks of runs"
        else:
            errors = [(spread or 0.0) / QUARTILES for spread in spreads]
            variance = errors[0] ** 2 + (expected.times * errors[1]) ** 2
            gap = medians[0] - expected.times * medians[1]
            estimate = estimates.student(gap, (max(variance, 1e-18), math.inf))
            noise = "the spread of single runs, as the records have no blocks of them"
        because = f"{numbers} ms: {estimate.words('ms')}, {noise}"
        return Finding(comparison, estimate.gap > 0, because, p=estimate.p, estimate=estimate)

    def _blocks(self, row: Row, column: Column) -> list[float]:
        """The medians of the blocks of runs behind a latency; empty where the record has none."""
        metric = column.metric_of(row)
        (record_id,) = record_ids(self.spec, row, column.source)
        record = self.records.read(record_id)
        found = record.at("metrics", *metric.split(".")[:-1], "blocks_ms") if isinstance(record, Record) else None
        return list(found or [])

    def _published(self, expected: Comparison, column: Column, cells: Sequence[Cell]) -> Finding | None:
        """What the paper's own numbers say; None where it does not print all of them."""
        values = [cell.value for cell in cells if cell.value is not None]
        if len(values) < len(cells):
            return None
        source = self.spec.source(column.source)
        examples = TEST_EXAMPLES.get(source.folder or column.source)
        if column.spread and examples:
            estimate = _printed(expected, tuple(values), examples)
            return Finding("", estimate.gap > 0, "", p=estimate.p, estimate=estimate)
        more, less = values[0], values[1] * (expected.times if isinstance(expected, Greater) else 1.0)
        return Finding("", None if more == less else more > less, "")


@cache
def _printed(expected: Comparison, values: tuple[float, ...], examples: int) -> Estimate:
    """The estimate of what the paper prints."""
    return estimates.compare([Sample((each,), examples, printed(each, examples)) for each in values], expected.gap)


def _planned(expected: Comparison, samples: Sequence[Sample], gap: float) -> Callable[[float], int | None]:
    """How many seeds would decide a difference as large as the paper's, at a level."""
    import numpy as np

    weights = np.array(expected.weights)
    over_seeds = float(weights**2 @ [each.spread.variance for each in samples])
    examples, _ = estimates.positive(estimates.covariance(samples))
    over_examples = float(weights @ examples @ weights)
    return partial(estimates.seeds_to_decide, abs(gap), over_seeds, over_examples)


def sample(records: Sequence[Record], metric: str, spread: Spread) -> Sample:
    """The accuracies of one model, a record a seed, each of which has the metric and says how many were tested."""
    values = tuple(float(value) for each in records if not isinstance(value := look_up(each, metric), Remark))
    examples = min(int(each.at("data", "test_examples")) for each in records)
    return Sample(values, examples, spread, *_answers(records, metric))


def _answers(records: Sequence[Record], metric: str) -> tuple[NDArray[np.uint8] | None, str]:
    """Which examples each record has right, and of which test set; None where one of them does not say."""
    import numpy as np

    found = [each.outcomes for each in records if isinstance(each, TrainingRecord) and each.outcomes]
    test_sets = {each.labels_sha256 for each in found}
    if metric != "top1_last" or len(found) < len(records) or len(test_sets) != 1:
        return None, ""
    bits = np.stack([np.unpackbits(np.frombuffer(of.bits, np.uint8), count=of.examples) for of in found])
    return bits, found[0].labels_sha256


def _counts(comparison: str, cells: Sequence[Cell], column: Column) -> Finding:
    """Numbers without noise, as the table prints them."""
    printed = [round(cell.value, column.digits) for cell in cells if cell.value is not None]
    numbers = " against ".join(f"{value:.{column.digits}f}" for value in printed)
    return Finding(comparison, None if printed[0] == printed[1] else printed[0] > printed[1], f"{numbers}, counted")


def _called(column: Column) -> str:
    return f"{column.over}, {column.title}" if column.over else column.title
