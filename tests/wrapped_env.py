"""Registers environments as `tests.wrapped_env:Normalized-v0`, one with running statistics, one without pictures."""

import gymnasium as gym
from gymnasium.envs.registration import WrapperSpec

from environments.point_mass import PointMass
from tests.probes import Counter

WRAPPERS = tuple(
    WrapperSpec(name, f"gymnasium.wrappers:{name}", kwargs) for name, kwargs in (
        ("NormalizeObservation", {"epsilon": 1e-8}), ("NormalizeReward", {"gamma": 0.99, "epsilon": 1e-8})
    )
)  # fmt: skip

gym.register("Normalized-v0", PointMass, max_episode_steps=20, reward_threshold=-8.0, additional_wrappers=WRAPPERS)
gym.register("Unseen-v0", Counter, kwargs={"length": 20})
