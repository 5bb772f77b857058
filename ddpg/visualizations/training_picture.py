"""The picture of a training at one agent step."""

from typing import Any, cast

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from ddpg.history import GridAxes, Snapshot, TrainingHistory
from ddpg.visualizations.panels import (
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
from ddpg.visualizations.timeline import Moment, Timeline
from ddpg.visualizations.video import Frame

_WIDTH, _HEIGHT = 1280, 720
_HEADER_SIZE = 16


class TrainingPicture:
    """Draws snapshots and the episodes around them: five panels of the networks above, returns and traces below.

    Colour scales are the same in all frames. They end at the 1st and 99th percentile over the history's snapshots,
    so that an outlier does not flatten the rest: values beyond have the colour of the end. Gradient and actions are
    centred on zero, or on the middle of the action's range. dQ/da is per scaled action in [-1, 1]; actions are in
    the environment's units.

    What never changes is drawn once, what an episode changes once per episode, the rest over it in every frame.
    """

    def __init__(self, history: TrainingHistory, size: tuple[int, int] = (_WIDTH, _HEIGHT)) -> None:
        """Lays the picture out for frames of `size` (width, height) pixels.

        Raises:
            ValueError: The history has no state grid.
        """
        if history.grid is None:
            raise ValueError("history.grid: expected the axes of the snapshots, received None")
        width, height = size
        self._history = history
        self._dimension = history.grid.action_dimension
        self._timeline = Timeline(history)
        # Everything is laid out in inches of 100 pixels at full width; other sizes scale it.
        inch = _WIDTH / 100
        self._figure = Figure(figsize=(inch, inch * height / width), dpi=width / inch, facecolor="white")
        # Matplotlib has no type hints for this class.
        self._canvas = cast(Any, FigureCanvasAgg(self._figure))
        self._renderer = self._canvas.get_renderer()
        self._add_grid_panels(history.grid)
        self._policy_path = Trajectory(self._grid_panels["policy"].axes, history.grid, TRAINING_COLOUR)
        self._q_path = Trajectory(self._grid_panels["q_max"].axes, history.grid, TEST_COLOUR)
        _note(self._grid_panels["policy"], "training path", TRAINING_COLOUR)
        _note(self._grid_panels["q_max"], "test path", TEST_COLOUR)
        self._scores = ScorePanel(self._figure, _box(84, 420, 316, 200), history)
        scales = TraceScales(history, history.grid)
        self._training_trace = TracePanel(self._figure, _box(452, 420, 380, 200), scales, TRAINING_COLOUR, True)
        self._test_trace = TracePanel(self._figure, _box(876, 420, 380, 200), scales, TEST_COLOUR, False)
        handles = [
            Line2D([], [], color=colour, linewidth=2.5, label=label)
            for colour, label in zip(scales.colours, scales.labels, strict=True)
        ]
        add_legend(self._training_trace.axes, handles, n_columns=4, x=402 / 380)
        header: dict[str, Any] = {"fontsize": _HEADER_SIZE, "va": "center", "animated": True}
        self._header = self._figure.text(84 / _WIDTH, 1 - 26 / _HEIGHT, "", weight="bold", **header)
        self._step = self._figure.text(1256 / _WIDTH, 1 - 26 / _HEIGHT, "", ha="right", **header)
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(self._figure.bbox)
        self._episode_background = self._background
        self._episode_drawn: tuple[int, int, int] | None = None

    def _add_grid_panels(self, grid: GridAxes) -> None:
        history = self._history
        action = shorten(history.action_names[self._dimension])
        action_ticks = [show_number(value) for value in action_range(history, self._dimension)]
        q_max = colour_limits(finite(snapshot.q_max for snapshot in history.snapshots))
        q_std = colour_limits(finite(snapshot.q_std for snapshot in history.snapshots))
        gradients = finite(snapshot.action_gradient[..., self._dimension] for snapshot in history.snapshots)
        gradient = colour_limits(gradients, symmetric=True)
        scales = {
            "q_max": ColourScale("Q max", "", "viridis", q_max),
            "q_std": ColourScale("Q standard deviation", "", "cividis", q_std),
            "gradient": ColourScale("Action gradient", f"dQ / d {action}", "PuOr", gradient),
            "action_at_q_max": ColourScale("Action at Q max", action, "RdBu", (-1, 1), action_ticks),
            "policy": ColourScale("Policy", action, "RdBu", (-1, 1), action_ticks),
        }
        x_name = history.observation_names[grid.x_dimension]
        y_name = history.observation_names[grid.y_dimension] if len(grid.y) > 1 else ""
        self._grid_panels = {}
        for i, (name, scale) in enumerate(scales.items()):
            box, colour_box = (_box(84 + 244 * i, top, 196, height) for top, height in ((80, 196), (328, 12)))
            panel = GridPanel(self._figure, box, colour_box, grid, scale)
            panel.label(x_name, y_name if i == 0 else "")
            self._grid_panels[name] = panel

    def draw(self, snapshot: Snapshot) -> Frame:
        """The frame at a snapshot's agent step, in memory of its own."""
        moment = self._timeline.at(snapshot)
        self._draw_episode(snapshot.episode, moment)
        self._draw_networks(snapshot)
        self._draw_paths(moment)
        self._step.set_text(f"agent step {snapshot.step:,}")
        self._step.draw(self._renderer)
        return self._copy_frame()

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
        header = f"Episode {number} of {n_episodes}, ε = {training.epsilon:.3g}" if training else f"Episode {number}"
        self._header.set_text(header)
        self._header.draw(self._renderer)
        self._scores.draw(self._renderer, moment.n_finished, moment.n_tested)
        title = f"Training episode {number}" if training else f"Training episode {number}: not recorded"
        self._training_trace.draw_frame(self._renderer, training, title)
        if moment.n_tested:
            test = self._history.test_episodes[moment.n_tested - 1]
            self._test_trace.draw_frame(self._renderer, test, f"Test episode {test.episode}")
            self._test_trace.draw(self._renderer, test, test.n_steps)
        else:
            title = "No test episode yet" if self._history.test_episodes else "No test episodes"
            self._test_trace.draw_frame(self._renderer, None, title)

    def _draw_networks(self, snapshot: Snapshot) -> None:
        dimension = self._dimension
        panels = self._grid_panels
        panels["q_max"].draw(self._renderer, snapshot.q_max)
        panels["q_std"].draw(self._renderer, snapshot.q_std)
        panels["gradient"].draw(self._renderer, snapshot.action_gradient[..., dimension])
        panels["action_at_q_max"].draw(self._renderer, snapshot.action_at_q_max)
        panels["policy"].draw(self._renderer, snapshot.policy[..., dimension])

    def _draw_paths(self, moment: Moment) -> None:
        if moment.n_tested:
            self._q_path.draw(self._renderer, self._history.test_episodes[moment.n_tested - 1].observations)
        training = moment.training_episode
        if training is not None:
            self._policy_path.draw(self._renderer, training.observations[: moment.n_steps + 1])
            self._training_trace.draw(self._renderer, training, moment.n_steps)

    def _copy_frame(self) -> Frame:
        rgba = np.asarray(self._canvas.buffer_rgba())
        frame = np.empty((*rgba.shape[:2], 3), np.uint8)
        # One channel at a time is several times faster than rgba[..., :3].copy().
        for channel in range(3):
            frame[..., channel] = rgba[..., channel]
        return frame


def _box(left: float, top: float, width: float, height: float) -> Bbox:
    """A box in pixels from the upper left corner of the full-size picture, as a share of the figure.

    Multiples of 4 are whole pixels at a half, three quarters and one and a half of the size too.
    """
    return Bbox.from_bounds(left / _WIDTH, 1 - (top + height) / _HEIGHT, width / _WIDTH, height / _HEIGHT)


def _note(panel: GridPanel, text: str, colour: str) -> None:
    """Names the path drawn over a panel, right above it."""
    panel.axes.set_title(text, loc="right", fontsize=11, color=colour, pad=5)
