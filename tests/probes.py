"""Small environments whose answers are known."""

import gymnasium as gym
import numpy as np


class TargetProbe(gym.Env):
    """One step an episode; the reward is highest, 0, where the action equals half the observation."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.observation, {}

    def step(self, action):
        error = float(action[0]) - self.observation[0] / 2
        return self.observation, -float(error**2), True, False, {}


class DelayedProbe(gym.Env):
    """Two steps an episode; only the second pays, and the most, 0, where the action of the first was 1.

    What the first action is worth shows in the value of the second state alone.
    """

    observation_space = gym.spaces.Box(np.array([-3, 0], np.float32), np.array([3, 1], np.float32))
    action_space = gym.spaces.Box(-2, 2, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.error = None
        return np.array([self.np_random.uniform(-3, 3), 0], np.float32), {}

    def step(self, action):
        is_second = self.error is not None
        if not is_second:
            self.error = float(action[0]) - 1
        return np.array([self.error, 1], np.float32), -(self.error**2) if is_second else 0.0, is_second, False, {}


class Counter(gym.Env):
    """Observes the number of steps made, scaled by `unit`; ends as asked; pays 1 a step, and `prize` with the last."""

    action_space = gym.spaces.Box(np.array([-1, 0], np.float32), np.array([1, 10], np.float32))

    def __init__(self, length=6, terminates=False, prize=0.0, size=2):
        self.length, self.terminates, self.prize, self.size = length, terminates, prize, size
        self.observation_space = gym.spaces.Box(0, 100, (size,), np.float32)
        self.actions, self.seeds = [], []

    def _observation(self):
        return np.full(self.size, self.count, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.count = 0
        return self._observation(), {}

    def step(self, action):
        assert action.shape == self.action_space.shape
        assert self.action_space.contains(action)
        self.actions.append(action)
        self.count += 1
        ended = self.count == self.length
        reward = 1.0 + self.prize * ended
        return self._observation(), reward, ended and self.terminates, ended and not self.terminates, {}
