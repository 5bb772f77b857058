from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ddpg.history import GridAxes, TrainingHistory
from ddpg.visualizations.panels import ColourScale, GridPanel, TraceScales, shorten, show_number


def test_traces_up_to_a_step(history: TrainingHistory) -> None:
    episode = history.training_episodes[1]
    assert history.grid is not None
    x_state, y_state, action, reward = TraceScales(history, history.grid, [0]).curves(episode, n_steps=2)
    assert x_state[0].tolist() == y_state[0].tolist() == [0, 1, 2]
    # An action lasts a step, in [-2, 2]; a reward of 2 comes at its end, where rewards are at most 7.
    assert action[0].tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(action[1], np.repeat(episode.actions[:2, 0] / 2, 2))
    assert reward[0].tolist() == [1, 2]
    np.testing.assert_allclose(reward[1], 2 / 7)


def test_traces_before_the_first_step(history: TrainingHistory) -> None:
    assert history.grid is not None
    curves = TraceScales(history, history.grid, [0]).curves(history.training_episodes[0], n_steps=0)
    assert [len(x) for x, _ in curves] == [1, 1, 0, 0]
    assert [len(y) for _, y in curves] == [1, 1, 0, 0]


def test_traces_are_cut_off_at_the_edge(history: TrainingHistory) -> None:
    assert history.grid is not None
    history.training_episodes[0].rewards[-1] = 1000
    _, (_, reward) = TraceScales(history, history.grid, [0]).curves(history.training_episodes[0], n_steps=4)[-2:]
    assert reward[-1] == 1
    assert reward[0] > 0.05


def test_an_asymmetric_action_fills_the_axis(history: TrainingHistory) -> None:
    assert history.grid is not None
    history.action_low[:], history.action_high[:] = 0, 10
    history.training_episodes[0].actions[:2, 0] = 0, 10
    scales = TraceScales(history, history.grid, [0])
    assert scales.curves(history.training_episodes[0], n_steps=2)[2][1].tolist() == [-1, -1, 1, 1]
    assert "force (0…10)" in [style["label"] for style in scales.styles]


def test_several_actions_leave_room_for_fewer_states(history_of: Callable[..., TrainingHistory]) -> None:
    history = history_of(size=9, n_actions=3)
    assert history.grid is not None
    scales = TraceScales(history, history.grid, [0, 1, 2])
    episode = history.training_episodes[0]
    curves = scales.curves(episode, n_steps=4)
    assert len(curves) == len(scales.styles) == 8
    assert [style["label"].split(" (")[0] for style in scales.styles[4:]] == ["force 0", "force 1", "force 2", "reward"]
    np.testing.assert_allclose(curves[5][1], np.repeat(episode.actions[:, 1] / 2, 2))


@pytest.mark.parametrize(
    ("values", "colours"),
    [
        ([[-1, -0.999, 0], [0.999, 1, 9]], [[0, 0, 128], [255, 255, 255]]),
        ([[-9, -np.inf, np.inf], [np.nan, 0, 0]], [[0, 0, 255], [None, 128, 128]]),
    ],
)
def test_colours_of_a_grid(values: list[list[float]], colours: list[list[int | None]]) -> None:
    figure = Figure(figsize=(2, 2), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)
    grid = GridAxes(np.arange(3.0), np.arange(2.0), 0, 1, 0)
    box = Bbox.from_bounds(0.1, 0.1, 0.6, 0.4)
    panel = GridPanel(figure, box, Bbox.from_bounds(0.1, 0.7, 0.6, 0.1), grid, ColourScale("Q", "", "viridis", (-1, 1)))
    panel.label("x", "y")
    panel.axes.set_facecolor("red")
    canvas.draw()
    panel.draw(canvas.get_renderer(), np.array(values))
    pixels = np.asarray(canvas.buffer_rgba())
    for row, y in enumerate((160, 120)):
        for column, x in enumerate((40, 80, 120)):
            index = colours[row][column]
            colour = (255, 0, 0) if index is None else colormaps["viridis"](index, bytes=True)[:3]
            np.testing.assert_array_equal(pixels[y, x, :3], colour)


@pytest.mark.parametrize(
    ("number", "text"), [(-4.167, "−4.17"), (0, "0"), (91.24, "91.2"), (-1216.3, "−1,216"), (0.0206, "0.0206")]
)
def test_numbers(number: float, text: str) -> None:
    assert show_number(number) == text


def test_names() -> None:
    assert shorten("velocity", 8) == "velocity"
    assert shorten("velocities", 8) == "velocit…"
