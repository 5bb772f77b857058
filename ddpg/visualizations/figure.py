"""Writes a Matplotlib figure as PNG or SVG: the same figure gives the same bytes, and nothing is half-written."""

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ddpg.files import replacing

# Without dates and versions; what is `None` is left out.
_METADATA = {".png": {"Software": None}, ".svg": {"Creator": None, "Date": None}}


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches, 120 pixels each, that needs no display."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def require_figure_suffix(path: Path) -> None:
    """Refuses a path that `write_figure` would refuse, before any work.

    Raises:
        ValueError: The suffix is neither `.png` nor `.svg`.
    """
    if path.suffix not in _METADATA:
        raise ValueError(f"{path}: expected the suffix .png or .svg, received {path.suffix!r}")


def write_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG or an SVG, as the path's suffix says.

    Raises:
        ValueError: Another suffix.
    """
    require_figure_suffix(path)
    # Otherwise the names of an SVG's elements are random.
    with matplotlib.rc_context({"svg.hashsalt": "ddpg"}), replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=_METADATA[path.suffix])
