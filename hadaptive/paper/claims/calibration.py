"""How often the rule errs and how often it decides: simulated tables, judged as measured ones are.

`python -m hadaptive.paper.claims.calibration` prints both for the claims on accuracies: how many of 1,000 tables of
equal models contradict each claim, and what is decided where the models differ as the paper prints. A training's
answers are drawn from a model of difficult and easy examples: a share `ALIKE` of what decides an answer is the
example's, the rest is drawn anew in each training, and its accuracy deviates by its seed.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hadaptive.paper.claims.comparisons import Compared, Comparison
from hadaptive.paper.claims.estimates import Sample, Spread, compare, covariance
from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS, UNDECIDED, decided, together
from hadaptive.paper.claims.spreads import TEST_EXAMPLES, Spreads, spread
from hadaptive.paper.claims.statements import CLAIMS
from hadaptive.paper.spec import ClaimsSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALIKE = 0.6
OTHERS, OTHER_SEEDS = 4, 2  # models beside those compared that have several seeds, where those have one
SEEDS = (1, 2, 3, 5)
DEVIATION = 0.75  # points over seeds, as of scale cpu
NORMAL = 1.96  # deviations within which no difference is beyond noise at 5%
UNKNOWN = Spread(0.0, 1.0, "", "")

Column = tuple[str, str]  # table and column
Truth = Mapping[Column, Mapping[str, float]]  # accuracies in percent by row


@dataclass(frozen=True)
class Setting:
    """Seeds of each model, deviation over seeds in points, whether records have answers."""

    seeds: int
    deviation: float = DEVIATION
    paired: bool = True


def judged(
    rng: np.random.Generator,
    comparisons: Sequence[Comparison],
    truth: Truth,
    examples: Mapping[Column, int],
    setting: Setting,
) -> list[str]:
    """Draw the trainings of one claim's models and judge its comparisons; their verdicts."""
    parts: list[tuple[bool | None, float | None]] = []
    trained = {column: _trainings(rng, rows, examples[column], setting) for column, rows in truth.items()}
    noise = {column: covariance(list(samples.values())) for column, samples in trained.items()}
    for each in comparisons:
        column = each.table, each.column
        places = [list(trained[column]).index(row) for row in each.rows]
        parts.append(_part(each, [trained[column][row] for row in each.rows], noise[column][places][:, places]))
    return [verdict for verdict, _ in decided(parts)]


def _part(comparison: Comparison, samples: Sequence[Sample], over_examples: NDArray[np.float64]) -> tuple[bool, float]:
    """Whether it came out as claimed, and its p; 1 where it is surely above 5%, which spares most of the work."""
    import numpy as np

    gap = float(comparison.gap(np.array([[each.mean for each in samples]]))[0])
    weights = np.array(comparison.weights)
    over_seeds = weights**2 @ [each.spread.variance / len(each.values) for each in samples]
    least = max(0.0, over_seeds + weights @ over_examples @ weights)
    if len(samples) == 2 and abs(gap) < NORMAL * math.sqrt(least):
        return gap > 0, 1.0
    return gap > 0, compare(samples, comparison.gap).p


def _trainings(
    rng: np.random.Generator, rows: Mapping[str, float], examples: int, setting: Setting
) -> dict[str, Sample]:
    import numpy as np
    from scipy.special import ndtri

    difficulty_N = math.sqrt(ALIKE) * rng.standard_normal(examples)

    def trained(percent: float, seeds: int) -> Sample:
        shares_S = np.clip(percent + setting.deviation * rng.standard_normal(seeds), 0.1, 99.9) / 100
        own_SN = math.sqrt(1 - ALIKE) * rng.standard_normal((seeds, examples), dtype=np.float32)
        right_SN = (own_SN + difficulty_N < ndtri(shares_S)[:, None]).astype(np.uint8)
        values = tuple((100 * right_SN.mean(1)).tolist())
        return Sample(values, examples, UNKNOWN, right_SN if setting.paired else None, "test set")

    trainings = {row: trained(percent, setting.seeds) for row, percent in rows.items()}
    mean = sum(rows.values()) / len(rows)
    several = {row: each.values for row, each in trainings.items() if len(each.values) > 1}
    several |= {f"other {n}": trained(mean, OTHER_SEEDS).values for n in range(OTHERS) if not several}
    spreads = {row: spread(several, "task", row) or UNKNOWN for row in rows}
    return {row: replace(each, spread=spreads[row]) for row, each in trainings.items()}


def claims_of(spec: ClaimsSpec) -> Iterator[tuple[str, list[Comparison], Truth, dict[Column, int]]]:
    """The claims on accuracies: number, comparisons, what the paper prints, and the size of its test sets."""
    spreads = Spreads(spec, Path("none"))
    for claim in CLAIMS:
        comparisons: list[Comparison] = []
        truth: dict[Column, dict[str, float]] = {}
        examples: dict[Column, int] = {}
        tables = {name: Compared(name, spreads) for name in {each.table for each in claim.expects}}
        for each in claim.expects:
            table = tables[each.table]
            column, place = table.columns[each.column], (each.table, each.column)
            source = table.spec.source(column.source)
            if column.spread:
                cells = table.cells[f"{each.column}_published"]
                printed = {row: cells[table.rows[row]].value for row in each.rows}
                truth.setdefault(place, {}).update({row: value for row, value in printed.items() if value is not None})
                examples[place] = TEST_EXAMPLES[source.folder or column.source]
                comparisons.append(each)
        if comparisons:
            yield claim.number, comparisons, truth, examples


def equal(truth: Truth) -> Truth:
    """The same models, all as good as their mean."""
    return {column: dict.fromkeys(rows, sum(rows.values()) / len(rows)) for column, rows in truth.items()}


def main(words: Sequence[str] | None = None) -> None:
    """Print both tables as Markdown."""
    import numpy as np

    from hadaptive.config import load
    from hadaptive.study import Study

    parser = argparse.ArgumentParser(description="Simulate how often verdicts err, and how often they decide.")
    parser.add_argument("--tables", type=int, default=1000, help="simulated tables of equal models (default: 1000)")
    parser.add_argument("--powered", type=int, default=100, help="tables of the paper's differences (default: 100)")
    parser.add_argument("--examples", type=int, default=1000, help="test examples of equal models (default: 1000)")
    parser.add_argument("--claims", nargs="+", help="numbers of claims (default: all on accuracies)")
    a = parser.parse_args(words)
    chosen = [each for each in claims_of(Study(load()).claims) if not a.claims or each[0] in a.claims]
    print(f"Contradicted, of {a.tables:,} tables of equal models, by seeds of each:\n")
    heads, rule = " | ".join(map(str, SEEDS)), " --: |" * len(SEEDS)
    print(f"| claim | comparisons | answers | {heads} |\n| :-- | --: | :-- |{rule}")
    for number, comparisons, truth, examples in chosen:
        for paired in (True, False):
            few = dict.fromkeys(examples, a.examples)
            cells = []
            for seeds in SEEDS:
                rng, setting = np.random.default_rng(seeds), Setting(seeds, paired=paired)
                verdicts = [together(judged(rng, comparisons, equal(truth), few, setting)) for _ in range(a.tables)]
                cells.append(f"{verdicts.count(CONTRADICTED) / a.tables:.1%}")
            how = "paired" if paired else "not recorded"
            print(f"| {number} | {len(comparisons)} | {how} | {' | '.join(cells)} |", flush=True)
    print(f"\nHolds / undecided / contradicted, comparisons of {a.powered} tables that differ as the paper prints:\n")
    print(f"| claim | deviation | {heads} |\n| :-- | --: |{rule}")
    for number, comparisons, truth, examples in chosen:
        for deviation in (0.3, DEVIATION):
            cells = [_powered(comparisons, truth, examples, Setting(seeds, deviation), a.powered) for seeds in SEEDS]
            print(f"| {number} | {deviation} | {' | '.join(cells)} |", flush=True)


def _powered(comparisons: Any, truth: Truth, examples: Any, setting: Setting, tables: int) -> str:
    import numpy as np

    rng, found = np.random.default_rng(setting.seeds), Counter[str]()
    for _ in range(tables):
        found.update(judged(rng, comparisons, truth, examples, setting))
    return " / ".join(f"{found[verdict] / found.total():.0%}" for verdict in (HOLDS, UNDECIDED, CONTRADICTED))


if __name__ == "__main__":
    main()
