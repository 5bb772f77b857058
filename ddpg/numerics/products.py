"""Matrix products in NumPy whose sums are in one order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def product(x: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
    """The matrix product, summed by NumPy itself instead of by BLAS.

    BLAS chooses the order of its sums by the processor, the number of threads and how many rows are computed at once.
    Here a row's product is the same alone and among others, for n up to 8192.

    Args:
        x: Shape (..., n); in C order, as the kernel.
        kernel: Shape (n, m).

    Returns:
        Shape (..., m).
    """
    result: NDArray[Any] = np.einsum("...i,ij->...j", x, kernel)
    return result
