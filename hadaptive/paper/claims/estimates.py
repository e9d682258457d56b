"""How sure a difference is: an interval, the probability of it by chance, and the seeds that would decide it.

What is compared are means over trainings (seeds) on a test set (examples). Both are samples: other seeds and other
images of the same kind would have given other numbers. So a difference is resampled hierarchically, over seeds and over
test examples (Bouthillier et al. 2021, "Accounting for variance in machine learning benchmarks"):

- Examples: the bootstrap over them, paired where both models answered the same ones, that is with the covariance of
  their answers. A mean over hundreds of resampled examples is normal with a variance that is known exactly, so that
  normal numbers are drawn in the place of examples. Where records lack the answers, each model is given the binomial
  variance of a test set of its own, which is more than the paired one.
- Seeds: a bootstrap over two or three seeds is far too narrow (with two it has half the variance, and of one none at
  all), so this part is parametric: normal deviations, their scale drawn from the distribution that the estimated
  variance has, a scaled inverse chi-square with the degrees of freedom of `spread`. For one scale that is Student's t.

Answers that vary from seed to seed would count in both parts. Where a model has several seeds they are taken off the
part of the examples, as in an analysis of variance of both; where it has one, the interval is rather too wide.
The generator is seeded by what is compared: the same records give the same verdict to the byte.
Imports numpy and scipy only when something is compared.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 20_000
LEVEL = 0.05
POWER = 0.8
NORMAL = 1e9  # degrees of freedom with which Student's t is as good as normal
MOST_SEEDS = 1_000  # more than so many is as good as never

Gap = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]  # (draws, models) -> (draws,)


@dataclass(frozen=True)
class Spread:
    """The variance over seeds of one training's accuracy, in squared percent, with its degrees of freedom.

    Models with the same `pool` share an estimate, so that it errs for them together. `description` says whence.
    """

    variance: float
    degrees: float
    pool: str
    description: str


@dataclass(frozen=True)
class Sample:
    """Accuracies of one model in percent, one for each seed, on `examples` test examples.

    `answers`: whether each seed has each example right, uint8 (seeds, examples), of the test set `test_set`; None where
    the records do not say.
    """

    values: tuple[float, ...]
    examples: int
    spread: Spread
    answers: NDArray[np.uint8] | None = None
    test_set: str = ""

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)


@dataclass(frozen=True)
class Estimate:
    """A difference: its 95% interval, the probability `p` of one as large or larger by chance (two-sided).

    `above` is P(A > B): how probable it is that one more training of each comes out in this order. None where no
    training is compared.
    """

    gap: float
    low: float
    high: float
    p: float
    above: float | None = None

    def words(self, unit: str) -> str:
        """For example "+1.20 points (95% interval -0.31 to +2.71), P(A > B) = 0.86"."""
        text = f"{self.gap:+.3g} {unit} (95% interval {self.low:+.3g} to {self.high:+.3g})"
        return text if self.above is None else f"{text}, P(A > B) = {self.above:.2f}"


def paired(samples: Sequence[Sample]) -> bool:
    """Whether it is known how all of them answered the same examples."""
    return len({each.test_set for each in samples}) == 1 and all(each.answers is not None for each in samples)


def covariance(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Covariance (models, models) of accuracies in squared percent that is due to the test examples.

    What is taken off for answers that vary with the seed is an estimate itself, so that what is left of a difference
    may be below zero (see `positive`).
    """
    import numpy as np

    if not paired(samples):
        return np.diag([binomial(each.mean, each.examples) for each in samples])
    answers = [each.answers for each in samples if each.answers is not None]
    found = np.atleast_2d(np.cov([each.mean(0) for each in answers], bias=True))
    varying = [each.var(0, ddof=1).mean() / len(each) if len(each) > 1 else 0.0 for each in answers]
    return np.asarray(100.0**2 * (found - np.diag(varying)) / samples[0].examples)


def positive(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The nearest covariance by which no difference has a variance below zero, and a root of it."""
    import numpy as np

    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return root @ root.T, root


def binomial(percent: float, examples: int) -> float:
    """Variance in squared percent of an accuracy on so many examples; half an example off 0 and 100, never zero."""
    share = min(max(percent / 100, 0.5 / examples), 1 - 0.5 / examples)
    return 100.0**2 * share * (1 - share) / examples


def compare(samples: Sequence[Sample], gap: Gap) -> Estimate:
    """Resample the means of the samples and estimate the `gap` between them, above zero in the order claimed."""
    import numpy as np

    rng = _generator([(each.values, each.examples, each.spread) for each in samples])
    means = np.array([each.mean for each in samples])
    _, root = positive(covariance(samples))
    spreads = {each.spread.pool: each.spread for each in samples}
    scales = {pool: _scale(rng, spread) for pool, spread in spreads.items()}  # models of one pool share its error
    deviations = np.stack([scales[each.spread.pool] for each in samples], 1)
    counts = np.sqrt([len(each.values) for each in samples])
    drawn = means + rng.standard_normal((DRAWS, len(samples))) @ root.T
    drawn += deviations * rng.standard_normal(drawn.shape) / counts
    again = drawn + deviations * rng.standard_normal(drawn.shape)
    found = summarised(float(gap(means[None])[0]), gap(drawn))
    return Estimate(found.gap, found.low, found.high, found.p, float((gap(again) > 0).mean()))


def compare_medians(more: Sequence[float], less: Sequence[float], times: float) -> Estimate:
    """Compare the medians of two times, in milliseconds: the first minus `times` the second.

    Each is given by the medians of the blocks that its runs were divided into, which are resampled.
    """
    import numpy as np

    rng = _generator([tuple(more), tuple(less), times])

    def medians(blocks: Sequence[float]) -> NDArray[np.float64]:
        index = rng.integers(len(blocks), size=(DRAWS // 4, len(blocks)))
        return np.asarray(np.median(np.asarray(blocks)[index], axis=1))

    gap = float(np.median(more) - times * np.median(less))
    return summarised(gap, medians(more) - times * medians(less))


def summarised(gap: float, draws: NDArray[np.float64]) -> Estimate:
    """The estimate of a gap whose resampled values are `draws`."""
    import numpy as np

    low, high = np.quantile(draws, (LEVEL / 2, 1 - LEVEL / 2))
    beyond = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return Estimate(gap, float(low), float(high), min(1.0, 2 * (beyond + 1) / (len(draws) + 1)))


def student(gap: float, *parts: tuple[float, float]) -> Estimate:
    """The estimate of a gap by Student's t, its variance the sum of `parts`: (variance, degrees of freedom) each.

    Degrees of freedom are combined by Welch and Satterthwaite.
    """
    from scipy.special import stdtr, stdtrit

    variance = math.fsum(each for each, _ in parts)
    degrees = variance**2 / max(math.fsum(each**2 / of for each, of in parts), variance**2 / NORMAL)
    error = math.sqrt(variance)
    reach = float(stdtrit(degrees, 1 - LEVEL / 2)) * error
    return Estimate(gap, gap - reach, gap + reach, 2 * float(stdtr(degrees, -abs(gap) / error)))


def tossed(won: int, lost: int) -> float:
    """The probability that fair coins come out as unevenly, or more, two-sided (the sign test)."""
    tosses, least = won + lost, min(won, lost)
    tail: float = sum(math.comb(tosses, n) for n in range(least + 1)) / 2**tosses
    return min(1.0, 2 * tail)


def seeds_to_decide(gap: float, over_seeds: float, over_examples: float, level: float) -> int | None:
    """How many seeds of each model decide a gap so large with a power of 80%; None: no number of them.

    `over_seeds` is the variance of the gap with one seed of each, `over_examples` what more seeds do not lessen.
    """
    from scipy.special import ndtri

    left = (gap / float(ndtri(1 - level / 2) + ndtri(POWER))) ** 2 - over_examples
    seeds = math.ceil(over_seeds / left) if left > 0 else MOST_SEEDS + 1
    return max(1, seeds) if seeds <= MOST_SEEDS else None


def _scale(rng: Any, spread: Spread) -> Any:
    """Draws of the deviation over seeds, as sure as its estimate is."""
    import numpy as np

    if math.isinf(spread.degrees):
        return np.full(DRAWS, math.sqrt(spread.variance))
    return np.sqrt(spread.variance * spread.degrees / rng.chisquare(spread.degrees, DRAWS))


def _generator(content: Sequence[object]) -> Any:
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.blake2b(repr(content).encode(), digest_size=8).digest(), "big"))
