"""Recorded episodes replayed side by side in the environment's own pictures, with actions, returns and Q."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import zip_longest
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ddpg.environments.dimensions import names_of, split_unit
from ddpg.environments.interface import as_action, flat_observation, hold_action
from ddpg.environments.running_statistics import frozen
from ddpg.history import EpisodeHistory
from ddpg.visualizations.rollout_picture import BACKGROUND, EpisodePicture, PathScene, cell_width, decimals
from ddpg.visualizations.video import Frame

BatchActionValue = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.floating[Any]]]
"""Observations (n, observation size) and actions (n, action size), in the environment's units, to Q of shape (n,)."""

_MAX_COLUMNS = 3
_TOLERANCE = 1e-3


def render_rollout(
    make_env: Callable[[], gym.Env[Any, Any]],
    episodes: Sequence[EpisodeHistory],
    seeds: Sequence[int],
    action_repeat: int = 1,
    *,
    action_value: BatchActionValue | None = None,
    frames_at_end: int = 0,
    plane: Sequence[int] | None = None,
    steps_per_frame: int = 1,
) -> Iterator[Frame]:
    """Replay episodes side by side and in step: each starts from its seed and takes the recorded actions.

    Args:
        make_env: Makes an environment with `render_mode="rgb_array"`. It is called for each episode, since all run at
            once; the environments are closed after the last frame. Running statistics of wrappers have to be those of
            the recording; they stay as they are.
        episodes: Recorded in this environment, at least one.
        seeds: For each episode, the seed of its `env.reset`.
        action_repeat: Environment steps for which an action was held.
        action_value: Gives the Q that is shown; `None`: no Q.
        frames_at_end: How often the last frame is repeated.
        plane: Draw the path in these two dimensions of the state (of one if it has no more) instead of the
            environment's picture; for an environment that draws none.
        steps_per_frame: Environment steps from frame to frame.

    Yields:
        The frames, all of one shape, of even sizes and at most 1280 × 720 pixels. An episode that
        has ended keeps its last frame, which says how it ended.

    Raises:
        ValueError: There is no episode, or not one seed for each; or, during the replay, an environment renders no
            arrays, has no continuous actions, or does not reproduce its recording.
    """
    if not episodes:
        raise ValueError("episodes: expected at least one, received none")
    if len(seeds) != len(episodes):
        raise ValueError(f"seeds: expected one for each of {len(episodes)} episodes, received {len(seeds)}")

    def frames() -> Iterator[Frame]:
        n_columns = min(_MAX_COLUMNS, len(episodes))
        with ExitStack() as stack:
            envs = [stack.enter_context(make_env()) for _ in episodes]
            for env in envs:
                _require_pictures_and_actions(env, plane)
            stack.enter_context(frozen(envs))
            scenes = [None if plane is None else _path_scene(env, episodes, plane) for env in envs]
            size = _picture_size(envs[0]) if plane is None else PathScene.size
            n_actions = episodes[0].actions.shape[1]
            width = cell_width(size, n_actions, n_columns, math.ceil(len(episodes) / n_columns))
            pictures = [
                EpisodePicture(env, _title(env, number, episode), width, scene)
                for number, (env, episode, scene) in enumerate(zip(envs, episodes, scenes, strict=True), 1)
            ]
            cells = [
                _replay(picture, episode, seed, action_repeat, action_value, steps_per_frame)
                for picture, episode, seed in zip(pictures, episodes, seeds, strict=True)
            ]
            for frame in _side_by_side(cells, n_columns):
                yield frame
            for _ in range(frames_at_end):
                yield frame

    return frames()


def film_agent_steps(env: gym.Env[Any, Any], episode: EpisodeHistory, seed: int, action_repeat: int = 1) -> list[Frame]:
    """Return the environment's pictures at the start of a recorded episode and after each of its agent steps.

    Args:
        env: As `make_env` of `render_rollout` makes it.
        episode: Recorded in this environment.
        seed: Of its `env.reset`.
        action_repeat: Environment steps for which an action was held.

    Raises:
        ValueError: The environment renders no arrays, or does not reproduce the recording.
    """
    _require_pictures_and_actions(env, None)
    with frozen([env]):
        observation, frames = flat_observation(env.reset(seed=seed)[0]), []
        for i, recorded in enumerate(episode.observations):
            if i:
                observation = hold_action(env, episode.actions[i - 1], action_repeat).observation
            if not np.allclose(observation, recorded, _TOLERANCE, _TOLERANCE):
                raise _divergence(episode, seed, f"the state {recorded} after {i} agent steps", f"{observation}")
            frames.append(np.array(env.render(), np.uint8))
    return frames


def _side_by_side(cells: Sequence[Iterable[Frame]], n_columns: int) -> Iterator[Frame]:
    """Tile videos of one shape row by row; each keeps its last frame until the longest has ended."""
    n_rows = math.ceil(len(cells) / n_columns)
    canvas: Frame | None = None
    for new in zip_longest(*cells):
        if canvas is None:
            height, width = new[0].shape[:2]
            canvas = np.full((n_rows * height, n_columns * width, 3), BACKGROUND, np.uint8)
        for i, frame in enumerate(new):
            if frame is not None:
                row, column = divmod(i, n_columns)
                canvas[row * height : (row + 1) * height, column * width : (column + 1) * width] = frame
        yield canvas.copy()


def _replay(
    picture: EpisodePicture,
    episode: EpisodeHistory,
    seed: int,
    action_repeat: int,
    action_value: BatchActionValue | None,
    steps_per_frame: int,
) -> Iterator[Frame]:
    """Yield a frame before every `steps_per_frame`-th environment step, and a last one.

    Raises:
        ValueError: The replay departs from its recording.
    """
    env = picture.env
    observation, recorded_start = flat_observation(env.reset(seed=seed)[0]), episode.observations[0]
    if observation.shape != recorded_start.shape or not np.allclose(
        observation, recorded_start, _TOLERANCE, _TOLERANCE
    ):
        raise _divergence(episode, seed, f"the start {recorded_start}", f"{observation}")
    q_values = None if action_value is None else action_value(episode.observations[:-1], episode.actions)
    picture.visit(observation)
    score, ended, n_steps = 0.0, False, 0
    for i, (action, recorded) in enumerate(zip(episode.actions, episode.rewards, strict=True)):
        if ended:
            raise _divergence(episode, seed, f"{episode.n_steps} agent steps", f"an end after {i}")
        q = None if q_values is None else float(q_values[i])
        reward = 0.0
        for _ in range(action_repeat):
            if n_steps % steps_per_frame == 0:
                yield picture.draw(observation, i + 1, score + reward, action, q)
            raw, step_reward, terminated, truncated, _ = env.step(as_action(env.action_space, action))
            observation = flat_observation(raw)
            picture.visit(observation)
            n_steps += 1
            reward += float(step_reward)
            ended = terminated or truncated
            if ended:
                break
        score += reward
        if not math.isclose(reward, recorded, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            expected = f"the reward {recorded:.6g} at agent step {i + 1}"
            raise _divergence(episode, seed, expected, f"{reward:.6g}")
    end = "goal reached" if episode.reached_goal else "terminated" if episode.terminated else "time limit"
    yield picture.draw(observation, episode.n_steps, score, end=end)


def _picture_size(env: gym.Env[Any, Any]) -> tuple[int, int]:
    env.reset(seed=0)
    height, width = np.asarray(env.render()).shape[:2]
    return width, height


def _path_scene(env: gym.Env[Any, Any], episodes: Sequence[EpisodeHistory], plane: Sequence[int]) -> PathScene:
    """Return a scene whose limits are the range of all episodes."""
    names = names_of(env).observations
    dimensions = [dimension for dimension in plane if dimension < len(names)]
    visited = np.concatenate([episode.observations[:, dimensions] for episode in episodes]).astype(float)
    low, high = visited.min(axis=0), visited.max(axis=0)
    limits = np.stack([low, np.where(high > low, high, low + 1 + abs(low))], axis=1)
    labels = [names[dimension] for dimension in dimensions]
    if len(dimensions) == 1:
        limits = np.vstack([limits, [0, max(episode.environment_steps for episode in episodes)]])
        labels.append("environment step")
    return PathScene(labels, limits, dimensions)


def _require_pictures_and_actions(env: gym.Env[Any, Any], plane: Sequence[int] | None) -> None:
    if plane is None and env.render_mode != "rgb_array":
        raise ValueError(f"env: expected render_mode 'rgb_array', received {env.render_mode!r}")
    if not isinstance(env.action_space, gym.spaces.Box):
        raise ValueError(f"env: expected an action space of type Box, received {env.action_space}")


def _divergence(episode: EpisodeHistory, seed: int, expected: str, received: str) -> ValueError:
    return ValueError(
        f"episode of return {episode.score:.6g}, replayed from seed {seed}: expected {expected}, received {received}; "
        "it was recorded in another environment, from another seed or with another action repeat"
    )


def _title(env: gym.Env[Any, Any], number: int, episode: EpisodeHistory) -> str:
    named = zip(map(split_unit, names_of(env).observations), episode.observations[0], strict=True)
    values = [f"{name} {decimals(value, 2)} {unit}".rstrip() for (name, unit), value in named]
    return f"Start {number}: {', '.join(values)}"
