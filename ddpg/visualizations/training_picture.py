"""The picture of a training at one agent step."""

from typing import Any, Literal, NamedTuple, cast

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from ddpg.history import FloatArray, GridAxes, Snapshot, TrainingHistory
from ddpg.visualizations.panels import (
    MAX_ACTIONS,
    TEST_COLOUR,
    TRAINING_COLOUR,
    ColourScale,
    GridPanel,
    ScorePanel,
    TracePanel,
    TraceScales,
    Trajectory,
    action_range,
    add_legend,
    shorten,
    show_number,
)
from ddpg.visualizations.scales import colour_limits, finite
from ddpg.visualizations.text import QuickText
from ddpg.visualizations.timeline import Moment, Timeline
from ddpg.visualizations.video import Frame

ColourScaleOf = Literal["run", "frame"]
"""Whether colour scales of Q and its gradient are the same in all frames, or each frame's own."""

_WIDTH, _HEIGHT = 1280, 720
_LEFT, _RIGHT = 84, 1256
_HEADER_SIZE = 16
_HEADER_BASELINE = 32
_NOTE_SIZE = 11
_CHART_TITLE = 32


class TrainingPicture:
    """Draws snapshots and the episodes around them: panels of the networks above, returns and traces below.

    Colour scales are the same in all frames. They end at the 1st and 99th percentile over the history's snapshots,
    so that an outlier does not flatten the rest: values beyond have the colour of the end. With `colour_scale`
    "frame" those of Q and its gradient end at the percentiles of each frame. Gradients are centred on zero, actions
    on the middle of their range, which is their scale in any case. dQ/da is per scaled action in [-1, 1]; actions
    are in the environment's units. There are a gradient and a policy for each of the first four actions.

    What never changes is drawn once, what an episode changes once per episode, the rest over it in every frame.
    """

    def __init__(
        self,
        history: TrainingHistory,
        size: tuple[int, int] = (_WIDTH, _HEIGHT),
        colour_scale: ColourScaleOf = "run",
    ) -> None:
        """Lays the picture out for frames of `size` (width, height) pixels.

        Raises:
            ValueError: The history has no state grid, or `colour_scale` is none of the above.
        """
        if history.grid is None:
            raise ValueError("history.grid: expected the axes of the snapshots, received None")
        if colour_scale not in ("run", "frame"):
            raise ValueError(f"colour_scale: expected run or frame, received {colour_scale!r}")
        width, height = size
        self._history = history
        self._timeline = Timeline(history)
        self._layout = _layout(min(len(history.action_names), MAX_ACTIONS))
        # Everything is laid out in inches of 100 pixels at full width; other sizes scale it.
        inch = _WIDTH / 100
        self._figure = Figure(figsize=(inch, inch * height / width), dpi=width / inch, facecolor="white")
        # Matplotlib has no type hints for this class.
        self._canvas = cast(Any, FigureCanvasAgg(self._figure))
        self._renderer = self._canvas.get_renderer()
        self._add_grid_panels(history.grid, colour_scale)
        self._add_notes(history.grid, colour_scale)
        self._add_charts(history.grid)
        scale = width / _WIDTH
        baseline = height - _HEADER_BASELINE * height / _HEIGHT
        header: dict[str, Any] = {"size": _HEADER_SIZE, "dpi": self._figure.dpi}
        self._header = QuickText(_LEFT * scale, baseline, weight="bold", **header)
        self._step = QuickText(_RIGHT * scale, baseline, "right", **header)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self._figure.bbox)
        self._episode_background = self._background
        self._episode_drawn: tuple[int, int, int] | None = None

    def _add_grid_panels(self, grid: GridAxes, colour_scale: ColourScaleOf) -> None:
        history, layout = self._history, self._layout
        n_actions = len(layout.policies)

        def limits(values: FloatArray, *, symmetric: bool = False) -> tuple[float, float] | None:
            return colour_limits(values, symmetric=symmetric) if colour_scale == "run" else None

        names = [shorten(name) for name in history.action_names]
        maximised = names[grid.action_dimension]
        over = f"over {maximised}" if len(names) > 1 else ""
        q_max = limits(finite(snapshot.q_max for snapshot in history.snapshots))
        q_std = limits(finite(snapshot.q_std for snapshot in history.snapshots))
        gradients = [
            limits(finite(snapshot.action_gradient[..., i] for snapshot in history.snapshots), symmetric=True)
            for i in range(n_actions)
        ]
        scales = {
            layout.q_max: ColourScale("Q max", over, "viridis", q_max),
            layout.q_std: ColourScale("Q standard deviation", over, "cividis", q_std),
            layout.action_at_q_max: self._action_scale("Action at Q max", grid.action_dimension),
        }
        for i in range(n_actions):
            label = f"dQ / d {names[i]}"
            scales[layout.gradients[i]] = ColourScale("Action gradient", label, "PuOr", gradients[i], symmetric=True)
            scales[layout.policies[i]] = self._action_scale("Policy", i)
        x_name = history.observation_names[grid.x_dimension]
        y_name = history.observation_names[grid.y_dimension] if len(grid.y) > 1 else ""
        panels = {}
        for box, scale in scales.items():
            panel = GridPanel(self._figure, _bounds(box.panel), _bounds(box.colours), grid, scale)
            panel.label(x_name if box.with_x_labels else "", y_name if box.panel[0] == _LEFT else "")
            panels[box] = panel
        self._q_max, self._q_std = panels[layout.q_max], panels[layout.q_std]
        self._action_at_q_max = panels[layout.action_at_q_max]
        self._gradients = [panels[box] for box in layout.gradients]
        self._policies = [panels[box] for box in layout.policies]
        shape, dpi = self._q_max.shape, self._figure.dpi
        self._training_path = Trajectory(shape, dpi, grid, TRAINING_COLOUR)
        self._test_path = Trajectory(shape, dpi, grid, TEST_COLOUR)

    def _action_scale(self, title: str, dimension: int) -> ColourScale:
        ticks = [show_number(value) for value in action_range(self._history, dimension)]
        return ColourScale(title, shorten(self._history.action_names[dimension]), "RdBu", (-1, 1), ticks)

    def _add_notes(self, grid: GridAxes, colour_scale: ColourScaleOf) -> None:
        """Says what the paths are and what is not shown."""
        handles = [
            Line2D([], [], color=colour, linewidth=2, marker="o", markersize=6, markevery=[1], label=label)
            for colour, label, episodes in (
                (TRAINING_COLOUR, "training path", self._history.training_episodes),
                (TEST_COLOUR, "test path", self._history.test_episodes),
            )
            if episodes
        ]
        notes = [f"colours: {'whole run' if colour_scale == 'run' else 'each frame'}"]
        n_held = len(self._history.observation_names) - (2 if len(grid.y) > 1 else 1)
        if n_held:
            notes.append(f"{n_held} state{'s' if n_held > 1 else ''} held")
        n_actions = len(self._history.action_names)
        if n_actions > MAX_ACTIONS:
            notes.append(f"first {MAX_ACTIONS} of {n_actions} actions")
        in_a_row = len(self._layout.policies) == 1
        handles.append(Line2D([], [], linestyle="", label=(", " if in_a_row else "\n").join(notes)))
        box = _bounds(self._layout.notes)
        self._figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(box.x0, box.y1),
            ncols=len(handles) if in_a_row else 1,
            frameon=False,
            fontsize=_NOTE_SIZE,
            handlelength=1.2,
            handletextpad=0.5,
            columnspacing=0.8,
            borderaxespad=0,
            borderpad=0,
        )

    def _add_charts(self, grid: GridAxes) -> None:
        layout = self._layout
        self._scores = ScorePanel(self._figure, _bounds(layout.scores), self._history)
        scales = TraceScales(self._history, grid, range(len(layout.policies)))
        training, test = _bounds(layout.training_trace), _bounds(layout.test_trace)
        self._training_trace = TracePanel(self._figure, training, scales, TRAINING_COLOUR, True)
        self._test_trace = TracePanel(self._figure, test, scales, TEST_COLOUR, False)
        handles = [Line2D([], [], linewidth=2.5, **style) for style in scales.styles]
        add_legend(self._training_trace.axes, handles, n_columns=4, x=402 / 380)

    @property
    def networks_height(self) -> int:
        """Rows of pixels from the top down to the charts, which are without meaning for a history without episodes."""
        height = self._figure.bbox.height / _HEIGHT
        return round((self._layout.scores[1] - _CHART_TITLE) * height) // 2 * 2

    def draw(self, snapshot: Snapshot) -> Frame:
        """The frame at a snapshot's agent step, of shape (height, width, 4): a view that the next call overwrites."""
        moment = self._timeline.at(snapshot)
        self._draw_episode(snapshot.episode, moment)
        self._draw_networks(snapshot)
        self._draw_paths(moment)
        self._step.draw(self._renderer, f"agent step {snapshot.step:,}")
        return np.asarray(self._canvas.buffer_rgba())

    def _draw_episode(self, number: int, moment: Moment) -> None:
        """Starts from what frames of the same episode share."""
        drawn = number, moment.n_finished, moment.n_tested
        if drawn != self._episode_drawn:
            self._canvas.restore_region(self._background)
            self._draw_episode_background(number, moment)
            self._episode_background = self._canvas.copy_from_bbox(self._figure.bbox)
            self._episode_drawn = drawn
        else:
            self._canvas.restore_region(self._episode_background)

    def _draw_episode_background(self, number: int, moment: Moment) -> None:
        training = moment.training_episode
        n_episodes = len(self._history.training_episodes)
        header = (
            f"Episode {number} of {n_episodes}, ε = {show_number(training.epsilon, digits=2)}"
            if training
            else f"Episode {number}"
        )
        self._header.draw(self._renderer, header)
        self._scores.draw(self._renderer, moment.n_finished, moment.n_tested)
        title = f"Training episode {number}" if training else f"Training episode {number}: not recorded"
        self._training_trace.draw_frame(self._renderer, training, title)
        self._test_path_image = None
        if moment.n_tested:
            test = self._history.test_episodes[moment.n_tested - 1]
            self._test_trace.draw_frame(self._renderer, test, f"Test episode {test.episode}")
            self._test_trace.draw(self._renderer, test, test.n_steps)
            self._test_path_image = self._test_path.draw(test.observations)
        else:
            title = "No test episode yet" if self._history.test_episodes else "No test episodes"
            self._test_trace.draw_frame(self._renderer, None, title)

    def _draw_networks(self, snapshot: Snapshot) -> None:
        self._q_max.draw(self._renderer, snapshot.q_max)
        self._q_std.draw(self._renderer, snapshot.q_std)
        self._action_at_q_max.draw(self._renderer, snapshot.action_at_q_max)
        for i, (gradient, policy) in enumerate(zip(self._gradients, self._policies, strict=True)):
            gradient.draw(self._renderer, snapshot.action_gradient[..., i])
            policy.draw(self._renderer, snapshot.policy[..., i])

    def _draw_paths(self, moment: Moment) -> None:
        images = [] if self._test_path_image is None else [self._test_path_image]
        training = moment.training_episode
        if training is not None:
            images.append(self._training_path.draw(training.observations[: moment.n_steps + 1]))
            self._training_trace.draw(self._renderer, training, moment.n_steps)
        for panel in (self._q_max, *self._policies):
            for image in images:
                panel.draw_image(self._renderer, image)


Pixels = tuple[int, int, int, int]
"""Left, top, width and height in pixels of the full-size picture, from its upper left corner.

Multiples of 4 are whole pixels at a half, three quarters and one and a half of the size too.
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
    notes: Pixels
    scores: Pixels
    training_trace: Pixels
    test_trace: Pixels


def _layout(n_actions: int) -> _Layout:
    """One row of panels for one action; for more, two rows with a column for each action."""
    if n_actions == 1:
        columns = [_PanelBoxes((left, 80, 196, 196), (left, 328, 196, 12), True) for left in _spread(5, 196)]
        q_max, q_std, gradient, action_at_q_max, policy = columns
        panels = q_max, q_std, action_at_q_max, [gradient], [policy]
        return _Layout(*panels, (472, 18, 560, 20), *_chart_boxes(top=420, height=200))
    n_columns = 2 + n_actions
    # At least 36 pixels apart.
    width = (_RIGHT - _LEFT - 36 * (n_columns - 1)) // n_columns // 4 * 4
    lefts = _spread(n_columns, width)
    upper = [_PanelBoxes((left, 68, width, 124), (left, 200, width, 8), False) for left in lefts]
    lower = [_PanelBoxes((left, 272, width, 124), (left, 440, width, 8), True) for left in lefts]
    panels = upper[0], upper[1], lower[0], upper[2:], lower[2:]
    return _Layout(*panels, lower[1].panel, *_chart_boxes(top=512, height=108))


def _chart_boxes(top: int, height: int) -> tuple[Pixels, Pixels, Pixels]:
    return (_LEFT, top, 316, height), (452, top, 380, height), (876, top, 380, height)


def _spread(n: int, width: int) -> list[int]:
    """The left edges of so many boxes over the whole width."""
    return [_LEFT + i * (_RIGHT - _LEFT - width) // (n - 1) // 4 * 4 for i in range(n)]


def _bounds(pixels: Pixels) -> Bbox:
    """As a share of the figure, from its lower left corner."""
    left, top, width, height = pixels
    return Bbox.from_bounds(left / _WIDTH, 1 - (top + height) / _HEIGHT, width / _WIDTH, height / _HEIGHT)
