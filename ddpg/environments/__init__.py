"""What is asked of an environment, and how it is copied and stepped; the quadcopter, which this registers."""

from ddpg.environments.quadcopter.environment import register

register()
