from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ddpg.visualizations.figure import new_canvas
from ddpg.visualizations.text import QuickText


def ink(canvas: Any) -> NDArray[np.float64]:
    """Shape (50, 400): 0 is white, 1 black."""
    return 1 - np.asarray(canvas.buffer_rgba())[..., 0] / 255


@pytest.mark.parametrize("align", ["left", "right"])
@pytest.mark.parametrize("text", ["agent step 1,436,027", "return −98.1", "Episode 9 of 10, ε = 0.5"])
def test_text_is_where_matplotlib_puts_it(text: str, align: Any) -> None:
    quick, reference = (new_canvas(4, 0.5, dpi=100) for _ in range(2))
    x = {"left": 20, "right": 380}[align]
    for canvas in (quick, reference):
        canvas.draw()
    QuickText(x, 20, align, size=13, dpi=100).draw(quick.get_renderer(), text)
    reference.figure.text(x / 400, 20 / 50, text, ha=align, va="baseline", fontsize=13)
    reference.draw()
    inks = [ink(canvas) for canvas in (quick, reference)]
    assert inks[0].sum() == pytest.approx(inks[1].sum(), rel=0.02)
    for axis in (0, 1):
        ends = [np.flatnonzero(values.max(axis=axis) > 0.3)[[0, -1]] for values in inks]
        # Pieces are a whole number of pixels wide.
        assert np.abs(ends[0] - ends[1]).max() <= 4


def test_equal_text_is_equal() -> None:
    canvases = [new_canvas(4, 0.5, dpi=100) for _ in range(3)]
    for canvas in canvases:
        canvas.draw()
    label = QuickText(10, 20, size=13, dpi=100, colour="blue", weight="bold")
    label.draw(canvases[0].get_renderer(), "step 12")
    label.draw(canvases[2].get_renderer(), "other words 34")
    label.draw(canvases[1].get_renderer(), "step 12")
    first, second = (np.asarray(canvas.buffer_rgba()) for canvas in canvases[:2])
    np.testing.assert_array_equal(first, second)
    assert (first[..., 2] == 255).all()
    assert first[..., 0].min() == 0
