"""Recorded episodes replayed in the environment's own picture, with actions and return below it."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ddpg.history import EpisodeHistory, FloatArray
from ddpg.visualizations.panels import shorten, show_number
from ddpg.visualizations.video import Frame, write_video

# The repeated last frame of an episode, half a second at 30 a second, shows where it ended.
_FRAMES_AT_END = 15
_LEAST_WIDTH = 400
_MOST_BARS_IN_COLUMN = 4
_TOLERANCE = 1e-3
_BACKGROUND = (250, 250, 250)
_TEXT = (34, 34, 34)
_TRACK = (222, 222, 222)
_POSITIVE = (33, 102, 172)
_NEGATIVE = (178, 24, 43)


def write_rollout(
    env: gym.Env[Any, Any],
    episodes: Sequence[EpisodeHistory],
    path: Path,
    seeds: Sequence[int],
    action_repeat: int = 1,
    *,
    action_names: Sequence[str] | None = None,
    fps: float = 30,
    steps_per_frame: int = 1,
) -> None:
    """Writes `render_rollout` as mp4 or gif, as the path's suffix says.

    Raises:
        ValueError: As `render_rollout`; or another suffix.
    """
    frames = render_rollout(
        env, episodes, seeds, action_repeat, action_names=action_names, steps_per_frame=steps_per_frame
    )
    write_video(frames, path, fps)


def render_rollout(
    env: gym.Env[Any, Any],
    episodes: Sequence[EpisodeHistory],
    seeds: Sequence[int],
    action_repeat: int = 1,
    action_names: Sequence[str] | None = None,
    *,
    steps_per_frame: int = 1,
) -> Iterator[Frame]:
    """Replays episodes: each starts from its seed and takes the recorded actions.

    Args:
        env: Made with `render_mode="rgb_array"`; the caller closes it.
        episodes: Recorded in this environment.
        seeds: For each episode, that of the `env.reset` which began it.
        action_repeat: Environment steps for which an action was held.
        action_names: Labels of the action's dimensions; `None`: action 0, action 1, …
        steps_per_frame: Environment steps between frames; the first and the last state are always shown.

    Yields:
        Frames of one shape: the environment's picture (enlarged if narrower than 400 pixels), and below it the
        episode's number, the agent step, the return so far and the action.

    Raises:
        ValueError: The environment renders no arrays or has no continuous actions, there is not one seed for each
            episode, or a replay departs from its recording: that is of another environment, seed or action repeat.
    """
    if env.render_mode != "rgb_array":
        raise ValueError(f"env: expected render_mode 'rgb_array', received {env.render_mode!r}")
    if not isinstance(env.action_space, gym.spaces.Box):
        raise ValueError(f"env: expected an action space of type Box, received {env.action_space}")
    if len(seeds) != len(episodes):
        raise ValueError(f"seeds: expected one for each of {len(episodes)} episodes, received {len(seeds)}")
    for name, value in {"action_repeat": action_repeat, "steps_per_frame": steps_per_frame}.items():
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, received {value}")
    overlay = _Overlay(env.action_space, action_names)
    return (
        frame
        for number, (episode, seed) in enumerate(zip(episodes, seeds, strict=True), 1)
        for frame in _replay(
            overlay, env, number, episode, seed, action_repeat=action_repeat, steps_per_frame=steps_per_frame
        )
    )


def _replay(
    overlay: "_Overlay",
    env: gym.Env[Any, Any],
    number: int,
    episode: EpisodeHistory,
    seed: int,
    *,
    action_repeat: int,
    steps_per_frame: int,
) -> Iterator[Frame]:
    space = env.action_space
    start, recorded_start = np.ravel(env.reset(seed=seed)[0]), episode.observations[0]
    if start.shape != recorded_start.shape or not np.allclose(start, recorded_start, _TOLERANCE, _TOLERANCE):
        raise _divergence(number, episode, seed, f"the start {recorded_start}", f"{start}")
    score, n_environment_steps, ended = 0.0, 0, False
    yield overlay.add(env, number, 0, score, episode.actions[0])
    for i, (action, recorded) in enumerate(zip(episode.actions, episode.rewards, strict=True)):
        if ended:
            raise _divergence(number, episode, seed, f"{episode.n_steps} agent steps", f"an end after {i}")
        reward = 0.0
        for _ in range(action_repeat):
            _, step_reward, terminated, truncated, _ = env.step(action.astype(space.dtype).reshape(space.shape))
            reward += float(step_reward)
            n_environment_steps += 1
            ended = terminated or truncated
            if ended:
                break
            if n_environment_steps % steps_per_frame == 0:
                yield overlay.add(env, number, i + 1, score + reward, action)
        score += reward
        if not math.isclose(reward, recorded, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            expected = f"the reward {recorded:.6g} at agent step {i + 1}"
            raise _divergence(number, episode, seed, expected, f"{reward:.6g}")
    last = overlay.add(env, number, episode.n_steps, score, episode.actions[-1])
    for _ in range(_FRAMES_AT_END):
        yield last


def _divergence(number: int, episode: EpisodeHistory, seed: int, expected: str, received: str) -> ValueError:
    return ValueError(
        f"episode {number} (return {episode.score:.6g}), replayed from seed {seed}: expected {expected}, "
        f"received {received}; it was recorded in another environment, from another seed or with another action repeat"
    )


class _Overlay:
    """Adds a strip with numbers and the action to the environment's picture."""

    def __init__(self, space: gym.spaces.Box, action_names: Sequence[str] | None) -> None:
        self._low: FloatArray = space.low.ravel().astype(float)
        self._high: FloatArray = space.high.ravel().astype(float)
        size = self._low.size
        names = [f"action {i}" for i in range(size)] if action_names is None else action_names
        if len(names) != size:
            raise ValueError(f"action_names: expected {size} names, received {len(names)}")
        self._names = names
        self._n_columns = min(math.ceil(size / _MOST_BARS_IN_COLUMN), 3)
        self._n_rows = math.ceil(size / self._n_columns)

    def add(self, env: gym.Env[Any, Any], number: int, step: int, score: float, action: FloatArray) -> Frame:
        """The environment's picture, and below it the episode, the agent step, the return and the action."""
        picture = np.asarray(env.render())
        enlargement = math.ceil(_LEAST_WIDTH / picture.shape[1])
        picture = picture.repeat(enlargement, axis=0).repeat(enlargement, axis=1)
        height, width = picture.shape[:2]
        line = round(min(width / 24, 30))
        image = Image.new("RGB", (width, height + line * (self._n_rows + 2)), _BACKGROUND)
        image.paste(Image.fromarray(picture))
        draw = ImageDraw.Draw(image)
        font = _font(round(0.62 * line))
        texts = {"lm": f"Episode {number}", "mm": f"Step {step}", "rm": f"Return {score:.1f}".replace("-", "−")}
        for x, (anchor, text) in zip((line / 2, width / 2, width - line / 2), texts.items(), strict=True):
            draw.text((x, height + 0.9 * line), text, _TEXT, font, anchor)
        column_width = width / self._n_columns
        for i, value in enumerate(action):
            column, row = divmod(i, self._n_rows)
            left, middle = column * column_width + line / 2, height + (row + 2) * line
            self._draw_bar(draw, font, i, float(value), (left, middle, column_width - line, line))
        return np.asarray(image)

    def _draw_bar(
        self,
        draw: ImageDraw.ImageDraw,
        font: ImageFont.FreeTypeFont,
        i: int,
        value: float,
        box: tuple[float, float, float, float],
    ) -> None:
        """A name, a bar from zero to the value between the action's bounds, and the value."""
        left, middle, width, height = box
        low, high = self._low[i], self._high[i]
        start, length, half = left + 0.3 * width, 0.52 * width, 0.25 * height

        def position(number: float) -> float:
            return start + length * float(np.clip((number - low) / (high - low), 0, 1))

        zero, end = position(0.0), position(value)
        n_letters = int((start - left) / font.getlength("n"))
        draw.text((left, middle), shorten(self._names[i], n_letters), _TEXT, font, "lm")
        draw.rectangle((start, middle - half, start + length, middle + half), _TRACK)
        colour = _POSITIVE if value > 0 else _NEGATIVE
        draw.rectangle((min(zero, end), middle - half, max(zero, end), middle + half), colour)
        draw.line((zero, middle - 1.5 * half, zero, middle + 1.5 * half), _TEXT)
        draw.text((left + width, middle), show_number(round(value, 2)), _TEXT, font, "rm")


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
