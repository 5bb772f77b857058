"""Scales that one extraordinary value does not flatten."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ddpg.history import FloatArray


def finite(values: Iterable[Any]) -> FloatArray:
    """All finite numbers of some arrays or numbers, end to end."""
    flat: FloatArray = np.concatenate([np.zeros(0), *(np.ravel(value) for value in values)])
    return flat[np.isfinite(flat)]


def colour_limits(values: FloatArray, *, symmetric: bool = False) -> tuple[float, float]:
    """The 1st and 99th percentile of finite values; if symmetric, plus and minus the 99th of their magnitudes."""
    if not values.size:
        return -1.0, 1.0
    if symmetric:
        high = float(np.percentile(np.abs(values), 99))
        low = -high
    else:
        low, high = (float(limit) for limit in np.percentile(values, (1, 99)))
    # A single colour has no scale: widen it by more than rounding.
    least = 1e-6 * max(abs(low), abs(high), 1.0)
    return (low, high) if high - low > least else (low - least, high + least)


def score_limits(scores: FloatArray, threshold: float | None) -> tuple[float, float]:
    """Limits that hold the threshold and the scores, but for those far outside their 5th to 95th percentile.

    Far is a quarter of the distance between these percentiles.
    """
    if not scores.size:
        scores = np.zeros(1)
    low, high = np.percentile(scores, (5, 95))
    far = (high - low) / 4
    marks = [max(scores.min(), low - far), min(scores.max(), high + far)]
    if threshold is not None:
        marks.append(threshold)
    margin = 0.06 * (max(marks) - min(marks)) or 1.0
    return float(min(marks) - margin), float(max(marks) + margin)


def trace_limit(values: FloatArray) -> float:
    """The greatest magnitude, but at most twice the 90th percentile; rounded up to two significant digits."""
    magnitudes = np.abs(values)
    limit = float(magnitudes.max(initial=0.0))
    if limit == 0:
        return 1.0
    usual = float(np.percentile(magnitudes, 90))
    if usual > 0:
        limit = min(limit, 2 * usual)
    unit = 10.0 ** (math.floor(math.log10(limit)) - 1)
    # Without the subtraction, 0.07 / 0.001 is a little more than 70.
    return math.ceil(limit / unit - 1e-4) * unit


def axis_end(n_steps: int) -> float:
    """The smallest round number that is at least `n_steps` and at least 1; half of the axis or more is filled."""
    unit = 10.0 ** math.floor(math.log10(max(n_steps, 1)))
    return next(factor * unit for factor in (1, 1.5, 2, 3, 5, 10) if factor * unit >= n_steps)
