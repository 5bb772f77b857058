"""What acts, remembers and learns; it knows no environment and no episodes."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddpg.algorithm.action_value import ActionValue
from ddpg.algorithm.learner import Learner
from ddpg.algorithm.noise import GaussianNoise, Noise, OrnsteinUhlenbeckNoise
from ddpg.algorithm.policy import Policy
from ddpg.algorithm.replay_buffer import ReplayBuffer, Transition
from ddpg.algorithm.saved_agent import Description
from ddpg.algorithm.scaling import BoxScaler, Moments, StandardizingScaler
from ddpg.config import AgentConfig
from ddpg.seeding import Stream, generator


class OffPolicyAgent:
    """An actor and a critic that learn from replayed transitions, with exploration noise.

    Args:
        observations: Scaling of the observations.
        actions: Scaling of the actions.
        config: The hyperparameters.
        seed: Source of all randomness.
    """

    def __init__(self, observations: BoxScaler, actions: BoxScaler, config: AgentConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self._box = observations
        self._standardizer: StandardizingScaler | None = None
        if config.observation_normalization == "standardize":
            self._standardizer = StandardizingScaler(observations.low, observations.high)
        self.actions = actions
        self.observation_size, self.action_size = observations.low.size, actions.low.size
        self.learner = Learner(self.observation_size, self.action_size, config, generator(seed, Stream.NETWORKS))
        self.replay_buffer = ReplayBuffer(config.replay_buffer_size, self.observation_size, self.action_size)
        self.noise = _noise(self.action_size, config, generator(seed, Stream.NOISE))
        self.n_updates = 0
        self._learning_steps = 0
        self._sampling = generator(seed, Stream.SAMPLING)
        self._random_actions = generator(seed, Stream.RANDOM_ACTIONS)
        self._target_noise = generator(seed, Stream.TARGET_NOISE)
        self._policy: tuple[Any, Policy] | None = None
        self._action_value: tuple[Any, ActionValue] | None = None

    @property
    def observations(self) -> BoxScaler:
        """Scaling of the observations at present; `observe_episode` replaces it, and does not change it."""
        return self._box if self._standardizer is None else self._standardizer

    @property
    def description(self) -> Description:
        """Configuration and scaling, as they are saved."""
        return Description(self.config, self.observations, self.actions)

    @property
    def policy(self) -> Policy:
        """The present policy, without noise; learning replaces it, and does not change it."""
        state, cached = self.learner.state, self._policy
        if cached is None or cached[0] is not state or cached[1].observations is not self.observations:
            self._policy = cached = state, Policy(self.description, *self.learner.actor_weights())
        return cached[1]

    def q(self, observations: ArrayLike, actions: ArrayLike) -> NDArray[np.float32]:
        """The present critic's values, of two critics the first's; in units of the normalised reward, shape (...,).

        Args:
            observations: In the environment's units, shape (..., observation size).
            actions: Likewise, shape (..., action size).

        Raises:
            ValueError: The shapes are others.
        """
        observations, actions = np.asarray(observations, np.float32), np.asarray(actions, np.float32)
        batch, size = observations.shape[:-1], (self.observation_size, self.action_size)
        if (observations.shape, actions.shape) != ((*batch, size[0]), (*batch, size[1])):
            raise ValueError(
                f"expected observations of shape (..., {size[0]}) and actions of shape (..., {size[1]}), "
                f"received {observations.shape} and {actions.shape}"
            )
        state = self.learner.state, self.observations
        if self._action_value is None or any(a is not b for a, b in zip(self._action_value[0], state, strict=True)):
            self._action_value = state, ActionValue(self.description, self.learner.critic_layers())
        return self._action_value[1](observations, actions)

    def act(self, observation: ArrayLike, eps: float = 0.0) -> NDArray[np.float32]:
        """Chooses the action for an observation, both flat and in the environment's units.

        Args:
            observation: Shape (observation size,).
            eps: Scale of the exploration noise; 0: no noise.

        Returns:
            Shape (action size,), within the action space.

        Raises:
            ValueError: The observation is of another shape.
        """
        observation = np.asarray(observation, np.float32)
        if observation.shape != (self.observation_size,):
            raise ValueError(
                f"observation: expected shape ({self.observation_size},), received {observation.shape}; "
                "agent.policy takes a batch of observations"
            )
        return self.actions.unscale(self.scaled_action(observation, eps))

    def scaled_action(self, observation: NDArray[Any], eps: float = 0.0) -> NDArray[Any]:
        """As `act`, in the networks' units, [-1, 1], which `observe` expects."""
        scaled = self.policy.scaled(self.observations.scale(observation))
        if eps:
            # The scaled range [-1, 1] is 2 wide, and noise is a share of the full range.
            scaled = np.minimum(np.maximum(scaled + 2 * eps * self.noise.sample(), -1), 1)  # faster than np.clip
        return scaled

    def random_action(self) -> NDArray[Any]:
        """Draws a scaled action, uniform over the action space, shape (action size,)."""
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
        """Remembers one agent step.

        Args:
            observation: In the environment's units, shape (observation size,).
            scaled_action: As `scaled_action` or `random_action` returned it.
            reward: The reward.
            next_observation: As `observation`.
            terminated: The task ended.
            truncated: A limit from outside the task ended the episode.
        """
        self.replay_buffer.add(
            self._box.scale(observation),
            scaled_action,
            reward,
            self._box.scale(next_observation),
            terminated or (truncated and not self.config.bootstrap_on_truncation),
        )
        if terminated or truncated:
            self.replay_buffer.end_episode()

    def observe_episode(self, observations: NDArray[Any]) -> None:
        """Counts an episode's observations, shape (n, observation size), in their running mean and deviation.

        Between two calls these are frozen, so that everything that happens in an episode, and after it until the next
        one ends, is with the same scaling.
        """
        if self._standardizer is not None:
            self._standardizer = self._standardizer.after(observations)

    @property
    def observation_moments(self) -> dict[str, Any] | None:
        """The fields of the observations' `Moments`; `None` if observations are not standardised."""
        return None if self._standardizer is None else self._standardizer.moments._asdict()

    def load_observation_moments(self, moments: Mapping[str, Any] | None) -> None:
        """Restores `observation_moments`.

        Raises:
            ValueError, TypeError: They are another agent's.
        """
        if moments is not None:
            self._standardizer = StandardizingScaler(self._box.low, self._box.high, Moments(**moments))

    @property
    def can_learn(self) -> bool:
        """Whether the replay buffer holds enough transitions."""
        starts = self.config.learning_starts
        return len(self.replay_buffer) > (self.config.replay_batch_size if starts is None else starts)

    def updates_due(self, n_steps: int) -> int:
        """The number of updates to make for so many more agent steps; what is left of one counts next time."""
        if not self.can_learn:
            return 0
        due = math.floor(self.config.updates_per_step * self._learning_steps)
        self._learning_steps += n_steps
        return math.floor(self.config.updates_per_step * self._learning_steps) - due

    def set_step_sizes(self, share: float) -> None:
        """Sets Adam's step sizes of the next updates to this share of the configured ones."""
        self.learner.set_step_sizes(share * self.config.lr_actor, share * self.config.lr_critic)

    def learn(self) -> Any:
        """Makes one update from a random batch; returns a tensor of the values of `UpdateMetrics`."""
        config = self.config
        rows = self.replay_buffer.sample(
            config.replay_batch_size, self._sampling, config.reward_normalization, config.discount_factor, config.n_step
        )
        if self._standardizer is not None:
            batch = Transition.from_rows(rows, self.observation_size, self.action_size)
            for column in (batch.observation, batch.next_observation):
                column[...] = self._standardizer.standardize(column)
        self.n_updates += 1
        return self.learner.update(
            rows, self._sample_target_noise(len(rows)), moves_actor=self.moves_actor(self.n_updates)
        )

    def moves_actor(self, update: int) -> bool:
        """Whether the update of this number, counted from 1, moves actor and targets besides the critics."""
        return update % self.config.policy_delay == 0

    def _sample_target_noise(self, n: int) -> NDArray[np.float32] | None:
        """Noise for n target actions, in the networks' units, whose range is 2 wide; `None` where there is none."""
        sigma, clip = 2 * self.config.target_noise_sigma, 2 * self.config.target_noise_clip
        if not sigma:
            return None
        noise: NDArray[np.float32] = self._target_noise.standard_normal((n, self.action_size), np.float32)
        noise *= np.float32(sigma)
        return np.clip(noise, -clip, clip, out=noise)

    def state_dict(self) -> dict[str, Any]:
        """Everything that acting and learning change: arrays and plain values in nested dictionaries."""
        return {
            "learner": self.learner.state_dict(),
            "replay_buffer": self.replay_buffer.state_dict(),
            "observation_moments": self.observation_moments,
            "noise": self.noise.state_dict(),
            "sampling": self._sampling.bit_generator.state,
            "random_actions": self._random_actions.bit_generator.state,
            "target_noise": self._target_noise.bit_generator.state,
            "n_updates": self.n_updates,
            "learning_steps": self._learning_steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores what `state_dict` of an agent of the same configuration returned.

        Raises:
            ValueError: It is that of another agent.
        """
        self.learner.load_state_dict(state["learner"])
        self.replay_buffer.load_state_dict(state["replay_buffer"])
        self.load_observation_moments(state["observation_moments"])
        self.noise.load_state_dict(state["noise"])
        self._sampling.bit_generator.state = state["sampling"]
        self._random_actions.bit_generator.state = state["random_actions"]
        self._target_noise.bit_generator.state = state["target_noise"]
        self.n_updates, self._learning_steps = state["n_updates"], state["learning_steps"]


def _noise(size: int, config: AgentConfig, rng: np.random.Generator) -> Noise:
    if config.noise == "gaussian":
        return GaussianNoise(size, config.gaussian_sigma, rng)
    return OrnsteinUhlenbeckNoise(size, config.ou_mu, config.ou_theta, config.ou_sigma, rng)
