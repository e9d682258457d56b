"""The statistics behind verdicts, against formulas where there are some."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hadaptive.paper.claims import estimates
from hadaptive.paper.claims.comparisons import Greater, Nearer
from hadaptive.paper.claims.estimates import Sample, Spread, compare, compare_medians, seeds_to_decide, student, tossed
from hadaptive.paper.claims.findings import CONTRADICTED, HOLDS, NOT_RUN, PARTLY, UNDECIDED, decided, holm, together
from hadaptive.paper.claims.spreads import spread

GREATER = Greater("table", "column", "a", "b")
POOLED = Spread(0.5**2, 6, "task", "")


def sample(*values: float, examples: int = 10**9, spread: Spread = POOLED) -> Sample:
    return Sample(values, examples, spread)


@pytest.mark.parametrize(("seeds", "gap"), [(1, 0.5), (2, 1.3), (3, -0.9)])
def test_over_seeds_alone_it_is_student_s_t(seeds: int, gap: float) -> None:
    """With so many examples that they make no noise: the t interval of the pooled variance."""
    found = compare([sample(*[50.0 + gap] * seeds), sample(*[50.0] * seeds)], GREATER.gap)
    error = math.sqrt(0.5**2 * 2 / seeds)
    exact = stats.t.interval(0.95, 6, loc=gap, scale=error)
    assert (found.low, found.high) == pytest.approx(exact, abs=0.08)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(gap) / error, 6), rel=0.1, abs=0.005)
    again = student(gap, (error**2, 6))
    assert (again.low, again.high) == pytest.approx(exact) and again.gap == gap


def test_over_examples_alone_it_is_the_bootstrap() -> None:
    """Of models that answer the same examples: against resampling them one by one."""
    rng = np.random.default_rng(0)
    easy_N = rng.random(900)
    answers = [(easy_N + 0.1 * rng.standard_normal(900) < share).astype(np.uint8)[None] for share in (0.55, 0.5)]
    certain = Spread(1e-12, math.inf, "task", "")
    pair = [Sample((100 * float(each.mean()),), 900, certain, each, "same") for each in answers]
    found = compare(pair, GREATER.gap)
    index = rng.integers(900, size=(4000, 900))
    resampled = 100 * (answers[0][0][index].mean(1) - answers[1][0][index].mean(1))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(resampled, (0.025, 0.975))), abs=0.15)
    apart = compare([replace(each, test_set=name) for each, name in zip(pair, "ab", strict=True)], GREATER.gap)
    assert apart.high - apart.low > 2 * (found.high - found.low), "unpaired is wider"
    independent = [estimates.binomial(each.mean, 900) for each in pair]
    assert (apart.high - apart.low) / 2 == pytest.approx(1.96 * math.sqrt(sum(independent)), rel=0.05)


def test_the_same_content_gives_the_same_estimate() -> None:
    pair = [sample(60.0, 61.0, examples=10_000), sample(59.0, examples=10_000)]
    assert compare(pair, GREATER.gap) == compare([replace(each) for each in pair], GREATER.gap)
    assert compare(pair, GREATER.gap).p != compare([pair[0], sample(59.001, examples=10_000)], GREATER.gap).p


def test_one_training_of_each_is_less_sure_than_their_means() -> None:
    found = compare([sample(*[51.0] * 9), sample(*[50.0] * 9)], GREATER.gap)
    assert found.p < 0.01 and found.above == pytest.approx(stats.norm.cdf(1 / (0.5 * math.sqrt(2))), abs=0.04)


def test_of_three_rows_the_nearer_is_told() -> None:
    nearer = Nearer("table", "column", "one", "near", "far")
    found = compare([sample(70.0), sample(74.0), sample(60.0)], nearer.gap)
    assert found.gap == pytest.approx(6.0) and found.low > 0
    assert found.high - found.low == pytest.approx(2 * stats.t.isf(0.025, 6) * 0.5 * math.sqrt(6), rel=0.05)


@pytest.mark.parametrize(("more", "less", "sure"), [((5.0, 5.1, 4.9), (4.0, 4.1, 3.9), True), ((5, 4), (4.5,), False)])
def test_medians_are_resampled_by_blocks(more: Sequence[float], less: Sequence[float], sure: bool) -> None:
    found = compare_medians(more, less, 1.0)
    assert (found.p < 0.05) is sure and found.low <= found.gap <= found.high and found.above is None


def test_coins() -> None:
    for won, lost in ((8, 2), (5, 5), (0, 1), (30, 10)):
        assert tossed(won, lost) == pytest.approx(stats.binomtest(won, won + lost).pvalue)
    assert tossed(0, 0) == 1.0


def test_holm() -> None:
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_the_seeds_that_decide_have_a_power_of_80_percent() -> None:
    seeds = seeds_to_decide(1.0, over_seeds=2 * 0.7**2, over_examples=0.1**2, level=0.05)
    assert seeds is not None
    for count, enough in ((seeds, True), (seeds - 1, False)):
        error = math.sqrt(2 * 0.7**2 / count + 0.1**2)
        assert bool(stats.norm.sf(stats.norm.isf(0.025) - 1.0 / error) >= 0.8) is enough
    assert seeds_to_decide(0.5, 0.5, over_examples=0.4, level=0.05) is None, "the test set is too small"
    assert seeds_to_decide(9.0, 0.5, over_examples=0.0, level=0.05) == 1


def test_parts_and_what_they_come_to() -> None:
    parts = [(True, 0.001), (False, 0.03), (True, 0.03), (True, None), (False, None), (None, None), (None, 0.001)]
    assert [verdict for verdict, _ in decided(parts)] == [
        HOLDS, UNDECIDED, UNDECIDED, HOLDS, CONTRADICTED, UNDECIDED, UNDECIDED,
    ]  # fmt: skip
    assert decided([(False, 0.03)]) == [(CONTRADICTED, 0.03)]
    for verdicts, expected in (
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, NOT_RUN], PARTLY),
        ([HOLDS, UNDECIDED, NOT_RUN], UNDECIDED),
        ([HOLDS, UNDECIDED, NOT_RUN, CONTRADICTED], CONTRADICTED),
        ([NOT_RUN], NOT_RUN),
        ([], ""),
    ):
        assert together(verdicts) == expected


def test_the_variance_over_seeds_is_pooled_about_each_model_s_mean() -> None:
    several = {"a": [1.0, 2.0, 3.0], "b": [10.0, 14.0]}
    found = spread(several, "task", "c")
    assert found is not None and (found.variance, found.degrees) == (pytest.approx((2 + 8) / 3), 3)
    assert spread({}, "task", "c") is None and spread({"a": [1.0, 1.0]}, "task", "a") is None, "never zero"
    usual = {name: [0.0, 1.0, 2.0] for name in "abcd"}
    own = spread({**usual, "e": [0.0, 9.0, 18.0]}, "task", "e")
    assert own is not None and (own.variance, own.degrees, own.pool) == (81.0, 2, "task/e")
    two = spread({**usual, "e": [0.0, 9.0]}, "task", "e")
    assert two is not None and two.pool == "task", "of two seeds nobody can tell"
