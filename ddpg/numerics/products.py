"""Matrix products in NumPy with a fixed order of summation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def product(x: NDArray[Any], kernel: NDArray[Any]) -> NDArray[Any]:
    """The matrix product, summed by NumPy itself instead of by BLAS.

    BLAS chooses the order of summation by the processor, the number of threads and the number of rows. Here the product
    of a row is the same alone and among others, for n up to 8192.

    Args:
        x: Shape (..., n), in C order, like the kernel.
        kernel: Shape (n, m).

    Returns:
        Shape (..., m).
    """
    result: NDArray[Any] = np.einsum("...i,ij->...j", x, kernel)
    return result
