"""The training loop: episodes, tests, validation and the best policy. It knows nothing of logging or files."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.off_policy_agent import OffPolicyAgent
from ddpg.algorithm.operations import describe_networks, weights_of
from ddpg.algorithm.update import UpdateMetrics
from ddpg.config import TrainingConfig
from ddpg.environments import dimensions, interface, running_statistics
from ddpg.environments.contract import EnvironmentWarning, check
from ddpg.environments.copies import random_state, set_random_state
from ddpg.environments.interface import Environment, hold_action, require_end, require_size
from ddpg.evaluation.rollouts import run_episodes
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
from ddpg.training.validation import Returns, Validation, race

StepCallback = Callable[[], None]
LogLengths = tuple[int, ...]


class BestPolicy(NamedTuple):
    """The learner when it scored best."""

    episode: int
    score: float
    """Mean return of the validation episodes, or the test return without them."""
    returns: Returns | None
    """Of the validation episodes, in the order of their start states."""
    learner: dict[str, NDArray[Any]]
    """What `Learner.state_dict` returned."""
    observation_moments: dict[str, Any] | None
    """`OffPolicyAgent.observation_moments`."""
    statistics: running_statistics.State
    """What `running_statistics.state_dict` returned: those through which the policy saw."""


@dataclass
class TrainingProgress:
    """How far the newest training is."""

    config: TrainingConfig
    epsilon: float
    """Scale of the exploration noise in the last episode, or before the first."""
    episodes: int = 0
    """Made so far."""
    environment_steps: int = 0
    """Made so far in training episodes."""
    n_solved: int = 0
    """Successive validations, up to the newest, whose score reached the target."""
    in_episode: bool = False
    """Whether an episode is under way, or was ended by an exception."""
    is_stopped: bool = False
    """Whether it ends early because that was asked for."""

    @property
    def share(self) -> float:
        """The share of the budget that is used up, in [0, 1]: of its environment steps, if it has some, or episodes."""
        total = self.config.n_environment_steps
        return min(1.0, self.episodes / self.config.n_episodes if total is None else self.environment_steps / total)

    @property
    def is_over(self) -> bool:
        """Whether no episode is left."""
        n_to_stop = self.config.stop_after_n_solved
        is_solved = n_to_stop > 0 and self.n_solved >= n_to_stop
        return self.is_stopped or is_solved or self.share == 1 or self.episodes >= self.config.n_episodes

    def after(self, record: EpisodeRecord, environment_steps: int, target: float | None) -> "TrainingProgress":
        """The progress after one more episode.

        Args:
            record: Of the episode.
            environment_steps: Those of the episode.
            target: See `TrainingConfig.target`.
        """
        n_solved = self.n_solved
        if target is not None and not math.isnan(record.validation_return):
            n_solved = n_solved + 1 if record.validation_return >= target else 0
        return TrainingProgress(
            self.config, record.epsilon, self.episodes + 1, self.environment_steps + environment_steps, n_solved
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything but the configuration, between two episodes."""
        return {name: getattr(self, name) for name in ("epsilon", "episodes", "environment_steps", "n_solved")}


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
        validation: Scores policies.
    """

    def __init__(self, agent: OffPolicyAgent, env: Environment) -> None:
        self.agent = agent
        self.env = env
        observation_names, action_names = dimensions.names_of(env)
        self.history = TrainingHistory(
            observation_names, action_names, agent.actions.low, agent.actions.high, interface.reward_threshold(env)
        )
        self.records: list[EpisodeRecord] = []
        self.best: BestPolicy | None = None
        self.progress: TrainingProgress | None = None
        self.n_successes = 0
        self.validation = Validation(env, agent.seed)
        self._is_tried = False
        self._frozen = ExitStack()

    def train(self, config: TrainingConfig, on_step: StepCallback | None = None) -> Iterator[EpisodeRecord]:
        """Trains the agent; one that was trained before continues, with its episodes counted on.

        If policies are then scored in another way, the first one that is scored replaces the best so far.

        Args:
            config: How.
            on_step: Called after each agent step of training.

        Yields:
            A record after each episode, its test and its validation. The last snapshot comes after the last record.

        Raises:
            ValueError: Training should stop at a target, and there is none.
            NotFiniteError: The environment returned, or the networks computed, NaN or infinity.
            UnsuitableEnvironmentError: A trial shows that the environment breaks Gymnasium's interface.
            EndlessEpisodeError: An episode does not end.
        """
        config.target(self.history.reward_threshold)
        self.close()
        if self.best is not None and self.progress is not None and config.measure != self.progress.config.measure:
            self.best = self.best._replace(score=-math.inf, returns=None)
        self.progress = TrainingProgress(config, config.eps)
        self.agent.set_step_sizes(1.0)
        yield from self.resume(on_step)

    def resume(self, on_step: StepCallback | None = None) -> Iterator[EpisodeRecord]:
        """Runs the episodes that are left of the newest training; as `train`.

        A training that comes to its end closes the copies of the environment; see `close`.
        """
        if self.progress is None:
            return
        self._frozen.close()
        self._try_environment()
        self._drop_unfinished_episode()
        self.progress.is_stopped = False
        config = self.progress.config
        target = config.target(self.history.reward_threshold)
        grid = self._state_grid(config)
        while not self.progress.is_over:
            self.progress.in_episode = True
            if config.lr_final < 1:
                self.agent.set_step_sizes(1 - self.progress.share * (1 - config.lr_final))
            record = self._run_episode(config, self._next_epsilon(self.progress), grid, on_step)
            self.n_successes += record.reached_goal
            environment_steps = record.environment_steps - self._environment_steps
            self.records.append(record)
            self.progress = self.progress.after(record, environment_steps, target)
            yield record
        if grid is not None and self.history.n_steps:
            self._take_snapshot(grid, self.history.n_steps, len(self.history.training_episodes), is_last=True)
        self.close()

    def stop(self) -> None:
        """Lets the episode that was the last one so far be the last one of the training; `resume` runs those left."""
        if self.progress is not None:
            self.progress.is_stopped = True

    def freeze_statistics(self) -> None:
        """Keeps running statistics of the environment's wrappers as they are until the agent is trained."""
        self._frozen.enter_context(running_statistics.frozen([self.env]))

    def close(self) -> None:
        """Closes the copies of the environment in which policies are validated; they are made again when needed."""
        self.validation.close()

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

    def validate(self, n_episodes: int, action_repeat: int = 1, *, heat: range | None = None) -> list[EpisodeHistory]:
        """Runs episodes without noise or learning from start states that are the same at every call.

        Args:
            n_episodes: The number of start states.
            action_repeat: Environment steps for which an action is held.
            heat: The start states of this call; `None`: all.
        """
        number = len(self.history.training_episodes)
        return self.validation.run(self.agent.policy, n_episodes, action_repeat, heat=heat, episode=number)

    def keep_if_best(self, score: float, returns: Returns | None = None) -> bool:
        """Keeps the present policy if its score is higher than the best so far (NaN never is); says whether it is.

        Args:
            score: Of the policy.
            returns: Those of the validation episodes, if there were any.
        """
        is_best = score > (-math.inf if self.best is None else self.best.score)
        if is_best:
            self.best = BestPolicy(
                len(self.history.training_episodes),
                score,
                returns,
                self.agent.learner.state_dict(),
                self.agent.observation_moments,
                running_statistics.state_dict(self.env),
            )
        return is_best

    def _validation_returns(self, config: TrainingConfig) -> Returns:
        """Those of all validation episodes, or fewer if the policy cannot be the best; see `validation.race`."""
        n_episodes = config.n_validation_episodes

        def run(heat: range) -> Returns:
            return np.array([each.score for each in self.validate(n_episodes, config.action_repeat, heat=heat)])

        best = None if self.best is None else self.best.returns
        return race(run, n_episodes, config.n_first_validation_episodes, best)

    def _try_environment(self) -> None:
        """Names what is wrong with the environment, once and before any work."""
        if not self._is_tried:
            problems = check(self.env)
            self._is_tried = True
            for problem in problems:
                warnings.warn(problem, EnvironmentWarning, stacklevel=2)

    def _drop_unfinished_episode(self) -> None:
        """Drops what is left of an episode that an exception ended, which is run again."""
        self.agent.replay_buffer.end_episode()
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

    @property
    def _environment_steps(self) -> int:
        """Up to the newest record."""
        return self.records[-1].environment_steps if self.records else 0

    def _is_score_due(self, config: TrainingConfig, environment_steps: int, *, has_learned: bool) -> bool:
        """Whether the policy is scored after an episode, at whose end there were so many environment steps."""
        interval = config.validate_every_n_steps
        if not interval:
            return has_learned
        return self.agent.n_updates > 0 and self._environment_steps // interval < environment_steps // interval

    def _run_episode(
        self, config: TrainingConfig, epsilon: float, grid: StateGrid | None, on_step: StepCallback | None
    ) -> EpisodeRecord:
        """A training episode with its test and its validation."""
        n_updates = self.agent.n_updates
        episode, metrics = self._run_training_episode(config, epsilon, grid, on_step)
        test_return = self.test(config.action_repeat).score if config.run_tests else math.nan
        validation_return, n_validated, is_best = math.nan, 0, False
        environment_steps = self._environment_steps + episode.environment_steps
        if self._is_score_due(config, environment_steps, has_learned=self.agent.n_updates > n_updates):
            if config.n_validation_episodes:
                returns = self._validation_returns(config)
                validation_return, n_validated = float(returns.mean()), len(returns)
                if n_validated == config.n_validation_episodes:
                    is_best = self.keep_if_best(validation_return, returns)
            else:
                is_best = self.keep_if_best(test_return)
        return EpisodeRecord(
            episode=episode.episode,
            epsilon=epsilon,
            training_return=episode.score,
            test_return=test_return,
            validation_return=validation_return,
            validation_episodes=n_validated,
            agent_steps=self.history.n_steps,
            environment_steps=environment_steps,
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
        agent.observe_episode(episode.observations)
        return episode, metrics

    def _learn(self, n_steps_of_episode: int) -> list[Any]:
        """The updates that are due after an agent step: its own, or after an episode's last step all of the episode's.

        Args:
            n_steps_of_episode: The agent steps of an episode that ended, else 0.
        """
        if not self.has_enough_successes:
            return []
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
        """Adds a snapshot and, where it is their turn, the weights; the last ones replace those of the same step."""
        snapshots, weights, learner = self.history.snapshots, self.history.weights, self.agent.learner
        if is_last and self.agent.config.observation_normalization != "none":  # an episode's end changes the scaling
            snapshots[:] = [each for each in snapshots if each.step < step]
            weights[:] = [each for each in weights if each.step < step]
        if not snapshots or snapshots[-1].step < step:
            snapshots.append(grid.snapshot(learner.evaluate_grid, self.agent.observations, step, episode))
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
            "progress": progress and progress.state_dict(),
            "best": self.best and self.best._asdict(),
            "n_successes": self.n_successes,
            "running_statistics": running_statistics.state_dict(self.env),
            # For environments that ignore the seed of a reset.
            "environment": random_state(self.env),
            "validation": self.validation.state_dict(),
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
        running_statistics.load_state_dict(self.env, state["running_statistics"])
        self.validation.load_state_dict(state["validation"])
        set_random_state(self.env, state["environment"])
