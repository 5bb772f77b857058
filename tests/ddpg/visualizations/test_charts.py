from collections.abc import Callable

import numpy as np
import pytest

from ddpg.history import TrainingHistory
from ddpg.visualizations.charts import TraceScales, axis_end, score_limits, trace_limit


def scales_of(history: TrainingHistory, n_actions: int = 1) -> TraceScales:
    assert history.grid is not None
    return TraceScales(history, history.grid, n_actions)


def test_traces_up_to_a_step(history: TrainingHistory) -> None:
    episode = history.training_episodes[1]
    x_state, y_state, action, reward = scales_of(history).curves(episode, n_steps=2)
    assert x_state[0].tolist() == y_state[0].tolist() == [0, 1, 2]
    # An action lasts a step, in [-2, 2]; a reward of 2 comes at its end, where rewards are at most 7.
    assert action[0].tolist() == [0, 1, 1, 2]
    np.testing.assert_allclose(action[1], np.repeat(episode.actions[:2, 0] / 2, 2))
    assert reward[0].tolist() == [1, 2]
    np.testing.assert_allclose(reward[1], 2 / 7)


def test_traces_before_the_first_step(history: TrainingHistory) -> None:
    curves = scales_of(history).curves(history.training_episodes[0], n_steps=0)
    assert [(len(x), len(y)) for x, y in curves] == [(1, 1), (1, 1), (0, 0), (0, 0)]


def test_traces_are_clipped(history: TrainingHistory) -> None:
    history.training_episodes[0].rewards[-1] = 1000
    *_, (_, reward) = scales_of(history).curves(history.training_episodes[0], n_steps=4)
    assert reward[-1] == 1
    assert reward[0] > 0.05


def test_an_asymmetric_action_fills_the_axis(history: TrainingHistory) -> None:
    history.action_low[:], history.action_high[:] = 0, 10
    history.training_episodes[0].actions[:2, 0] = 0, 10
    scales = scales_of(history)
    assert scales.curves(history.training_episodes[0], n_steps=2)[2][1].tolist() == [-1, -1, 1, 1]
    assert "force (0…10)" in [style["label"] for style in scales.styles]


def test_a_traces_range_has_its_unit(history: TrainingHistory) -> None:
    history.action_names = ("torque (N m)",)
    assert "torque (±2 N m)" in [style["label"] for style in scales_of(history).styles]


def test_several_actions_leave_room_for_fewer_states(history_of: Callable[..., TrainingHistory]) -> None:
    history = history_of(size=9, n_actions=3)
    scales, episode = scales_of(history, n_actions=3), history.training_episodes[0]
    curves = scales.curves(episode, n_steps=4)
    assert len(curves) == len(scales.styles) == 8
    assert [style["label"].split(" (")[0] for style in scales.styles[4:]] == ["force 0", "force 1", "force 2", "reward"]
    np.testing.assert_allclose(curves[5][1], np.repeat(episode.actions[:, 1] / 2, 2))


def test_an_early_disaster_does_not_squash_the_scores() -> None:
    low, high = score_limits(np.append(np.linspace(80, 100, 50), -90), threshold=90)
    assert 70 < low < 80
    assert 100 < high < 110


def test_usual_scores_and_the_threshold_are_within_the_limits() -> None:
    low, high = score_limits(np.array([-3.0, 0.0, 4.0]), threshold=50)
    assert low < -3
    assert high > 50


@pytest.mark.parametrize("scores", [[], [7.0]])
def test_score_limits_have_a_range(scores: list[float]) -> None:
    low, high = score_limits(np.array(scores), None)
    assert low < high


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        ([], 1),
        ([0.0], 1),
        ([-0.07, 0.02], 0.07),
        ([1.234], 1.3),
        ([0.0] * 99 + [95], 95),
        ([-0.5] * 30 + [100.0], 1),  # a rare reward does not flatten the rest
    ],
)
def test_limit_of_a_trace(values: list[float], limit: float) -> None:
    assert trace_limit([np.array(values)]) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("n_steps", "end"), [(0, 1), (1, 1), (2, 2), (7, 10), (10, 10), (11, 15), (100, 100), (199, 200), (999, 1000)]
)
def test_an_axis_ends_at_a_round_number(n_steps: int, end: float) -> None:
    assert axis_end(n_steps) == end
