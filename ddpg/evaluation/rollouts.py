"""Episodes without noise or learning, many at once, from given start states."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpg.environments import interface
from ddpg.environments.interface import Environment, Step, hold_action, require_end, require_size
from ddpg.environments.running_statistics import frozen
from ddpg.finite import require_network, require_observation, require_reward
from ddpg.history import EpisodeHistory

BatchPolicy = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Observations (n, observation size) to actions (n, action size), both in the environment's units."""


@dataclass
class _Episode:
    """An episode in progress."""

    index: int
    env: Environment
    observations: list[NDArray[np.float32]]
    actions: list[NDArray[np.float32]] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    environment_steps: int = 0

    def record(self, action: NDArray[np.float32], step: Step) -> None:
        require_size(step.observation, self.observations[-1])
        self.observations.append(step.observation)
        self.actions.append(action)
        self.rewards.append(step.reward)
        self.environment_steps += step.environment_steps


def run_episodes(
    policy: BatchPolicy,
    envs: Sequence[Environment],
    seeds: Sequence[int],
    action_repeat: int,
    *,
    episode: int = 0,
    first_step: int = 0,
) -> list[EpisodeHistory]:
    """Runs one episode per seed, as many at once as there are environments, with one policy call for all.

    Running statistics of wrappers stay as they are, and rewards are not normalised by them; see `frozen`.

    Args:
        policy: From observations to actions.
        envs: Independent environments, at least one.
        seeds: With which the environment is reset, one per episode.
        action_repeat: Environment steps for which an action is held.
        episode: Number to record; see `EpisodeHistory`.
        first_step: Agent steps to record; see `EpisodeHistory`.

    Returns:
        The episodes in the order of their seeds.

    Raises:
        NotFiniteError: An environment returned, or the policy computed, NaN or infinity.
        EndlessEpisodeError: An episode does not end.
    """
    where = f"noise-free episode {episode}" if episode else "an evaluation episode"
    waiting = list(enumerate(seeds))[::-1]
    finished: dict[int, EpisodeHistory] = {}

    def start(env: Environment) -> _Episode:
        index, seed = waiting.pop()
        return _Episode(index, env, [interface.start(env, seed)])

    envs = envs[: len(seeds)]
    with frozen(envs):
        running = [start(env) for env in envs]
        while running:
            observations = np.array([current.observations[-1] for current in running])
            require_observation(where, observations)
            actions = policy(observations)
            require_network(where, "action", actions)
            still_running = []
            for current, action in zip(running, actions, strict=True):
                step = hold_action(current.env, action, action_repeat)
                require_reward(where, step.reward)
                current.record(action, step)
                if not (step.terminated or step.truncated):
                    require_end(where, current.env, current.environment_steps)
                    still_running.append(current)
                    continue
                require_observation(where, step.observation)
                finished[current.index] = EpisodeHistory(
                    episode=episode,
                    epsilon=0.0,
                    first_step=first_step,
                    observations=np.stack(current.observations),
                    actions=np.stack(current.actions),
                    rewards=np.array(current.rewards),
                    environment_steps=current.environment_steps,
                    terminated=step.terminated,
                    truncated=step.truncated,
                    is_success=step.is_success,
                )
                if waiting:
                    still_running.append(start(current.env))
            running = still_running
    return [finished[i] for i in range(len(seeds))]


def mean_score(episodes: Sequence[EpisodeHistory]) -> float:
    """The mean return."""
    return float(np.mean([episode.score for episode in episodes]))
