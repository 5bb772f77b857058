"""Scaling between an environment's units and the networks'."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Some spaces write "unbounded" as the largest float32; scaling by such a bound would turn every value into 0.
UNBOUNDED = 1e30

# As in Stable-Baselines3's VecNormalize.
LARGEST_STANDARDIZED = 10.0
_EPSILON = 1e-8


class BoxScaler:
    """Maps each bounded dimension of a box to [-1, 1] and back; unbounded dimensions are left unchanged.

    Args:
        low: Lower bounds, shape (size,), in the environment's units.
        high: Upper bounds, likewise.
    """

    def __init__(self, low: ArrayLike, high: ArrayLike) -> None:
        self.low = np.asarray(low, np.float64).ravel()
        self.high = np.asarray(high, np.float64).ravel()
        self._low, self._high = self.low.astype(np.float32), self.high.astype(np.float32)
        self.bounded = (np.abs(self.low) < UNBOUNDED) & (np.abs(self.high) < UNBOUNDED) & (self.low < self.high)
        self.center = np.where(self.bounded, self._halves(1), 0.0).astype(np.float32)
        self.half_range = np.where(self.bounded, self._halves(-1), 1.0).astype(np.float32)

    def _halves(self, sign: int) -> NDArray[np.float64]:
        """Half of high + low, or of high - low; only valid where bounded."""
        with np.errstate(invalid="ignore", over="ignore"):
            return self.high / 2 + sign * self.low / 2

    def scale(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """From the environment's units, shape (..., size), to [-1, 1]."""
        return np.asarray((values - self.center) / self.half_range, np.float32)

    def unscale(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """From [-1, 1], shape (..., size), to the environment's units, within the bounds despite rounding."""
        return np.clip(np.asarray(values * self.half_range + self.center, np.float32), self._low, self._high)

    def __repr__(self) -> str:
        return f"[{self.low.tolist()}, {self.high.tolist()}]"


class Moments(NamedTuple):
    """Of values seen so far, by Welford's method (Technometrics 4(3), 1962), in double precision."""

    n_seen: int
    mean: NDArray[np.float64]
    """Shape (size,)."""
    squares: NDArray[np.float64]
    """Sum of the squared deviations from the mean, shape (size,)."""

    @classmethod
    def of_nothing(cls, size: int) -> "Moments":
        """Before any value was seen."""
        return cls(0, np.zeros(size), np.zeros(size))

    def after(self, values: NDArray[Any]) -> "Moments":
        """The moments after n more values, shape (n, size)."""
        n_seen, mean, squares = self
        # One by one: the order in which NumPy sums an array depends on the processor.
        for value in values.astype(np.float64):
            n_seen += 1
            deviation = value - mean
            mean = mean + deviation / n_seen
            squares = squares + deviation * (value - mean)
        return Moments(n_seen, mean, squares)

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation, shape (size,), not below 1e-4; 1 before any value was seen."""
        return np.sqrt(self.squares / self.n_seen + _EPSILON) if self.n_seen else np.ones_like(self.mean)


class StandardizingScaler(BoxScaler):
    """Maps as `BoxScaler`, and then subtracts the mean of the values seen and divides by their deviation.

    It does not change: `after` returns another. What is more than 10 deviations from the mean is moved there.

    Args:
        low: Lower bounds, shape (size,), in the environment's units.
        high: Upper bounds, likewise.
        moments: Of values mapped as `BoxScaler` does; `None`: none were seen.

    Raises:
        ValueError: The moments are of another size.
    """

    def __init__(self, low: ArrayLike, high: ArrayLike, moments: Moments | None = None) -> None:
        super().__init__(low, high)
        self.moments = Moments.of_nothing(self.low.size) if moments is None else moments
        if not self.moments.mean.shape == self.moments.squares.shape == self.low.shape:
            raise ValueError(f"moments: expected shape {self.low.shape}, received {self.moments.mean.shape}")
        self.mean = self.moments.mean.astype(np.float32)
        self.deviation = self.moments.deviation.astype(np.float32)

    def after(self, values: NDArray[Any]) -> "StandardizingScaler":
        """The scaler that has seen these values too, shape (n, size), in the environment's units."""
        return StandardizingScaler(self.low, self.high, self.moments.after(super().scale(values)))

    def standardize(self, scaled: NDArray[np.float32]) -> NDArray[np.float32]:
        """The second part of `scale`, for values that `BoxScaler` has mapped, shape (..., size)."""
        standardized: NDArray[np.float32] = (scaled - self.mean) / self.deviation
        return np.clip(standardized, -LARGEST_STANDARDIZED, LARGEST_STANDARDIZED, out=standardized)

    def scale(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """From the environment's units, shape (..., size), to the networks'."""
        return self.standardize(super().scale(values))

    def unscale(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """From the networks' units, shape (..., size), to the environment's, within the bounds."""
        return super().unscale(values * self.deviation + self.mean)
