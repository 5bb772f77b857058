"""Text that changes from frame to frame."""

import math
import re
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray

Align = Literal["left", "center", "right"]

_POINTS_PER_INCH = 72
# Digits change; the words between them stay.
_PIECES = re.compile(r"\d|\D+")
# Pixels around a piece for glyphs that overhang its edge.
_MARGIN = 2


class QuickText:
    """One line of text, assembled from cached images of its words and digits.

    Args:
        x: The left end, middle or right end, as `align` says, in pixels from the left.
        baseline: In pixels from the bottom.
        align: What `x` is.
        size: Font size in points.
        dpi: Pixels per inch.
        colour: Any Matplotlib colour.
        weight: Font weight.
    """

    def __init__(
        self,
        x: float,
        baseline: float,
        align: Align = "left",
        *,
        size: float,
        dpi: float,
        colour: str = "black",
        weight: str = "normal",
    ) -> None:
        self._x, self._baseline, self._align = x, round(baseline), align
        self._font = size, dpi, colour, weight

    def draw(self, renderer: Any, text: str) -> None:
        """Draw the text."""
        pieces = [_draw_piece(piece, *self._font) for piece in _PIECES.findall(text)]
        x = round(self._x)
        if self._align != "left":
            width = sum(piece.advance for piece in pieces)
            x -= width if self._align == "right" else width // 2
        for piece in pieces:
            renderer.draw_image(renderer.new_gc(), x - _MARGIN, self._baseline - piece.descent, piece.image)
            x += piece.advance


class _Piece(NamedTuple):
    image: NDArray[np.uint8]
    """Red, green, blue and alpha, the lowest row first."""
    advance: int
    """Pixels to the next piece."""
    descent: int
    """Rows below the baseline."""


@cache
def _draw_piece(text: str, size: float, dpi: float, colour: str, weight: str) -> _Piece:
    properties = FontProperties(size=size, weight=weight)
    height = math.ceil(2 * size * dpi / _POINTS_PER_INCH)
    descent = height // 3

    # Matplotlib has no type hints for this class.
    make_renderer: Any = RendererAgg
    measure = make_renderer(1, 1, dpi).get_text_width_height_descent
    # Measured between two digits, since spaces at an end have no width.
    framed, frame = (measure(piece, properties, ismath=False)[0] for piece in (f"0{text}0", "00"))
    advance = round(framed - frame)
    renderer = make_renderer(advance + 2 * _MARGIN, height, dpi)
    context = renderer.new_gc()
    context.set_foreground(to_rgb(colour))
    renderer.draw_text(context, _MARGIN, height - descent, text, properties, 0)
    return _Piece(np.asarray(renderer.buffer_rgba())[::-1].copy(), advance, descent)
