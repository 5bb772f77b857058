"""The fields of `AgentConfig` and `TrainingConfig` as keyword arguments, for editors and type checkers.

`ddpg.config` has their meaning, ranges and sources; a test keeps names and types in agreement with it.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any, Literal, TypedDict, TypeVar

from ddpg.base_config import Config
from ddpg.grid_config import GridConfig

_Layers = Sequence[int]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def spelled_out(config: type[Config]) -> Callable[[_Function], _Function]:
    """Let `help` and notebooks, which do not read types, see a configuration's fields in a function's signature."""

    def spell_out(function: _Function) -> _Function:
        signature = inspect.signature(function)
        named = [each for each in signature.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
        fields = {name: field for name, field in config.model_fields.items() if name not in signature.parameters}
        others = [Parameter(name, Parameter.KEYWORD_ONLY, default=field.default) for name, field in fields.items()]
        vars(function)["__signature__"] = signature.replace(parameters=[*named, *others])
        return function

    return spell_out


class AgentKeywords(TypedDict, total=False):
    """Those of `DDPG`."""

    discount_factor: float
    n_step: int
    train_during_episode: bool
    updates_per_step: float
    replay_buffer_size: int
    replay_batch_size: int
    learning_starts: int | None
    successes_before_learning: int
    observation_normalization: Literal["none", "standardize"]
    reward_normalization: Literal["standardize", "scale", "none"]
    bootstrap_on_truncation: bool
    actor_gradient: Literal["policy", "replay"]
    lr_actor: float
    lr_critic: float
    tau_actor: float
    tau_critic: float
    hidden_layer_sizes_actor: _Layers
    hidden_layer_sizes_critic: Sequence[_Layers]
    join_critic: Literal["add_activated", "add", "concatenate"]
    hidden_layer_sizes_joint: _Layers
    n_critics: Literal[1, 2]
    policy_delay: int
    target_noise_sigma: float
    target_noise_clip: float
    activation_fn_actor: Literal["tanh", "sigmoid"]
    relu_alpha_actor: float
    relu_alpha_critic: float
    l2_reg_actor: float
    l2_reg_critic: float
    bn_momentum_actor: float
    bn_momentum_critic: float
    bn_observations: bool
    layer_norm_actor: bool
    layer_norm_critic: bool
    initializer: Literal["glorot_uniform", "fan_in"]
    output_init_range: float | None
    weight_decay_critic: float
    gradient_clip_norm: float | None
    dropout_actor: float
    dropout_critic: float
    noise: Literal["ornstein_uhlenbeck", "gaussian"]
    ou_mu: float
    ou_theta: float
    ou_sigma: float
    gaussian_sigma: float


class TrainingKeywords(TypedDict, total=False):
    """Those of `DDPG.train_n_episodes` besides the ones that it names itself."""

    n_environment_steps: int | None
    eps_min: float
    lr_final: float
    n_random_episodes: int
    n_random_steps: int
    n_validation_episodes: int
    n_first_validation_episodes: int
    validate_every_n_steps: int
    stop_after_n_solved: int
    validation_target: float | None
    grid: GridConfig | Mapping[str, Any]
