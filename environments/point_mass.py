"""An example: a mass on a line, pushed by a force, that has to come to rest in the middle."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

TIME_STEP = 0.1
MAX_POSITION, MAX_VELOCITY = 1.0, 1.0
_WIDTH, _HEIGHT, _RADIUS = 300, 100, 8  # pixels


class PointMass(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """The force is the acceleration; each step costs the squared distance, and a little for the squared force.

    All randomness comes from `self.np_random`, which `reset(seed=...)` seeds, so that results repeat.
    """

    metadata = {  # noqa: RUF012 (as Gymnasium declares it)
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "observation_names": ("position", "velocity"),
        "action_names": ("force",),
    }

    def __init__(self, render_mode: str | None = None) -> None:
        bounds = np.array([MAX_POSITION, MAX_VELOCITY], np.float32)
        self.observation_space = spaces.Box(-bounds, bounds)
        self.action_space = spaces.Box(-1.0, 1.0, (1,))
        self.render_mode = render_mode
        self.state = np.zeros(2, np.float32)

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 (there are none)
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Places the mass at rest, anywhere."""
        super().reset(seed=seed)
        self.state = np.array([self.np_random.uniform(-MAX_POSITION, MAX_POSITION), 0.0], np.float32)
        return self.state.copy(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Moves the mass for a tenth of a second."""
        position, velocity = (float(value) for value in self.state)
        force = float(np.clip(action[0], -1.0, 1.0))
        velocity = float(np.clip(velocity + force * TIME_STEP, -MAX_VELOCITY, MAX_VELOCITY))
        position = float(np.clip(position + velocity * TIME_STEP, -MAX_POSITION, MAX_POSITION))
        self.state = np.array([position, velocity], np.float32)
        reward = -(position**2) - 0.01 * force**2
        return self.state.copy(), reward, False, False, {"is_success": abs(position) < 0.1 and abs(velocity) < 0.1}

    def render(self) -> NDArray[np.uint8]:
        """A frame of 300 × 100 pixels: the line, its middle and the mass."""
        frame = np.full((_HEIGHT, _WIDTH, 3), 255, np.uint8)
        frame[_HEIGHT // 2, :] = 160
        frame[_HEIGHT // 4 : -_HEIGHT // 4, _WIDTH // 2] = (0, 158, 115)
        y, x = np.ogrid[:_HEIGHT, :_WIDTH]
        centre = _RADIUS + (self.state[0] / MAX_POSITION + 1) / 2 * (_WIDTH - 2 * _RADIUS)
        frame[(x - centre) ** 2 + (y - _HEIGHT / 2) ** 2 <= _RADIUS**2] = (0, 114, 178)
        return frame
