"""All settings of the agent, its training and its state grid: typed, bounded and documented."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ddpg.base_config import (
    Config,
    Count,
    Finite,
    Fraction,
    FractionBelowOne,
    Layers,
    LayerSizes,
    NonNegative,
    Positive,
    PositiveCount,
    PositiveFraction,
)
from ddpg.grid_config import GridConfig


class AgentConfig(Config):
    """The agent's hyperparameters. Actions and bounded observations are scaled to [-1, 1] inside the agent."""

    discount_factor: Fraction = 0.999
    """γ, per agent step."""

    n_step: PositiveCount = 1
    """Agent steps whose rewards the critic's target sums before it bootstraps, fewer at the end of an episode (Sutton,
    1988; Barth-Maron et al., 2018, arXiv:1804.08617). The actions between are those of the policy at the time."""

    train_during_episode: bool = True
    """Update after every agent step; otherwise after each episode, for all agent steps it had."""

    updates_per_step: Positive = 1.0
    """Updates for each agent step since learning started; what is left of one is made later."""

    replay_buffer_size: PositiveCount = 10_000
    """Capacity in transitions; the oldest are overwritten."""

    replay_batch_size: PositiveCount = 1024
    """Transitions in one update."""

    learning_starts: Count | None = None
    """Learning starts when the buffer holds more transitions than this; `None`: than `replay_batch_size`."""

    successes_before_learning: Count = 0
    """Learning and the decay of epsilon start after this many training episodes that reached the goal; see
    `EpisodeHistory.reached_goal`. Only for environments that have a goal."""

    observation_normalization: Literal["none", "standardize"] = "none"
    """`standardize`: the networks see observations less their running mean, in units of their running deviation, cut
    off at ±10, as Stable-Baselines3's `VecNormalize` does. Both cover the observations of the training episodes that
    have ended; they are frozen within an episode and outside training. For observations without bounds."""

    reward_normalization: Literal["standardize", "scale", "none"] = "standardize"
    """Rewards in a batch are divided by their running standard deviation; `standardize` subtracts the running mean
    first, which acts as a cost of time."""

    bootstrap_on_truncation: bool = True
    """A time limit does not end the task: bootstrap from its last state (Pardo et al., 2018, arXiv:1712.00378)."""

    actor_gradient: Literal["policy", "replay"] = "policy"
    """Where dQ/da is evaluated: at the actor's own actions (Silver et al., 2014, eq. 9; Lillicrap et al., 2015, eq. 6),
    or at the replayed actions, as Udacity's quadcopter code did."""

    lr_actor: NonNegative = 0.0001
    """Adam's step size for the actor."""

    lr_critic: NonNegative = 0.005
    """Adam's step size for the critic."""

    tau_actor: PositiveFraction = 0.3
    """τ, the weight of the actor in each soft update of its target."""

    tau_critic: PositiveFraction = 0.1
    """τ, the weight of the critic in each soft update of its target."""

    hidden_layer_sizes_actor: LayerSizes = (16, 32, 16)
    """Units of the actor's hidden layers."""

    hidden_layer_sizes_critic: Annotated[tuple[Layers, Layers], Field(strict=False)] = ((16, 32), (16, 32))
    """Units of the critic's observation path and of its action path."""

    join_critic: Literal["add_activated", "add", "concatenate"] = "add_activated"
    """How the critic's paths are joined: `concatenate` their outputs, of which a path without layers has its input, as
    Lillicrap et al., 2015, and Fujimoto et al., 2018; or `add` them, and activate the sum. `add_activated` activates
    them before too, as Udacity's quadcopter code did: since that leaves hardly anything to activate, Q(s, a) is nearly
    F(s) + G(a), and the best action nearly the same in every state."""

    hidden_layer_sizes_joint: Layers = ()
    """Units of the critic's layers after the paths are joined."""

    n_critics: Literal[1, 2] = 1
    """Critics that learn side by side; the target is the smaller of their values (Fujimoto et al., 2018,
    arXiv:1802.09477, section 4.2). The actor follows the first."""

    policy_delay: PositiveCount = 1
    """The actor and all targets move in every n-th update, critics in each (Fujimoto et al., 2018, section 5.2)."""

    target_noise_sigma: NonNegative = 0.0
    """Standard deviation of normal noise on the target actor's action, as a fraction of the action range; 0: none
    (Fujimoto et al., 2018, section 5.3, whose 0.2 of [-1, 1] is 0.1 here)."""

    target_noise_clip: NonNegative = 0.25
    """Most of that noise in either direction, likewise."""

    activation_fn_actor: Literal["tanh", "sigmoid"] = "tanh"
    """Activation of the actor's output; sigmoid's (0, 1) is stretched to (-1, 1)."""

    relu_alpha_actor: Fraction = 0.01
    """Negative slope of the actor's leaky ReLU."""

    relu_alpha_critic: Fraction = 0.01
    """Negative slope of the critic's leaky ReLU."""

    l2_reg_actor: NonNegative = 0.01
    """L2 penalty on the actor's hidden kernels."""

    l2_reg_critic: NonNegative = 0.01
    """L2 penalty on the critic's hidden kernels."""

    bn_momentum_actor: FractionBelowOne = 0.0
    """Momentum of batch normalisation after each hidden layer of the actor; 0: no batch normalisation."""

    bn_momentum_critic: FractionBelowOne = 0.7
    """Momentum of batch normalisation where the critic's paths are added, or, if they are concatenated, after each
    layer of the observation path; 0: no batch normalisation."""

    bn_observations: bool = False
    """Normalise the observations as well in networks with batch normalisation (Lillicrap et al., 2015)."""

    layer_norm_actor: bool = False
    """Layer normalisation of the actor's hidden layers, before their activation (Ba et al., 2016, arXiv:1607.06450)."""

    layer_norm_critic: bool = False
    """Layer normalisation of the critic's hidden layers, likewise."""

    initializer: Literal["glorot_uniform", "fan_in"] = "glorot_uniform"
    """Distribution of the initial kernels; `fan_in`: kernels and biases uniform within 1/√(inputs of the layer), as
    Lillicrap et al., 2015, and PyTorch."""

    output_init_range: Positive | None = None
    """The output layers start uniform within this distance of 0 (Lillicrap et al., 2015: 0.003); `None`: as others."""

    weight_decay_critic: NonNegative = 0.0
    """Share of each of the critic's weights that is added to its gradient (Lillicrap et al., 2015: 0.01)."""

    gradient_clip_norm: Positive | None = None
    """A network's gradient is scaled down to this Euclidean norm if it is longer; `None`: never."""

    dropout_actor: FractionBelowOne = 0.0
    """Dropout rate of the actor's hidden layers while it learns."""

    dropout_critic: FractionBelowOne = 0.0
    """Dropout rate of the critic's hidden layers while it learns."""

    noise: Literal["ornstein_uhlenbeck", "gaussian"] = "ornstein_uhlenbeck"
    """Exploration noise, scaled by epsilon: correlated in time (Lillicrap et al., 2015), or independent (Fujimoto et
    al., 2018). The settings of the other have no effect."""

    ou_mu: Finite = 0.0
    """μ, the mean of the Ornstein-Uhlenbeck noise."""

    ou_theta: Fraction = 0.05
    """θ, the rate at which the noise reverts to its mean, per agent step."""

    ou_sigma: NonNegative = 0.25
    """σ, the standard deviation of the noise's random part per agent step, as a fraction of the action range."""

    gaussian_sigma: NonNegative = 0.1
    """Standard deviation of the Gaussian noise, as a fraction of the action range; where others state it in units of
    actions scaled to [-1, 1], this is half of theirs."""

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        self._require_a_critic()
        if self.replay_batch_size > self.replay_buffer_size:
            raise ValueError(
                f"replay_batch_size: expected at most replay_buffer_size ({self.replay_buffer_size}), "
                f"received {self.replay_batch_size}"
            )
        if self.target_noise_sigma and not self.target_noise_clip:
            raise ValueError(
                "target_noise_clip: expected a number above 0 with target_noise_sigma above 0, received 0.0"
            )
        starts = self.replay_batch_size if self.learning_starts is None else self.learning_starts
        if starts >= self.replay_buffer_size:
            raise ValueError(
                f"learning_starts: expected less than replay_buffer_size ({self.replay_buffer_size}), received {starts}"
            )
        return self

    def _require_a_critic(self) -> None:
        """Checks that the critic's paths can be joined, and that nothing asked of them is without effect."""
        observation_path, action_path = self.hidden_layer_sizes_critic
        if self.join_critic == "concatenate":
            if not (observation_path or action_path or self.hidden_layer_sizes_joint):
                raise ValueError("hidden_layer_sizes_joint: expected a layer where both paths have none, received []")
            if self.bn_momentum_critic and not (observation_path or self.bn_observations):
                raise ValueError(
                    "bn_momentum_critic: expected 0 where the paths are concatenated and the observation path has no "
                    f"layers, received {self.bn_momentum_critic}"
                )
        elif not (observation_path and action_path):
            raise ValueError(
                "hidden_layer_sizes_critic: expected two paths with layers, as join_critic is not concatenate, "
                f"received {[list(observation_path), list(action_path)]}"
            )
        elif observation_path[-1] != action_path[-1]:
            raise ValueError(
                "hidden_layer_sizes_critic: expected two paths that end in the same number of units, "
                f"received {observation_path[-1]} and {action_path[-1]}"
            )
        if self.bn_observations and not (self.bn_momentum_actor or self.bn_momentum_critic):
            raise ValueError(
                "bn_observations: expected false where neither bn_momentum_actor nor bn_momentum_critic is above 0, "
                "received true"
            )


class TrainingConfig(Config):
    """How an agent is trained."""

    n_episodes: PositiveCount = 50
    """Training episodes, at most."""

    n_environment_steps: PositiveCount | None = None
    """Training ends after the episode in which its environment steps reach this number; `None`: after `n_episodes`,
    which end it in any case. Tests and validation do not count."""

    eps: NonNegative = 1.0
    """Epsilon, the scale of the exploration noise, before the first episode; it is lowered before each one."""

    eps_decay: NonNegative | None = None
    """Decrease of epsilon before each episode; `None`: `eps / n_episodes`, so that the last episode has no noise
    unless `successes_before_learning` delayed the decay; not with `n_environment_steps`."""

    eps_min: NonNegative = 0.0
    """Lower bound of epsilon."""

    lr_final: Fraction = 1.0
    """Share of Adam's step sizes that is left at the end of the budget; before each episode they are lowered linearly,
    over environment steps if `n_environment_steps` is set, else over episodes."""

    action_repeat: PositiveCount = 1
    """Environment steps for which an action is held; their rewards are summed into one agent step's."""

    n_random_episodes: Count = 0
    """Number of first episodes with actions drawn uniformly from the action space."""

    n_random_steps: Count = 0
    """Number of first agent steps with such actions, besides those of `n_random_episodes`; Fujimoto et al., 2018,
    arXiv:1802.09477, begin with 1,000 or 10,000."""

    run_tests: bool = True
    """Follow each training episode by a test episode without noise or learning."""

    n_validation_episodes: Count = 20
    """Episodes from fixed start states by which a changed policy is scored, to keep the best; 0: it is scored by the
    test episode, and without tests the final policy is the best."""

    n_first_validation_episodes: Count = 0
    """Validate with so many of the episodes first, and double their number only while the policy may still be the best:
    see `ddpg.training.validation.race`. 0: with all at once."""

    validate_every_n_steps: Count = 0
    """Environment steps between validations: one comes after the episode in which the number of environment steps so
    far passes the next multiple, and a policy in between cannot be the best. 0: after each episode with updates."""

    stop_after_n_solved: Count = 0
    """Training ends early after so many successive validations whose score reached the target; 0: never. One that ended
    early, as the policy could not be the best, counts by the episodes that it had."""

    validation_target: Finite | None = None
    """The target of `stop_after_n_solved`; `None`: the environment's `reward_threshold`."""

    gen_q_a_frames_every_n_steps: Count = 0
    """Agent steps between snapshots of the networks on the state grid; the last is taken at the end. 0: none."""

    grid: GridConfig = GridConfig()
    """The state grid of the snapshots."""

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        if self.stop_after_n_solved and not self.n_validation_episodes:
            raise ValueError(
                "stop_after_n_solved: expected 0, as there is no validation with n_validation_episodes: 0, "
                f"received {self.stop_after_n_solved}"
            )
        if self.eps_min > self.eps:
            raise ValueError(f"eps_min: expected at most eps ({self.eps}), received {self.eps_min}")
        steps = self.n_environment_steps
        if steps is not None and self.eps_decay is None:
            raise ValueError("eps_decay: expected a number, as n_environment_steps may end the training, received null")
        if steps is not None and self.validate_every_n_steps > steps:
            raise ValueError(
                f"validate_every_n_steps: expected at most n_environment_steps ({steps}), "
                f"received {self.validate_every_n_steps}"
            )
        return self

    @property
    def measure(self) -> tuple[int, int]:
        """What makes scores comparable: the number of validation episodes, and the steps for which actions are held."""
        return self.n_validation_episodes, self.action_repeat

    def target(self, reward_threshold: float | None) -> float | None:
        """The score at which a validation counts as solved; `None` if training never stops early.

        Args:
            reward_threshold: The environment's, if it has one.

        Raises:
            ValueError: Training should stop early, and there is no target.
        """
        if not self.stop_after_n_solved:
            return None
        target = reward_threshold if self.validation_target is None else self.validation_target
        if target is None:
            raise ValueError(
                "validation_target: expected a number, as the environment has no reward_threshold and "
                f"stop_after_n_solved is {self.stop_after_n_solved}, received None"
            )
        return target
