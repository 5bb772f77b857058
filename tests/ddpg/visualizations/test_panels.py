from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.transforms import Bbox

from ddpg.history import GridAxes
from ddpg.visualizations.figure import new_canvas
from ddpg.visualizations.panels import ColourScale, GridPanel, colour_limits, finite


@pytest.mark.parametrize(
    ("values", "colours"),
    [
        ([[-1, -0.999, 0], [0.999, 1, 9]], [[0, 0, 128], [255, 255, 255]]),
        ([[-9, -np.inf, np.inf], [np.nan, 0, 0]], [[0, 0, 255], [None, 128, 128]]),
    ],
)
def test_colours_of_a_grid(values: list[list[float]], colours: list[list[int | None]]) -> None:
    canvas: Any = new_canvas(2, 2, dpi=100)
    grid = GridAxes(np.arange(3.0), np.arange(2.0), 0, 1, 0)
    boxes = Bbox.from_bounds(0.1, 0.1, 0.6, 0.4), Bbox.from_bounds(0.1, 0.7, 0.6, 0.1)
    panel = GridPanel(canvas.figure, *boxes, grid, ColourScale("Q", "", "viridis", (-1, 1)), "x", "y")
    canvas.figure.axes[0].set_facecolor("red")
    canvas.draw()
    panel.draw(canvas.get_renderer(), np.array(values))
    pixels = np.asarray(canvas.buffer_rgba())
    for row, y in enumerate((160, 120)):
        for column, x in enumerate((40, 80, 120)):
            index = colours[row][column]
            colour = (255, 0, 0) if index is None else colormaps["viridis"](index, bytes=True)[:3]
            np.testing.assert_array_equal(pixels[y, x, :3], colour)


def test_nan_and_infinite_values_are_left_out() -> None:
    assert finite([np.array([[1.0, np.nan]]), np.array([np.inf, 2.0])]).tolist() == [1, 2]


def test_an_outlier_does_not_widen_the_colours() -> None:
    low, high = colour_limits([np.linspace(0, 1, 999), np.array([1000.0])])
    assert 0 <= low < 0.02
    assert 0.98 < high <= 1


def test_symmetric_colours_are_centred_on_zero() -> None:
    low, high = colour_limits([np.linspace(-1, 3, 1000)], symmetric=True)
    assert low == -high
    assert 2.9 < high <= 3


@pytest.mark.parametrize("values", [[], [0.0], [5.0, 5.0], [np.nan]])
def test_colours_have_a_range(values: list[float]) -> None:
    low, high = colour_limits([np.array(values)])
    assert low < high
