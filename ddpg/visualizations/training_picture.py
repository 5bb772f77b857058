"""The picture of a training at one agent step."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from ddpg.history import FloatArray, Snapshot, TrainingHistory
from ddpg.visualizations.charts import MAX_ACTIONS, ScorePanel, TracePanel, TraceScales, action_range, add_legend
from ddpg.visualizations.figure import TEST_COLOUR, TICK_SIZE, TRAINING_COLOUR, new_canvas, shorten, show_number
from ddpg.visualizations.panels import ColourScale, GridPanel, Trajectory, colour_limits
from ddpg.visualizations.text import QuickText
from ddpg.visualizations.timeline import Moment, count_before_learning, moment_at
from ddpg.visualizations.video import Frame

ColourScaleOf = Literal["run", "frame"]
"""Whether colour scales of Q and its gradient are the same in all frames, or each frame's own."""

_WIDTH, _HEIGHT = 1280, 720
_LEFT, _RIGHT = 100, 1256
_HEADER_SIZE = 17
_HEADER_BASELINE = 32
_CHART_TITLE = 32
# A PNG of this width is written in half the time of one of 1280, and is still legible.
_NETWORKS_WIDTH = 960


class TrainingPicture:
    """Draws snapshots and the episodes around them: panels of the networks above, returns and traces below.

    Colour scales are the same in all frames. They end at the 1st and 99th percentile over the later half of the
    snapshots since learning began, because values early in learning may be many times larger, and would flatten all
    that come later: values beyond have the colour of the end. With `colour_scale`
    "frame" those of Q and its gradient end at the percentiles of each frame. Gradients are centred on zero, actions
    on the middle of their range, which is always their scale. dQ/da is per scaled action in [-1, 1]; actions are in
    the environment's units. There are a gradient and a policy for each of the first four actions.

    The background is drawn once, what the frames of an episode share once per episode, the rest in every frame.
    """

    def __init__(
        self,
        history: TrainingHistory,
        size: tuple[int, int] = (_WIDTH, _HEIGHT),
        colour_scale: ColourScaleOf = "run",
    ) -> None:
        """Lay the picture out for frames of `size` (width, height) pixels.

        Raises:
            ValueError: The history has no state grid, or `colour_scale` is neither "run" nor "frame".
        """
        if history.grid is None:
            raise ValueError("history.grid: expected the axes of the snapshots, received None")
        if colour_scale not in ("run", "frame"):
            raise ValueError(f"colour_scale: expected run or frame, received {colour_scale!r}")
        width, height = size
        self._history, self._grid, self._colour_scale = history, history.grid, colour_scale
        self._layout = _layout(min(len(history.action_names), MAX_ACTIONS))
        # Everything is laid out in inches of 100 pixels at full width; other sizes scale it.
        inch = _WIDTH / 100
        self._canvas = new_canvas(inch, inch * height / width, width / inch)
        self._figure, self._renderer = self._canvas.figure, self._canvas.get_renderer()
        n_before_learning = count_before_learning(history.snapshots)
        self._learned = history.snapshots[n_before_learning:]
        self._learns_after = history.snapshots[n_before_learning - 1].step if n_before_learning else -1
        self._panels: list[tuple[GridPanel, Callable[[Snapshot], FloatArray]]] = []
        self._add_panels()
        self._add_notes()
        self._add_charts()
        scale = width / _WIDTH
        baseline = height - _HEADER_BASELINE * height / _HEIGHT
        header: dict[str, Any] = {"size": _HEADER_SIZE, "dpi": self._figure.dpi}
        self._header = QuickText(_LEFT * scale, baseline, weight="bold", **header)
        self._step = QuickText(_RIGHT * scale, baseline, "right", **header)
        self._canvas.draw()
        self._background = self._episode_background = self._canvas.copy_from_bbox(self._figure.bbox)
        self._episode_drawn: tuple[int, int, int] | None = None

    def _add_panels(self) -> None:
        layout, names = self._layout, [shorten(name) for name in self._history.action_names]
        maximised = self._grid.action_dimension
        over = f"over {names[maximised]}" if len(names) > 1 else ""
        q_max = self._add_panel(layout.q_max, ColourScale("Q max", over, "viridis"), "q_max")
        self._add_panel(layout.q_std, ColourScale("Spread of Q", over, "cividis"), "q_std")
        action_scale = self._action_scale("Action at Q max", maximised)
        self._add_panel(layout.action_at_q_max, action_scale, "action_at_q_max")
        self._panels_with_paths = [q_max]
        for i, (gradient, policy) in enumerate(zip(layout.gradients, layout.policies, strict=True)):
            gradient_scale = ColourScale("Action gradient", f"dQ / d {names[i]}", "PuOr", symmetric=True)
            self._add_panel(gradient, gradient_scale, "action_gradient", i)
            policy_scale = self._action_scale("Policy", i)
            self._panels_with_paths.append(self._add_panel(policy, policy_scale, "policy", i))
        self._training_path = Trajectory(q_max.shape, self._figure.dpi, self._grid, TRAINING_COLOUR)
        self._test_path = Trajectory(q_max.shape, self._figure.dpi, self._grid, TEST_COLOUR)

    def _action_scale(self, title: str, dimension: int) -> ColourScale:
        ticks = [show_number(value) for value in action_range(self._history, dimension)]
        return ColourScale(title, shorten(self._history.action_names[dimension]), "RdBu", (-1, 1), ticks)

    def _add_panel(self, boxes: "_PanelBoxes", scale: ColourScale, field: str, action: int | None = None) -> GridPanel:
        """Add a panel of a snapshot's field, for fields with several actions of one of them."""
        names, grid = self._history.observation_names, self._grid

        def values_of(snapshot: Snapshot) -> FloatArray:
            values: FloatArray = getattr(snapshot, field)
            return values if action is None else values[..., action]

        if scale.limits is None and self._colour_scale == "run":
            later = self._learned[len(self._learned) // 2 :] or self._history.snapshots
            limits = colour_limits(map(values_of, later), symmetric=scale.symmetric)
            scale = scale._replace(limits=limits)
        x_name = names[grid.x_dimension] if boxes.with_x_labels else ""
        y_name = names[grid.y_dimension] if len(grid.y) > 1 and boxes.panel[0] == _LEFT else ""
        panel = GridPanel(self._figure, _bounds(boxes.panel), _bounds(boxes.colours), grid, scale, x_name, y_name)
        self._panels.append((panel, values_of))
        return panel

    def _add_notes(self) -> None:
        """Add a legend of the paths, and say what is not shown."""
        handles = [
            Line2D([], [], color=colour, linewidth=2, marker="o", markersize=6, markevery=[1], label=label)
            for colour, label, episodes in (
                (TRAINING_COLOUR, "training path", self._history.training_episodes),
                (TEST_COLOUR, "test path", self._history.test_episodes),
            )
            if episodes
        ]
        notes = [f"colours: {'later half' if self._colour_scale == 'run' else 'each frame'}"]
        n_held = len(self._history.observation_names) - (2 if len(self._grid.y) > 1 else 1)
        if n_held:
            notes.append(f"{n_held} state{'s' if n_held > 1 else ''} held")
        n_actions = len(self._history.action_names)
        if n_actions > MAX_ACTIONS:
            notes.append(f"first {MAX_ACTIONS} of {n_actions} actions")
        in_a_row = len(self._layout.policies) == 1
        text = (", " if in_a_row else "\n").join(notes)
        self._figure.text(*_bounds(self._layout.notes).p0, text, fontsize=TICK_SIZE, verticalalignment="top")
        box = _bounds(self._layout.paths)
        self._figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(box.x0, box.y1),
            ncols=2 if in_a_row else 1,
            frameon=False,
            fontsize=TICK_SIZE,
            handlelength=1.2,
            handletextpad=0.5,
            columnspacing=0.8,
            borderaxespad=0,
            borderpad=0,
        )

    def _add_charts(self) -> None:
        layout = self._layout
        self._scores = ScorePanel(self._figure, _bounds(layout.scores), self._history)
        scales = TraceScales(self._history, self._grid, len(layout.policies))
        training, test = _bounds(layout.training_trace), _bounds(layout.test_trace)
        self._training_trace = TracePanel(self._figure, training, scales, TRAINING_COLOUR, True)
        self._test_trace = TracePanel(self._figure, test, scales, TEST_COLOUR, False)
        handles = [Line2D([], [], linewidth=2.5, **style) for style in scales.styles]
        add_legend(self._training_trace.axes, handles, n_columns=4, x=402 / 380)

    @property
    def networks_height(self) -> int:
        """Rows of pixels above the charts."""
        scale = float(self._figure.bbox.height) / _HEIGHT
        return round((self._layout.scores[1] - _CHART_TITLE) * scale) // 2 * 2

    def draw(self, snapshot: Snapshot) -> Frame:
        """Return the frame of a snapshot, of shape (height, width, 4): a view that the next call overwrites."""
        moment = moment_at(self._history, snapshot)
        self._draw_episode(snapshot.episode, moment)
        for panel, values_of in self._panels:
            panel.draw(self._renderer, values_of(snapshot))
        self._draw_paths(moment)
        self._step.draw(self._renderer, f"agent step {snapshot.step:,}")
        if snapshot.step <= self._learns_after:
            self._scores.note.draw(self._renderer, "not learning yet")
        return np.asarray(self._canvas.buffer_rgba())

    def _draw_episode(self, number: int, moment: Moment) -> None:
        """Start from what the frames of an episode share."""
        drawn = number, moment.n_finished, moment.n_tested
        if drawn == self._episode_drawn:
            self._canvas.restore_region(self._episode_background)
            return
        self._canvas.restore_region(self._background)
        training = moment.training_episode
        n_episodes = len(self._history.training_episodes)
        header = f" of {n_episodes}, ε = {show_number(training.epsilon, digits=2)}" if training else ""
        self._header.draw(self._renderer, f"Episode {number}{header}")
        self._scores.draw(self._renderer, moment.n_finished, moment.n_tested)
        title = f"Training episode {number}" if training else f"Training episode {number}: not recorded"
        self._training_trace.draw_frame(self._canvas, training, title)
        self._test_path_image = None
        if moment.n_tested:
            test = self._history.test_episodes[moment.n_tested - 1]
            self._test_trace.draw_frame(self._canvas, test, f"Test episode {test.episode}")
            self._test_trace.draw(self._renderer, test, test.n_steps)
            self._test_path_image = self._test_path.draw(test.observations)
        else:
            title = "No test episode yet" if self._history.test_episodes else "No test episodes"
            self._test_trace.draw_frame(self._canvas, None, title)
        self._episode_background = self._canvas.copy_from_bbox(self._figure.bbox)
        self._episode_drawn = drawn

    def _draw_paths(self, moment: Moment) -> None:
        images = [] if self._test_path_image is None else [self._test_path_image]
        training = moment.training_episode
        if training is not None:
            images.append(self._training_path.draw(training.observations[: moment.n_steps + 1]))
            self._training_trace.draw(self._renderer, training, moment.n_steps)
        for panel in self._panels_with_paths:
            for image in images:
                panel.draw_image(self._renderer, image)


class NetworksPicture:
    """The upper part of the training picture, for a training in progress.

    Colour scales of Q are each frame's own, since the run's are not known yet.

    Args:
        history: Names, bounds and the grid of what is drawn.

    Raises:
        ValueError: The history has no state grid.
    """

    def __init__(self, history: TrainingHistory) -> None:
        history = dataclasses.replace(history, training_episodes=[], test_episodes=[])
        self._picture = TrainingPicture(history, (_NETWORKS_WIDTH, _NETWORKS_WIDTH * 9 // 16), colour_scale="frame")

    def draw(self, snapshot: Snapshot) -> Frame:
        """Return a new frame of the snapshot, of shape (height, 960, 3)."""
        return self._picture.draw(snapshot)[: self._picture.networks_height, :, :3].copy()


Pixels = tuple[int, int, int, int]
"""Left, top, width and height in pixels of the full-size picture, from its upper left corner.

Multiples of 4 are also whole pixels at a half, three quarters and one and a half of the size.
"""


class _PanelBoxes(NamedTuple):
    panel: Pixels
    colours: Pixels
    with_x_labels: bool


class _Layout(NamedTuple):
    q_max: _PanelBoxes
    q_std: _PanelBoxes
    action_at_q_max: _PanelBoxes
    gradients: list[_PanelBoxes]
    policies: list[_PanelBoxes]
    paths: Pixels
    """The legend of the episodes' paths; it and the notes may be larger."""
    notes: Pixels
    scores: Pixels
    training_trace: Pixels
    test_trace: Pixels


def _layout(n_actions: int) -> _Layout:
    """Return one row of panels for one action; for more, two rows with a column for each action."""
    if n_actions == 1:
        columns = [_PanelBoxes((left, 80, 196, 196), (left, 340, 196, 12), True) for left in _spread(5, 196)]
        q_max, q_std, gradient, action_at_q_max, policy = columns
        panels = q_max, q_std, action_at_q_max, [gradient], [policy]
        return _Layout(*panels, (560, 16, 0, 0), (_LEFT, 380, 0, 0), *_chart_boxes(top=436, height=184))
    n_columns = 2 + n_actions
    # At least 36 pixels apart.
    width = (_RIGHT - _LEFT - 36 * (n_columns - 1)) // n_columns // 4 * 4
    lefts = _spread(n_columns, width)
    upper = [_PanelBoxes((left, 64, width, 124), (left, 196, width, 8), False) for left in lefts]
    lower = [_PanelBoxes((left, 276, width, 124), (left, 448, width, 8), True) for left in lefts]
    panels = upper[0], upper[1], lower[0], upper[2:], lower[2:]
    legend = lower[1].panel[:2]
    return _Layout(*panels, (*legend, 0, 0), (legend[0], legend[1] + 60, 0, 0), *_chart_boxes(top=528, height=92))


def _chart_boxes(top: int, height: int) -> tuple[Pixels, Pixels, Pixels]:
    return (_LEFT, top, 300, height), (452, top, 380, height), (876, top, 380, height)


def _spread(n: int, width: int) -> list[int]:
    """Return the left edges of `n` boxes of this width, evenly spaced from the left to the right margin."""
    return [_LEFT + i * (_RIGHT - _LEFT - width) // (n - 1) // 4 * 4 for i in range(n)]


def _bounds(pixels: Pixels) -> Bbox:
    """Return the box as a share of the figure, from its lower left corner."""
    left, top, width, height = pixels
    return Bbox.from_bounds(left / _WIDTH, 1 - (top + height) / _HEIGHT, width / _WIDTH, height / _HEIGHT)
