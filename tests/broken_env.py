"""Registers environments that fail in their second episode, but in no trial, as `tests.broken_env:Broken-v0`."""

import gymnasium as gym
import numpy as np

from tests.probes import Counter


class Broken(Counter):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, render_mode=None):
        super().__init__(length=5)
        self.render_mode = render_mode

    def render(self):
        return np.zeros((8, 8, 3), np.uint8)

    @property
    def fails(self):
        return sum(seed > 9 for seed in self.seeds) > 1  # those of a trial are small

    def step(self, action):
        if self.fails:
            raise ZeroDivisionError("the environment broke")
        return super().step(action)


class NotANumber(Broken):
    def step(self, action):
        observation, reward, *rest = Counter.step(self, action)
        return observation, float("nan") if self.fails else reward, *rest


gym.register("Broken-v0", Broken)
gym.register("NotANumber-v0", NotANumber)
