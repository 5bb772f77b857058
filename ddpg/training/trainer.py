"""The training loop: episodes, tests, validation and the best policy. It knows nothing of logging or files."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.off_policy_agent import OffPolicyAgent
from ddpg.algorithm.operations import describe_networks, weights_of
from ddpg.algorithm.update import UpdateMetrics
from ddpg.config import TrainingConfig
from ddpg.environments import interface
from ddpg.environments.contract import EnvironmentWarning, check
from ddpg.environments.copies import copies, random_state, set_random_state
from ddpg.environments.interface import Environment, flat_observation, hold_action, require_end
from ddpg.evaluation.rollouts import mean_score, run_episodes
from ddpg.finite import require_network, require_observation, require_reward
from ddpg.history import (
    EpisodeHistory,
    EpisodeRecord,
    NetworkWeights,
    TrainingHistory,
    records_from_arrays,
    records_to_arrays,
)
from ddpg.seeding import Stream, episode_seed
from ddpg.training.snapshots import StateGrid, snapshots_per_weights

StepCallback = Callable[[], None]
LogLengths = tuple[int, ...]


class BestPolicy(NamedTuple):
    """The learner when it scored best."""

    episode: int
    score: float
    """Mean return of the validation episodes, or the test return without them."""
    learner: dict[str, NDArray[Any]]
    """What `Learner.state_dict` returned."""


@dataclass
class TrainingProgress:
    """How far the newest training is."""

    config: TrainingConfig
    epsilon: float
    """Scale of the exploration noise in the last episode, or before the first."""
    episodes_left: int
    in_episode: bool = False
    """Whether an episode is under way, or was ended by an exception."""


class Trainer:
    """Trains an agent in an environment, and holds what comes of it.

    Args:
        agent: Learns.
        env: Where it acts; prepared by `interface.prepare`.

    Attributes:
        history: The episodes and the snapshots.
        records: An `EpisodeRecord` for each training episode.
        best: The best policy so far, or `None`.
        progress: How far the newest training is; `None` before the first.
        n_successes: Training episodes that reached the goal.
    """

    def __init__(self, agent: OffPolicyAgent, env: Environment) -> None:
        self.agent = agent
        self.env = env
        observation_names, action_names = interface.dimension_names(env)
        self.history = TrainingHistory(
            observation_names, action_names, agent.actions.low, agent.actions.high, interface.reward_threshold(env)
        )
        self.records: list[EpisodeRecord] = []
        self.best: BestPolicy | None = None
        self.progress: TrainingProgress | None = None
        self.n_successes = 0
        self._validation_envs: list[Environment] = []
        self._n_copied = 0
        self._is_tried = False

    def train(self, config: TrainingConfig, on_step: StepCallback | None = None) -> Iterator[EpisodeRecord]:
        """Trains the agent; one that was trained before continues, with its episodes counted on.

        Args:
            config: How.
            on_step: Called after each agent step of training.

        Yields:
            A record after each episode, its test and its validation. The last snapshot comes after the last record.

        Raises:
            NotFiniteError: The environment returned, or the networks computed, NaN or infinity.
            UnsuitableEnvironmentError: A trial shows that the environment breaks Gymnasium's interface.
            EndlessEpisodeError: An episode does not end.
        """
        self.progress = TrainingProgress(config, config.eps, config.n_episodes)
        yield from self.resume(on_step)

    def resume(self, on_step: StepCallback | None = None) -> Iterator[EpisodeRecord]:
        """Runs the episodes that are left of the newest training; as `train`."""
        if self.progress is None:
            return
        self._try_environment()
        self._drop_unfinished_episode()
        grid = self._state_grid(self.progress.config)
        while self.progress.episodes_left:
            self.progress.in_episode = True
            record = self._run_episode(self.progress.config, self._next_epsilon(self.progress), grid, on_step)
            self.n_successes += record.reached_goal
            self.records.append(record)
            self.progress = TrainingProgress(self.progress.config, record.epsilon, self.progress.episodes_left - 1)
            yield record
        if grid is not None and self.history.n_steps:
            self._take_snapshot(grid, self.history.n_steps, len(self.history.training_episodes), is_last=True)

    @property
    def has_enough_successes(self) -> bool:
        """Whether the goal was reached as often as `successes_before_learning` asks."""
        return self.n_successes >= self.agent.config.successes_before_learning

    def test(self, action_repeat: int = 1) -> EpisodeHistory:
        """Runs an episode without noise or learning, and adds it to the history after the last training episode."""
        number = len(self.history.training_episodes)
        seed = episode_seed(self.agent.seed, Stream.TEST_EPISODES, number)
        (episode,) = run_episodes(
            self.agent.policy, [self.env], [seed], action_repeat, episode=number, first_step=self.history.n_steps
        )
        self.history.test_episodes.append(episode)
        return episode

    def validate(self, n_episodes: int, action_repeat: int = 1) -> list[EpisodeHistory]:
        """Runs episodes without noise or learning from start states that are the same at every call."""
        if self._n_copied != n_episodes:
            self._validation_envs, self._n_copied = copies(self.env, n_episodes), n_episodes
        seeds = [episode_seed(self.agent.seed, Stream.VALIDATION_EPISODES, i) for i in range(n_episodes)]
        return run_episodes(
            self.agent.policy,
            self._validation_envs,
            seeds,
            action_repeat,
            episode=len(self.history.training_episodes),
        )

    def keep_if_best(self, score: float) -> bool:
        """Keeps the present policy if its score is higher than the best so far (NaN never is); says whether it is."""
        is_best = score > (-math.inf if self.best is None else self.best.score)
        if is_best:
            self.best = BestPolicy(len(self.history.training_episodes), score, self.agent.learner.state_dict())
        return is_best

    def _try_environment(self) -> None:
        """Names what is wrong with the environment, once and before any work."""
        if not self._is_tried:
            problems = check(self.env)
            self._is_tried = True
            for problem in problems:
                warnings.warn(problem, EnvironmentWarning, stacklevel=2)

    def _drop_unfinished_episode(self) -> None:
        """Drops what is left of an episode that an exception ended, which is run again."""
        history, n_recorded = self.history, len(self.records)
        del history.training_episodes[n_recorded:]
        history.test_episodes[:] = [each for each in history.test_episodes if each.episode <= n_recorded]
        history.snapshots[:] = [each for each in history.snapshots if each.step <= history.n_steps]
        history.weights[:] = [each for each in history.weights if each.step <= history.n_steps]

    def _next_epsilon(self, progress: TrainingProgress) -> float:
        config = progress.config
        if not self.has_enough_successes:
            return progress.epsilon
        decay = config.eps / config.n_episodes if config.eps_decay is None else config.eps_decay
        return max(progress.epsilon - decay, config.eps_min)

    def _run_episode(
        self, config: TrainingConfig, epsilon: float, grid: StateGrid | None, on_step: StepCallback | None
    ) -> EpisodeRecord:
        """A training episode with its test and its validation."""
        n_updates = self.agent.n_updates
        episode, metrics = self._run_training_episode(config, epsilon, grid, on_step)
        test_return = self.test(config.action_repeat).score if config.run_tests else math.nan
        validation_return, is_best = math.nan, False
        if self.agent.n_updates > n_updates:
            if config.n_validation_episodes:
                validation_return = mean_score(self.validate(config.n_validation_episodes, config.action_repeat))
            is_best = self.keep_if_best(validation_return if config.n_validation_episodes else test_return)
        return EpisodeRecord(
            episode=episode.episode,
            epsilon=epsilon,
            training_return=episode.score,
            test_return=test_return,
            validation_return=validation_return,
            agent_steps=self.history.n_steps,
            environment_steps=self.history.environment_steps,
            updates=self.agent.n_updates,
            replay_buffer_size=len(self.agent.replay_buffer),
            **metrics._asdict(),
            reached_goal=episode.reached_goal,
            is_best=is_best,
        )

    def _run_training_episode(
        self, config: TrainingConfig, epsilon: float, grid: StateGrid | None, on_step: StepCallback | None
    ) -> tuple[EpisodeHistory, UpdateMetrics]:
        """An episode with exploration and learning, added to the history."""
        agent, env = self.agent, self.env
        number, first_step = len(self.history.training_episodes) + 1, self.history.n_steps
        where = f"training episode {number}"
        observation = flat_observation(env.reset(seed=episode_seed(agent.seed, Stream.TRAINING_EPISODES, number))[0])
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
            step = hold_action(env, action, config.action_repeat)
            require_reward(where, step.reward)
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
            losses += self._learn(len(actions) if ended else 0)
            if grid is not None and (first_step + len(actions)) % config.gen_q_a_frames_every_n_steps == 0:
                self._take_snapshot(grid, first_step + len(actions), number)
            if on_step is not None:
                on_step()
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
        self.history.training_episodes.append(episode)
        return episode, metrics

    def _learn(self, n_steps_of_episode: int) -> list[Any]:
        """The updates that are due after an agent step: one, or after an episode's last step all of the episode's.

        Args:
            n_steps_of_episode: The agent steps of an episode that ended, else 0.
        """
        if not self.has_enough_successes:
            return []
        n_updates = 1 if self.agent.config.train_during_episode else n_steps_of_episode
        return [self.agent.learn() for _ in range(n_updates) if self.agent.can_learn]

    def _mean_metrics(self, where: str, losses: list[Any]) -> UpdateMetrics:
        if not losses:
            return UpdateMetrics(*[math.nan] * len(UpdateMetrics._fields))
        means: list[float] = np.stack(losses).astype(np.float64).mean(axis=0).tolist()
        metrics = UpdateMetrics(*means)
        for quantity, value in metrics._asdict().items():
            require_network(where, quantity, np.array(value))
        require_network(where, "weight", np.asarray(self.agent.learner.state.floats))
        return metrics

    def _state_grid(self, config: TrainingConfig) -> StateGrid | None:
        if not config.gen_q_a_frames_every_n_steps:
            return None
        grid = StateGrid(config.grid, self.agent.observations, self.agent.action_size)
        drawn = self.history.grid
        if drawn is not None and not all(
            np.array_equal(a, b) for a, b in zip(vars(drawn).values(), vars(grid.axes).values(), strict=True)
        ):
            raise ValueError("grid: expected that of the snapshots which the history holds, received another")
        self.history.grid = grid.axes
        self.history.networks = describe_networks(self.agent.learner.compiled.networks, self.agent.observations)
        return grid

    def _take_snapshot(self, grid: StateGrid, step: int, episode: int, *, is_last: bool = False) -> None:
        """Adds a snapshot and, where it is their turn, the weights, unless the history has them of this step."""
        snapshots, weights, learner = self.history.snapshots, self.history.weights, self.agent.learner
        if not snapshots or snapshots[-1].step < step:
            snapshots.append(grid.snapshot(learner.evaluate_grid, step, episode))
        assert self.history.networks is not None  # described with the grid
        every = snapshots_per_weights(snapshots[-1], self.history.networks["n_weights"])
        is_due = is_last or (len(snapshots) - 1) % every == 0
        if is_due and (not weights or weights[-1].step < step):
            weights.append(NetworkWeights(step, weights_of(learner.parts, self.agent.observations)))

    @property
    def log_lengths(self) -> LogLengths:
        """How much `log_since` has to tell: training episodes, test episodes, snapshots, weights and records so far."""
        return *self.history.lengths, len(self.records)

    def log_since(self, lengths: LogLengths) -> dict[str, NDArray[Any]]:
        """The history and the records that came after the log had these lengths, as arrays."""
        *of_history, n_records = lengths
        later = self.history.since(of_history)
        return later.to_arrays() | records_to_arrays(self.records[n_records:])

    def extend_log(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Appends what `log_since` returned.

        Raises:
            ValueError, KeyError, TypeError, IndexError: The arrays are not those of a log.
        """
        self.history.extend(TrainingHistory.from_arrays(arrays))
        self.records += records_from_arrays(arrays)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the log, and the agent's: arrays and plain values in nested dictionaries.

        Raises:
            RuntimeError: An episode is under way.
        """
        progress = self.progress
        if progress is not None and progress.in_episode:
            raise RuntimeError(
                "save_checkpoint: expected to be called between two episodes, received a call within one"
            )
        return {
            "agent": self.agent.state_dict(),
            "progress": progress and {"epsilon": progress.epsilon, "episodes_left": progress.episodes_left},
            "best": self.best and self.best._asdict(),
            "n_successes": self.n_successes,
            # For environments that ignore the seed of a reset.
            "environment": random_state(self.env),
            "n_copied": self._n_copied,
            "validation_environments": [random_state(env) for env in self._validation_envs],
        }

    def load_state_dict(self, state: Mapping[str, Any], config: TrainingConfig | None) -> None:
        """Restores what `state_dict` returned.

        Args:
            state: That of a trainer of the same agent and environment.
            config: How the agent was trained; `None` if it was not.

        Raises:
            ValueError, KeyError, TypeError: The state is another trainer's.
        """
        self.agent.load_state_dict(state["agent"])
        self.progress = None if config is None else TrainingProgress(config, **state["progress"])
        self.best = None if state["best"] is None else BestPolicy(**state["best"])
        self.n_successes = state["n_successes"]
        of_copies = state["validation_environments"]
        if of_copies:
            self._validation_envs, self._n_copied = copies(self.env, state["n_copied"]), state["n_copied"]
        if len(self._validation_envs) != len(of_copies):
            received = len(self._validation_envs)
            raise ValueError(f"environment: expected one with {len(of_copies)} independent copies, received {received}")
        for env, of_generator in zip(
            [self.env, *self._validation_envs], [state["environment"], *of_copies], strict=True
        ):
            set_random_state(env, of_generator)
