"""Recorded episodes replayed side by side in the environment's own pictures, with actions, returns and Q."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ddpg.environments.interface import as_action, dimension_names, flat_observation
from ddpg.history import EpisodeHistory, FloatArray
from ddpg.visualizations.panels import shorten, show_number
from ddpg.visualizations.video import Frame, write_video

BatchActionValue = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.floating[Any]]]
"""Observations (n, observation size) and actions (n, action size), in the environment's units, to Q of shape (n,)."""

_LARGEST_WIDTH, _LARGEST_HEIGHT = 1280, 720
_LEAST_CELL_WIDTH = 400
# In widths of the cell.
_LINE_HEIGHT = 1 / 18
# In pixels.
_BORDER = 3
_MOST_BARS_IN_COLUMN = 4
_TOLERANCE = 1e-3
_BACKGROUND = (250, 250, 250)
_TEXT = (34, 34, 34)
_TRACK = (222, 222, 222)
_POSITIVE = (33, 102, 172)
_NEGATIVE = (178, 24, 43)
_GOAL = (0, 128, 80)
_OTHER_END = (96, 96, 96)


def _mountain_car(observation: FloatArray) -> tuple[float, float]:
    """Just above the car, as Gymnasium draws it: 600 × 400 pixels for positions from -1.2 to 0.6."""
    position, pixels = float(observation[0]), 600 / 1.8
    track = pixels * (0.45 * math.sin(3 * position) + 0.55)
    return pixels * (position + 1.2) / 600, 1 - (track + 46) / 400


_ANCHORS: Mapping[str, Callable[[FloatArray], tuple[float, float]]] = {"MountainCarContinuous": _mountain_car}
"""Where the picture shows what the first action pushes to the right or left: the middle of the arrow's tail.

By the beginning of the environment's name; in widths and heights of the picture, from its upper left.
"""


def write_rollout(
    make_env: Callable[[], gym.Env[Any, Any]],
    episodes: Sequence[EpisodeHistory],
    path: Path,
    seeds: Sequence[int],
    action_repeat: int = 1,
    *,
    action_value: BatchActionValue | None = None,
    n_columns: int = 3,
    fps: float = 30,
    steps_per_frame: int = 1,
) -> None:
    """Writes `render_rollout` as mp4 or gif, as the path's suffix says; the end stays for half a second.

    Raises:
        ValueError: As `render_rollout`; or another suffix.
    """
    frames = render_rollout(
        make_env,
        episodes,
        seeds,
        action_repeat,
        action_value=action_value,
        n_columns=n_columns,
        steps_per_frame=steps_per_frame,
        frames_at_end=round(fps / 2),
    )
    write_video(frames, path, fps)


def render_rollout(
    make_env: Callable[[], gym.Env[Any, Any]],
    episodes: Sequence[EpisodeHistory],
    seeds: Sequence[int],
    action_repeat: int = 1,
    *,
    action_value: BatchActionValue | None = None,
    n_columns: int = 3,
    steps_per_frame: int = 1,
    frames_at_end: int = 15,
) -> Iterator[Frame]:
    """Replays episodes side by side and in step: each starts from its seed and takes the recorded actions.

    Args:
        make_env: Makes an environment with `render_mode="rgb_array"`. It is called for each episode, since all run at
            once; the environments are closed after the last frame.
        episodes: Recorded in this environment, at least one.
        seeds: For each episode, that of the `env.reset` which began it.
        action_repeat: Environment steps for which an action was held.
        action_value: Gives the Q that is shown; `None`: none is.
        n_columns: Episodes in a row, at most.
        steps_per_frame: Environment steps between frames; the first and the last state are always shown.
        frames_at_end: How often the last frame is repeated.

    Yields:
        Frames of one shape, of even sizes and at most 1280 × 720 pixels; see `render_episode` and `side_by_side`.

    Raises:
        ValueError: There is not one seed for each episode, or no episode, or a number is less than 1; or, on the way
            to the first frame, as `render_episode`.
    """
    if not episodes:
        raise ValueError("episodes: expected at least one, received none")
    if len(seeds) != len(episodes):
        raise ValueError(f"seeds: expected one for each of {len(episodes)} episodes, received {len(seeds)}")
    for name, value in {
        "action_repeat": action_repeat,
        "n_columns": n_columns,
        "steps_per_frame": steps_per_frame,
    }.items():
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, received {value}")

    def frames() -> Iterator[Frame]:
        columns = min(n_columns, len(episodes))
        with ExitStack() as stack:
            envs = [stack.enter_context(make_env()) for _ in episodes]
            width = _cell_width(envs[0], columns, math.ceil(len(episodes) / columns))
            cells = [
                render_episode(
                    env,
                    episode,
                    seed,
                    action_repeat,
                    title=_start(env, number, episode),
                    width=width,
                    action_value=action_value,
                    steps_per_frame=steps_per_frame,
                )
                for number, (env, episode, seed) in enumerate(zip(envs, episodes, seeds, strict=True), 1)
            ]
            yield from side_by_side(cells, columns, frames_at_end)

    return frames()


def side_by_side(cells: Sequence[Iterable[Frame]], n_columns: int, frames_at_end: int = 0) -> Iterator[Frame]:
    """Videos as cells of one, row by row: each keeps its last frame until the longest has ended.

    Args:
        cells: Videos of one shape, at least one.
        n_columns: Cells in a row.
        frames_at_end: How often the last frame is repeated.
    """
    iterators = [iter(cell) for cell in cells]
    firsts = [next(iterator) for iterator in iterators]
    height, width = firsts[0].shape[:2]
    n_rows = math.ceil(len(cells) / n_columns)
    canvas = np.full((n_rows * height, n_columns * width, 3), _BACKGROUND, np.uint8)
    running = dict(enumerate(chain([first], rest) for first, rest in zip(firsts, iterators, strict=True)))
    while True:
        for i, cell in list(running.items()):
            frame = next(cell, None)
            if frame is None:
                del running[i]
                continue
            row, column = divmod(i, n_columns)
            canvas[row * height : (row + 1) * height, column * width : (column + 1) * width] = frame
        if not running:
            break
        yield canvas.copy()
    for _ in range(frames_at_end):
        yield canvas.copy()


def render_episode(
    env: gym.Env[Any, Any],
    episode: EpisodeHistory,
    seed: int,
    action_repeat: int = 1,
    *,
    title: str = "",
    width: int = 600,
    action_value: BatchActionValue | None = None,
    steps_per_frame: int = 1,
) -> Iterator[Frame]:
    """Replays one episode.

    Args:
        env: Made with `render_mode="rgb_array"`; the caller closes it.
        episode: Recorded in this environment.
        seed: That of the `env.reset` which began it.
        action_repeat: Environment steps for which an action was held.
        title: Above the picture.
        width: Of the frames, in pixels.
        action_value: Gives the Q that is shown; `None`: none is.
        steps_per_frame: Environment steps between frames; the first and the last state are always shown.

    Yields:
        A state each, in the environment's picture, with the action taken there as a bar and, where the table of this
        module knows the place, as an arrow; the number of the agent step, the return so far, and the agent step's Q.
        The last says how the episode ended. All are of one shape, of even sizes.

    Raises:
        ValueError: The environment renders no arrays or has no continuous actions; or the replay departs from its
            recording, which is of another environment, seed or action repeat.
    """
    _require_pictures_and_actions(env)
    space = env.action_space
    observation, recorded_start = flat_observation(env.reset(seed=seed)[0]), episode.observations[0]
    if observation.shape != recorded_start.shape or not np.allclose(
        observation, recorded_start, _TOLERANCE, _TOLERANCE
    ):
        raise _divergence(episode, seed, f"the start {recorded_start}", f"{observation}")
    q_values = None if action_value is None else action_value(episode.observations[:-1], episode.actions)
    cell = _Cell(env, title, width)
    score, n_environment_steps, ended = 0.0, 0, False
    for i, (action, recorded) in enumerate(zip(episode.actions, episode.rewards, strict=True)):
        if ended:
            raise _divergence(episode, seed, f"{episode.n_steps} agent steps", f"an end after {i}")
        q = None if q_values is None else float(q_values[i])
        reward = 0.0
        for _ in range(action_repeat):
            if n_environment_steps % steps_per_frame == 0:
                yield cell.draw(_State(observation, i + 1, score + reward, action, q))
            raw, step_reward, terminated, truncated, _ = env.step(as_action(space, action))
            observation = flat_observation(raw)
            reward += float(step_reward)
            n_environment_steps += 1
            ended = terminated or truncated
            if ended:
                break
        score += reward
        if not math.isclose(reward, recorded, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            expected = f"the reward {recorded:.6g} at agent step {i + 1}"
            raise _divergence(episode, seed, expected, f"{reward:.6g}")
    yield cell.draw(_State(observation, episode.n_steps, score, end=_end(episode)))


def _require_pictures_and_actions(env: gym.Env[Any, Any]) -> None:
    if env.render_mode != "rgb_array":
        raise ValueError(f"env: expected render_mode 'rgb_array', received {env.render_mode!r}")
    if not isinstance(env.action_space, gym.spaces.Box):
        raise ValueError(f"env: expected an action space of type Box, received {env.action_space}")


def _divergence(episode: EpisodeHistory, seed: int, expected: str, received: str) -> ValueError:
    return ValueError(
        f"episode of return {episode.score:.6g}, replayed from seed {seed}: expected {expected}, received {received}; "
        "it was recorded in another environment, from another seed or with another action repeat"
    )


def _start(env: gym.Env[Any, Any], number: int, episode: EpisodeHistory) -> str:
    names, _ = dimension_names(env)
    values = [f"{name} {_decimals(value, 2)}" for name, value in zip(names, episode.observations[0], strict=True)]
    return f"Start {number}: {', '.join(values)}"


def _end(episode: EpisodeHistory) -> str:
    if episode.reached_goal:
        return "goal reached"
    return "terminated" if episode.terminated else "time limit"


def _decimals(value: float, n_digits: int) -> str:
    """The number with so many decimals and a typographic minus, but never −0."""
    return f"{round(float(value), n_digits) + 0.0:.{n_digits}f}".replace("-", "−")


def _cell_width(env: gym.Env[Any, Any], n_columns: int, n_rows: int) -> int:
    """As large as fits, but not much larger than the environment's picture."""
    _require_pictures_and_actions(env)
    env.reset(seed=0)
    height, width = np.asarray(env.render()).shape[:2]
    lines = 2 + _bars(len(dimension_names(env)[1]))[1]
    from_height = (_LARGEST_HEIGHT // n_rows - 2 * _BORDER) / (height / width + lines * _LINE_HEIGHT)
    return int(min(_LARGEST_WIDTH / n_columns, from_height, max(width, _LEAST_CELL_WIDTH)))


def _bars(n_actions: int) -> tuple[int, int]:
    """The columns and the rows of a bar for each action."""
    n_columns = min(math.ceil(n_actions / _MOST_BARS_IN_COLUMN), 3)
    return n_columns, math.ceil(n_actions / n_columns)


class _State(NamedTuple):
    """What a frame shows beside the environment's picture."""

    observation: FloatArray
    step: int
    score: float
    action: FloatArray | None = None
    """`None` at the end."""
    q: float | None = None
    end: str = ""


class _Cell:
    """The picture of one environment between its title and its numbers."""

    def __init__(self, env: gym.Env[Any, Any], title: str, width: int) -> None:
        self._env = env
        self._low: FloatArray = env.action_space.low.ravel().astype(float)  # type: ignore[attr-defined]
        self._high: FloatArray = env.action_space.high.ravel().astype(float)  # type: ignore[attr-defined]
        _, self._names = dimension_names(env)
        self._n_columns, self._n_rows = _bars(len(self._names))
        name = getattr(env.spec, "id", "")
        self._anchor = next((anchor for prefix, anchor in _ANCHORS.items() if name.startswith(prefix)), None)
        self._width = width // 2 * 2
        self._line = round(self._width * _LINE_HEIGHT)
        self._font = _font(round(0.62 * self._line))
        self._title = self._fit(title, self._width - self._line)

    def _fit(self, text: str, width: float) -> str:
        fitting = (shorten(text, n) for n in range(len(text), 1, -1))
        return next((short for short in fitting if self._font.getlength(short) <= width), text[:1])

    def draw(self, state: _State) -> Frame:
        """The frame of a state."""
        picture = Image.fromarray(np.asarray(self._env.render()))
        if self._anchor is not None and state.action is not None:
            self._draw_arrow(picture, self._anchor(state.observation), float(state.action[0]))
        width, line = self._width, self._line
        inner = width - 2 * _BORDER
        picture = picture.resize((inner, round(inner * picture.height / picture.width)), Image.Resampling.BILINEAR)
        bottom = _BORDER + line + picture.height
        height = bottom + line * (self._n_rows + 1) + _BORDER
        image = Image.new("RGB", (width, height + height % 2), _BACKGROUND)
        image.paste(picture, (_BORDER, _BORDER + line))
        draw = ImageDraw.Draw(image)
        left = line / 2
        draw.text((left, _BORDER + line / 2), self._title, _TEXT, self._font, "lm")
        texts = [f"Step {state.step}", f"Return {_decimals(state.score, 1)}"]
        texts += [] if state.q is None else [f"Q {_decimals(state.q, 2)}"]
        for x, text in zip((left, 0.35 * width, 0.7 * width), texts, strict=False):
            draw.text((x, bottom + line / 2), text, _TEXT, self._font, "lm")
        if state.action is not None:
            column_width = width / self._n_columns
            for i, value in enumerate(state.action):
                column, row = divmod(i, self._n_rows)
                position = column * column_width + line / 2, bottom + (row + 1.5) * line
                self._draw_bar(draw, i, float(value), (*position, column_width - line))
        if state.end:
            self._draw_end(draw, state.end, (0, 0, image.width - 1, image.height - 1))
        return np.asarray(image)

    def _draw_arrow(self, picture: Image.Image, tail: tuple[float, float], action: float) -> None:
        """An arrow as long as the action is large, at most a sixth of the picture."""
        size = action / max(abs(self._low[0]), abs(self._high[0]))
        x, y = tail[0] * picture.width, tail[1] * picture.height
        unit = picture.width / 100
        tip = x + size * 16 * unit
        head = math.copysign(min(3 * unit, abs(tip - x)), size)
        colour = _POSITIVE if size > 0 else _NEGATIVE
        draw = ImageDraw.Draw(picture)
        draw.line((x, y, tip - head, y), colour, round(unit))
        draw.polygon([(tip, y), (tip - head, y - head / 2), (tip - head, y + head / 2)], colour)

    def _draw_bar(
        self, draw: ImageDraw.ImageDraw, i: int, value: float, left_middle_width: tuple[float, float, float]
    ) -> None:
        """A name, a bar from zero to the value between the action's bounds, and the value."""
        left, middle, width = left_middle_width
        low, high = self._low[i], self._high[i]
        start, length, half = left + 0.34 * width, 0.4 * width, 0.25 * self._line

        def position(number: float) -> float:
            return start + length * float(np.clip((number - low) / (high - low), 0, 1))

        zero, end = position(0.0), position(value)
        draw.text((left, middle), self._fit(self._names[i], start - left), _TEXT, self._font, "lm")
        draw.rectangle((start, middle - half, start + length, middle + half), _TRACK)
        colour = _POSITIVE if value > 0 else _NEGATIVE
        draw.rectangle((min(zero, end), middle - half, max(zero, end), middle + half), colour)
        draw.line((zero, middle - 1.5 * half, zero, middle + 1.5 * half), _TEXT)
        text = _decimals(value, 2) if abs(value) < 100 else show_number(value)
        draw.text((left + width, middle), text, _TEXT, self._font, "rm")

    def _draw_end(self, draw: ImageDraw.ImageDraw, text: str, outline: tuple[int, int, int, int]) -> None:
        """A coloured border, and a label at the picture's upper edge."""
        colour = _GOAL if text == "goal reached" else _OTHER_END
        draw.rectangle(outline, outline=colour, width=_BORDER)
        middle, line = self._width / 2, self._line
        top = _BORDER + 1.4 * line
        half = self._font.getlength(text) / 2 + 0.5 * line
        draw.rounded_rectangle((middle - half, top, middle + half, top + 1.2 * line), 0.6 * line, colour)
        draw.text((middle, top + 0.6 * line), text, (255, 255, 255), self._font, "mm")


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
