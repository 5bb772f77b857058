"""The DDPG agent."""

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddpg.algorithm.learner import Learner
from ddpg.algorithm.noise import OrnsteinUhlenbeckNoise
from ddpg.algorithm.policy import Description, Policy, read_description, write_description
from ddpg.algorithm.replay_buffer import ReplayBuffer
from ddpg.algorithm.scaling import BoxScaler
from ddpg.config import AgentConfig, TrainingConfig
from ddpg.environments import interface
from ddpg.environments.interface import Environment
from ddpg.evaluation.rollouts import run_episodes
from ddpg.history import EpisodeHistory, EpisodeRecord, TrainingHistory
from ddpg.numerics import warn_of_obstacles
from ddpg.numerics.backend import keras
from ddpg.seeding import Stream, episode_seed, generator, new_seed
from ddpg.training import checkpoint
from ddpg.training.trainer import Checkpoint, StepCallback, TrainingProgress, continue_training, train

EpisodeCallback = Callable[["DDPG", EpisodeRecord], None]


class DDPG:
    """An agent that learns continuous control by deep deterministic policy gradients.

    Lillicrap et al., 2015, arXiv:1509.02971. Departures from the paper are settings; see `AgentConfig`.

    Args:
        env: A Gymnasium environment (or one of gym 0.26) with a Box observation space, which is flattened, and a
            Box action space with finite bounds.
        config: The hyperparameters; or name them one by one.
        seed: Source of all randomness. The same seed, configuration and environment repeat training bit for bit, on
            every machine that `ddpg.numerics` knows, in a process that imports `ddpg` before NumPy and TensorFlow.
        **hyperparameters: Any field of `AgentConfig`, instead of `config`.

    Attributes:
        history: All that happened in training, a `TrainingHistory`.
        records: An `EpisodeRecord` for each training episode.
        best: The best checkpoint so far, or `None`.

    Raises:
        UnsuitableEnvironmentError: The environment's spaces are of another kind.
        pydantic.ValidationError: A hyperparameter is unknown or out of its range.
    """

    def __init__(
        self, env: Environment, config: AgentConfig | None = None, *, seed: int | None = None, **hyperparameters: Any
    ) -> None:
        if config is not None and hyperparameters:
            raise TypeError(f"DDPG: expected a config or hyperparameters, received both ({', '.join(hyperparameters)})")
        self.config = config if config is not None else AgentConfig(**hyperparameters)
        self.env = interface.prepare(env)
        self.seed = new_seed() if seed is None else seed
        self._is_seed_given = seed is not None
        self.observations = BoxScaler(env.observation_space.low, env.observation_space.high)
        self.actions = BoxScaler(env.action_space.low, env.action_space.high)
        self.observation_size, self.action_size = self.observations.low.size, self.actions.low.size

        self.learner = Learner(
            self.observation_size, self.action_size, self.config, generator(self.seed, Stream.NETWORKS)
        )
        self.replay_buffer = ReplayBuffer(self.config.replay_buffer_size, self.observation_size, self.action_size)
        self.noise = OrnsteinUhlenbeckNoise(
            self.action_size,
            self.config.ou_mu,
            self.config.ou_theta,
            self.config.ou_sigma,
            generator(self.seed, Stream.NOISE),
        )
        self._sampling = generator(self.seed, Stream.SAMPLING)
        self._random_actions = generator(self.seed, Stream.RANDOM_ACTIONS)
        observation_names, action_names = interface.dimension_names(self.env)
        self.history = TrainingHistory(
            observation_names,
            action_names,
            self.actions.low,
            self.actions.high,
            interface.reward_threshold(self.env),
        )
        self.records: list[EpisodeRecord] = []
        self.progress: TrainingProgress | None = None
        self.best: Checkpoint | None = None
        self.n_updates = 0
        self.n_successes = 0
        self._policy: Policy | None = None
        self._validation_envs: list[Environment] = []
        self.written: checkpoint.Written | None = None

    @property
    def description(self) -> Description:
        """Configuration and scaling, as they are saved."""
        return Description(self.config, self.observations, self.actions)

    @property
    def policy(self) -> Policy:
        """The present policy, without noise; it is replaced, not changed, by learning."""
        if self._policy is None:
            self._policy = Policy(self.description, *self.learner.actor_weights())
        return self._policy

    @property
    def actor(self) -> keras.Model:
        """A Keras copy of the actor."""
        return self.learner.networks()["actor"]

    @property
    def critic(self) -> keras.Model:
        """A Keras copy of the critic."""
        return self.learner.networks()["critic"]

    def act(self, observation: ArrayLike, eps: float = 0.0) -> NDArray[np.float32]:
        """The action for an observation, both flat and in the environment's units.

        Args:
            observation: Shape (observation size,).
            eps: Scale of the exploration noise; 0 takes none.

        Returns:
            Shape (action size,), within the action space.
        """
        return self.actions.unscale(self.scaled_action(np.asarray(observation, np.float32), eps))

    def scaled_action(self, observation: NDArray[Any], eps: float = 0.0) -> NDArray[Any]:
        """As `act`, in the networks' units, [-1, 1], in which `observe` remembers it."""
        scaled = self.policy.scaled(self.observations.scale(observation))
        if eps:
            # The scaled range [-1, 1] is 2 wide, and noise is a share of the full range.
            scaled = np.minimum(np.maximum(scaled + 2 * eps * self.noise.sample(), -1), 1)  # faster than np.clip
        return scaled

    def random_action(self) -> NDArray[Any]:
        """A scaled action, uniform over the action space, shape (action size,)."""
        return self._random_actions.uniform(-1, 1, self.action_size)

    def observe(
        self,
        observation: NDArray[Any],
        scaled_action: NDArray[Any],
        reward: float,
        next_observation: NDArray[Any],
        terminated: bool,
        truncated: bool,
    ) -> None:
        """Remembers one agent step: observations in the environment's units, the action as `scaled_action` gave it."""
        self.replay_buffer.add(
            self.observations.scale(observation),
            scaled_action,
            reward,
            self.observations.scale(next_observation),
            terminated or (truncated and not self.config.bootstrap_on_truncation),
        )

    @property
    def has_enough_successes(self) -> bool:
        """Whether the goal was reached as often as `successes_before_learning` asks."""
        return self.n_successes >= self.config.successes_before_learning

    @property
    def can_learn(self) -> bool:
        """Whether the buffer holds enough, and the goal was reached often enough."""
        starts = self.config.learning_starts
        return self.has_enough_successes and len(self.replay_buffer) > (
            self.config.replay_batch_size if starts is None else starts
        )

    def learn(self) -> Any:
        """Makes one update from a random batch; returns `UpdateMetrics` as a tensor of shape (3,)."""
        rows = self.replay_buffer.sample(
            self.config.replay_batch_size, self._sampling, self.config.reward_normalization
        )
        metrics = self.learner.update(rows)
        self.n_updates += 1
        self._policy = None
        return metrics

    def test(self, action_repeat: int = 1) -> EpisodeHistory:
        """Runs an episode without noise or learning, and adds it to the history after the last training episode."""
        number = len(self.history.training_episodes)
        seed = episode_seed(self.seed, Stream.TEST_EPISODES, number)
        (episode,) = run_episodes(
            self.policy, [self.env], [seed], action_repeat, episode=number, first_step=self.history.n_steps
        )
        self.history.test_episodes.append(episode)
        return episode

    def validate(self, n_episodes: int, action_repeat: int = 1) -> list[EpisodeHistory]:
        """Runs episodes without noise or learning from start states that are the same at every call."""
        if len(self._validation_envs) != n_episodes:
            self._validation_envs = interface.copies(self.env, n_episodes)
        seeds = [episode_seed(self.seed, Stream.VALIDATION_EPISODES, i) for i in range(n_episodes)]
        return run_episodes(
            self.policy,
            self._validation_envs,
            seeds,
            action_repeat,
            episode=len(self.history.training_episodes),
        )

    def keep_if_best(self, score: float) -> bool:
        """Keeps the learner's state if it scores higher than the best so far (NaN never does); says whether it did."""
        is_best = score > (-math.inf if self.best is None else self.best.score)
        if is_best:
            self.best = Checkpoint(len(self.history.training_episodes), score, self.learner.state)
        return is_best

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
        **settings: Any,
    ) -> TrainingHistory:
        """Trains and prints a line per episode. See `TrainingConfig` for the meaning of the settings.

        Args:
            n_episodes: Training episodes.
            eps: Scale of the exploration noise before the first episode.
            eps_decay: Lost before each episode; `None`: `eps / n_episodes`.
            action_repeat: Environment steps for which an action is held.
            run_tests: Follow each episode by a test without noise.
            gen_q_a_frames_every_n_steps: Agent steps between snapshots for `create_animation`; 0: none.
            on_step: Called with the agent after each agent step of training.
            on_episode: Called with the agent and the `EpisodeRecord` after each episode.
            on_best_training_score: Likewise, after an episode with a higher training return than all before.
            on_best_test_score: Likewise, after an episode whose test has a higher return than all before.
            **settings: Any other field of `TrainingConfig`.

        Returns:
            The agent's history.

        Warns:
            PortabilityWarning: Once in a process, where the agent was given a seed and its numbers depend on the
                machine.

        Raises:
            pydantic.ValidationError: A setting is unknown or out of its range.
        """
        if self._is_seed_given:
            warn_of_obstacles()
        config = TrainingConfig(
            n_episodes=n_episodes,
            eps=eps,
            eps_decay=eps_decay,
            action_repeat=action_repeat,
            run_tests=run_tests,
            gen_q_a_frames_every_n_steps=gen_q_a_frames_every_n_steps,
            **settings,
        )
        return self._follow(train(self, config, on_step), on_episode, on_best_training_score, on_best_test_score)

    def continue_training(
        self,
        *,
        on_step: StepCallback | None = None,
        on_episode: EpisodeCallback | None = None,
        on_best_training_score: EpisodeCallback | None = None,
        on_best_test_score: EpisodeCallback | None = None,
    ) -> TrainingHistory:
        """Makes the episodes that are left of a training that was interrupted; see `train_n_episodes`.

        After `resume` it goes on as if there had been no interruption. In the process that was interrupted within an
        episode, its test or its validation, that episode is made again, and what it taught the agent so far stays.
        """
        if self._is_seed_given:
            warn_of_obstacles()
        return self._follow(continue_training(self, on_step), on_episode, on_best_training_score, on_best_test_score)

    def _follow(
        self,
        records: Iterator[EpisodeRecord],
        on_episode: EpisodeCallback | None,
        on_best_training_score: EpisodeCallback | None,
        on_best_test_score: EpisodeCallback | None,
    ) -> TrainingHistory:
        best_training = max((record.training_return for record in self.records), default=-math.inf)
        # -inf first: NaN, where tests are off, is no maximum.
        best_test = max([-math.inf, *(record.test_return for record in self.records)])
        for record in records:
            print(_line(record))
            if on_episode is not None:
                on_episode(self, record)
            if on_best_training_score is not None and record.training_return > best_training:
                on_best_training_score(self, record)
            if on_best_test_score is not None and record.test_return > best_test:
                on_best_test_score(self, record)
            best_training = max(best_training, record.training_return)
            best_test = max(best_test, record.test_return)
        return self.history

    def print_summary(self) -> None:
        """Prints the layers of actor and critic, and the hyperparameters."""
        print("Actor model summary:")
        self.actor.summary()
        print("Critic model summary:")
        self.critic.summary()
        print("Hyperparameters:")
        print(self.config.model_dump(mode="json"))

    def save(self, folder: str | Path, *, best: bool = False) -> None:
        """Writes weights (`.weights.h5`) and configuration (`config.json`) into a folder, made if need be.

        Args:
            folder: Where to.
            best: Write the best checkpoint instead of the present networks; without one they are the same.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        learner = copy.copy(self.learner)
        if best and self.best is not None:
            learner.state = self.best.state
        learner.save_weights(folder)
        write_description(folder, self.description)

    @classmethod
    def load(cls, folder: str | Path, env: Environment, *, seed: int | None = None) -> "DDPG":
        """An agent with the networks and configuration that `save` wrote; its buffer and history are empty.

        Raises:
            FileNotFoundError: The folder holds no saved agent.
            UnsuitableEnvironmentError: The environment's spaces are not those the agent was made for.
            ValueError: The files are damaged or of another kind; the message names the file.
        """
        folder = Path(folder)
        saved = read_description(folder)
        agent = cls(env, saved.config, seed=seed)
        interface.require_spaces_of(saved, agent.env, folder)
        agent.learner.load_weights(folder)
        return agent

    def save_checkpoint(self, path: str | Path) -> None:
        """Writes the whole training into a folder, made if need be, for `resume`; `on_episode` is the place to call it.

        All of it: networks, optimizers, replay buffer, noise, random generators, history and the episodes left. The
        folder keeps this checkpoint and the one before; one cut short by a crash leaves both as they were.

        Args:
            path: A folder for the checkpoints of this training alone.

        Raises:
            RuntimeError: An episode is under way.
            OSError: It cannot be written.
        """
        checkpoint.save(self, Path(path))

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
        """The agent of the newest usable checkpoint in a folder; `continue_training` goes on bit for bit.

        Gymnasium's environments start each episode from its seed. One that keeps more than its `np_random` from one
        episode to the next starts without it.

        Args:
            path: The folder that `save_checkpoint` wrote.
            env: An environment like the one that was trained in.
            config: If given, what the checkpoint's hyperparameters must be.
            seed: Likewise its seed.
            training: Likewise how it was trained.

        Warns:
            CheckpointWarning: A checkpoint is damaged or of another training; the message names it, and an older
                one is tried.

        Raises:
            FileNotFoundError: The folder holds no checkpoint.
            CheckpointError: It holds none that can be used; a `ValueError` that says why not, file by file.
            UnsuitableEnvironmentError: No agent can be trained in the environment.
        """
        interface.prepare(env)
        expected: dict[str, Any] = {}
        if config is not None:
            expected["agent"] = config.model_dump(mode="json")
        if seed is not None:
            expected["seed"] = seed
        if training is not None:
            expected["training"] = checkpoint.training_as_json(training)

        def restored(state: checkpoint.State) -> "DDPG":
            checkpoint.require(state.document, expected)
            agent = cls(env, AgentConfig(**state.document["agent"]), seed=state.document["seed"])
            checkpoint.require(state.document, checkpoint.identity(agent))
            checkpoint.restore(agent, state)
            agent._is_seed_given = seed is not None
            return agent

        return checkpoint.newest(Path(path), restored)


def load_policy_model(folder: str | Path) -> keras.Model:
    """A saved actor as a Keras model in the environment's units, for use without this library.

    Returns:
        Maps observations (n, observation size) to actions (n, action size).

    Raises:
        FileNotFoundError: The folder holds no saved agent.
        ValueError: The files are damaged or of another kind; the message names the file.
    """
    folder = Path(folder)
    config, observations, actions = read_description(folder)
    learner = Learner(observations.low.size, actions.low.size, config, np.random.default_rng(0))
    learner.load_weights(folder)
    inputs = keras.Input((observations.low.size,), name="observation")
    scaled = keras.layers.Rescaling(1 / observations.half_range, -observations.center / observations.half_range)(inputs)
    outputs = keras.layers.Rescaling(actions.half_range, actions.center)(learner.networks()["actor"](scaled))
    return keras.Model(inputs, outputs, name="policy")


def _line(record: EpisodeRecord) -> str:
    line = (
        f"Episode {record.episode} - epsilon: {record.epsilon:.2f}, memory size: {record.replay_buffer_size}, "
        f"training score: {record.training_return:.2f}"
    )
    return line if math.isnan(record.test_return) else f"{line}, test score: {record.test_return:.2f}"
