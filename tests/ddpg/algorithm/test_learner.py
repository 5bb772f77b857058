import numpy as np
import pytest

from ddpg.algorithm.learner import Learner, _most_bytes
from ddpg.config import AgentConfig

CONFIG = AgentConfig(
    hidden_layer_sizes_actor=(4,), hidden_layer_sizes_critic=((4,), (4,)), replay_batch_size=8, bn_momentum_actor=0.5
)


def learner(seed=0, updates=0):
    learner = Learner(2, 1, CONFIG, np.random.default_rng(seed))
    for i in range(updates):
        learner.update(np.random.default_rng(i).normal(size=(8, 7)).astype(np.float32))
    return learner


def test_an_update_reports_finite_losses_and_changes_all_networks():
    changed = learner()
    before = {name: model.get_weights() for name, model in changed.networks().items()}
    metrics = changed.update(np.random.default_rng(0).normal(size=(8, 7)).astype(np.float32))
    assert np.isfinite(metrics).all()
    for name, model in changed.networks().items():
        assert not np.array_equal(before[name][0], model.get_weights()[0]), name


def test_targets_have_the_batch_norm_statistics_of_their_networks():
    networks = learner(updates=3).networks()
    for name in ("actor", "critic"):
        statistics = [variable.numpy() for variable in networks[name].non_trainable_variables]
        assert np.abs(statistics[0]).max() > 0
        for own, target in zip(statistics, networks[f"target_{name}"].non_trainable_variables, strict=True):
            np.testing.assert_array_equal(own, target)


def test_saved_weights_return_to_every_network(tmp_path):
    original, other = learner(updates=3), learner(seed=9)
    original.save_weights(tmp_path)
    other.load_weights(tmp_path)
    for (name, model), (_, again) in zip(original.networks().items(), other.networks().items(), strict=True):
        for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_same_weights_are_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        learner(updates=1).save_weights(tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.parametrize(
    "options",
    [{}, {"hidden_layer_sizes_actor": (400, 300)}, {"bn_momentum_actor": 0.5, "dropout_actor": 0.1}],
    ids=str,
)
def test_the_space_that_is_tried_before_weights_are_written_is_enough(tmp_path, options):
    large = Learner(2, 1, AgentConfig(**options), np.random.default_rng(0))
    large.save_weights(tmp_path)
    for name, model in large.networks().items():
        assert (tmp_path / f"{name}.weights.h5").stat().st_size <= _most_bytes(model) <= 1_000_000


def test_load_names_the_missing_or_damaged_file(tmp_path):
    learner().save_weights(tmp_path)
    (tmp_path / "critic.weights.h5").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"critic\.weights\.h5: expected the weights of the configured critic"):
        learner().load_weights(tmp_path)
    (tmp_path / "target_actor.weights.h5").unlink()
    (tmp_path / "critic.weights.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.h5: expected a saved network"):
        learner().load_weights(tmp_path)


def test_metrics_of_learners_that_share_a_rule_are_their_own():
    rows = np.random.default_rng(0).normal(size=(8, 7)).astype(np.float32)
    first, second = learner(seed=1), learner(seed=2)
    assert first.compiled is second.compiled
    alone = learner(seed=1).update(rows).numpy()
    second.update(rows)
    np.testing.assert_array_equal(first.update(rows), alone)
