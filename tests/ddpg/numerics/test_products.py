import numpy as np
import pytest

from ddpg.numerics.products import product

SHAPES = [(2, 16), (16, 32), (400, 300), (300, 4), (16, 1)]


def operands(n, m, rows=60):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, n)).astype(np.float32), rng.normal(size=(n, m)).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_is_the_matrix_product(shape):
    x, kernel = operands(*shape)
    np.testing.assert_allclose(product(x, kernel), x.astype(float) @ kernel, atol=1e-4)
    np.testing.assert_array_equal(product(x.reshape(3, 20, -1), kernel), product(x, kernel).reshape(3, 20, -1))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_row_is_the_same_alone_and_among_others(shape):
    x, kernel = operands(*shape)
    together = product(x, kernel)
    for n_rows in (1, 2, 3, 7, 50):
        np.testing.assert_array_equal(product(x[:n_rows], kernel), together[:n_rows])
    np.testing.assert_array_equal(product(x[5], kernel), together[5])


@pytest.mark.parametrize("shape", SHAPES[:-1], ids=str)
def test_sums_from_the_first_term_to_the_last(shape):
    x, kernel = operands(*shape)
    total = np.zeros((len(x), kernel.shape[1]), np.float32)
    for i, row in enumerate(kernel):
        total += x[:, i : i + 1] * row
    np.testing.assert_array_equal(product(x, kernel), total)
