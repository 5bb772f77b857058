"""The panels of the training picture: each draws what is fixed once, the rest per episode or per frame."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox, ScaledTranslation
from numpy.typing import NDArray

from ddpg.history import EpisodeHistory, FloatArray, GridAxes, TrainingHistory
from ddpg.visualizations.scales import axis_end, colour_limits, finite, score_limits, trace_limit
from ddpg.visualizations.text import Align, QuickText

TRAINING_COLOUR = "#0072B2"
TEST_COLOUR = "#D55E00"
# Short enough to be told apart in the legend.
_ACTION_LINES = ("-", (0, (3, 1)), (0, (1, 1)), (0, (4, 1, 1, 1)))
MAX_ACTIONS = len(_ACTION_LINES)
"""Of more action dimensions only the first are shown."""
_MAX_TRACES = 8
_REWARD_COLOUR = "#E69F00"
_DIMENSION_COLOURS = ("#009E73", "#AA3377", "#56B4E9", "#8C564B", "#999933", "#7F7F7F")
_TITLE_SIZE = 13
# In points.
_TITLE_PAD = 5
_LABEL_SIZE = 12
_TICK_SIZE = 11
_SHORT_NAME = 18
# In points, from the colours down to the baseline of their numbers.
_COLOUR_TICK_DROP = 14.5
# In inches.
_LEGEND_DROP = 0.4


def shorten(name: str, length: int = _SHORT_NAME) -> str:
    """The name, with its end replaced by an ellipsis where it is longer than `length`."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def style_axes(axes: Axes) -> None:
    """Sizes of text and lines that are still legible when the picture is halved."""
    axes.tick_params(labelsize=_TICK_SIZE, length=3, pad=3)
    axes.spines[:].set_linewidth(0.8)


def show_number(number: float, digits: int = 3) -> str:
    """The number with at least so many significant digits, no exponent above, and a typographic minus."""
    text = f"{number:,.0f}" if abs(number) >= 10 ** (digits - 1) else f"{number:.{digits}g}"
    return text.replace("-", "−")


class ColourScale(NamedTuple):
    """What the colours of a panel mean."""

    title: str
    label: str
    """What is measured along the scale, where the title does not say it."""
    colour_map: str
    limits: tuple[float, float] | None
    """Values beyond have the colour of the limit. `None`: in each frame those of its own values."""
    tick_labels: Sequence[str] | None = None
    """At the lower limit, the middle and the upper limit; `None`: the values there."""
    symmetric: bool = False
    """Whether a frame's own limits are centred on zero."""


class GridPanel:
    """One value for every state of the grid, as colours; the cells are centred on the grid's axis values."""

    def __init__(self, figure: Figure, box: Bbox, colour_box: Bbox, grid: GridAxes, scale: ColourScale) -> None:
        self._scale = scale
        self.axes = figure.add_axes(box.bounds)
        self.axes.set_title(scale.title, loc="left", fontsize=_TITLE_SIZE, pad=_TITLE_PAD)
        self.axes.set(xlim=_edges(grid.x), ylim=_edges(grid.y))
        self._left, self._bottom, right, top = (round(edge) for edge in self.axes.bbox.extents)
        self.shape = top - self._bottom, right - self._left
        """Rows and columns of pixels."""
        self._columns = _cells(len(grid.x), right - self._left)
        self._rows = _cells(len(grid.y), top - self._bottom)
        # Pixels as whole numbers are looked up several times faster than as four channels. The last is transparent.
        colours: NDArray[np.uint8] = colormaps[scale.colour_map](np.arange(256), bytes=True)
        self._colours = np.append(colours.view(np.uint32), np.uint32(0))
        self._colour_ticks = _add_colour_bar(figure, colour_box, scale)

    def label(self, x_name: str, y_name: str) -> None:
        """Labels the axes with the names of their dimensions; without a name an axis has no numbers."""
        style_axes(self.axes)
        for axis, name in ((self.axes.xaxis, x_name), (self.axes.yaxis, y_name)):
            if name:
                axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
                axis.set_label_text(shorten(name), fontsize=_LABEL_SIZE)
                axis.labelpad = 1
            else:
                axis.set_ticks([])

    def draw(self, renderer: RendererBase, values: FloatArray) -> None:
        """Draws values of shape (n_y, n_x); those that are no number stay white."""
        low, high = self._scale.limits or colour_limits(finite([values]), symmetric=self._scale.symmetric)
        if self._scale.limits is None:
            for tick, label in zip(self._colour_ticks, _tick_labels(low, high), strict=True):
                tick.draw(renderer, label)
        shares = ((values - low) / (high - low)).clip(0, 1)
        indices = np.where(np.isnan(values), 256, np.minimum(256 * np.nan_to_num(shares), 255)).astype(np.intp)
        # Several times faster than an AxesImage, which resamples what has only to be enlarged.
        pixels = self._colours[indices].take(self._columns, axis=1).take(self._rows, axis=0)
        self.draw_image(renderer, pixels.view(np.uint8).reshape(*self.shape, 4))

    def draw_image(self, renderer: RendererBase, image: NDArray[np.uint8]) -> None:
        """Draws red, green, blue and alpha of shape (*self.shape, 4), the lowest row first."""
        renderer.draw_image(renderer.new_gc(), self._left, self._bottom, image)


class Trajectory:
    """The path of an episode across the state grid, with a dot where it is now; for any panels of one shape."""

    def __init__(self, shape: tuple[int, int], dpi: float, grid: GridAxes, colour: str) -> None:
        height, width = shape
        figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
        # Matplotlib has no type hints for this class.
        self._canvas = cast(Any, FigureCanvasAgg(figure))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=_edges(grid.x), ylim=_edges(grid.y))
        self._grid = grid
        self._lines = [
            Line2D([], [], color="white", linewidth=3),
            Line2D(
                [], [], color=colour, linewidth=1.4, marker="o", markersize=7, markevery=[-1], markeredgecolor="white"
            ),
        ]
        for line in self._lines:
            axes.add_line(line)

    def draw(self, observations: FloatArray) -> NDArray[np.uint8]:
        """An image for `GridPanel.draw_image` of the path over observations (at least 1, observation size)."""
        grid = self._grid
        has_y = len(grid.y) > 1
        y = observations[:, grid.y_dimension] if has_y else np.full(len(observations), grid.y[0])
        renderer = self._canvas.get_renderer()
        renderer.clear()
        for line in self._lines:
            line.set_data(observations[:, grid.x_dimension], y)
            line.draw(renderer)
        return np.asarray(renderer.buffer_rgba())[::-1].copy()


class ScorePanel:
    """Returns by episode; those off the scale are triangles at its edge."""

    def __init__(self, figure: Figure, box: Bbox, history: TrainingHistory) -> None:
        self._series = {
            "training": (_numbers_and_scores(history.training_episodes), TRAINING_COLOUR),
            "test": (_numbers_and_scores(history.test_episodes), TEST_COLOUR),
        }
        scores = finite(scores for (_, scores), _ in self._series.values())
        self._limits = score_limits(scores, history.reward_threshold)
        low, high = self._limits
        numbers = [numbers for (numbers, _), _ in self._series.values()]
        last = max((int(values.max()) for values in numbers if values.size), default=1)
        self.axes = figure.add_axes(box.bounds)
        self.axes.set(xlim=(0, last + 1), ylim=self._limits)
        self.axes.set_title("Returns", loc="left", fontsize=_TITLE_SIZE, pad=_TITLE_PAD)
        self.axes.set_xlabel("episode", fontsize=_LABEL_SIZE, labelpad=1)
        self.axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        self.axes.yaxis.set_major_locator(MaxNLocator(6))
        self.axes.grid(color="0.92")
        self.axes.set_axisbelow(True)
        style_axes(self.axes)
        self._markers = {
            (name, marker): self._add_markers(marker, colour, size=6 if last <= 60 else 4)
            for name, (_, colour) in self._series.items()
            for marker in "ov^"
        }
        some_off_scale = bool(((scores < low) | (scores > high)).any())
        self._add_legend(history.reward_threshold, some_off_scale)

    def _add_markers(self, marker: str, colour: str, size: float) -> Line2D:
        edge = "white" if marker == "o" else colour
        line = Line2D([], [], linestyle="", marker=marker, color=colour, markersize=size, animated=True)
        line.set(markeredgecolor=edge, markeredgewidth=0.5, clip_on=False)
        self.axes.add_line(line)
        return line

    def _add_legend(self, threshold: float | None, some_off_scale: bool) -> None:
        handles = [
            Line2D([], [], linestyle="", marker="o", color=colour, label=name)
            for name, (_, colour) in self._series.items()
        ]
        if threshold is not None:
            label = f"solved ({show_number(threshold)})"
            handles.append(self.axes.axhline(threshold, color="0.35", linestyle="--", linewidth=1.2, label=label))
        if some_off_scale:
            handles.append(Line2D([], [], linestyle="", marker="v", color="0.35", label="off the scale"))
        add_legend(self.axes, handles, n_columns=2)

    def draw(self, renderer: RendererBase, n_finished: int, n_tested: int) -> None:
        """Draws the returns of the first so many training and test episodes."""
        low, high = self._limits
        counts = {"training": n_finished, "test": n_tested}
        for (name, marker), line in self._markers.items():
            numbers, scores = (values[: counts[name]] for values in self._series[name][0])
            shown = {"o": (scores >= low) & (scores <= high), "v": scores < low, "^": scores > high}[marker]
            line.set_data(numbers[shown], scores[shown].clip(low, high))
            line.draw(renderer)


class TraceScales:
    """What the traces show, each divided so that it fits [-1, 1]: states, actions and reward, at most eight.

    The scales hold for all episodes. A value far above its usual magnitude, such as a reward for the goal, is cut off
    at the edge.
    """

    def __init__(self, history: TrainingHistory, grid: GridAxes, action_dimensions: Sequence[int]) -> None:
        episodes = [*history.training_episodes, *history.test_episodes]
        size = len(history.observation_names)
        on_grid = [grid.x_dimension, grid.y_dimension] if len(grid.y) > 1 else [grid.x_dimension]
        others = [dimension for dimension in range(size) if dimension not in on_grid]
        self.dimensions = [*on_grid, *others][: _MAX_TRACES - 1 - len(action_dimensions)]
        self.limits = [
            trace_limit(finite(episode.observations[:, dimension] for episode in episodes))
            for dimension in self.dimensions
        ]
        self.reward_limit = trace_limit(finite(episode.rewards for episode in episodes))
        self._action_dimensions = list(action_dimensions)
        ranges = [action_range(history, dimension) for dimension in action_dimensions]
        self._action_middles = np.array([middle for _, middle, _ in ranges])
        self._action_reaches = np.array([(high - low) / 2 for low, _, high in ranges])
        self.styles: list[dict[str, Any]] = [
            *(
                {"color": colour, "label": _label(history.observation_names[dimension], limit)}
                for colour, dimension, limit in zip(_DIMENSION_COLOURS, self.dimensions, self.limits, strict=False)
            ),
            *(
                {"color": "black", "linestyle": line, "label": _label(history.action_names[dimension], high, low)}
                for line, dimension, (low, _, high) in zip(_ACTION_LINES, action_dimensions, ranges, strict=False)
            ),
            {"color": _REWARD_COLOUR, "label": _label("reward", self.reward_limit)},
        ]
        """Colour, label and perhaps line style of each trace."""

    def curves(self, episode: EpisodeHistory, n_steps: int) -> list[tuple[FloatArray, FloatArray]]:
        """The x and y of every trace up to a step; an action lasts a step, a reward comes at its end."""
        steps = np.arange(n_steps + 1.0)
        held = np.repeat(steps, 2)[1:-1]
        states = episode.observations[: n_steps + 1, self.dimensions] / self.limits
        actions = (episode.actions[:n_steps, self._action_dimensions] - self._action_middles) / self._action_reaches
        rewards = episode.rewards[:n_steps] / self.reward_limit
        curves = [
            *((steps, state) for state in states.T),
            *((held, np.repeat(action, 2)) for action in actions.T),
            (steps[1:], rewards),
        ]
        return [(x, y.clip(-1, 1)) for x, y in curves]


class TracePanel:
    """States, actions and rewards of one episode by agent step.

    The axis ends at a round number, so that its few numbers are drawn but once.
    """

    def __init__(self, figure: Figure, box: Bbox, scales: TraceScales, colour: str, with_y_labels: bool) -> None:
        self._scales = scales
        self.axes = figure.add_axes(box.bounds)
        self.axes.set(ylim=(-1.08, 1.08), yticks=(-1, -0.5, 0, 0.5, 1))
        self.axes.set_xlabel("agent step of the episode", fontsize=_LABEL_SIZE, labelpad=1)
        self.axes.grid(axis="y", color="0.92")
        self.axes.axhline(0, color="0.75", linewidth=0.8)
        self.axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        self.axes.xaxis.set_animated(True)
        style_axes(self.axes)
        if with_y_labels:
            self.axes.set_yticklabels(["−1", "", "0", "", "1"])
        else:
            self.axes.set_yticklabels([])
        self._lines = [Line2D([], [], linewidth=1.6, animated=True, **style) for style in scales.styles]
        for line in self._lines:
            self.axes.add_line(line)
        left, _, right, top = self.axes.bbox.extents
        baseline = top + _TITLE_PAD * figure.dpi / 72
        title: dict[str, Any] = {"size": _TITLE_SIZE, "dpi": figure.dpi, "colour": colour}
        self._title = QuickText(left, baseline, **title)
        self._return = QuickText(right, baseline, "right", **title)
        self._drawn_axes: dict[float, Any] = {}

    def draw_frame(self, renderer: RendererBase, episode: EpisodeHistory | None, title: str) -> None:
        """Draws what holds for the whole episode: title and axis."""
        self._title.draw(renderer, title)
        if episode is not None:
            self._draw_axis(renderer, axis_end(episode.n_steps))

    def _draw_axis(self, renderer: Any, end: float) -> None:
        self.axes.set_xlim(0, end)
        if end in self._drawn_axes:
            renderer.restore_region(self._drawn_axes[end])
        else:
            self.axes.xaxis.draw(renderer)
            numbers = cast(Bbox, self.axes.xaxis.get_tightbbox(renderer)).padded(2)
            # The marks stand on the lower edge of the axes, outside the box around numbers and label.
            with_marks = Bbox.from_extents(numbers.x0, numbers.y0, numbers.x1, self.axes.bbox.y0 + 2)
            self._drawn_axes[end] = renderer.copy_from_bbox(with_marks)

    def draw(self, renderer: RendererBase, episode: EpisodeHistory, n_steps: int) -> None:
        """Draws the first so many agent steps and their return."""
        for line, (x, y) in zip(self._lines, self._scales.curves(episode, n_steps), strict=True):
            line.set_data(x, y)
            line.draw(renderer)
        self._return.draw(renderer, f"return {show_number(float(episode.rewards[:n_steps].sum()))}")


def action_range(history: TrainingHistory, dimension: int) -> tuple[float, float, float]:
    """Low, middle and high of an action, in the environment's units."""
    low, high = float(history.action_low[dimension]), float(history.action_high[dimension])
    return low, (low + high) / 2, high


def add_legend(axes: Axes, handles: Sequence[Artist], n_columns: int, x: float = 0.5) -> None:
    """A frameless legend below the axes and their labels, centred at `x` in widths of the axes."""
    below_labels = axes.transAxes + ScaledTranslation(0, -_LEGEND_DROP, axes.figure.dpi_scale_trans)
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(x, 0),
        bbox_transform=below_labels,
        ncols=n_columns,
        frameon=False,
        fontsize=_LABEL_SIZE,
        handlelength=1.4,
        handletextpad=0.4,
        columnspacing=1.2,
        labelspacing=0.25,
        borderpad=0,
    )


def _add_colour_bar(figure: Figure, box: Bbox, scale: ColourScale) -> list[QuickText]:
    """The colours from left to right; returns the numbers below, to be drawn in each frame whose limits are its own."""
    axes = figure.add_axes(box.bounds)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=scale.colour_map, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([0, 0.5, 1])
    if scale.limits is None:
        # Invisible, but the label below them stands where it does in other panels.
        axes.set_xticklabels("000", color="none")
    else:
        axes.set_xticklabels(scale.tick_labels or _tick_labels(*scale.limits))
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_xlabel(scale.label, fontsize=_TICK_SIZE, labelpad=0)
    style_axes(axes)
    left, bottom, right, _ = axes.bbox.extents
    baseline = bottom - _COLOUR_TICK_DROP * figure.dpi / 72
    places: list[tuple[float, Align]] = [(left, "left"), ((left + right) / 2, "center"), (right, "right")]
    return [QuickText(x, baseline, align, size=_TICK_SIZE, dpi=figure.dpi) for x, align in places]


def _tick_labels(low: float, high: float) -> list[str]:
    return [show_number(value, digits=2) for value in (low, (low + high) / 2, high)]


def _label(name: str, high: float, low: float | None = None) -> str:
    """A trace's name, and the values at the lower and upper edge of its panel; by default plus and minus one value."""
    low = -high if low is None else low
    span = f"±{show_number(high)}" if low == -high else f"{show_number(low)}…{show_number(high)}"
    return f"{shorten(name)} ({span})"


def _edges(centres: FloatArray) -> tuple[float, float]:
    """The outer edges of cells centred on evenly spaced values; one cell is 1 wide."""
    half = (centres[-1] - centres[0]) / (2 * (len(centres) - 1)) if len(centres) > 1 else 0.5
    return float(centres[0] - half), float(centres[-1] + half)


def _cells(n_cells: int, n_pixels: int) -> NDArray[np.intp]:
    """Shape (n_pixels,): the cell in which the middle of each pixel lies."""
    return ((np.arange(n_pixels) + 0.5) * n_cells / n_pixels).astype(np.intp)


def _numbers_and_scores(episodes: Sequence[EpisodeHistory]) -> tuple[FloatArray, FloatArray]:
    numbers = np.array([episode.episode for episode in episodes], dtype=float)
    return numbers, np.array([episode.score for episode in episodes], dtype=float)
