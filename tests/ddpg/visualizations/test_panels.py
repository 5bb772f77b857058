import numpy as np
import pytest

from ddpg.history import TrainingHistory
from ddpg.visualizations.panels import TraceScales, shorten, show_number


def test_traces_up_to_a_step(history: TrainingHistory) -> None:
    episode = history.training_episodes[1]
    assert history.grid is not None
    x_state, y_state, action, reward = TraceScales(history, history.grid).curves(episode, n_steps=2)
    assert x_state[0].tolist() == y_state[0].tolist() == [0, 1, 2]
    # An action lasts a step, in [-2, 2]; a reward of 2 comes at its end, where rewards are at most 7.
    assert action[0].tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(action[1], np.repeat(episode.actions[:2, 0] / 2, 2))
    assert reward[0].tolist() == [1, 2]
    np.testing.assert_allclose(reward[1], 2 / 7)


def test_traces_before_the_first_step(history: TrainingHistory) -> None:
    assert history.grid is not None
    curves = TraceScales(history, history.grid).curves(history.training_episodes[0], n_steps=0)
    assert [len(x) for x, _ in curves] == [1, 1, 0, 0]
    assert [len(y) for _, y in curves] == [1, 1, 0, 0]


def test_traces_are_cut_off_at_the_edge(history: TrainingHistory) -> None:
    assert history.grid is not None
    history.training_episodes[0].rewards[-1] = 1000
    _, (_, reward) = TraceScales(history, history.grid).curves(history.training_episodes[0], n_steps=4)[-2:]
    assert reward[-1] == 1
    assert reward[0] > 0.05


def test_an_asymmetric_action_fills_the_axis(history: TrainingHistory) -> None:
    assert history.grid is not None
    history.action_low[:], history.action_high[:] = 0, 10
    history.training_episodes[0].actions[:2, 0] = 0, 10
    scales = TraceScales(history, history.grid)
    assert scales.curves(history.training_episodes[0], n_steps=2)[2][1].tolist() == [-1, -1, 1, 1]
    assert "force (0…10)" in scales.labels


@pytest.mark.parametrize(
    ("number", "text"), [(-4.167, "−4.17"), (0, "0"), (91.24, "91.2"), (-1216.3, "−1,216"), (0.0206, "0.0206")]
)
def test_numbers(number: float, text: str) -> None:
    assert show_number(number) == text


def test_names() -> None:
    assert shorten("velocity", 8) == "velocity"
    assert shorten("velocities", 8) == "velocit…"
