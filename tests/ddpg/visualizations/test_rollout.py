from pathlib import Path
from typing import Any

import av
import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from ddpg.history import EpisodeHistory
from ddpg.visualizations import render_rollout, write_rollout

RED, BLUE = (178, 24, 43), (33, 102, 172)
FRAMES_AT_END = 15


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

    def render(self) -> NDArray[np.uint8]:
        return np.full((90, 480, 3), 10 * self.step_number, np.uint8)


def record(seed: int = 5, action: float = 1.5, action_repeat: int = 2, n_actions: int = 1) -> EpisodeHistory:
    """Four agent steps of Walk, the last of one environment step only."""
    env = Walk(n_actions=n_actions)
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


@pytest.mark.parametrize(("steps_per_frame", "shown"), [(1, [0, 1, 2, 3, 4, 5, 6]), (2, [0, 2, 4, 6]), (100, [0])])
def test_frames_of_every_nth_environment_step(steps_per_frame: int, shown: list[int]) -> None:
    frames = list(render_rollout(Walk(), [record()], [5], 2, steps_per_frame=steps_per_frame))
    assert [int(frame[0, 0, 0]) // 10 for frame in frames] == [*shown, *[7] * FRAMES_AT_END]


def test_episodes_follow_each_other() -> None:
    frames = list(render_rollout(Walk(), [record(5), record(6)], [5, 6], 2))
    assert len(frames) == 2 * (7 + FRAMES_AT_END)


def test_the_bar_shows_the_sign_and_size_of_the_action() -> None:
    widths = {}
    for action, colour, other in [(1.5, BLUE, RED), (-0.5, RED, BLUE)]:
        frame = next(iter(render_rollout(Walk(), [record(action=action)], [5], 2)))
        assert not has_colour(frame, other)
        columns = np.flatnonzero((frame == colour).all(axis=-1).any(axis=0))
        widths[action] = columns.max() - columns.min()
    assert widths[1.5] == pytest.approx(3 * widths[-0.5], abs=4)


def test_the_picture_of_the_environment_is_above_the_numbers() -> None:
    frame = list(render_rollout(Walk(), [record()], [5], 2))[3]
    assert frame.shape[1] == 480
    assert frame.shape[0] > 90
    assert (frame[:90] == 30).all()
    assert (frame[90:] < 100).any()


def test_small_pictures_are_enlarged() -> None:
    class Tiny(Walk):
        def render(self) -> NDArray[np.uint8]:
            return np.zeros((4, 100, 3), np.uint8)

    frame = next(iter(render_rollout(Tiny(), [record()], [5], 2)))
    assert frame.shape[1] == 400
    assert (frame[:16] == 0).all()


@pytest.mark.parametrize("n_actions", [4, 17])
def test_many_actions(n_actions: int) -> None:
    env, episode = Walk(n_actions=n_actions), record(n_actions=n_actions)
    frame = next(iter(render_rollout(env, [episode], [5], 2)))
    bars = (frame == BLUE).all(axis=-1)
    assert bars.any()


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
        list(render_rollout(env, [record()], [seed], action_repeat))


def test_refused_arguments() -> None:
    episode = record()
    with pytest.raises(ValueError, match="expected render_mode 'rgb_array', received None"):
        render_rollout(Walk(render_mode=None), [episode], [5])
    with pytest.raises(ValueError, match="expected one for each of 1 episodes, received 2"):
        render_rollout(Walk(), [episode], [5, 6])
    with pytest.raises(ValueError, match="action_names: expected 1 names, received 2"):
        render_rollout(Walk(), [episode], [5], action_names=("left", "right"))
    with pytest.raises(ValueError, match="steps_per_frame: expected at least 1, received 0"):
        render_rollout(Walk(), [episode], [5], steps_per_frame=0)
    discrete = Walk()
    discrete.action_space = gym.spaces.Discrete(2)  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"expected an action space of type Box, received Discrete"):
        render_rollout(discrete, [episode], [5])


def test_a_rollout_is_written(tmp_path: Path) -> None:
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in paths:
        write_rollout(Walk(), [record()], path, [5], action_repeat=2, action_names=["force"], fps=20)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with av.open(paths[0]) as container:
        assert container.streams.video[0].frames == 7 + FRAMES_AT_END
