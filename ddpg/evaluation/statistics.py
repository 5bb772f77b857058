"""Statistics over seeds that respect how few they are."""

from typing import Any, NamedTuple

import numpy as np
import scipy  # loads scipy.stats, which takes a second, at its first use
from numpy.typing import ArrayLike


class Interval(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float


def interquartile_mean(scores: ArrayLike) -> float:
    """The mean of the middle half: the lowest and the highest quarter are left out, rounded down to whole scores.

    Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021, arXiv:2108.13264.

    Args:
        scores: One per seed, shape (n,).
    """
    return float(scipy.stats.trim_mean(np.asarray(scores, np.float64), 0.25))


def bootstrap_interquartile_mean(
    scores: ArrayLike, confidence_level: float, n_samples: int, rng: np.random.Generator
) -> Interval:
    """The interquartile mean with its percentile bootstrap interval, seeds resampled with replacement.

    Args:
        scores: One per seed, shape (n,). With one seed the interval is that score: nothing can be resampled.
        confidence_level: Probability, such as 0.95.
        n_samples: Resamples.
        rng: Source of the resamples.
    """
    scores = np.asarray(scores, np.float64)
    if len(scores) == 1:
        return Interval(float(scores[0]), float(scores[0]), float(scores[0]))
    result: Any = scipy.stats.bootstrap(
        [scores],
        lambda samples, axis: np.asarray(scipy.stats.trim_mean(samples, 0.25, axis=axis)),
        n_resamples=n_samples,
        confidence_level=confidence_level,
        method="percentile",
        rng=rng,
    )
    return Interval(
        interquartile_mean(scores), float(result.confidence_interval.low), float(result.confidence_interval.high)
    )
