"""The quadcopter's picture: seen from the side and a little above, with its target, its shadow and its trail."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ddpg.environments.quadcopter import dynamics

Point = tuple[float, float, float]
"""In the world, in m."""

WIDTH, HEIGHT = 400, 300
"""In pixels."""
_OVERSAMPLING = 2
_EYE, _CENTRE = (-2.0, -6.0, 2.8), (0.0, 0.0, 0.95)
_FOCAL_LENGTH = 1.6
"""In widths of the picture."""
_FLOOR = 3
"""From the origin to each edge of the floor, in m."""
_LEG, _ROTOR_HEIGHT, _ROTOR_RADIUS = 0.12, 0.04, 0.15
_BACKGROUND, _GROUND, _GRID = (235, 242, 248), (214, 222, 208), (190, 200, 184)
_SHADOW, _BODY, _FRONT, _TRAIL = (96, 104, 92), (40, 44, 52), (213, 94, 0), (0, 114, 178)
_TARGET = (0, 138, 96)
_SLOW_ROTOR, _FAST_ROTOR = (205, 214, 224), (33, 102, 172)
_CORNERS = 20
_UNIT_CIRCLE = [(math.cos(2 * math.pi * i / _CORNERS), math.sin(2 * math.pi * i / _CORNERS)) for i in range(_CORNERS)]


def draw(
    state: dynamics.State, target: Sequence[float], trail: Sequence[Point], actions: Sequence[float]
) -> NDArray[np.uint8]:
    """Draws a frame of `WIDTH` × `HEIGHT` pixels.

    Args:
        state: The quadcopter's. Its front arms are orange; a rotor is the darker, the faster it turns.
        target: Where it should be.
        trail: Where it was, oldest first.
        actions: Speeds of the rotors from -1 to 1.
    """
    scene = _Scene()
    _draw_floor(scene)
    _draw_target(scene, target)
    scene.circle((state[0], state[1], 0.0), 0.2, _SHADOW)
    for share, start, end in _segments([*trail, (state[0], state[1], state[2])]):
        colour = _mixed(_GROUND, _TRAIL, share)
        scene.line((*start[:2], start[2] + _LEG), (*end[:2], end[2] + _LEG), 0.025, colour)
    _draw_quadcopter(scene, state, actions)
    return scene.pixels()


class _Scene:
    """A canvas in perspective: takes points and widths in m."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (WIDTH * _OVERSAMPLING, HEIGHT * _OVERSAMPLING), _BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, start: Sequence[float], end: Sequence[float], width: float, colour: tuple[int, ...]) -> None:
        (x, y, scale), (other_x, other_y, _) = self._project(start), self._project(end)
        self._draw.line((x, y, other_x, other_y), colour, max(1, round(width * scale)))

    def polygon(self, corners: Sequence[Sequence[float]], colour: tuple[int, ...]) -> None:
        self._draw.polygon([self._project(corner)[:2] for corner in corners], colour)

    def circle(self, centre: Point, radius: float, colour: tuple[int, ...]) -> None:
        """Fills a level circle."""
        x, y, z = centre
        self.polygon([(x + radius * u, y + radius * v, z) for u, v in _UNIT_CIRCLE], colour)

    def ball(self, centre: Sequence[float], radius: float, colour: tuple[int, ...]) -> None:
        x, y, scale = self._project(centre)
        size = radius * scale
        self._draw.ellipse((x - size, y - size, x + size, y + size), colour)

    def pixels(self) -> NDArray[np.uint8]:
        return np.array(self._image.reduce(_OVERSAMPLING))

    def _project(self, point: Sequence[float]) -> tuple[float, float, float]:
        """Column and row, and the pixels per metre there."""
        offset = [here - eye for here, eye in zip(point, _EYE, strict=True)]
        right, up, depth = (sum([a * b for a, b in zip(offset, axis, strict=True)]) for axis in _AXES)
        scale = _FOCAL_LENGTH * self._image.width / max(depth, 0.1)
        return self._image.width / 2 + scale * right, self._image.height / 2 - scale * up, scale


def _view_axes() -> tuple[list[float], list[float], list[float]]:
    """To the right, up and into the picture."""
    into = dynamics.unit([there - here for there, here in zip(_CENTRE, _EYE, strict=True)])
    right = dynamics.unit([into[1], -into[0], 0.0])
    up = [right[1] * into[2], -right[0] * into[2], right[0] * into[1] - right[1] * into[0]]
    return right, up, into


_AXES = _view_axes()


def _segments(points: Sequence[Point]) -> Iterator[tuple[float, Point, Point]]:
    """Successive pairs of points, with a number that grows to 1."""
    for i, (start, end) in enumerate(pairwise(points), 1):
        yield i / (len(points) - 1), start, end


def _draw_floor(scene: _Scene) -> None:
    edge = _FLOOR
    scene.polygon([(-edge, -edge, 0.0), (edge, -edge, 0.0), (edge, edge, 0.0), (-edge, edge, 0.0)], _GROUND)
    for place in range(-edge, edge + 1):
        scene.line((place, -edge, 0.0), (place, edge, 0.0), 0.02, _GRID)
        scene.line((-edge, place, 0.0), (edge, place, 0.0), 0.02, _GRID)


def _draw_target(scene: _Scene, target: Sequence[float]) -> None:
    x, y, z = target
    scene.circle((x, y, 0.0), 0.3, _TARGET)
    scene.circle((x, y, 0.0), 0.22, _GROUND)
    if z > 0:
        scene.line((x, y, 0.0), (x, y, z), 0.02, _TARGET)
        scene.ball((x, y, z + _LEG), 0.08, _TARGET)
    else:
        scene.circle((x, y, 0.0), 0.1, _TARGET)


def _draw_quadcopter(scene: _Scene, state: dynamics.State, actions: Sequence[float]) -> None:
    rows = dynamics.rotation(state)

    def placed(ahead: float, left: float, up: float) -> Point:
        x, y, z = (row[0] * ahead + row[1] * left + row[2] * up for row in rows)
        return state[0] + x, state[1] + y, state[2] + z + _LEG

    for ahead, left in dynamics.ROTORS:
        scene.line(placed(ahead / 2, left / 2, 0.0), placed(ahead / 2, left / 2, -_LEG), 0.02, _BODY)
    for ahead, left in dynamics.ROTORS:
        scene.line(placed(0.0, 0.0, 0.0), placed(ahead, left, 0.0), 0.05, _FRONT if ahead > 0 else _BODY)
    scene.ball(placed(0.0, 0.0, 0.0), 0.08, _BODY)
    for (ahead, left), action in zip(dynamics.ROTORS, actions, strict=True):
        disc = [placed(ahead + _ROTOR_RADIUS * u, left + _ROTOR_RADIUS * v, _ROTOR_HEIGHT) for u, v in _UNIT_CIRCLE]
        scene.polygon(disc, _mixed(_SLOW_ROTOR, _FAST_ROTOR, (action + 1) / 2))


def _mixed(first: Sequence[int], second: Sequence[int], share: float) -> tuple[int, ...]:
    return tuple(round(a + share * (b - a)) for a, b in zip(first, second, strict=True))
