"""The upper part of the training picture: the networks on the state grid, and the paths of episodes across it."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from ddpg.history import FloatArray, GridAxes
from ddpg.visualizations.figure import (
    LABEL_SIZE,
    TICK_SIZE,
    TITLE_PAD,
    TITLE_SIZE,
    new_canvas,
    shorten,
    show_number,
    style_axes,
)
from ddpg.visualizations.text import Align, QuickText

# In points, from the bottom of a colour bar to the baseline of its numbers.
_COLOUR_TICK_DROP = 16.8


class ColourScale(NamedTuple):
    """What the colours of a panel mean."""

    title: str
    label: str
    """What is measured along the scale, where the title does not say it."""
    colour_map: str
    limits: tuple[float, float] | None = None
    """Values beyond them have the colour of the limit. `None`: each frame's own `colour_limits`."""
    tick_labels: Sequence[str] | None = None
    """At the lower limit, the middle and the upper limit; `None`: the values there."""
    symmetric: bool = False
    """Whether a frame's own limits are centred on zero."""


class GridPanel:
    """One value for every state of the grid, as colours; the cells are centred on the grid's axis values.

    Axes are labelled with the names of their dimensions; an axis without a name has no numbers either.
    """

    def __init__(
        self, figure: Figure, box: Bbox, colour_box: Bbox, grid: GridAxes, scale: ColourScale, x_name: str, y_name: str
    ) -> None:
        self._scale = scale
        axes = figure.add_axes(box.bounds)
        axes.set_title(scale.title, loc="left", fontsize=TITLE_SIZE, pad=TITLE_PAD)
        axes.set(xlim=_edges(grid.x), ylim=_edges(grid.y))
        style_axes(axes)
        for axis, name in ((axes.xaxis, x_name), (axes.yaxis, y_name)):
            if name:
                axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
                axis.set_label_text(shorten(name), fontsize=LABEL_SIZE)
                axis.labelpad = 1
            else:
                axis.set_ticks([])
        self._left, self._bottom, right, top = (round(edge) for edge in axes.bbox.extents)
        self.shape = top - self._bottom, right - self._left
        """Rows and columns of pixels."""
        self._columns = _cells(len(grid.x), right - self._left)
        self._rows = _cells(len(grid.y), top - self._bottom)
        # Looking up pixels as integers is several times faster than as four channels. The last one is transparent.
        colours: NDArray[np.uint8] = colormaps[scale.colour_map](np.arange(256), bytes=True)
        self._colours = np.append(colours.view(np.uint32), np.uint32(0))
        self._colour_ticks = _add_colour_bar(figure, colour_box, scale)

    def draw(self, renderer: RendererBase, values: FloatArray) -> None:
        """Draw values of shape (n_y, n_x); cells with NaN are left white."""
        low, high = self._scale.limits or colour_limits([values], symmetric=self._scale.symmetric)
        if self._scale.limits is None:
            for tick, label in zip(self._colour_ticks, _tick_labels(low, high), strict=True):
                tick.draw(renderer, label)
        shares = ((values - low) / (high - low)).clip(0, 1)
        indices = np.where(np.isnan(values), 256, np.minimum(256 * np.nan_to_num(shares), 255)).astype(np.intp)
        # Several times faster than an AxesImage, which resamples where repeating pixels is enough.
        pixels = self._colours[indices].take(self._columns, axis=1).take(self._rows, axis=0)
        self.draw_image(renderer, pixels.view(np.uint8).reshape(*self.shape, 4))

    def draw_image(self, renderer: RendererBase, image: NDArray[np.uint8]) -> None:
        """Draw red, green, blue and alpha of shape (*self.shape, 4), the lowest row first."""
        renderer.draw_image(renderer.new_gc(), self._left, self._bottom, image)


class Trajectory:
    """The path of an episode across the state grid, with a dot at its current end; for panels of one shape."""

    def __init__(self, shape: tuple[int, int], dpi: float, grid: GridAxes, colour: str) -> None:
        height, width = shape
        self._canvas = new_canvas(width / dpi, height / dpi, dpi)
        axes = self._canvas.figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=_edges(grid.x), ylim=_edges(grid.y))
        self._grid = grid
        dot: dict[str, Any] = {"marker": "o", "markersize": 7, "markevery": [-1], "markeredgecolor": "white"}
        self._lines = [
            Line2D([], [], color="white", linewidth=3),
            Line2D([], [], color=colour, linewidth=1.4, **dot),
        ]
        for line in self._lines:
            axes.add_line(line)

    def draw(self, observations: FloatArray) -> NDArray[np.uint8]:
        """Return an image for `GridPanel.draw_image` of the path along observations (at least 1, observation size)."""
        grid = self._grid
        y = observations[:, grid.y_dimension] if len(grid.y) > 1 else np.full(len(observations), grid.y[0])
        renderer = self._canvas.get_renderer()
        renderer.clear()
        for line in self._lines:
            line.set_data(observations[:, grid.x_dimension], y)
            line.draw(renderer)
        return np.asarray(renderer.buffer_rgba())[::-1].copy()


def finite(arrays: Iterable[Any]) -> FloatArray:
    """Return the finite values of all arrays, concatenated."""
    flat: FloatArray = np.concatenate([np.zeros(0), *(np.ravel(array) for array in arrays)])
    return flat[np.isfinite(flat)]


def colour_limits(arrays: Iterable[FloatArray], *, symmetric: bool = False) -> tuple[float, float]:
    """Return the 1st and 99th percentile of the finite values, so that an outlier does not flatten the rest.

    If symmetric, plus and minus the 99th percentile of their magnitudes.
    """
    values = finite(arrays)
    if not values.size:
        return -1.0, 1.0
    if symmetric:
        high = float(np.percentile(np.abs(values), 99))
        low = -high
    else:
        low, high = (float(limit) for limit in np.percentile(values, (1, 99)))
    # Limits that are equal but for rounding are widened.
    least = 1e-6 * max(abs(low), abs(high), 1.0)
    return (low, high) if high - low > least else (low - least, high + least)


def _add_colour_bar(figure: Figure, box: Bbox, scale: ColourScale) -> list[QuickText]:
    """Add a horizontal colour bar, and return its numbers, which each frame draws if its limits are its own."""
    axes = figure.add_axes(box.bounds)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=scale.colour_map, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([0, 0.5, 1])
    if scale.limits is None:
        # Invisible numbers keep the label below them in place.
        axes.set_xticklabels("000", color="none")
    else:
        axes.set_xticklabels(scale.tick_labels or _tick_labels(*scale.limits))
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_xlabel(scale.label, fontsize=TICK_SIZE, labelpad=0)
    style_axes(axes)
    left, bottom, right, _ = axes.bbox.extents
    baseline = bottom - _COLOUR_TICK_DROP * figure.dpi / 72
    places: list[tuple[float, Align]] = [(left, "left"), ((left + right) / 2, "center"), (right, "right")]
    return [QuickText(x, baseline, align, size=TICK_SIZE, dpi=figure.dpi) for x, align in places]


def _tick_labels(low: float, high: float) -> list[str]:
    return [show_number(value, digits=2) for value in (low, (low + high) / 2, high)]


def _edges(centres: FloatArray) -> tuple[float, float]:
    """Return the outer edges of cells centred on evenly spaced values; a single cell is 1 wide."""
    half = (centres[-1] - centres[0]) / (2 * (len(centres) - 1)) if len(centres) > 1 else 0.5
    return float(centres[0] - half), float(centres[-1] + half)


def _cells(n_cells: int, n_pixels: int) -> NDArray[np.intp]:
    """Return the cell that holds the middle of each pixel, shape (n_pixels,)."""
    return ((np.arange(n_pixels) + 0.5) * n_cells / n_pixels).astype(np.intp)
