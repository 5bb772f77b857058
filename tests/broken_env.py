"""Registers environments that fail in their second episode, for `environment.id: tests.broken_env:Broken-v0`."""

import gymnasium as gym

from tests.probes import Counter


class Broken(Counter):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode=None):
        super().__init__(length=5)
        self.render_mode = render_mode

    def step(self, action):
        if len(self.seeds) > 1:
            raise ZeroDivisionError("the environment broke")
        return super().step(action)


class NotANumber(Broken):
    def step(self, action):
        observation, reward, *rest = Counter.step(self, action)
        return observation, reward if len(self.seeds) == 1 else float("nan"), *rest


gym.register("Broken-v0", Broken)
gym.register("NotANumber-v0", NotANumber)
