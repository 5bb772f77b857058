"""The training loop: a generator that yields one record per episode and knows nothing of logging."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ddpg.algorithm.learner import UpdateMetrics
from ddpg.algorithm.update import LearnerState
from ddpg.config import TrainingConfig
from ddpg.environments.interface import flat_observation, hold_action
from ddpg.evaluation.rollouts import mean_score
from ddpg.finite import require_network, require_observation, require_reward
from ddpg.history import EpisodeHistory, EpisodeRecord
from ddpg.seeding import Stream, episode_seed
from ddpg.training.snapshots import StateGrid

if TYPE_CHECKING:
    from ddpg.agent import DDPG

StepCallback = Callable[["DDPG"], None]


class Checkpoint(NamedTuple):
    """The learner as it was when it scored best."""

    episode: int
    score: float
    """Mean return of the validation episodes, or the test return without them."""
    state: LearnerState


@dataclass
class TrainingProgress:
    """How far an agent's newest training is."""

    config: TrainingConfig
    epsilon: float
    """Scale of the exploration noise in the last episode, or before the first."""
    episodes_left: int
    in_episode: bool = False
    """Whether an episode is under way, or ended by an exception."""


def train(agent: "DDPG", config: TrainingConfig, on_step: StepCallback | None = None) -> Iterator[EpisodeRecord]:
    """Trains the agent, which keeps the history, the records and the best checkpoint.

    Args:
        agent: Learns in its environment; an agent that was trained before goes on, with its episodes counted on.
        config: How.
        on_step: Called with the agent after each agent step of training.

    Yields:
        A record after each episode, its test and its validation. The last snapshot comes after the last record.

    Raises:
        NotFiniteError: The environment gave, or the networks became, something that is no number.
    """
    agent.progress = TrainingProgress(config, config.eps, config.n_episodes)
    yield from continue_training(agent, on_step)


def continue_training(agent: "DDPG", on_step: StepCallback | None = None) -> Iterator[EpisodeRecord]:
    """Makes the episodes that are left of the agent's newest training; as `train`."""
    if agent.progress is None:
        return
    progress, config, history = agent.progress, agent.progress.config, agent.history
    # What is left of an episode that an exception ended, which is made again.
    n_recorded = len(agent.records)
    del history.training_episodes[n_recorded:]
    history.test_episodes[:] = [each for each in history.test_episodes if each.episode <= n_recorded]
    history.snapshots[:] = [each for each in history.snapshots if each.step <= history.n_steps]
    grid = _state_grid(agent, config)
    decay = config.eps / config.n_episodes if config.eps_decay is None else config.eps_decay
    while progress.episodes_left:
        progress.in_episode = True
        epsilon = max(progress.epsilon - decay, config.eps_min) if agent.has_enough_successes else progress.epsilon
        n_updates = agent.n_updates
        episode, metrics = run_training_episode(agent, config, epsilon, grid, on_step)
        test_return = agent.test(config.action_repeat).score if config.run_tests else math.nan
        validation_return, is_best = math.nan, False
        if agent.n_updates > n_updates:
            if config.n_validation_episodes:
                validation_return = mean_score(agent.validate(config.n_validation_episodes, config.action_repeat))
            is_best = agent.keep_if_best(validation_return if config.n_validation_episodes else test_return)
        record = EpisodeRecord(
            episode=episode.episode,
            epsilon=epsilon,
            training_return=episode.score,
            test_return=test_return,
            validation_return=validation_return,
            agent_steps=history.n_steps,
            environment_steps=history.environment_steps,
            updates=agent.n_updates,
            replay_buffer_size=len(agent.replay_buffer),
            **metrics._asdict(),
            reached_goal=episode.reached_goal,
            is_best=is_best,
        )
        agent.n_successes += episode.reached_goal
        agent.records.append(record)
        agent.progress = progress = TrainingProgress(config, epsilon, progress.episodes_left - 1)
        yield record
    last_step = history.snapshots[-1].step if history.snapshots else 0
    if grid is not None and history.n_steps > last_step:
        history.snapshots.append(grid.snapshot(agent.learner, history.n_steps, len(history.training_episodes)))


def run_training_episode(
    agent: "DDPG", config: TrainingConfig, epsilon: float, grid: StateGrid | None, on_step: StepCallback | None
) -> tuple[EpisodeHistory, UpdateMetrics]:
    """Runs one episode with exploration and learning, and adds it to the agent's history."""
    number, first_step = len(agent.history.training_episodes) + 1, agent.history.n_steps
    observation = flat_observation(agent.env.reset(seed=episode_seed(agent.seed, Stream.TRAINING_EPISODES, number))[0])
    where = f"training episode {number}"
    require_observation(where, observation)
    agent.noise.reset()
    observations, actions, rewards, losses = [observation], [], [], []
    environment_steps = 0
    ended = False
    while not ended:
        is_random = number <= config.n_random_episodes
        scaled_action = agent.random_action() if is_random else agent.scaled_action(observation, epsilon)
        require_network(where, "action", scaled_action)
        action = agent.actions.unscale(scaled_action)
        step = hold_action(agent.env, action, config.action_repeat)
        require_reward(where, step.reward)
        require_observation(where, step.observation)
        ended = step.terminated or step.truncated
        agent.observe(observation, scaled_action, step.reward, step.observation, step.terminated, step.truncated)
        observation = step.observation
        observations.append(observation)
        actions.append(action)
        rewards.append(step.reward)
        environment_steps += step.environment_steps
        due_after_episode = len(actions) if ended else 0
        n_updates = 1 if agent.config.train_during_episode else due_after_episode
        losses += [agent.learn() for _ in range(n_updates) if agent.can_learn]
        if grid is not None and (first_step + len(actions)) % config.gen_q_a_frames_every_n_steps == 0:
            agent.history.snapshots.append(grid.snapshot(agent.learner, first_step + len(actions), number))
        if on_step is not None:
            on_step(agent)
    metrics = _mean_metrics(losses)
    if losses:
        for quantity, value in metrics._asdict().items():
            require_network(where, quantity, np.array(value))
        require_network(where, "weight", np.asarray(agent.learner.state.floats))
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
    )
    agent.history.training_episodes.append(episode)
    return episode, metrics


def _state_grid(agent: "DDPG", config: TrainingConfig) -> StateGrid | None:
    if not config.gen_q_a_frames_every_n_steps:
        return None
    grid = StateGrid(config.grid, agent.observations, agent.action_size)
    drawn = agent.history.grid
    if drawn is not None and not all(
        np.array_equal(a, b) for a, b in zip(vars(drawn).values(), vars(grid.axes).values(), strict=True)
    ):
        raise ValueError("grid: expected that of the snapshots which the history holds, received another")
    agent.history.grid = grid.axes
    return grid


def _mean_metrics(losses: list[Any]) -> UpdateMetrics:
    if not losses:
        return UpdateMetrics(math.nan, math.nan, math.nan)
    means: list[float] = np.stack(losses).astype(np.float64).mean(axis=0).tolist()
    return UpdateMetrics(*means)
