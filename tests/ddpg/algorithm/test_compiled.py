import types

import numpy as np
import pytest
import tensorflow as tf

from ddpg.algorithm.compiled import COMPILED_SETTINGS, LearnerState, compiled, compiled_update
from ddpg.algorithm.learner import Learner
from ddpg.algorithm.update import UpdateMetrics
from ddpg.config import AgentConfig

SMALL = AgentConfig(
    hidden_layer_sizes_actor=(4,),
    hidden_layer_sizes_critic=((4,), (4,)),
    dropout_critic=0.5,
    replay_batch_size=8,
    replay_buffer_size=64,
)
ROWS = np.random.default_rng(0).normal(size=(8, 7)).astype(np.float32)


def learner(**changes):
    return Learner(2, 1, SMALL.model_copy(update=changes), np.random.default_rng(1))


def test_pack_and_unpack_are_inverse():
    of_update = compiled_update(2, 1, SMALL)
    state = of_update.initial_state(np.random.default_rng(1))
    parts = of_update.unpack(LearnerState(*(vector.numpy() for vector in state)))
    for vector, expected in zip(of_update.pack(parts), state, strict=True):
        np.testing.assert_array_equal(vector, expected)


def test_targets_start_equal_to_their_networks():
    parts = learner().parts
    for network in (parts.actor, *parts.critics):
        np.testing.assert_array_equal(network.target, network.weights)


# A value of each setting that is not its default.
OTHER = {
    "actor_gradient": "replay", "tau_actor": 0.9, "tau_critic": 0.9,
    "hidden_layer_sizes_actor": (5,), "hidden_layer_sizes_critic": ((5, 4), (4,)), "activation_fn_actor": "sigmoid",
    "relu_alpha_actor": 0.5, "relu_alpha_critic": 0.5, "l2_reg_actor": 0.5, "l2_reg_critic": 0.5,
    "bn_momentum_actor": 0.5, "bn_momentum_critic": 0.1, "dropout_actor": 0.5, "dropout_critic": 0.1,
    "join_critic": "add", "hidden_layer_sizes_joint": (3,), "bn_observations": True, "layer_norm_actor": True,
    "layer_norm_critic": True, "initializer": "fan_in", "output_init_range": 0.003, "n_critics": 2,
    "weight_decay_critic": 0.1, "gradient_clip_norm": 0.01,
}  # fmt: skip


def test_each_compiled_setting_has_another_value_here():
    assert OTHER.keys() == COMPILED_SETTINGS


@pytest.mark.slow
@pytest.mark.parametrize("setting", sorted(COMPILED_SETTINGS))
def test_a_compiled_setting_changes_the_update(setting):
    states = []
    for changed in (learner(), learner(**{setting: OTHER[setting]})):
        for _ in range(2):
            changed.update(ROWS)
        states.append(changed.state.floats.numpy())
    assert states[0].shape != states[1].shape or not np.array_equal(*states)


def test_other_settings_share_the_compiled_update():
    """None of them is read by it: their values there are the defaults."""
    changes = {
        "lr_actor": 0.5, "lr_critic": 0.5, "ou_sigma": 0.1, "ou_theta": 0.1, "ou_mu": 0.1, "replay_buffer_size": 99,
        "replay_batch_size": 4, "learning_starts": 5, "successes_before_learning": 3, "reward_normalization": "none",
        "bootstrap_on_truncation": False, "train_during_episode": False,
        "observation_normalization": "standardize", "discount_factor": 0.5, "n_step": 3, "updates_per_step": 0.5,
        "noise": "gaussian", "gaussian_sigma": 0.3, "policy_delay": 2, "target_noise_sigma": 0.1,
        "target_noise_clip": 0.5,
    }  # fmt: skip
    missing = set(AgentConfig.model_fields) - changes.keys() - COMPILED_SETTINGS
    assert not missing, "a setting that the update reads belongs in COMPILED_SETTINGS, any other in this test"
    assert learner(**changes).compiled is learner().compiled
    assert learner(l2_reg_actor=0.5).compiled is not learner().compiled


def test_a_setting_that_is_not_compiled_cannot_be_read():
    with pytest.raises(AttributeError, match="ou_sigma"):
        learner().compiled.settings.ou_sigma  # noqa: B018


def test_an_update_of_the_critics_alone_leaves_actor_and_targets():
    delayed = learner(n_critics=2, dropout_critic=0.0)
    before = delayed.parts
    metrics = UpdateMetrics(*delayed.update(ROWS, moves_actor=False).numpy())
    for now, then in zip((delayed.parts.actor, *delayed.parts.critics), (before.actor, *before.critics), strict=True):
        np.testing.assert_array_equal(now.target, then.target)
        assert np.array_equal(now.weights, then.weights) == (now is delayed.parts.actor or then is before.actor)
    assert np.isnan(metrics.actor_loss)
    assert np.isfinite(metrics.critic_loss)


def test_noise_on_the_target_action_changes_the_update():
    plain, noisy = learner(), learner()
    plain.update(ROWS)
    noisy.update(ROWS, np.full((8, 1), 0.5, np.float32))
    assert not np.array_equal(plain.parts.critics[0].weights, noisy.parts.critics[0].weights)


def test_metrics_are_reported_by_their_names():
    """With the loss of the actor far from both others, and Q from the loss of the critic."""
    metrics = UpdateMetrics(*learner(l2_reg_actor=3.0, l2_reg_critic=9.0).update(ROWS).numpy())
    assert metrics.critic_loss > metrics.actor_loss > 3 > abs(metrics.mean_q)


def test_step_sizes_may_follow_a_schedule_without_another_compilation():
    scheduled = learner()
    scheduled.update(ROWS)
    calls = dict(scheduled.compiled._calls)
    before = scheduled.parts
    scheduled.set_step_sizes(0.0, 0.01)
    scheduled.update(ROWS)
    np.testing.assert_array_equal(scheduled.parts.actor.weights, before.actor.weights)
    assert not np.array_equal(scheduled.parts.critics[0].weights, before.critics[0].weights)
    assert scheduled.compiled._calls == calls


@pytest.mark.parametrize("has_fast_call", [True, False])
def test_a_compiled_call_computes_the_same_with_and_without_the_fast_way(monkeypatch, has_fast_call):
    """If TensorFlow loses the fast way, this test says so, and calls become slower."""
    used = []

    class Traced:
        def __init__(self, traced):
            self.traced = traced
            if has_fast_call:
                self.inference_fn = types.SimpleNamespace(
                    call_flat=lambda *tensors: used.append("fast") or traced.inference_fn.call_flat(*tensors)
                )

        def __call__(self, *tensors):
            used.append("plain")
            return self.traced(*tensors)

    function = tf.function
    monkeypatch.setattr(
        tf,
        "function",
        lambda *arguments, **options: types.SimpleNamespace(
            get_concrete_function=lambda *specs: Traced(function(*arguments, **options).get_concrete_function(*specs))
        ),
    )
    tensors = tf.constant([1.0, 2.0]), tf.constant([3.0, 5.0])
    total, product = compiled(lambda a, b: (a + b, a * b), tensors)(*tensors)
    assert (total.numpy().tolist(), product.numpy().tolist()) == ([4, 7], [3, 10])
    assert used == ["fast" if has_fast_call else "plain"]
