"""What the pictures share: Matplotlib figures and their files, colours, text sizes, and how numbers are written."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ddpg.files import replacing

TRAINING_COLOUR = "#0072B2"
TEST_COLOUR = "#D55E00"
# In points; of the training picture, whose gif is shown at five eighths of its size, where 14 are 12 pixels.
TITLE_SIZE = 15
TITLE_PAD = 5
LABEL_SIZE = 14
TICK_SIZE = 14
# No dates or versions; `None` omits an entry.
_METADATA = {".png": {"Software": None}, ".svg": {"Creator": None, "Date": None}}


def new_figure(width: float, height: float) -> Figure:
    """Return a figure for `write_figure`; width and height are in inches of 120 pixels."""
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def write_figure(figure: Figure, path: Path) -> None:
    """Write a PNG or an SVG, depending on the path's suffix; equal figures give equal bytes.

    Raises:
        ValueError: Another suffix.
    """
    if path.suffix not in _METADATA:
        raise ValueError(f"{path}: expected the suffix .png or .svg, received {path.suffix!r}")
    # Without a salt, the names of an SVG's elements are random.
    with matplotlib.rc_context({"svg.hashsalt": "ddpg"}), replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=_METADATA[path.suffix])


def new_canvas(width: float, height: float, dpi: float) -> Any:
    """Return a white in-memory canvas to draw on directly; width and height are in inches.

    Untyped, since Matplotlib has no type hints for `FigureCanvasAgg`.
    """
    return FigureCanvasAgg(Figure(figsize=(width, height), dpi=dpi, facecolor="white"))


def draw_threshold(axes: Axes, threshold: float) -> Line2D:
    """Draw a dashed line at the return from which the environment counts as solved."""
    label = f"solved ({show_number(threshold)})"
    return axes.axhline(threshold, color="0.35", linestyle="--", linewidth=1.2, label=label)


def style_axes(axes: Axes) -> None:
    """Set sizes of ticks and lines that are still legible at half the size."""
    axes.tick_params(labelsize=TICK_SIZE, length=3, pad=3)
    axes.spines[:].set_linewidth(0.8)


def shorten(name: str, length: int = 18) -> str:
    """Return the name, truncated to `length` characters with an ellipsis."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def show_number(number: float, digits: int = 3) -> str:
    """Return the number with up to `digits` significant digits, all digits of large ones, and a typographic minus."""
    text = f"{number:,.0f}" if abs(number) >= 10 ** (digits - 1) else f"{number:.{digits}g}"
    return text.replace("-", "−")
