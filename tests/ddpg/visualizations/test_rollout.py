from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from ddpg.environments.running_statistics import load_state_dict, state_dict
from ddpg.evaluation.rollouts import run_episodes
from ddpg.history import EpisodeHistory
from ddpg.visualizations import render_rollout
from ddpg.visualizations.rollout import _side_by_side, film_agent_steps
from tests.ddpg.visualizations.walk import BLUE, GREEN, GREY, Walk, record


def shown_step(frame: NDArray[np.uint8]) -> int:
    """The environment step whose picture is in the frame's upper left cell."""
    return int(frame[60, 20, 0]) // 10


def test_episodes_run_in_step_until_the_longest_has_ended() -> None:
    envs = iter([Walk(n_steps=9), Walk(n_steps=4)])
    episodes = [record(5, n_steps=9), record(6, n_steps=4)]
    frames = list(render_rollout(lambda: next(envs), episodes, [5, 6], 2, frames_at_end=3))
    halves = [np.split(frame, 2, axis=1) for frame in frames]
    assert [shown_step(left) for left, _ in halves] == [*range(10), 9, 9, 9]
    assert [shown_step(right) for _, right in halves] == [0, 1, 2, 3, *[4] * 9]


@pytest.mark.parametrize(
    ("steps_per_frame", "left", "right"), [(2, [0, 2, 4, 6, 8, 9], [0, 2, 4, 4, 4, 4]), (20, [0, 9], [0, 4])]
)
def test_steps_between_frames_are_made_but_not_drawn(steps_per_frame: int, left: list[int], right: list[int]) -> None:
    envs = iter([Walk(n_steps=9), Walk(n_steps=4)])
    episodes = [record(5, n_steps=9), record(6, n_steps=4)]
    frames = list(render_rollout(lambda: next(envs), episodes, [5, 6], 2, steps_per_frame=steps_per_frame))
    halves = [np.split(frame, 2, axis=1) for frame in frames]
    assert [[shown_step(half) for half in side] for side in zip(*halves, strict=True)] == [left, right]


def test_cells_of_a_grid() -> None:
    videos = [[np.full((2, 3, 3), 10 * i + j, np.uint8) for j in range(i)] for i in (1, 2, 3)]
    frames = list(_side_by_side(videos, n_columns=2))
    assert [frame[::2, ::3, 0].tolist() for frame in frames] == [
        [[10, 20], [30, 250]],
        [[10, 21], [31, 250]],
        [[10, 21], [32, 250]],
    ]
    assert frames[0].shape == (4, 6, 3)


@pytest.mark.parametrize("n_episodes", [1, 2, 4, 6, 9])
def test_frames_fit_a_screen_and_have_even_sizes(n_episodes: int) -> None:
    episodes = [record()] * n_episodes
    height, width, _ = next(render_rollout(Walk, episodes, [5] * n_episodes, 2)).shape
    assert height <= 720
    assert 400 <= width <= 1280
    assert (height % 2, width % 2) == (0, 0)


def test_environments_are_closed_after_the_last_frame() -> None:
    made: list[Walk] = []

    def make() -> Walk:
        made.append(Walk())
        return made[-1]

    frames = render_rollout(make, [record(5), record(6)], [5, 6], 2)
    next(frames)
    assert [env.closed for env in made] == [False, False]
    list(frames)
    assert [env.closed for env in made] == [True, True]


@pytest.mark.parametrize(
    ("changes", "colour"),
    [({"is_success": True}, GREEN), ({"terminated": False, "truncated": True}, GREY)],
    ids=["goal", "time limit"],
)
def test_the_end_is_marked(changes: dict[str, bool], colour: tuple[int, int, int]) -> None:
    episode = EpisodeHistory(**{**vars(record()), **changes})
    *before, last = render_rollout(Walk, [episode], [5], 2)
    assert (last[0] == colour).all()
    assert not any((frame[0] == colour).any() for frame in before)


def test_q_is_of_the_states_and_the_actions_taken_there() -> None:
    episode = record()
    received = []

    def action_value(observations: NDArray[Any], actions: NDArray[Any]) -> NDArray[Any]:
        received.append((observations, actions))
        return np.arange(len(actions), dtype=float)

    with_q, without = (list(render_rollout(Walk, [episode], [5], 2, action_value=q)) for q in (action_value, None))
    ((observations, actions),) = received
    np.testing.assert_array_equal(observations, episode.observations[:-1])
    np.testing.assert_array_equal(actions, episode.actions)
    assert [bool((one != other).any()) for one, other in zip(with_q, without, strict=True)] == [True] * 7 + [False]


@pytest.mark.parametrize(
    ("env", "seed", "action_repeat", "message"),
    [
        (Walk(), 6, 2, "expected the start"),
        (Walk(), 5, 1, "expected the reward .* at agent step 1, received"),
        (Walk(n_steps=3), 5, 2, r"expected the reward .* at agent step 2, received"),
        (Walk(n_steps=4), 5, 2, "expected 4 agent steps, received an end after 2"),
    ],
)
def test_recordings_of_something_else_are_rejected(env: Walk, seed: int, action_repeat: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(render_rollout(lambda: env, [record()], [seed], action_repeat))


def points(frame: NDArray[np.uint8]) -> NDArray[np.intp]:
    """The middle of the dot that marks the state, in a frame of one cell."""
    middle: NDArray[np.intp] = np.argwhere((frame[: 300 * frame.shape[1] // 480] == BLUE).all(axis=-1)).mean(axis=0)
    return middle


def test_an_environment_without_pictures_shows_the_path_of_its_state() -> None:
    episode = record(action=0.0)
    frames = list(render_rollout(partial(Walk, render_mode=None), [episode], [5], 2, plane=(0, 1)))
    assert len(frames) == 8
    rows, columns = np.stack([points(frame) for frame in frames[:-1]]).T
    # The position, which stays, is along x; the steps go down.
    assert np.ptp(columns) < 1
    np.testing.assert_allclose(np.diff(rows), np.diff(rows)[0], atol=1.5)
    assert np.diff(rows)[0] > 20


def test_a_path_has_the_steps_between_frames_too() -> None:
    make = partial(Walk, render_mode=None)
    last, other = (list(render_rollout(make, [record()], [5], 2, plane=(0, 1), steps_per_frame=n))[-1] for n in (1, 4))
    assert np.abs(last.astype(int) - other).max() <= 1  # changed parts are scaled by themselves


def test_a_plane_of_two_dimensions_has_the_first_to_the_right_and_the_second_upwards() -> None:
    make = partial(gym.make, "MountainCarContinuous-v0", max_episode_steps=60)
    with make() as env:
        (episode,) = run_episodes(lambda x: np.ones((len(x), 1), np.float32), [env], [1], 5)
    frames = list(render_rollout(make, [episode], [1], 5, plane=(0, 1)))
    rows, columns = np.stack([points(frame) for frame in frames[:-1:5]]).T
    position, velocity = episode.observations[:-1].T
    assert np.corrcoef(columns, position)[0, 1] > 0.999
    assert np.corrcoef(rows, velocity)[0, 1] < -0.999


@pytest.mark.parametrize("wrapper", [gym.wrappers.NormalizeObservation, gym.wrappers.NormalizeReward])
def test_a_replay_leaves_running_statistics_as_they_are(wrapper: Any) -> None:
    make = partial(gym.make, "MountainCarContinuous-v0", render_mode="rgb_array", max_episode_steps=6)
    env = wrapper(make())
    env.reset(seed=3)
    state = state_dict(env)

    def make_env() -> Any:
        made = wrapper(make())
        load_state_dict(made, state)
        return made

    episodes = run_episodes(lambda x: np.ones((len(x), 1), np.float32), [env], [1, 2], 2)
    assert len(list(render_rollout(make_env, episodes, [1, 2], 2))) == 7


def discrete() -> Walk:
    env = Walk()
    env.action_space = gym.spaces.Discrete(2)  # type: ignore[assignment]
    return env


@pytest.mark.parametrize(
    ("make_env", "n_episodes", "seeds", "message"),
    [
        (Walk, 0, [], "episodes: expected at least one"),
        (Walk, 1, [5, 6], "seeds: expected one for each of 1 episodes, received 2"),
        (partial(Walk, render_mode=None), 1, [5], "expected render_mode 'rgb_array', received None"),
        (discrete, 1, [5], "expected an action space of type Box, received Discrete"),
    ],
)
def test_invalid_arguments(make_env: Callable[[], Walk], n_episodes: int, seeds: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(render_rollout(make_env, [record()] * n_episodes, seeds))


def test_pictures_of_agent_steps_are_those_of_their_last_environment_steps() -> None:
    frames = film_agent_steps(Walk(n_steps=9), record(5, n_steps=9), 5, 2)
    assert [int(frame[0, 0, 0]) // 10 for frame in frames] == [0, 2, 4, 6, 8, 9]
    with pytest.raises(ValueError, match=r"replayed from seed 6: expected the state .* after 0 agent steps"):
        film_agent_steps(Walk(), record(5), 6, 2)
    with pytest.raises(ValueError, match="render_mode"):
        film_agent_steps(Walk(render_mode=None), record(5), 5, 2)
