"""Your own environments, as in `environment.id: environments:PointMass-v0`. DVC reruns the stages if a file changes."""

import gymnasium

gymnasium.register("PointMass-v0", "environments.point_mass:PointMass", max_episode_steps=100, reward_threshold=-8.0)
