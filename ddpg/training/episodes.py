"""Episodes with exploration and learning."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.off_policy_agent import OffPolicyAgent
from ddpg.algorithm.update import UpdateMetrics
from ddpg.config import TrainingConfig
from ddpg.environments import interface
from ddpg.environments.interface import Environment, hold_action, require_end, require_size
from ddpg.finite import require_network, require_observation, require_reward
from ddpg.history import EpisodeHistory
from ddpg.seeding import Stream, episode_seed
from ddpg.training.networks_recorder import NetworksRecorder

StepCallback = Callable[[], None]


class TrainingEpisodes:
    """Runs an agent's training episodes.

    Args:
        agent: Learns.
        env: Where it acts; prepared by `interface.prepare`.
        config: How it is trained.
        recorder: Records the networks; `None`: nothing does.
        on_step: Called after each agent step.
    """

    def __init__(
        self,
        agent: OffPolicyAgent,
        env: Environment,
        config: TrainingConfig,
        recorder: NetworksRecorder | None,
        on_step: StepCallback | None,
    ) -> None:
        self.agent, self.env, self.config = agent, env, config
        self.recorder, self.on_step = recorder, on_step

    def run(
        self, number: int, first_step: int, epsilon: float, *, learns: bool
    ) -> tuple[EpisodeHistory, UpdateMetrics]:
        """Runs one.

        Args:
            number: Of the episode, from 1.
            first_step: Agent steps of training before it.
            epsilon: Scale of the exploration noise.
            learns: Whether updates are made.

        Returns:
            The episode, and the means over its updates.

        Raises:
            NotFiniteError: The environment returned, or the networks computed, NaN or infinity.
            UnsuitableEnvironmentError: The environment breaks Gymnasium's interface.
            EndlessEpisodeError: The episode does not end.
        """
        agent, env, config = self.agent, self.env, self.config
        where = f"training episode {number}"
        observation = interface.start(env, episode_seed(agent.seed, Stream.TRAINING_EPISODES, number))
        require_observation(where, observation)
        agent.noise.reset()
        actions: list[NDArray[Any]] = []
        observations, rewards, losses = [observation], [], []
        environment_steps = 0
        ended = False
        while not ended:
            is_random = number <= config.n_random_episodes or first_step + len(actions) < config.n_random_steps
            scaled_action = agent.random_action() if is_random else agent.scaled_action(observation, epsilon)
            require_network(where, "action", scaled_action)
            action = agent.actions.unscale(scaled_action)
            step = hold_action(env, action, config.action_repeat)
            require_reward(where, step.reward)
            require_size(step.observation, observation)
            require_observation(where, step.observation)
            ended = step.terminated or step.truncated
            if not ended:
                require_end(where, env, environment_steps + step.environment_steps)
            agent.observe(observation, scaled_action, step.reward, step.observation, step.terminated, step.truncated)
            observation = step.observation
            observations.append(observation)
            actions.append(action)
            rewards.append(step.reward)
            environment_steps += step.environment_steps
            if learns:
                losses += self._learn(len(actions) if ended else 0)
            if self.recorder is not None:
                self.recorder.after_step(first_step + len(actions), number)
            if self.on_step is not None:
                self.on_step()
        episode = EpisodeHistory(
            episode=number,
            epsilon=epsilon,
            first_step=first_step,
            observations=np.stack(observations),
            actions=np.stack(actions),
            rewards=np.array(rewards),
            environment_steps=environment_steps,
            terminated=step.terminated,
            truncated=step.truncated,
            is_success=step.is_success,
        )
        metrics = self._mean_metrics(where, losses)
        agent.observe_episode(episode.observations)
        return episode, metrics

    def _learn(self, n_steps_of_episode: int) -> list[Any]:
        """The updates that are due after an agent step: its own, or after an episode's last step all of the episode's.

        Args:
            n_steps_of_episode: The agent steps of an episode that ended, else 0.
        """
        n_steps = 1 if self.agent.config.train_during_episode else n_steps_of_episode
        return [self.agent.learn() for _ in range(self.agent.updates_due(n_steps))]

    def _mean_metrics(self, where: str, losses: list[Any]) -> UpdateMetrics:
        if not losses:
            return UpdateMetrics(*[math.nan] * len(UpdateMetrics._fields))
        values = np.stack(losses).astype(np.float64)
        n_updates = self.agent.n_updates
        has_moved = [self.agent.moves_actor(number) for number in range(n_updates - len(losses) + 1, n_updates + 1)]
        means = {}
        for name, column in zip(UpdateMetrics._fields, values.T, strict=True):
            counted = column[has_moved] if name == "actor_loss" else column
            require_network(where, name, counted)
            means[name] = float(counted.mean()) if len(counted) else math.nan
        require_network(where, "weight", np.asarray(self.agent.learner.state.floats))
        return UpdateMetrics(**means)
