from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import av
import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from ddpg.history import EpisodeHistory
from ddpg.visualizations import render_rollout, write_rollout
from ddpg.visualizations.rollout import _decimals, _mountain_car, render_episode, side_by_side

RED, BLUE, GREEN, GREY = (178, 24, 43), (33, 102, 172), (0, 128, 80), (96, 96, 96)


class Walk(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Adds up actions from a random start; the reward is where it is, the end is after `n_steps`."""

    def __init__(self, render_mode: str | None = "rgb_array", n_steps: int = 7, n_actions: int = 1) -> None:
        self.render_mode = render_mode
        self.n_steps = n_steps
        self.action_space = gym.spaces.Box(-2, 2, (n_actions,))
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (1,))

    def reset(self, *, seed: int | None = None, **_: Any) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.position = self.np_random.uniform(-1, 1)
        self.step_number = 0
        return np.array([self.position], np.float32), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action.dtype == np.float32
        self.position += float(action[0])
        self.step_number += 1
        ended = self.step_number == self.n_steps
        return np.array([self.position], np.float32), self.position, ended, False, {}

    def close(self) -> None:
        self.closed = True

    def render(self) -> NDArray[np.uint8]:
        return np.full((90, 480, 3), 10 * self.step_number, np.uint8)


def record(
    seed: int = 5, action: float = 1.5, action_repeat: int = 2, n_actions: int = 1, n_steps: int = 7
) -> EpisodeHistory:
    """With the default values, four agent steps of Walk, the last of one environment step only."""
    env = Walk(n_actions=n_actions, n_steps=n_steps)
    observation, _ = env.reset(seed=seed)
    observations, actions, rewards, ended = [observation], [], [], False
    while not ended:
        actions.append(np.full(n_actions, action, np.float32))
        rewards.append(0.0)
        for _ in range(action_repeat):
            observation, reward, ended, _, _ = env.step(actions[-1])
            rewards[-1] += reward
            if ended:
                break
        observations.append(observation)
    return EpisodeHistory(
        3, 0.0, 0, np.stack(observations), np.stack(actions), np.array(rewards), env.step_number, True, False
    )


def has_colour(frame: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    return bool((frame == colour).all(axis=-1).any())


def shown_step(frame: NDArray[np.uint8]) -> int:
    """The environment step whose picture is in the frame's upper left cell."""
    return int(frame[60, 20, 0]) // 10


@pytest.mark.parametrize(
    ("steps_per_frame", "shown"), [(1, [0, 1, 2, 3, 4, 5, 6, 7]), (2, [0, 2, 4, 6, 7]), (100, [0, 7])]
)
def test_frames_of_every_nth_environment_step_and_the_last(steps_per_frame: int, shown: list[int]) -> None:
    frames = list(render_episode(Walk(), record(), 5, 2, steps_per_frame=steps_per_frame))
    assert [shown_step(frame) for frame in frames] == shown


def test_episodes_run_in_step_until_the_longest_has_ended() -> None:
    longer = iter([Walk(n_steps=9), Walk(n_steps=4)])
    episodes = [record(5, n_steps=9), record(6, n_steps=4)]
    frames = list(render_rollout(lambda: next(longer), episodes, [5, 6], 2, frames_at_end=3))
    assert len(frames) == 1 + 9 + 3
    left, right = ([shown_step(half) for half in halves] for halves in zip(*map(halved, frames), strict=True))
    assert left == [*range(10), 9, 9, 9]
    assert right == [0, 1, 2, 3, *[4] * 9]


def halved(frame: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    return iter(np.split(frame, 2, axis=1))


def test_cells_of_a_grid() -> None:
    videos = [[np.full((2, 3, 3), 10 * i + j, np.uint8) for j in range(i)] for i in (1, 2, 3)]
    frames = list(side_by_side(videos, n_columns=2, frames_at_end=1))
    assert [frame[::2, ::3, 0].tolist() for frame in frames] == [
        [[10, 20], [30, 250]],
        [[10, 21], [31, 250]],
        [[10, 21], [32, 250]],
        [[10, 21], [32, 250]],
    ]
    assert frames[0].shape == (4, 6, 3)


@pytest.mark.parametrize("n_episodes", [1, 2, 4, 6, 9])
def test_the_whole_fits_a_screen_and_has_even_sizes(n_episodes: int) -> None:
    episodes = [record()] * n_episodes
    height, width, _ = next(render_rollout(Walk, episodes, [5] * n_episodes, 2)).shape
    assert height <= 720
    assert 400 <= width <= 1280
    assert (height % 2, width % 2) == (0, 0)


def test_environments_are_closed_after_the_last_frame() -> None:
    made: list[Walk] = []

    def make() -> Walk:
        made.append(Walk())
        made[-1].closed = False
        return made[-1]

    frames = render_rollout(make, [record(5), record(6)], [5, 6], 2)
    next(frames)
    assert [env.closed for env in made] == [False, False]
    list(frames)
    assert [env.closed for env in made] == [True, True]


def test_the_bar_shows_the_sign_and_size_of_the_action() -> None:
    widths = {}
    for action, colour, other in [(1.5, BLUE, RED), (-0.5, RED, BLUE)]:
        frame = next(render_episode(Walk(), record(action=action), 5, 2))
        assert not has_colour(frame, other)
        columns = np.flatnonzero((frame == colour).all(axis=-1).any(axis=0))
        widths[action] = columns.max() - columns.min()
    assert widths[1.5] == pytest.approx(3 * widths[-0.5], abs=4)


@pytest.mark.parametrize("n_actions", [4, 17])
def test_many_actions(n_actions: int) -> None:
    frame = next(render_episode(Walk(n_actions=n_actions), record(n_actions=n_actions), 5, 2))
    assert has_colour(frame, BLUE)


def test_the_end_is_marked_with_its_kind() -> None:
    goal = record()
    for changes, colour in [({}, GREEN), ({"terminated": False, "truncated": True}, GREY)]:
        episode = EpisodeHistory(**{**vars(goal), **changes})
        *before, last = render_episode(Walk(), episode, 5, 2)
        assert (last[0] == colour).all()
        assert not any((frame[0] == colour).any() for frame in before)


def test_q_is_of_the_states_and_the_actions_taken_there() -> None:
    episode = record()
    received = []

    def action_value(observations: NDArray[Any], actions: NDArray[Any]) -> NDArray[Any]:
        received.append((observations, actions))
        return np.arange(len(actions), dtype=float)

    with_q = list(render_episode(Walk(), episode, 5, 2, action_value=action_value))
    without = list(render_episode(Walk(), episode, 5, 2))
    ((observations, actions),) = received
    np.testing.assert_array_equal(observations, episode.observations[:-1])
    np.testing.assert_array_equal(actions, episode.actions)
    differs = [bool((one != other).any()) for one, other in zip(with_q, without, strict=True)]
    assert differs == [True] * 7 + [False]


def test_a_return_of_almost_zero_has_no_sign() -> None:
    assert [_decimals(value, 1) for value in (-0.04, 0.0, -0.06, 97.26)] == ["0.0", "0.0", "−0.1", "97.3"]


@pytest.mark.parametrize("position", [-1.1, -0.5, 0.1, 0.5])
def test_the_arrow_starts_above_the_car(position: float) -> None:
    with gym.make("MountainCarContinuous-v0", render_mode="rgb_array") as env:
        env.reset(seed=0)
        env.unwrapped.state = np.array([position, 0.0])  # type: ignore[attr-defined]
        dark = np.asarray(env.render()).sum(axis=-1) < 100
    # The track is a thin line; the car has squares of 8 dark pixels.
    rows, columns = np.nonzero(np.lib.stride_tricks.sliding_window_view(dark, (8, 8)).all(axis=(2, 3)))
    x, y = _mountain_car(np.array([position, 0.0]))
    assert 600 * x == pytest.approx(columns.mean() + 4, abs=12)
    assert rows.min() - 20 < 400 * y < rows.min()


def test_the_arrow_points_where_the_car_is_pushed() -> None:
    make = partial(gym.make, "MountainCarContinuous-v0", render_mode="rgb_array")
    tips = {}
    for action in (-1.0, 1.0):
        with make() as env:
            start, _ = env.reset(seed=1)
            end, reward, *_ = env.step(np.array([action], np.float32))
        actions, rewards = np.full((1, 1), action, np.float32), np.array([reward])
        episode = EpisodeHistory(0, 0.0, 0, np.stack([start, end]), actions, rewards, 1, False, True)
        with make() as env:
            frame = next(render_episode(env, episode, 1))
        # Above the bar.
        picture = frame[:400].astype(int)
        coloured = np.abs(picture - (BLUE if action > 0 else RED)).max(axis=-1) < 5
        tips[action] = np.flatnonzero(coloured.any(axis=0)).mean() - 600 * _mountain_car(start)[0]
    assert tips[1.0] > 30
    assert tips[-1.0] < -30


@pytest.mark.parametrize(
    ("env", "seed", "action_repeat", "message"),
    [
        (Walk(), 6, 2, "expected the start"),
        (Walk(), 5, 1, "expected the reward .* at agent step 1, received"),
        (Walk(n_steps=3), 5, 2, r"expected the reward .* at agent step 2, received"),
        (Walk(n_steps=4), 5, 2, "expected 4 agent steps, received an end after 2"),
    ],
)
def test_recordings_of_something_else_are_refused(env: Walk, seed: int, action_repeat: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(render_rollout(lambda: env, [record()], [seed], action_repeat))


def test_refused_arguments() -> None:
    episode = record()
    with pytest.raises(ValueError, match="episodes: expected at least one, received none"):
        render_rollout(Walk, [], [])
    with pytest.raises(ValueError, match="expected one for each of 1 episodes, received 2"):
        render_rollout(Walk, [episode], [5, 6])
    with pytest.raises(ValueError, match="steps_per_frame: expected at least 1, received 0"):
        render_rollout(Walk, [episode], [5], steps_per_frame=0)
    with pytest.raises(ValueError, match="n_columns: expected at least 1, received 0"):
        render_rollout(Walk, [episode], [5], n_columns=0)
    with pytest.raises(ValueError, match="expected render_mode 'rgb_array', received None"):
        next(render_rollout(partial(gym.make, "MountainCarContinuous-v0"), [episode], [5]))
    discrete = Walk()
    discrete.action_space = gym.spaces.Discrete(2)  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"expected an action space of type Box, received Discrete"):
        next(render_rollout(lambda: discrete, [episode], [5]))


def test_a_rollout_is_written(tmp_path: Path) -> None:
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in paths:
        write_rollout(Walk, [record()], path, [5], action_repeat=2, fps=20)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with av.open(paths[0]) as container:
        assert container.streams.video[0].frames == 1 + 7 + 10
