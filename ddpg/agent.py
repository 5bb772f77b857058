"""The DDPG agent, as notebooks and scripts use it."""

import copy
import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddpg import plots
from ddpg.algorithm.learner import Learner
from ddpg.algorithm.off_policy_agent import OffPolicyAgent
from ddpg.algorithm.saved_agent import bounds_as_json, read_description, write_description
from ddpg.algorithm.scaling import LARGEST_STANDARDIZED, StandardizingScaler
from ddpg.config import AgentConfig, TrainingConfig
from ddpg.environments import interface, running_statistics
from ddpg.environments.interface import Environment
from ddpg.grid_config import GridConfig
from ddpg.history import EpisodeHistory, TrainingHistory
from ddpg.keywords import spelled_out
from ddpg.numerics import warn_of_obstacles
from ddpg.numerics.backend import keras
from ddpg.records import EpisodeRecord
from ddpg.seeding import new_seed
from ddpg.training import checkpoint
from ddpg.training.budget import TrainingProgress
from ddpg.training.snapshots import StateGrid
from ddpg.training.trainer import Trainer
from ddpg.training.validation import BestPolicy

if TYPE_CHECKING:
    from typing import Unpack

    from ddpg.keywords import AgentKeywords, TrainingKeywords

StepCallback = Callable[["DDPG"], None]
EpisodeCallback = Callable[["DDPG", EpisodeRecord], object]
"""Ends the training if it returns `False`."""

plots.show_histories()


class DDPG(OffPolicyAgent):
    """An agent that learns continuous control by deep deterministic policy gradients.

    Lillicrap et al., 2015, arXiv:1509.02971. Departures from the paper are settings; see `AgentConfig`.

    Args:
        env: A Gymnasium environment (or one of gym 0.26) with a Box observation space, which is flattened, and a
            Box action space with finite bounds.
        config: The hyperparameters; or name them one by one.
        seed: Source of all randomness. The same seed, configuration and environment repeat training bit for bit, on
            every machine that `ddpg.numerics` knows, in a process that imports `ddpg` before NumPy and TensorFlow.
        **hyperparameters: Any field of `AgentConfig`, instead of `config`; those not named have its defaults.

    Attributes:
        env: The environment.
        trainer: Runs the episodes, and holds what comes of them.

    Raises:
        UnsuitableEnvironmentError: The environment's spaces are of another kind.
        pydantic.ValidationError: A hyperparameter is unknown or out of its range.
    """

    @spelled_out(AgentConfig)
    def __init__(
        self,
        env: Environment,
        config: AgentConfig | None = None,
        *,
        seed: int | None = None,
        **hyperparameters: "Unpack[AgentKeywords]",
    ) -> None:
        if config is not None and hyperparameters:
            raise TypeError(f"DDPG: expected a config or hyperparameters, received both ({', '.join(hyperparameters)})")
        config = config if config is not None else AgentConfig.from_keywords(**hyperparameters)
        self.env = interface.prepare(env)
        super().__init__(
            interface.scaler_of(env.observation_space),
            interface.scaler_of(env.action_space),
            config,
            new_seed() if seed is None else seed,
        )
        self.trainer = Trainer(self, self.env)
        self._is_seed_given = seed is not None
        self._checkpoints: checkpoint.Written | None = None

    @property
    def history(self) -> TrainingHistory:
        """Everything that happened in training."""
        return self.trainer.history

    @property
    def records(self) -> list[EpisodeRecord]:
        """A record of each training episode."""
        return self.trainer.records

    @property
    def best(self) -> BestPolicy | None:
        """The best policy so far; `None` if none was chosen yet."""
        return self.trainer.best

    @property
    def progress(self) -> TrainingProgress | None:
        """How far the newest training is; `None` before the first."""
        return self.trainer.progress

    @property
    def actor(self) -> keras.Model:
        """A Keras copy of the actor."""
        return self.learner.networks()["actor"]

    @property
    def critic(self) -> keras.Model:
        """A Keras copy of the critic."""
        return self.learner.networks()["critic"]

    def test(self, action_repeat: int = 1) -> EpisodeHistory:
        """Runs an episode without noise or learning, and adds it to the history after the last training episode."""
        return self.trainer.test(action_repeat)

    @spelled_out(TrainingConfig)
    def train_n_episodes(
        self,
        n_episodes: int = 50,
        eps: float = 1.0,
        eps_decay: float | None = None,
        action_repeat: int = 1,
        run_tests: bool = True,
        gen_q_a_frames_every_n_steps: int = 0,
        *,
        on_step: StepCallback | None = None,
        on_episode: EpisodeCallback | None = None,
        on_best_training_score: EpisodeCallback | None = None,
        on_best_test_score: EpisodeCallback | None = None,
        **settings: "Unpack[TrainingKeywords]",
    ) -> TrainingHistory:
        """Trains and prints a line per episode. See `TrainingConfig` for the meaning of the settings.

        An agent that was trained before continues, with its episodes counted on. Settings that are not named have their
        defaults again; a line says which ones are others than before. Another line says if nothing was learned.

        Args:
            n_episodes: Training episodes.
            eps: Scale of the exploration noise before the first episode.
            eps_decay: Decrease of epsilon before each episode; `None`: `eps / n_episodes`.
            action_repeat: Environment steps for which an action is repeated.
            run_tests: Run a test episode without noise after each episode.
            gen_q_a_frames_every_n_steps: Agent steps between snapshots for `create_animation`; 0: none.
            on_step: Called with the agent after each agent step of training.
            on_episode: Called with the agent and the `EpisodeRecord` after each episode. If it returns `False`, as
                callbacks of Stable-Baselines3 do, this was the last episode; `continue_training` runs those left.
            on_best_training_score: As `on_episode`, after an episode with the highest training return so far.
            on_best_test_score: As `on_episode`, after an episode with the highest test return so far.
            **settings: Any other field of `TrainingConfig`.

        Returns:
            The agent's history.

        Warns:
            EnvironmentWarning: A short trial shows that results in the environment cannot repeat.
            PortabilityWarning: Once per process, if a seed was given but results depend on the machine.

        Raises:
            pydantic.ValidationError: A setting is unknown or out of its range.
            UnsuitableEnvironmentError: The environment breaks Gymnasium's interface, or an episode does not end.
            NotFiniteError: The environment returned, or the networks computed, NaN or infinity.
        """
        if self._is_seed_given:
            warn_of_obstacles()
        config = TrainingConfig.from_keywords(
            n_episodes=n_episodes,
            eps=eps,
            eps_decay=eps_decay,
            action_repeat=action_repeat,
            run_tests=run_tests,
            gen_q_a_frames_every_n_steps=gen_q_a_frames_every_n_steps,
            **settings,
        )
        if self.progress is not None and (changes := _changes(self.progress.config, config)):
            print(f"Other settings than in the training before: {changes}")
        records = self.trainer.train(config, self._with_agent(on_step))
        return self._follow(records, on_episode, on_best_training_score, on_best_test_score)

    def continue_training(
        self,
        *,
        on_step: StepCallback | None = None,
        on_episode: EpisodeCallback | None = None,
        on_best_training_score: EpisodeCallback | None = None,
        on_best_test_score: EpisodeCallback | None = None,
    ) -> TrainingHistory:
        """Runs the episodes that are left of a training that was interrupted; see `train_n_episodes`.

        After `resume` it continues as if there had been no interruption. In the process that was interrupted within an
        episode, its test or its validation, that episode is run again, and what the agent learned in it so far stays.
        """
        if self._is_seed_given:
            warn_of_obstacles()
        records = self.trainer.resume(self._with_agent(on_step))
        return self._follow(records, on_episode, on_best_training_score, on_best_test_score)

    def _with_agent(self, on_step: StepCallback | None) -> Callable[[], None] | None:
        return None if on_step is None else lambda: on_step(self)

    def _follow(
        self,
        records: Iterator[EpisodeRecord],
        on_episode: EpisodeCallback | None,
        on_best_training_score: EpisodeCallback | None,
        on_best_test_score: EpisodeCallback | None,
    ) -> TrainingHistory:
        n_updates = self.n_updates
        best_training = max((record.training_return for record in self.records), default=-math.inf)
        # -inf first: NaN, where tests are off, is no maximum.
        best_test = max([-math.inf, *(record.test_return for record in self.records)])
        for record in records:
            print(_line(record))
            callbacks = (
                on_episode,
                on_best_training_score if record.training_return > best_training else None,
                on_best_test_score if record.test_return > best_test else None,
            )
            answers = [callback(self, record) for callback in callbacks if callback is not None]
            if any(answer is False for answer in answers):
                self.trainer.stop()
            best_training = max(best_training, record.training_return)
            best_test = max(best_test, record.test_return)
        if self.n_updates == n_updates:
            print(self._why_nothing_was_learned())
        return self.history

    def _why_nothing_was_learned(self) -> str:
        starts = self.config.replay_batch_size if self.config.learning_starts is None else self.config.learning_starts
        held = f"the replay buffer holds {len(self.replay_buffer):,} transitions, and learning starts above {starts:,}"
        needed = self.config.successes_before_learning
        goals = f"; {self.trainer.n_successes} of {needed} successes_before_learning were reached" if needed else ""
        return f"Nothing was learned: {held}{goals}."

    def plot_returns(self) -> plots.Picture:
        """Draws the returns of all episodes so far: a value that notebooks show, and that can `save` itself.

        Raises:
            ValueError: The agent was not trained yet.
        """
        return plots.draw_returns(self.history)

    def plot_q(self, grid: GridConfig | None = None) -> plots.Picture:
        """Draws Q and the policy, as they are now, on a plane of states; see `plot_returns`.

        Args:
            grid: The plane; `None`: that of the newest training.

        Raises:
            ValueError: The plane's dimensions do not exist.
        """
        if grid is None:
            grid = GridConfig() if self.progress is None else self.progress.config.grid
        plane, history = StateGrid(grid, self.observations, self.action_size), self.history
        n_episodes = len(history.training_episodes)
        snapshot = plane.snapshot(self.learner.evaluate_grid, self.observations, history.n_steps, n_episodes)
        return plots.draw_networks(dataclasses.replace(history, grid=plane.axes), snapshot)

    def print_summary(self) -> None:
        """Prints the layers of actor and critic, and the hyperparameters."""
        print("Actor model summary:")
        self.actor.summary()
        print("Critic model summary:")
        self.critic.summary()
        print("Hyperparameters:")
        print(self.config.model_dump(mode="json"))

    def save(self, folder: str | Path, *, best: bool = False) -> None:
        """Writes weights (`.weights.h5`) and configuration (`config.json`) into a folder, created if necessary.

        Where wrappers of the environment hold running statistics, those through which the policy saw are written too.

        Args:
            folder: Where to.
            best: Write the best policy instead of the present networks, if there is one.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        agent = copy.copy(self)
        agent.learner = copy.copy(self.learner)
        statistics: running_statistics.State = running_statistics.state_dict(self.env)
        if best and self.best is not None:
            agent.learner.load_state_dict(self.best.learner)
            agent.load_observation_moments(self.best.observation_moments)
            statistics = self.best.statistics
        agent.learner.save_weights(folder)
        running_statistics.save(statistics, folder)
        write_description(folder, agent.description)

    @classmethod
    def load(cls, folder: str | Path, env: Environment, *, seed: int | None = None) -> "DDPG":
        """Loads the networks and configuration that `save` wrote; replay buffer and history are empty.

        Running statistics in the environment's wrappers become those that were saved, and stay as they are, whoever
        steps in the environment, until the agent is trained; as in tests, rewards are not normalised meanwhile. An
        environment with such wrappers is best made anew for each agent.

        Raises:
            FileNotFoundError: The folder holds no saved agent.
            UnsuitableEnvironmentError: The environment's spaces, or its wrappers with running statistics, differ from
                those that the agent was trained in.
            DamagedFileError: A file is corrupt or of another kind; the message names it.
        """
        folder = Path(folder)
        saved = read_description(folder)
        agent = cls(env, saved.config, seed=seed)
        interface.require_spaces_of(saved, agent.env, folder)
        agent.learner.load_weights(folder)
        if isinstance(saved.observations, StandardizingScaler):
            agent.load_observation_moments(saved.observations.moments._asdict())
        running_statistics.restore(agent.env, folder)
        agent.trainer.freeze_statistics()
        return agent

    def save_checkpoint(self, path: str | Path) -> None:
        """Writes the complete training into a folder, created if necessary, for `resume`; call it in `on_episode`.

        That is networks, optimizers, replay buffer, noise, random generators, history and the episodes left. The
        folder keeps this checkpoint and the one before; a save that is cut short by a crash leaves both as they were.

        Args:
            path: A folder that holds the checkpoints of this training only.

        Raises:
            RuntimeError: An episode is in progress.
            OSError: It cannot be written.
        """
        training = None if self.progress is None else _training_as_json(self.progress.config)
        identity = self._identity | {"training": training}
        self._checkpoints = checkpoint.save(self.trainer, identity, Path(path), self._checkpoints)

    @property
    def _identity(self) -> dict[str, Any]:
        """What must be the same in an agent that resumes this one's training."""
        return {
            "seed": self.seed,
            "agent": self.config.model_dump(mode="json"),
            "observation_space": bounds_as_json(self.observations),
            "action_space": bounds_as_json(self.actions),
        }

    @classmethod
    def resume(
        cls,
        path: str | Path,
        env: Environment,
        config: AgentConfig | None = None,
        *,
        seed: int | None = None,
        training: TrainingConfig | None = None,
    ) -> "DDPG":
        """The agent of the newest usable checkpoint in a folder; `continue_training` continues bit for bit.

        Gymnasium's environments start each episode from its seed. Of state that an environment carries from one episode
        to the next, its `np_random` and the running statistics of its wrappers are restored.

        Args:
            path: The folder that `save_checkpoint` wrote.
            env: An environment like the one that was trained in.
            config: If given, the checkpoint must have these hyperparameters.
            seed: If given, the checkpoint must have this seed.
            training: If given, the checkpoint must be of such a training.

        Warns:
            CheckpointWarning: A checkpoint is corrupt or of another training; the message names it, and an older one is
                tried.

        Raises:
            FileNotFoundError: The folder holds no checkpoint.
            CheckpointError: None can be used; a `ValueError` that says why, file by file.
            UnsuitableEnvironmentError: No agent can be trained in the environment.
        """
        interface.prepare(env)
        expected: dict[str, Any] = {}
        if config is not None:
            expected["agent"] = config.model_dump(mode="json")
        if seed is not None:
            expected["seed"] = seed
        if training is not None:
            expected["training"] = _training_as_json(training)

        def restored(found: checkpoint.Checkpoint) -> "DDPG":
            checkpoint.require(found.identity, expected)
            agent = cls(env, AgentConfig(**found.identity["agent"]), seed=found.identity["seed"])
            checkpoint.require(found.identity, agent._identity)
            trained = found.identity["training"]
            config = None if trained is None else TrainingConfig(**trained)
            agent._checkpoints = checkpoint.restore(agent.trainer, found, config)
            agent._is_seed_given = seed is not None
            return agent

        return checkpoint.newest(Path(path), restored)


def load_policy_model(folder: str | Path) -> keras.Model:
    """Loads a saved actor as a Keras model in the environment's units, for use without this library.

    Returns:
        Maps observations (n, observation size) to actions (n, action size).

    Raises:
        FileNotFoundError: The folder holds no saved agent.
        DamagedFileError: A file is corrupt or of another kind; the message names it.
    """
    folder = Path(folder)
    config, observations, actions = read_description(folder)
    learner = Learner(observations.low.size, actions.low.size, config, np.random.default_rng(0))
    learner.load_weights(folder)
    inputs = keras.Input((observations.low.size,), name="observation")
    scaled = keras.layers.Rescaling(1 / observations.half_range, -observations.center / observations.half_range)(inputs)
    if isinstance(observations, StandardizingScaler):
        mean, deviation, largest = observations.mean, observations.deviation, LARGEST_STANDARDIZED
        scaled = keras.ops.clip(keras.layers.Rescaling(1 / deviation, -mean / deviation)(scaled), -largest, largest)
    outputs = keras.layers.Rescaling(actions.half_range, actions.center)(learner.networks()["actor"](scaled))
    return keras.Model(inputs, outputs, name="policy")


def _training_as_json(config: TrainingConfig) -> dict[str, Any]:
    """The fields of `TrainingConfig`, also of a class that adds some."""
    return config.model_dump(mode="json", include=set(TrainingConfig.model_fields))


def _changes(before: TrainingConfig, now: TrainingConfig) -> str:
    """The settings that differ, as `eps 1.0 → 0.5`."""
    pairs = {name: (getattr(before, name), getattr(now, name)) for name in TrainingConfig.model_fields}
    return ", ".join(f"{name} {old} → {new}" for name, (old, new) in pairs.items() if old != new)


def _line(record: EpisodeRecord) -> str:
    line = (
        f"Episode {record.episode} - epsilon: {record.epsilon:.2f}, memory size: {record.replay_buffer_size}, "
        f"training score: {record.training_return:.2f}"
    )
    return line if math.isnan(record.test_return) else f"{line}, test score: {record.test_return:.2f}"
