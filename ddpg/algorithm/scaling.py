"""Scaling between an environment's units and the networks' [-1, 1]."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Some spaces write "unbounded" as the largest float32; scaling by such a bound would turn every value into 0.
UNBOUNDED = 1e30


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
