import numpy as np
import pytest
from pydantic import ValidationError

from ddpg.config import AgentConfig, GridConfig, TrainingConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("discount_factor", 1.01),
        ("tau_actor", 0),
        ("tau_critic", "0.1"),
        ("lr_actor", float("nan")),
        ("lr_critic", True),
        ("replay_batch_size", 0),
        ("replay_batch_size", 2.5),
        ("hidden_layer_sizes_actor", []),
        ("hidden_layer_sizes_actor", [16, "32"]),
        ("activation_fn_actor", "relu"),
        ("actor_gradient", "both"),
        ("bn_momentum_critic", 1),
        ("learning_rate", 0.1),
    ],
)
def test_refuses_by_name(field, value):
    with pytest.raises(ValidationError, match=field):
        AgentConfig(**{field: value})


def test_numbers_of_numpy_are_taken_as_numbers():
    config = AgentConfig(
        lr_actor=np.float32(0.5), replay_batch_size=np.int64(8), hidden_layer_sizes_actor=np.array([4, 5]),
        train_during_episode=np.bool_(False),
    )  # fmt: skip
    assert config == AgentConfig(
        lr_actor=0.5, replay_batch_size=8, hidden_layer_sizes_actor=[4, 5], train_during_episode=False
    )


def test_refuses_critic_paths_that_cannot_be_added():
    with pytest.raises(ValidationError, match="received 32 and 8"):
        AgentConfig(hidden_layer_sizes_critic=[[16, 32], [8]])


def test_refuses_a_batch_or_a_start_that_the_buffer_never_holds():
    with pytest.raises(ValidationError, match=r"at most replay_buffer_size \(10\)"):
        AgentConfig(replay_buffer_size=10, replay_batch_size=11)
    with pytest.raises(ValidationError, match=r"less than replay_buffer_size \(10\)"):
        AgentConfig(replay_buffer_size=10, replay_batch_size=10, learning_starts=10)
    with pytest.raises(ValidationError, match=r"less than replay_buffer_size \(10\), received 10"):
        AgentConfig(replay_buffer_size=10, replay_batch_size=10)


def test_takes_lists_and_compares_and_hashes_by_value():
    config = AgentConfig(hidden_layer_sizes_actor=[4, 5], bn_momentum_actor=0)
    assert config.hidden_layer_sizes_actor == (4, 5)
    assert config == AgentConfig(hidden_layer_sizes_actor=(4, 5))
    assert len({config, AgentConfig(hidden_layer_sizes_actor=(4, 5))}) == 1
    assert AgentConfig(**config.model_dump(mode="json")) == config


def test_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        TrainingConfig().eps = 2.0


def test_refuses_to_stop_at_a_target_that_is_never_measured():
    with pytest.raises(ValidationError, match="stop_after_n_solved: expected 0"):
        TrainingConfig(stop_after_n_solved=1, n_validation_episodes=0)


def test_grid_refuses_equal_dimensions_and_limits_that_descend():
    with pytest.raises(ValidationError, match="another dimension than x_dimension"):
        GridConfig(x_dimension=1, y_dimension=1)
    with pytest.raises(ValidationError, match=r"y_limits: .* received \[1.0, -1.0\]"):
        GridConfig(y_limits=[1.0, -1.0])


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("tau_acter", "tau_acter: unknown; did you mean tau_actor?"),
        ("zzz", "zzz: unknown; known are discount_factor, "),
    ],
)
def test_an_unknown_name_comes_with_the_closest_known_one(name, note):
    with pytest.raises(ValidationError) as raised:
        AgentConfig.from_keywords(**{name: 1})
    assert any(each.startswith(note) for each in raised.value.__notes__)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": 0.1, "eps_min": 0.5}, r"eps_min: expected at most eps \(0.1\), received 0.5"),
        ({"n_environment_steps": 100}, "eps_decay: expected a number"),
        (
            {"n_environment_steps": 100, "eps_decay": 0, "validate_every_n_steps": 101},
            r"validate_every_n_steps: expected at most n_environment_steps \(100\), received 101",
        ),
    ],
)
def test_training_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        TrainingConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target_noise_sigma": 0.1, "target_noise_clip": 0}, "target_noise_clip: expected a number above 0"),
        ({"join_critic": "concatenate", "hidden_layer_sizes_critic": [[], []]}, "hidden_layer_sizes_joint: expected"),
        ({"hidden_layer_sizes_critic": [[4], []]}, "expected two paths with layers, as join_critic is not concatenate"),
        (
            {
                "join_critic": "concatenate",
                "hidden_layer_sizes_critic": [[], []],
                "hidden_layer_sizes_joint": [4],
                "bn_momentum_critic": 0.7,
            },
            "bn_momentum_critic: expected 0",
        ),
        ({"bn_observations": True, "bn_momentum_critic": 0}, "bn_observations: expected false"),
    ],
)
def test_agent_settings_that_would_do_nothing_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        AgentConfig(**settings)
