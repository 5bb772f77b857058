"""The lower part of the training picture: returns by episode, and traces of an episode by agent step."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox, ScaledTranslation

from ddpg.environments.dimensions import split_unit
from ddpg.history import EpisodeHistory, FloatArray, GridAxes, TrainingHistory
from ddpg.visualizations.figure import (
    LABEL_SIZE,
    TEST_COLOUR,
    TITLE_PAD,
    TITLE_SIZE,
    TRAINING_COLOUR,
    draw_threshold,
    shorten,
    show_number,
    style_axes,
)
from ddpg.visualizations.panels import finite
from ddpg.visualizations.text import QuickText

# Short enough to be told apart in the legend.
_ACTION_LINES = ("-", (0, (3, 1)), (0, (1, 1)), (0, (4, 1, 1, 1)))
MAX_ACTIONS = len(_ACTION_LINES)
"""Only the first action dimensions are shown."""
_MAX_TRACES = 8
_REWARD_COLOUR = "#E69F00"
_DIMENSION_COLOURS = ("#009E73", "#AA3377", "#56B4E9", "#8C564B", "#999933", "#7F7F7F")
# In inches.
_LEGEND_DROP = 0.47


class ScorePanel:
    """Returns by episode; those off the scale are triangles at its edge."""

    def __init__(self, figure: Figure, box: Bbox, history: TrainingHistory) -> None:
        names, colours = ("training", "test"), (TRAINING_COLOUR, TEST_COLOUR)
        self._series = [_numbers_and_scores(history.training_episodes), _numbers_and_scores(history.test_episodes)]
        all_scores = finite(scores for _, scores in self._series)
        self._limits = low, high = score_limits(all_scores, history.reward_threshold)
        last = max((int(numbers.max()) for numbers, _ in self._series if numbers.size), default=1)
        self.axes = figure.add_axes(box.bounds)
        self.axes.set(xlim=(0, last + 1), ylim=self._limits)
        self.axes.set_title("Returns", loc="left", fontsize=TITLE_SIZE, pad=TITLE_PAD)
        self.axes.set_xlabel("episode", fontsize=LABEL_SIZE, labelpad=1)
        self.axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        self.axes.yaxis.set_major_locator(MaxNLocator(6))
        self.axes.grid(color="0.92")
        self.axes.set_axisbelow(True)
        style_axes(self.axes)
        size = 6 if last <= 60 else 4
        self._markers = [{marker: self._add_markers(marker, colour, size) for marker in "ov^"} for colour in colours]
        handles = [
            Line2D([], [], linestyle="", marker="o", color=colour, label=name)
            for name, colour in zip(names, colours, strict=True)
        ]
        if history.reward_threshold is not None:
            handles.append(draw_threshold(self.axes, history.reward_threshold))
        if ((all_scores < low) | (all_scores > high)).any():
            handles.append(Line2D([], [], linestyle="", marker="v", color="0.35", label="off the scale"))
        add_legend(self.axes, handles, n_columns=2)
        _, _, right, top = self.axes.bbox.extents
        baseline = top + TITLE_PAD * figure.dpi / 72
        self.note = QuickText(right, baseline, "right", size=TITLE_SIZE, dpi=figure.dpi, colour="0.35")
        """Room for a few words beside the title."""

    def _add_markers(self, marker: str, colour: str, size: float) -> Line2D:
        edge = "white" if marker == "o" else colour
        line = Line2D([], [], linestyle="", marker=marker, color=colour, markersize=size, animated=True)
        line.set(markeredgecolor=edge, markeredgewidth=0.5, clip_on=False)
        self.axes.add_line(line)
        return line

    def draw(self, renderer: RendererBase, n_finished: int, n_tested: int) -> None:
        """Draw the returns of the first `n_finished` training and `n_tested` test episodes."""
        low, high = self._limits
        for series, lines, n_shown in zip(self._series, self._markers, (n_finished, n_tested), strict=True):
            numbers, scores = (values[:n_shown] for values in series)
            kinds = {"o": (scores >= low) & (scores <= high), "v": scores < low, "^": scores > high}
            for marker, shown in kinds.items():
                if shown.any():
                    lines[marker].set_data(numbers[shown], scores[shown].clip(low, high))
                    lines[marker].draw(renderer)


class TraceScales:
    """What the traces show, each scaled to [-1, 1]: states, actions and reward, at most eight.

    The scales hold for all episodes. Values far above the usual magnitude, such as a reward for the goal, are clipped.
    """

    def __init__(self, history: TrainingHistory, grid: GridAxes, n_actions: int) -> None:
        episodes = [*history.training_episodes, *history.test_episodes]
        names = history.observation_names
        on_grid = [grid.x_dimension, grid.y_dimension] if len(grid.y) > 1 else [grid.x_dimension]
        others = [dimension for dimension in range(len(names)) if dimension not in on_grid]
        self._dimensions = [*on_grid, *others][: _MAX_TRACES - 1 - n_actions]
        self._n_actions = n_actions
        # Name, low and high, and style of each.
        traces: list[tuple[str, float, float, dict[str, Any]]] = []
        for dimension, colour in zip(self._dimensions, _DIMENSION_COLOURS, strict=False):
            limit = trace_limit(episode.observations[:, dimension] for episode in episodes)
            traces.append((names[dimension], -limit, limit, {"color": colour}))
        for i, line in zip(range(n_actions), _ACTION_LINES, strict=False):
            low, _, high = action_range(history, i)
            traces.append((history.action_names[i], low, high, {"color": "black", "linestyle": line}))
        limit = trace_limit(episode.rewards for episode in episodes)
        traces.append(("reward", -limit, limit, {"color": _REWARD_COLOUR}))
        self._ranges = [(low, high) for _, low, high, _ in traces]
        self.styles = [{**style, "label": _label(name, low, high)} for name, low, high, style in traces]
        """Colour, label and possibly line style of each trace."""

    def curves(self, episode: EpisodeHistory, n_steps: int) -> list[tuple[FloatArray, FloatArray]]:
        """Return x and y of every trace up to a step; an action lasts a step, a reward comes at its end."""
        steps = np.arange(n_steps + 1.0)
        held = np.repeat(steps, 2)[1:-1]
        states = episode.observations[: n_steps + 1, self._dimensions].astype(float)
        actions = episode.actions[:n_steps, : self._n_actions].astype(float)
        curves = [
            *((steps, state) for state in states.T),
            *((held, np.repeat(action, 2)) for action in actions.T),
            (steps[1:], episode.rewards[:n_steps]),
        ]
        return [
            (x, ((y - (low + high) / 2) / ((high - low) / 2)).clip(-1, 1))
            for (x, y), (low, high) in zip(curves, self._ranges, strict=True)
        ]


class TracePanel:
    """States, actions and rewards of one episode by agent step."""

    def __init__(self, figure: Figure, box: Bbox, scales: TraceScales, colour: str, with_y_labels: bool) -> None:
        self._scales = scales
        self.axes = figure.add_axes(box.bounds)
        self.axes.set(ylim=(-1.08, 1.08), yticks=(-1, -0.5, 0, 0.5, 1))
        self.axes.set_xlabel("agent step of the episode", fontsize=LABEL_SIZE, labelpad=1)
        self.axes.grid(axis="y", color="0.92")
        self.axes.axhline(0, color="0.75", linewidth=0.8)
        self.axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        self.axes.xaxis.set_animated(True)
        style_axes(self.axes)
        self.axes.set_yticklabels(["−1", "", "0", "", "1"] if with_y_labels else [])
        self._lines = [Line2D([], [], linewidth=1.6, animated=True, **style) for style in scales.styles]
        for line in self._lines:
            self.axes.add_line(line)
        left, _, right, top = self.axes.bbox.extents
        baseline = top + TITLE_PAD * figure.dpi / 72
        title: dict[str, Any] = {"size": TITLE_SIZE, "dpi": figure.dpi, "colour": colour}
        self._title = QuickText(left, baseline, **title)
        self._return = QuickText(right, baseline, "right", **title)
        self._drawn_axes: dict[float, Any] = {}

    def draw_frame(self, canvas: Any, episode: EpisodeHistory | None, title: str) -> None:
        """Draw what the frames of an episode share onto a figure's canvas: title and x-axis."""
        renderer = canvas.get_renderer()
        self._title.draw(renderer, title)
        if episode is None:
            return
        end = axis_end(episode.n_steps)
        self.axes.set_xlim(0, end)
        if end in self._drawn_axes:
            canvas.restore_region(self._drawn_axes[end])
            return
        # Drawn once for each end, since it takes longer than all else in a frame.
        self.axes.xaxis.draw(renderer)
        labels: Any = self.axes.xaxis.get_tightbbox(renderer)
        box = Bbox.from_extents(labels.x0 - 2, labels.y0 - 2, labels.x1 + 2, self.axes.bbox.y0 + 2)
        self._drawn_axes[end] = canvas.copy_from_bbox(box)

    def draw(self, renderer: RendererBase, episode: EpisodeHistory, n_steps: int) -> None:
        """Draw the first `n_steps` agent steps and their return."""
        for line, (x, y) in zip(self._lines, self._scales.curves(episode, n_steps), strict=True):
            line.set_data(x, y)
            line.draw(renderer)
        self._return.draw(renderer, f"return {show_number(float(episode.rewards[:n_steps].sum()))}")


def action_range(history: TrainingHistory, dimension: int) -> tuple[float, float, float]:
    """Return low, middle and high of an action, in the environment's units."""
    low, high = float(history.action_low[dimension]), float(history.action_high[dimension])
    return low, (low + high) / 2, high


def add_legend(axes: Axes, handles: Sequence[Artist], n_columns: int, x: float = 0.5) -> None:
    """Add a frameless legend below the axes and their labels, centred at `x` in widths of the axes."""
    below_labels = axes.transAxes + ScaledTranslation(0, -_LEGEND_DROP, axes.figure.dpi_scale_trans)
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(x, 0),
        bbox_transform=below_labels,
        ncols=n_columns,
        frameon=False,
        fontsize=LABEL_SIZE,
        handlelength=1.4,
        handletextpad=0.4,
        columnspacing=1.2,
        labelspacing=0.25,
        borderpad=0,
    )


def score_limits(scores: FloatArray, threshold: float | None) -> tuple[float, float]:
    """Return limits that contain the threshold and the scores, except scores far outside the 5th to 95th percentile.

    Far is a quarter of the distance between these percentiles.
    """
    if not scores.size:
        scores = np.zeros(1)
    low, high = np.percentile(scores, (5, 95))
    far = (high - low) / 4
    marks = [max(scores.min(), low - far), min(scores.max(), high + far)]
    if threshold is not None:
        marks.append(threshold)
    margin = 0.06 * (max(marks) - min(marks)) or 1.0
    return float(min(marks) - margin), float(max(marks) + margin)


def trace_limit(arrays: Iterable[FloatArray]) -> float:
    """Return the greatest magnitude, but at most twice the 90th percentile; rounded up to two significant digits."""
    magnitudes = np.abs(finite(arrays))
    limit = float(magnitudes.max(initial=0.0))
    if limit == 0:
        return 1.0
    usual = float(np.percentile(magnitudes, 90))
    if usual > 0:
        limit = min(limit, 2 * usual)
    unit = 10.0 ** (math.floor(math.log10(limit)) - 1)
    # Without the subtraction, 0.07 / 0.001 is a little more than 70.
    return math.ceil(limit / unit - 1e-4) * unit


def axis_end(n_steps: int) -> float:
    """Return the smallest round number that is at least `n_steps` and at least 1."""
    unit = 10.0 ** math.floor(math.log10(max(n_steps, 1)))
    return next(factor * unit for factor in (1, 1.5, 2, 3, 5, 10) if factor * unit >= n_steps)


def _label(name: str, low: float, high: float) -> str:
    """Return a trace's name with the values at the lower and upper edge of its panel."""
    span = f"±{show_number(high)}" if low == -high else f"{show_number(low)}…{show_number(high)}"
    alone, unit = split_unit(name)
    return f"{shorten(alone)} ({span} {unit})" if unit else f"{shorten(alone)} ({span})"


def _numbers_and_scores(episodes: Sequence[EpisodeHistory]) -> tuple[FloatArray, FloatArray]:
    numbers = np.array([episode.episode for episode in episodes], dtype=float)
    return numbers, np.array([episode.score for episode in episodes], dtype=float)
