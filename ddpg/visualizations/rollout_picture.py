"""One frame of a replayed episode: the environment's picture between a title and the action, return and Q."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ddpg.environments.dimensions import names_of
from ddpg.history import FloatArray
from ddpg.visualizations.figure import shorten, show_number
from ddpg.visualizations.video import Frame

BACKGROUND = (250, 250, 250)
_MAX_WIDTH, _MAX_HEIGHT = 1280, 720
_MIN_CELL_WIDTH = 400
# In widths of the cell.
_LINE_HEIGHT = 1 / 18
# In pixels.
_BORDER = 3
_MAX_BARS_IN_COLUMN = 4
_TEXT = (34, 34, 34)
_TRACK = (222, 222, 222)
_POSITIVE = (33, 102, 172)
_NEGATIVE = (178, 24, 43)
_GOAL = (0, 128, 80)
_OTHER_END = (96, 96, 96)


def _mountain_car(observation: FloatArray) -> tuple[float, float]:
    """Return a point just above the car as Gymnasium draws it: 600 × 400 pixels for positions from -1.2 to 0.6."""
    position, pixels = float(observation[0]), 600 / 1.8
    track = pixels * (0.45 * math.sin(3 * position) + 0.55)
    return pixels * (position + 1.2) / 600, 1 - (track + 46) / 400


_ANCHORS: Mapping[str, Callable[[FloatArray], tuple[float, float]]] = {"MountainCarContinuous": _mountain_car}
"""By prefix of the environment's name: where the arrow of the first action, which pushes to the right or left, starts.

In widths and heights of the picture, from its upper left.
"""


def cell_width(picture: tuple[int, int], n_actions: int, n_columns: int, n_rows: int) -> int:
    """Return the greatest width that fits, but not much more than that of a picture of this width and height."""
    width, height = picture
    lines = 2 + _bars(n_actions)[1]
    from_height = (_MAX_HEIGHT // n_rows - 2 * _BORDER) / (height / width + lines * _LINE_HEIGHT)
    return int(min(_MAX_WIDTH / n_columns, from_height, max(width, _MIN_CELL_WIDTH)))


def decimals(value: float, n_digits: int) -> str:
    """Return the number with `n_digits` decimals and a typographic minus, but never −0."""
    return f"{round(float(value), n_digits) + 0.0:.{n_digits}f}".replace("-", "−")


def _bars(n_actions: int) -> tuple[int, int]:
    """Return the columns and rows in which the actions' bars are laid out."""
    n_columns = min(math.ceil(n_actions / _MAX_BARS_IN_COLUMN), 3)
    return n_columns, math.ceil(n_actions / n_columns)


class PathScene:
    """Takes the place of an environment's picture: the path of the state so far, in a plane of its dimensions.

    Args:
        names: Of the two axes. A state of one dimension has one; its other axis is the environment step, downwards.
        limits: Low and high of each axis, shape (2, 2).
        plane: The state's dimensions along the axes.
    """

    size = (480, 300)
    """Width and height in pixels."""

    def __init__(self, names: Sequence[str], limits: FloatArray, plane: Sequence[int]) -> None:
        self._names, self._plane, self._limits = names, list(plane), limits
        self._path: list[tuple[float, float]] = []
        self._font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 15)

    def draw(self, observation: FloatArray) -> Image.Image:
        """Return the picture after the next environment step."""
        self._path.append(self._pixel(observation))
        width, height = self.size
        image = Image.new("RGB", self.size, (255, 255, 255))
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, 0, width - 1, height - 1), outline=_TRACK)
        draw.text((width / 2, height - 4), shorten(self._names[0]), _OTHER_END, self._font, "md")
        draw.text((6, 4), shorten(self._names[1]), _OTHER_END, self._font, "la")
        draw.line(self._path, _TEXT, 2)
        x, y = self._path[-1]
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), _POSITIVE)
        return image

    def _pixel(self, observation: FloatArray) -> tuple[float, float]:
        values = [*observation[self._plane], *[float(len(self._path))] * (2 - len(self._plane))]
        low, high = self._limits.T
        x, y = np.clip((np.array(values) - low) / (high - low), 0, 1)
        margin, (width, height) = 24, self.size
        down = y if len(self._plane) == 1 else 1 - y
        return margin + float(x) * (width - 2 * margin), margin + float(down) * (height - 2 * margin)


class EpisodePicture:
    """Draws the states of one environment, which the caller steps, in frames of even sizes.

    Args:
        env: Made with `render_mode="rgb_array"`, unless there is a scene.
        title: Above the picture.
        width: Of the frames, in pixels.
        scene: Takes the place of the environment's picture.
    """

    def __init__(self, env: gym.Env[Any, Any], title: str, width: int, scene: PathScene | None = None) -> None:
        self.env = env
        self._scene = scene
        self._low: FloatArray = env.action_space.low.ravel().astype(float)  # type: ignore[attr-defined]
        self._high: FloatArray = env.action_space.high.ravel().astype(float)  # type: ignore[attr-defined]
        _, self._names = names_of(env)
        self._n_columns, self._n_rows = _bars(len(self._names))
        name = getattr(env.spec, "id", "")
        # A wrapper may change the observation, from which the place of the arrow is computed.
        is_known = scene is None and env.observation_space == env.unwrapped.observation_space
        self._anchor = next(
            (anchor for prefix, anchor in _ANCHORS.items() if is_known and name.startswith(prefix)), None
        )
        self._width = width // 2 * 2
        self._line = round(self._width * _LINE_HEIGHT)
        font = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
        self._font = ImageFont.truetype(font, round(0.62 * self._line))
        self._title = self._fit(title, self._width - self._line)

    def _fit(self, text: str, width: float) -> str:
        fitting = (shorten(text, n) for n in range(len(text), 1, -1))
        return next((short for short in fitting if self._font.getlength(short) <= width), text[:1])

    def draw(
        self,
        observation: FloatArray,
        step: int,
        score: float,
        action: FloatArray | None = None,
        q: float | None = None,
        end: str = "",
    ) -> Frame:
        """Return the frame of the environment's current state.

        Args:
            observation: The state.
            step: Number of the agent step.
            score: The return so far.
            action: The action taken in this state, shown as bars and, where `_ANCHORS` knows its place, as an arrow.
            q: Q of state and action.
            end: How the episode ended, if it has.
        """
        picture = (
            Image.fromarray(np.asarray(self.env.render())) if self._scene is None else self._scene.draw(observation)
        )
        if self._anchor is not None and action is not None:
            self._draw_arrow(picture, self._anchor(observation), float(action[0]))
        width, line = self._width, self._line
        inner = width - 2 * _BORDER
        picture = picture.resize((inner, round(inner * picture.height / picture.width)), Image.Resampling.BILINEAR)
        bottom = _BORDER + line + picture.height
        height = bottom + line * (self._n_rows + 1) + _BORDER
        image = Image.new("RGB", (width, height + height % 2), BACKGROUND)
        image.paste(picture, (_BORDER, _BORDER + line))
        draw = ImageDraw.Draw(image)
        left = line / 2
        draw.text((left, _BORDER + line / 2), self._title, _TEXT, self._font, "lm")
        texts = [f"Step {step}", f"Return {decimals(score, 1)}"]
        texts += [] if q is None else [f"Q {decimals(q, 2)}"]
        for x, text in zip((left, 0.35 * width, 0.7 * width), texts, strict=False):
            draw.text((x, bottom + line / 2), text, _TEXT, self._font, "lm")
        if action is not None:
            column_width = width / self._n_columns
            for i, value in enumerate(action):
                column, row = divmod(i, self._n_rows)
                position = column * column_width + left, bottom + (row + 1.5) * line
                self._draw_bar(draw, i, float(value), *position, column_width - line)
        if end:
            self._draw_end(draw, end, (0, 0, image.width - 1, image.height - 1))
        return np.asarray(image)

    def _draw_arrow(self, picture: Image.Image, tail: tuple[float, float], action: float) -> None:
        """Draw an arrow as long as the action is large, at most a sixth of the picture."""
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
        self, draw: ImageDraw.ImageDraw, i: int, value: float, left: float, middle: float, width: float
    ) -> None:
        """Draw a name, a bar from zero to the value between the action's bounds, and the value."""
        low, high = self._low[i], self._high[i]
        start, length, half = left + 0.34 * width, 0.4 * width, 0.25 * self._line
        zero, end = (start + length * float(np.clip((x - low) / (high - low), 0, 1)) for x in (0.0, value))
        draw.text((left, middle), self._fit(self._names[i], start - left), _TEXT, self._font, "lm")
        draw.rectangle((start, middle - half, start + length, middle + half), _TRACK)
        colour = _POSITIVE if value > 0 else _NEGATIVE
        draw.rectangle((min(zero, end), middle - half, max(zero, end), middle + half), colour)
        draw.line((zero, middle - 1.5 * half, zero, middle + 1.5 * half), _TEXT)
        text = decimals(value, 2) if abs(value) < 100 else show_number(value)
        draw.text((left + width, middle), text, _TEXT, self._font, "rm")

    def _draw_end(self, draw: ImageDraw.ImageDraw, text: str, outline: tuple[int, int, int, int]) -> None:
        """Draw a coloured border, and a label at the picture's upper edge."""
        colour = _GOAL if text == "goal reached" else _OTHER_END
        draw.rectangle(outline, outline=colour, width=_BORDER)
        middle, line = self._width / 2, self._line
        top = _BORDER + 1.4 * line
        half = self._font.getlength(text) / 2 + 0.5 * line
        draw.rounded_rectangle((middle - half, top, middle + half, top + 1.2 * line), 0.6 * line, colour)
        draw.text((middle, top + 0.6 * line), text, (255, 255, 255), self._font, "mm")
