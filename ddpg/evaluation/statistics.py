"""Statistics of few seeds: of one set of scores, and of the difference between two.

A score is one number per seed. A seed without one, because its training diverged or never solved the task, counts as
the worst possible, not as missing: see `with_worst`. Such scores are infinite, and statistics and intervals may be too.

With one task, the stratified bootstrap of Agarwal et al., "Deep reinforcement learning at the edge of the statistical
precipice", 2021, arXiv:2108.13264, resamples the seeds.

How often the intervals miss is measured by `benchmarks/calibration.py`.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy  # loads its modules at their first use
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]
"""One number per seed, shape (n,)."""
Statistic = Callable[[Scores], Scores]
"""Reduces the last axis, (..., n) to (...)."""

_MOST_SEEDS = 10_000


class Interval(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float


class Pairing(NamedTuple):
    """Whether scores of the same seeds are compared in pairs."""

    paired: bool
    correlation: float
    """Pearson's, of the seeds' scores; NaN if a side is constant or infinite, or has fewer than three."""
    bound: float
    """What a correlation has to exceed in size; NaN with fewer than three seeds."""


def with_worst(scores: ArrayLike, *, higher_is_better: bool) -> Scores:
    """Replaces NaN by the worst possible score, which is infinite.

    Args:
        scores: Shape (n,).
        higher_is_better: Whether the worst is −∞ or +∞.
    """
    values = np.asarray(scores, np.float64)
    return np.where(np.isnan(values), -np.inf if higher_is_better else np.inf, values)


def interquartile_mean(scores: Scores) -> Scores:
    """The mean of the middle half of the last axis: a quarter is trimmed at each end, rounded down to whole scores.

    Agarwal et al., 2021.
    """
    # As `scipy.stats.trim_mean`, whose wrapper takes most of its time.
    n = scores.shape[-1]
    first, last = n // 4, n - n // 4 - 1
    return np.asarray(np.partition(scores, (first, last), axis=-1)[..., first : last + 1].mean(axis=-1))


def median(scores: Scores) -> Scores:
    """The median of the last axis; finite if more than half of the scores are."""
    return np.asarray(np.median(scores, axis=-1))


def bootstrap(
    scores: Scores, statistic: Statistic, confidence_level: float, n_samples: int, rng: np.random.Generator
) -> Interval:
    """A statistic with its confidence interval over seeds.

    It is Student's interval with the standard error of the bootstrap (Efron and Tibshirani, "An introduction to the
    bootstrap", 1993, chapter 12), which is multiplied by sqrt(n / (n − 1)), since resamples of few seeds vary too
    little (Hesterberg, "What teachers should know about the bootstrap", 2015, arXiv:1411.5279). Of a mean it is
    Student's own interval. Percentiles, which infinite scores leave as the only choice, are moved away from the
    estimate by as much as Student's interval of normal scores is wider.

    Nominally 95 %, it misses the statistic of infinitely many seeds in 2 to 5 % of cases with 3 to 20 seeds if that is
    an interquartile mean of normal scores, in 3 to 8 % if they are exponential (most with 3), and in 1 to 6 % if it is
    a median. Of the mean of exponential scores it misses in 12 % with 3 seeds and in 8 % with 20: no interval holds its
    level for the mean of any distribution (Bahadur and Savage, "The nonexistence of certain statistical procedures in
    nonparametric problems", 1956).

    Args:
        scores: Shape (n,). The interval of one seed is that score.
        statistic: What is estimated.
        confidence_level: Probability, such as 0.95.
        n_samples: Resamples.
        rng: Source of the resamples.
    """
    n = len(scores)
    value, samples = float(statistic(scores)), statistic(scores[rng.integers(n, size=(n_samples, n))])
    if n == 1:
        return Interval(value, value, value)
    if not np.isfinite(samples).all():
        return _percentile_interval(value, samples, confidence_level, n)
    return _student_interval(value, math.sqrt(_variance(samples, n)), n - 1, confidence_level)


def choose_pairing(baseline: Scores, candidate: Scores) -> Pairing:
    """Whether to compare scores of the same seeds in pairs: if they correlate, in either direction, beyond chance.

    Pairing cancels what the seeds share, but halves the degrees of freedom: without correlation, it loses power. To
    take the narrower of both intervals would raise more false alarms (8 % with 3 seeds), and so would never to pair
    negatively correlated scores. The bound is what unrelated normal scores exceed in one of five cases: t / sqrt(n − 2
    + t²), with the 90 % quantile t of Student's distribution with n − 2 degrees of freedom. That is 0.95 for 3 seeds,
    0.69 for 5, 0.44 for 10 and 0.30 for 20. See `bootstrap_difference` for the false alarms.

    Args:
        baseline: Shape (n,).
        candidate: Shape (n,), the scores of the same seeds.
    """
    n = len(baseline)
    if n < 3:
        return Pairing(paired=False, correlation=math.nan, bound=math.nan)
    quantile = float(scipy.special.stdtrit(n - 2, 0.9))
    bound = quantile / math.sqrt(n - 2 + quantile**2)
    correlation = _correlation(baseline, candidate)
    return Pairing(abs(correlation) > bound, correlation, bound)


def bootstrap_difference(
    baseline: Scores,
    candidate: Scores,
    statistic: Statistic,
    *,
    paired: bool,
    confidence_level: float,
    n_samples: int,
    rng: np.random.Generator,
) -> tuple[Interval, float]:
    """The statistic of the candidate minus that of the baseline, with its confidence interval and standard error.

    As in `bootstrap`, the interval is Student's with the standard error of the bootstrap. Unless the scores are paired,
    the degrees of freedom are those of Welch, "The generalization of 'Student's' problem when several different
    population variances are involved", 1947: seeds of one side may vary more than those of the other.

    Nominally 95 %, and paired as `choose_pairing` says, the interval excludes 0 in 2 to 6 % of comparisons between
    equals with 3 to 20 seeds, normal or exponential, of correlation 0 to 0.9, and in up to
    7 % with a correlation of −0.3.

    If resampled differences are infinite, there is no standard error, and the interval is as in `bootstrap`; it is
    unbounded unless that of `probability_of_improvement` excludes one half, too.

    Args:
        baseline: Shape (n,).
        candidate: Shape (m,).
        statistic: What is compared.
        paired: Whether scores i of both belong together, and are resampled together; then m = n.
        confidence_level: Probability, such as 0.95.
        n_samples: Resamples.
        rng: Source of the resamples.

    Returns:
        The difference, with an infinite interval if a side has one seed; and its standard error, corrected for few
        seeds likewise, or NaN if resampled differences are infinite.

    Raises:
        ValueError: The scores are paired, but their numbers differ.
    """
    n, m = len(baseline), len(candidate)
    of_baseline, of_candidate = _draw(n, m, paired, n_samples, rng)
    sides = statistic(baseline[of_baseline]), statistic(candidate[of_candidate])
    value = float(_subtract(statistic(candidate), statistic(baseline)))
    samples = _subtract(sides[1], sides[0])
    if min(n, m) == 1:
        return Interval(value, -math.inf, math.inf), math.nan
    if not (np.isfinite(sides[0]).all() and np.isfinite(sides[1]).all()):
        _, low, high = probability_of_improvement(
            baseline, candidate, higher_is_better=True, confidence_level=confidence_level
        )
        if low <= 0.5 <= high and not np.array_equal(baseline, candidate):
            return Interval(value, -math.inf, math.inf), math.nan
        return _percentile_interval(value, samples, confidence_level, min(n, m)), math.nan
    if paired:
        variance, freedom = _variance(samples, n), float(n - 1)
    else:
        variance, freedom = _welch((_variance(sides[0], n), n), (_variance(sides[1], m), m))
    error = math.sqrt(variance)
    return _student_interval(value, error, freedom, confidence_level), error


def probability_of_improvement(
    baseline: Scores, candidate: Scores, *, higher_is_better: bool, confidence_level: float
) -> Interval:
    """The probability that a random seed of the candidate is better than one of the baseline; ties count half.

    This is the Mann-Whitney statistic divided by the number of pairs (Agarwal et al., 2021, section 4.3). The interval
    is a score interval, method 5 of Newcombe, "Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic", part 2, 2006, Statistics in Medicine 25, with Student's t in place of the normal quantile.
    Nominally 95 %, it misses the true value in at most 4 % of cases with 3 to 20 seeds, normal or exponential: in 1 %
    with 3, whose 20 orderings no test of this level can tell apart, 2 to 4 % with 5, and 3 to 4 % with 10 and 20; in
    fewer if the seeds of both sides correlate, since it is never of pairs, and in 7 % at most with a correlation of
    −0.3. A bootstrap of 3 paired seeds missed in 27 %.

    Args:
        baseline: Shape (n,).
        candidate: Shape (m,).
        higher_is_better: Whether the greater score is the better one.
        confidence_level: Probability, such as 0.95.
    """
    n, m = len(baseline), len(candidate)
    sign = 1 if higher_is_better else -1
    # Compared, not subtracted: infinite scores may be equal.
    x, y = sign * baseline[:, None], sign * candidate[None, :]
    estimate = float(((y > x) + 0.5 * (y == x)).mean())
    if min(n, m) == 1:
        return Interval(estimate, 0.0, 1.0)
    quantile = float(scipy.special.stdtrit(n + m - 2, (1 + confidence_level) / 2))

    def beyond(theta: float) -> float:
        """Positive for a probability outside of the interval."""
        variance = theta * (1 - theta) / (n * m)
        variance *= 1 + ((n + m) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (estimate - theta) ** 2 - quantile**2 * variance

    # At an estimate of 0 or 1 the variance vanishes too.
    low = scipy.optimize.brentq(beyond, 0.0, min(estimate, 1 - 1e-9)) if estimate > 0 else 0.0
    high = scipy.optimize.brentq(beyond, max(estimate, 1e-9), 1.0) if estimate < 1 else 1.0
    return Interval(estimate, float(low), float(high))


def performance_profile(scores: Scores, thresholds: ArrayLike) -> Scores:
    """The fraction of the scores above each threshold (Agarwal et al., 2021, section 4.2).

    Args:
        scores: Shape (..., n).
        thresholds: Shape (k,).

    Returns:
        Shape (..., k).
    """
    return np.asarray((np.asarray(scores)[..., None, :] > np.asarray(thresholds)[:, None]).mean(axis=-1))


def seeds_needed(
    difference: float,
    standard_error: float,
    n_baseline: int,
    n_candidate: int,
    *,
    confidence_level: float,
    power: float = 0.8,
) -> int | None:
    """Estimates how many seeds on each side would detect a difference of this size with probability `power`.

    It is the least n with (t₁₋α/₂ + t_power) σ / √n ≤ |difference|, by Student's distribution with n − 1 degrees of
    freedom (Colas et al., "How many random seeds? Statistical power analysis in deep reinforcement learning
    experiments", 2018, arXiv:1806.08295), where σ is the standard error times √n₀, and n₀ the harmonic mean of the
    present numbers.

    Returns:
        `None` if there is no difference, if it is infinite, or if more than 10,000 seeds would be needed.
    """
    if not math.isfinite(difference) or not math.isfinite(standard_error) or difference == 0:
        return None
    spread = standard_error * math.sqrt(2 / (1 / n_baseline + 1 / n_candidate))
    n = np.arange(2, _MOST_SEEDS + 1)
    quantiles = scipy.special.stdtrit(n - 1, (1 + confidence_level) / 2) + scipy.special.stdtrit(n - 1, power)
    enough = quantiles * spread / np.sqrt(n) <= abs(difference)
    return int(n[enough.argmax()]) if enough.any() else None


def _draw(n: int, m: int, paired: bool, n_samples: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Indices of resampled seeds, shapes (n_samples, n) and (n_samples, m)."""
    if paired and n != m:
        raise ValueError(f"paired: expected equally many scores, received {n} and {m}")
    of_baseline = rng.integers(n, size=(n_samples, n))
    return of_baseline, of_baseline if paired else rng.integers(m, size=(n_samples, m))


def _subtract(a: Scores, b: Scores) -> Scores:
    """A − b, where equal infinities differ by 0."""
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, a - b)


def _correlation(a: Scores, b: Scores) -> float:
    """Pearson's; NaN if it is undefined."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()))


def _variance(samples: Scores, n: int) -> float:
    """Of a statistic of n scores, from its resamples."""
    return n / (n - 1) * float(np.var(samples))


def _welch(*sides: tuple[float, int]) -> tuple[float, float]:
    """The variance of a difference and its degrees of freedom, from each side's variance and number of scores."""
    variance = sum(each for each, _ in sides)
    if variance == 0:
        return 0.0, min(n for _, n in sides) - 1
    return variance, variance**2 / sum(each**2 / (n - 1) for each, n in sides)


def _student_interval(value: float, error: float, freedom: float, confidence_level: float) -> Interval:
    margin = float(scipy.special.stdtrit(freedom, (1 + confidence_level) / 2)) * error
    return Interval(value, value - margin, value + margin)


def _percentile_interval(value: float, samples: Scores, confidence_level: float, n: int) -> Interval:
    """The percentiles of samples of which some are infinite, finite ones widened for n scores."""
    level = (1 + confidence_level) / 2
    factor = math.sqrt(n / (n - 1)) * float(scipy.special.stdtrit(n - 1, level) / scipy.special.ndtri(level))
    # Nothing can be interpolated between a finite and an infinite number.
    low, high = np.quantile(samples, (1 - level, level), method="inverted_cdf")
    return Interval(value, *(_move_away(value, float(end), factor) for end in (low, high)))


def _move_away(value: float, end: float, factor: float) -> float:
    return value + factor * (end - value) if math.isfinite(value) and math.isfinite(end) else end
