"""The quadcopter as an environment of Gymnasium."""

import math
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ddpg.environments.quadcopter import dynamics

TIME_STEP = 0.04
MAX_EPISODE_STEPS = 250
SPEED_SPAN = 0.2
"""The rotors turn by up to this share slower or faster than in hovering: between 0.64 and 1.44 times the weight."""
MAX_DISTANCE, MAX_HEIGHT, MAX_SPEED, MAX_RATE = 4.0, 8.0, 8.0, 10.0
SAFE_IMPACT, SAFE_UPRIGHT = 1.5, 0.5
"""Greatest speed of touching the ground without a crash, in m/s, and the least cosine of the tilt."""
CONTACT_HEIGHT = 1e-6
"""In m; above zero, because rotors that just carry the weight leave the ground by a rounding error."""
REWARD_SCALES = (0.5, 2.0, 4.0)
"""Distance in m, speed in m/s and angular speed in rad/s that count the same."""
SUCCESS_DISTANCE, SUCCESS_SPEED = 0.2, 0.5
GUST_SECONDS = 1.0
SENSOR_ERRORS = (0.02,) * 3 + (0.05,) * 3 + (0.01,) * 3 + (0.05,) * 3 + (0.02,)

_BOUNDS = (MAX_DISTANCE,) * 3 + (MAX_SPEED,) * 3 + (1.0,) * 3 + (MAX_RATE,) * 3 + (MAX_HEIGHT,)


class Task(NamedTuple):
    """Where an episode starts and what it is for."""

    name: str
    """As it follows `Quadcopter` in the environment's id."""
    start: float | None
    """Height of the start in the air, in m, which is never at rest; `None`: at rest on the ground."""
    spread: float
    """The start is within this distance of the origin, along each axis but the vertical one on the ground, in m."""
    target: float
    """Height of the target in m."""
    reach: float
    """The target is within this distance of the origin, along both horizontal axes, in m."""
    threshold: float
    """Return from which the task counts as solved."""


TASKS = {
    "take-off": Task("TakeOff", start=None, spread=0.5, target=1.5, reach=0.0, threshold=180.0),
    "hover": Task("Hover", start=1.5, spread=1.0, target=1.5, reach=0.0, threshold=190.0),
    "land": Task("Land", start=1.5, spread=0.5, target=0.0, reach=0.0, threshold=150.0),
    "go-to": Task("GoTo", start=1.5, spread=0.5, target=1.5, reach=1.5, threshold=180.0),
}


class Quadcopter(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A quadcopter of 1 kg, half a metre wide, that has to reach a target and stay there, whatever its heading.

    **Actions**, shape (4,): the speeds of the rotors front left, rear left, rear right and front right; 0 is the speed
    of hovering, ±1 is `SPEED_SPAN` faster or slower. They act at once and for `TIME_STEP` seconds.

    **Observations**, shape (13,), in the body's axes, since only the heading is left to the agent:

    | | unit | bounds |
    |---|---|---|
    | 0–2: the way to the target: ahead, left, up | m | ±4 |
    | 3–5: velocity: ahead, left, up | m/s | ±8 |
    | 6–8: the upward direction; its parts ahead (nose up), left (left side up) and up | 1 | ±1 |
    | 9–11: angular velocity about the same axes | rad/s | ±10 |
    | 12: height | m | ±8 |

    **Reward** of each step, between 0 and 1: 1 / (1 + d² + v² + ω²), where d, v and ω are the distance to the target,
    the speed and the angular speed, over 0.5 m, 2 m/s and 4 rad/s. In the task `land`, half of it in the air. In the
    others, nothing on the ground, so that trying to fly risks nothing. Nothing for a step that ends the episode.

    **The episode ends** by a crash (touching the ground at over 1.5 m/s or tilted by over 60°), upside down, over 4 m
    away from the target, or turning by over 10 rad/s about an axis; after 10 s it is truncated, where it is made by
    `gymnasium.make`. `info["is_success"]` says whether the quadcopter is within 0.2 m of the target and slower than
    0.5 m/s; in the task `land`, whether it also stands on the ground.

    Args:
        task: `take-off` starts and `land` ends on the ground, `hover` starts near the target, and that of `go-to` is
            random.
        render_mode: `rgb_array` or `None`.
        wind: Standard deviation of the wind along both horizontal axes, in m/s, with gusts of about a second.
        sensor_noise: Errors of the observations: 1 for standard deviations of 2 cm, 5 cm/s, 0.01 and 0.05 rad/s.

    Raises:
        ValueError: Another task, or a negative or infinite wind or noise.
    """

    metadata = {  # noqa: RUF012 (as Gymnasium declares it)
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / TIME_STEP),
        "observation_names": (
            *("target ahead (m)", "target left (m)", "target above (m)"),
            *("speed ahead (m/s)", "speed left (m/s)", "speed up (m/s)"),
            *("nose up", "left side up", "upright"),
            *("roll rate (rad/s)", "pitch rate (rad/s)", "yaw rate (rad/s)"),
            "height (m)",
        ),
        "action_names": ("front left", "rear left", "rear right", "front right"),
    }

    def __init__(
        self, task: str = "hover", render_mode: str | None = None, wind: float = 0.0, sensor_noise: float = 0.0
    ) -> None:
        if task not in TASKS:
            raise ValueError(f"task: expected one of {', '.join(TASKS)}, received {task!r}")
        for name, value in (("wind", wind), ("sensor_noise", sensor_noise)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name}: expected a finite number of at least 0, received {value!r}")
        self.observation_space = spaces.Box(-np.array(_BOUNDS, np.float32), np.array(_BOUNDS, np.float32))
        self.action_space = spaces.Box(-1.0, 1.0, (4,))
        self.render_mode = render_mode
        self.task, self.wind, self.sensor_noise = task, wind, sensor_noise
        self.state = dynamics.rest_on_ground([0.0] * 13)
        self.target = [0.0, 0.0, 0.0]
        self.air = [0.0, 0.0, 0.0]
        """Velocity of the air."""
        self.trail: list[tuple[float, float, float]] = []
        """Past positions, where pictures are drawn."""
        self._actions = [0.0] * 4

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 (there are none)
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Places the quadcopter and the target at random, the quadcopter with a random heading."""
        super().reset(seed=seed)
        task, uniform = TASKS[self.task], self.np_random.uniform
        heading = uniform(0, math.pi)
        x, y, z = uniform(-task.spread, task.spread, 3).tolist()
        tilt, velocity, rates = uniform(-0.1, 0.1, 2), uniform(-0.5, 0.5, 3), uniform(-0.5, 0.5, 3)
        if task.start is None:
            start = [x, y, 0.0, *(0.0,) * 3, math.cos(heading), 0.0, 0.0, math.sin(heading), *(0.0,) * 3]
        else:
            attitude = dynamics.unit([math.cos(heading), *tilt.tolist(), math.sin(heading)])
            start = [x, y, task.start + z, *velocity.tolist(), *attitude, *rates.tolist()]
        self.state = start
        self.target = [*uniform(-task.reach, task.reach, 2).tolist(), task.target]
        self.air = [*(self.wind * self.np_random.standard_normal(2)).tolist(), 0.0]
        self.trail = []
        self._actions = [0.0] * 4
        return self._observe(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Flies for 0.04 s."""
        self._actions = [min(max(each, -1.0), 1.0) for each in action.tolist()]
        if self.render_mode is not None:
            self.trail.append((self.state[0], self.state[1], self.state[2]))
        if self.wind:
            self._change_wind()
        forces = dynamics.wrench([dynamics.HOVER_SPEED * (1 + SPEED_SPAN * each) for each in self._actions])
        state = dynamics.advance(self.state, forces, TIME_STEP, self.air)
        on_ground = state[2] <= CONTACT_HEIGHT
        crashed = on_ground and not _touches_gently(state)
        self.state = dynamics.rest_on_ground(state) if on_ground and not crashed else state
        distance, speed, turning = self._errors()
        terminated = crashed or self._is_lost(distance)
        reward = 0.0 if terminated else self._reward(distance, speed, turning, on_ground)
        is_success = distance <= SUCCESS_DISTANCE and speed <= SUCCESS_SPEED and not terminated
        if self.task == "land":
            is_success = is_success and on_ground
        return self._observe(), reward, terminated, False, {"is_success": is_success}

    def render(self) -> NDArray[np.uint8] | None:
        """The view from the side, 400 × 300 pixels."""
        if self.render_mode is None:
            return None
        from ddpg.environments.quadcopter.picture import draw

        return draw(self.state, self.target, self.trail, self._actions)

    def _errors(self) -> tuple[float, float, float]:
        """Distance to the target, speed, angular speed."""
        state, (x, y, z) = self.state, self.target
        return (
            _length(x - state[0], y - state[1], z - state[2]),
            _length(*state[3:6]),
            _length(*state[10:]),
        )

    def _is_lost(self, distance: float) -> bool:
        _, _, _, _, _, _, _, x, y, _, *rates = self.state
        is_upside_down = x * x + y * y > 0.5
        return distance > MAX_DISTANCE or is_upside_down or max(rates) > MAX_RATE or min(rates) < -MAX_RATE

    def _reward(self, distance: float, speed: float, turning: float, on_ground: bool) -> float:
        far, fast, spinning = REWARD_SCALES
        d, v, w = distance / far, speed / fast, turning / spinning
        reward = 1 / (1 + d * d + v * v + w * w)
        if self.task == "land":
            return reward if on_ground else reward / 2
        return 0.0 if on_ground else reward

    def _change_wind(self) -> None:
        """Ornstein-Uhlenbeck gusts, whose standard deviation is the wind's."""
        step = TIME_STEP / GUST_SECONDS
        keep, size = 1 - step, self.wind * math.sqrt(step * (2 - step))
        gusts = self.np_random.standard_normal(2).tolist()
        self.air = [keep * self.air[0] + size * gusts[0], keep * self.air[1] + size * gusts[1], 0.0]

    def _observe(self) -> NDArray[np.float32]:
        state = self.state
        (a, b, c), (d, e, f), (g, h, i) = dynamics.rotation(state)
        vx, vy, vz = state[3:6]
        x, y, z = (there - here for there, here in zip(self.target, state, strict=False))
        seen = (
            *(a * x + d * y + g * z, b * x + e * y + h * z, c * x + f * y + i * z),
            *(a * vx + d * vy + g * vz, b * vx + e * vy + h * vz, c * vx + f * vy + i * vz),
            *(g, h, i),
            *state[10:],
            state[2],
        )
        if self.sensor_noise:
            errors = (self.sensor_noise * np.array(SENSOR_ERRORS) * self.np_random.standard_normal(13)).tolist()
            seen = tuple(value + error for value, error in zip(seen, errors, strict=True))
        # Several times as fast as min and max.
        clipped = [-b if value < -b else b if value > b else value for value, b in zip(seen, _BOUNDS, strict=True)]
        return np.array(clipped, np.float32)


def _touches_gently(state: dynamics.State) -> bool:
    _, _, upright = dynamics.rotation(state)[2]
    return _length(*state[3:6]) <= SAFE_IMPACT and upright >= SAFE_UPRIGHT


def _length(x: float, y: float, z: float) -> float:
    # Not by ** 2, which processors may round differently, nor math.hypot.
    return math.sqrt(x * x + y * y + z * z)


def register() -> None:
    """Registers each task as an environment of its own, such as `QuadcopterHover-v0`."""
    for key, task in TASKS.items():
        gymnasium.register(
            f"Quadcopter{task.name}-v0",
            "ddpg.environments.quadcopter.environment:Quadcopter",
            kwargs={"task": key},
            max_episode_steps=MAX_EPISODE_STEPS,
            reward_threshold=task.threshold,
        )
