"""The training loop: episodes, tests, validation and the best policy. It knows nothing of logging or files."""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.off_policy_agent import OffPolicyAgent
from ddpg.config import TrainingConfig
from ddpg.disk_list import DiskList
from ddpg.environments import dimensions, interface, running_statistics
from ddpg.environments.contract import EnvironmentWarning, check
from ddpg.environments.copies import random_state, set_random_state
from ddpg.environments.interface import Environment
from ddpg.evaluation.rollouts import run_episodes
from ddpg.history import EpisodeHistory, TrainingHistory
from ddpg.records import EpisodeRecord, records_from_arrays, records_to_arrays
from ddpg.seeding import Stream, episode_seed
from ddpg.training.budget import TrainingProgress
from ddpg.training.episodes import StepCallback, TrainingEpisodes
from ddpg.training.networks_recorder import NetworksRecorder, drop_after
from ddpg.training.validation import BestPolicy, Returns, Validation, race

LogLengths = tuple[int, ...]


class Trainer:
    """Trains an agent in an environment, and holds what comes of it.

    Args:
        agent: Learns.
        env: Where it acts; prepared by `interface.prepare`.

    Attributes:
        history: The episodes and the snapshots; these lie on disk.
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
            observation_names,
            action_names,
            agent.actions.low,
            agent.actions.high,
            interface.reward_threshold(env),
            snapshots=DiskList(),
            weights=DiskList(),
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
        every = config.gen_q_a_frames_every_n_steps
        recorder = NetworksRecorder(self.agent, self.history, config.grid, every) if every else None
        episodes = TrainingEpisodes(self.agent, self.env, config, recorder, on_step)
        while not self.progress.is_over:
            self.progress.in_episode = True
            if config.lr_final < 1:
                self.agent.set_step_sizes(1 - self.progress.share * (1 - config.lr_final))
            epsilon = self.progress.next_epsilon(decays=self.has_enough_successes)
            record = self._run_episode(config, epsilon, episodes)
            self.n_successes += record.reached_goal
            environment_steps = record.environment_steps - self._environment_steps
            self.records.append(record)
            self.progress = self.progress.after(record, environment_steps, target)
            yield record
        if recorder is not None:
            recorder.at_the_end()
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
        drop_after(history, history.n_steps)

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

    def _run_episode(self, config: TrainingConfig, epsilon: float, episodes: TrainingEpisodes) -> EpisodeRecord:
        """A training episode with its test and its validation."""
        n_updates = self.agent.n_updates
        number, first_step = len(self.history.training_episodes) + 1, self.history.n_steps
        episode, metrics = episodes.run(number, first_step, epsilon, learns=self.has_enough_successes)
        self.history.training_episodes.append(episode)
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
