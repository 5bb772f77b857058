"""One frame of a replayed episode: the environment's picture between a title and the action, return and Q."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from ddpg.environments.dimensions import names_of
from ddpg.history import FloatArray
from ddpg.visualizations.figure import shorten, show_number
from ddpg.visualizations.video import Frame

BACKGROUND = (250, 250, 250)
_MAX_WIDTH, _MAX_HEIGHT = 1280, 720
_MIN_CELL_WIDTH = 400
# In widths of the cell.
_LINE_HEIGHT = 1 / 18
# In heights of a line.
_FONT_SIZE = 0.62
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


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


@lru_cache(maxsize=1024)
def _written(text: str, line: int) -> Image.Image:
    """Return the text as wide as it is, in the middle of a line of this height; most texts come again and again."""
    font = _font(round(_FONT_SIZE * line))
    image = Image.new("RGB", (math.ceil(font.getlength(text)) + 1, line), BACKGROUND)
    ImageDraw.Draw(image).text((0, line / 2), text, _TEXT, font, "lm")
    return image


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
        self._font = _font(15)

    def visit(self, observation: FloatArray) -> None:
        """Lengthen the path by an environment step."""
        self._path.append(self._pixel(observation))

    def draw(self) -> Image.Image:
        """Return the picture of the path so far."""
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
        self._title = self._fit(title, self._width - self._line)
        self._bar_width = self._width / self._n_columns - self._line
        self._bar_names = [self._fit(name, 0.34 * self._bar_width) for name in self._names]
        self._shown = Image.new("RGB", (0, 0))

    def _lay_out(self, picture: Image.Image) -> None:
        """Make a frame for pictures of this size, with the title, and a black one that every picture differs from."""
        self._inner = inner = (
            self._width - 2 * _BORDER,
            round((self._width - 2 * _BORDER) * picture.height / picture.width),
        )
        self._bottom = _BORDER + self._line + inner[1]
        height = self._bottom + self._line * (self._n_rows + 1) + _BORDER
        self._frame = Image.new("RGB", (self._width, height + height % 2), BACKGROUND)
        self._frame.paste(0, (_BORDER, _BORDER + self._line, _BORDER + inner[0], self._bottom))
        self._shown = Image.new("RGB", picture.size)
        self._write(self._title, self._line / 2, _BORDER)

    def _fit(self, text: str, width: float) -> str:
        fitting = (shorten(text, n) for n in range(len(text), 1, -1))
        return next((short for short in fitting if _written(short, self._line).width <= width), text[:1])

    def _write(self, text: str, x: float, top: float, *, to_the_left: bool = False) -> None:
        image = _written(text, self._line)
        self._frame.paste(image, (round(x) - image.width * to_the_left, round(top)))

    def visit(self, observation: FloatArray) -> None:
        """Take note of a state that the environment is in, whether it is drawn or not."""
        if self._scene:
            self._scene.visit(observation)

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
        picture = self._scene.draw() if self._scene else Image.fromarray(np.asarray(self.env.render()))
        if self._anchor is not None and action is not None:
            self._draw_arrow(picture, self._anchor(observation), float(action[0]))
        if self._shown.size != picture.size:
            self._lay_out(picture)
        self._show(picture)
        draw, width = ImageDraw.Draw(self._frame), self._width
        draw.rectangle((0, self._bottom, width, self._frame.height), BACKGROUND)
        texts = [f"Step {step}", f"Return {decimals(score, 1)}"]
        texts += [] if q is None else [f"Q {decimals(q, 2)}"]
        for x, text in zip((self._line / 2, 0.35 * width, 0.7 * width), texts, strict=False):
            self._write(text, x, self._bottom)
        for i, value in enumerate([] if action is None else action):
            column, row = divmod(i, self._n_rows)
            left = column * width / self._n_columns + self._line / 2
            self._draw_bar(draw, i, float(value), left, self._bottom + (row + 1) * self._line)
        if end:
            self._draw_end(draw, end)
        return np.asarray(self._frame)

    def _show(self, picture: Image.Image) -> None:
        """Scale into the frame what differs from the last picture; all of it would take most of the time."""
        changed = ImageChops.difference(picture, self._shown).getbbox()
        self._shown = picture
        if changed is None:
            return
        width, height = self._inner
        x, y = picture.width / width, picture.height / height
        # The scaled pixels that a change reaches, and the part of the picture that they cover.
        left, top = max(0, int(changed[0] / x) - 1), max(0, int(changed[1] / y) - 1)
        right, bottom = min(width, int(changed[2] / x) + 2), min(height, int(changed[3] / y) + 2)
        box = left * x, top * y, min(right * x, picture.width), min(bottom * y, picture.height)
        part = picture.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box)
        self._frame.paste(part, (_BORDER + left, _BORDER + self._line + top))

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

    def _draw_bar(self, draw: ImageDraw.ImageDraw, i: int, value: float, left: float, top: float) -> None:
        """Draw a name, a bar from zero to the value between the action's bounds, and the value."""
        low, high = self._low[i], self._high[i]
        start, length = left + 0.34 * self._bar_width, 0.4 * self._bar_width
        middle, half = top + self._line / 2, 0.25 * self._line
        zero, end = (start + length * float(np.clip((x - low) / (high - low), 0, 1)) for x in (0.0, value))
        self._write(self._bar_names[i], left, top)
        draw.rectangle((start, middle - half, start + length, middle + half), _TRACK)
        colour = _POSITIVE if value > 0 else _NEGATIVE
        draw.rectangle((min(zero, end), middle - half, max(zero, end), middle + half), colour)
        draw.line((zero, middle - 1.5 * half, zero, middle + 1.5 * half), _TEXT)
        text = decimals(value, 2) if abs(value) < 100 else show_number(value)
        self._write(text, left + self._bar_width, top, to_the_left=True)

    def _draw_end(self, draw: ImageDraw.ImageDraw, text: str) -> None:
        """Draw a coloured border, and a label at the picture's upper edge."""
        colour = _GOAL if text == "goal reached" else _OTHER_END
        (width, height), line, font = self._frame.size, self._line, _font(round(_FONT_SIZE * self._line))
        draw.rectangle((0, 0, width - 1, height - 1), outline=colour, width=_BORDER)
        middle, top = width / 2, _BORDER + 1.4 * line
        half = font.getlength(text) / 2 + 0.5 * line
        draw.rounded_rectangle((middle - half, top, middle + half, top + 1.2 * line), 0.6 * line, colour)
        draw.text((middle, top + 0.6 * line), text, (255, 255, 255), font, "mm")
