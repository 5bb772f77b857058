import math
import re
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import NormalizeObservation, NormalizeReward

from ddpg import DDPG, AgentConfig, GridConfig, TrainingConfig
from ddpg.agent import load_policy_model
from ddpg.algorithm.action_value import ActionValue
from ddpg.algorithm.policy import Policy
from ddpg.algorithm.scaling import Moments
from ddpg.environments.interface import UnsuitableEnvironmentError
from ddpg.environments.running_statistics import frozen, restore, state_dict
from tests.ddpg.environments.test_running_statistics import bits
from tests.probes import Counter

README_SETTINGS = {
    "ou_mu": 0, "ou_theta": 0.05, "ou_sigma": 0.25,
    "discount_factor": 0.999, "replay_buffer_size": 10000, "replay_batch_size": 1024,
    "tau_actor": 0.3, "tau_critic": 0.1,
    "relu_alpha_actor": 0.01, "relu_alpha_critic": 0.01,
    "lr_actor": 0.0001, "lr_critic": 0.005, "activation_fn_actor": "tanh",
    "l2_reg_actor": 0.01, "l2_reg_critic": 0.01,
    "bn_momentum_actor": 0, "bn_momentum_critic": 0.7,
    "hidden_layer_sizes_actor": [16, 32, 16], "hidden_layer_sizes_critic": [[16, 32], [16, 32]],
}  # fmt: skip
SMALL = {
    "hidden_layer_sizes_actor": [8],
    "hidden_layer_sizes_critic": [[8], [8]],
    "replay_batch_size": 8,
    "replay_buffer_size": 64,
}


def mountain_car():
    return gym.make("MountainCarContinuous-v0")


def trained(seed=1, env=None, **settings):
    agent = DDPG(env or Counter(), seed=seed, **SMALL)
    agent.train_n_episodes(4, **{"n_validation_episodes": 2} | settings)
    return agent


def test_the_readmes_agent_prints_its_networks_and_every_hyperparameter(capsys):
    agent = DDPG(mountain_car(), **README_SETTINGS)
    agent.print_summary()
    printed = capsys.readouterr().out
    assert "Actor model summary:" in printed
    assert "Critic model summary:" in printed
    assert re.findall(r"(?<!able )params: ([\d,]+)", printed) == ["1,137", "1,329"]
    assert "Trainable params: 1,265" in printed
    assert "'ou_sigma': 0.25" in printed
    for name in [*README_SETTINGS, "train_during_episode", "dropout_actor", "dropout_critic"]:
        assert f"'{name}': " in printed


def test_the_readmes_training_prints_a_line_per_episode(capsys):
    trained(eps=1, eps_decay=1 / 50, action_repeat=5, run_tests=True, gen_q_a_frames_every_n_steps=10)
    *lines, last = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert last.startswith("Nothing was learned: ")
    assert lines[0] == "Episode 1 - epsilon: 0.98, memory size: 2, training score: 6.00, test score: 6.00"


@pytest.mark.slow
def test_without_tests_the_line_has_no_test_score(capsys):
    trained(run_tests=False)
    assert "test score" not in capsys.readouterr().out


def test_a_config_is_the_same_as_its_hyperparameters():
    agent = DDPG(mountain_car(), config=AgentConfig(**README_SETTINGS), seed=3)
    same = DDPG(mountain_car(), seed=3, **README_SETTINGS)
    assert agent.config == same.config
    np.testing.assert_array_equal(agent.learner.state.floats, same.learner.state.floats)
    with pytest.raises(TypeError, match="received both"):
        DDPG(mountain_car(), AgentConfig(), lr_actor=0.1)


def test_refuses_what_it_does_not_know_before_any_work():
    with pytest.raises(ValueError, match="learning_rate"):
        DDPG(mountain_car(), learning_rate=0.1)
    with pytest.raises(UnsuitableEnvironmentError, match=r"Discrete\(2\)"):
        DDPG(gym.make("CartPole-v1"))
    agent = DDPG(Counter(), **SMALL)
    with pytest.raises(ValueError, match="n_episodes"):
        agent.train_n_episodes(0)
    with pytest.raises(ValueError, match="x_dimension"):
        agent.train_n_episodes(1, gen_q_a_frames_every_n_steps=1, grid={"x_dimension": 5})
    assert agent.history.training_episodes == []


def test_refuses_observations_and_actions_of_another_shape():
    agent = DDPG(mountain_car(), **SMALL)
    with pytest.raises(ValueError, match=r"observation: expected shape \(2,\), received \(1, 2\)"):
        agent.act([[-0.5, 0.0]])
    for observations, actions in (([-0.5], [1.0]), ([[-0.5, 0.0]], [1.0]), ([[-0.5, 0.0]] * 2, [[1.0]]), (0.5, 1.0)):
        with pytest.raises(ValueError, match=r"observations of shape \(\.\.\., 2\) and actions of shape \(\.\.\., 1\)"):
            agent.q(observations, actions)


def test_a_callback_ends_the_training_and_what_is_left_can_be_continued():
    agent = DDPG(Counter(), seed=1, **SMALL)
    records = []
    agent.train_n_episodes(
        5,
        gen_q_a_frames_every_n_steps=2,
        n_validation_episodes=2,
        on_episode=lambda agent, record: record.episode < 2,
        on_best_test_score=lambda agent, record: records.append(record.episode),
    )
    assert len(agent.records) == len(agent.history.training_episodes) == 2
    assert agent.history.snapshots[-1].step == agent.history.n_steps
    assert records
    agent.continue_training()
    assert len(agent.records) == 5
    whole = trained(gen_q_a_frames_every_n_steps=2)
    other = DDPG(Counter(), seed=1, **SMALL)
    other.train_n_episodes(
        4, n_validation_episodes=2, gen_q_a_frames_every_n_steps=2, on_episode=lambda agent, record: record.episode != 1
    )
    other.continue_training()
    assert same_training(whole, other)


def test_another_training_says_which_settings_are_others_and_any_that_nothing_was_learned(capsys):
    agent = DDPG(
        Counter(), seed=1, **SMALL | {"replay_batch_size": 64, "successes_before_learning": 3, "learning_starts": 63}
    )
    agent.train_n_episodes(1, action_repeat=2)
    *_, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"Nothing was learned: the replay buffer holds \d transitions, and learning starts above 63; "
        r"\d of 3 successes_before_learning were reached\.",
        last,
    )
    agent.train_n_episodes(1, action_repeat=2)
    assert "settings" not in capsys.readouterr().out
    agent.train_n_episodes(1)
    assert capsys.readouterr().out.startswith("Other settings than in the training before: action_repeat 2 → 1\n")
    trained()
    assert "Nothing" not in capsys.readouterr().out


def test_callbacks_see_each_step_each_episode_and_each_record():
    calls = {"step": [], "episode": [], "training": [], "test": []}

    class Growing(Counter):
        """Each start is of a longer episode, but for the third pair of training and test."""

        def reset(self, *, seed=None, options=None):
            self.length = [3, 3, 6, 6, 2, 2, 8, 8][len(self.seeds) % 8]
            return super().reset(seed=seed)

    trained(
        env=Growing(),
        n_validation_episodes=0,
        on_step=lambda agent: calls["step"].append(len(agent.replay_buffer)),
        on_episode=lambda agent, record: calls["episode"].append((agent.history.n_steps, record.episode)),
        on_best_training_score=lambda agent, record: calls["training"].append(record.training_return),
        on_best_test_score=lambda agent, record: calls["test"].append(record.test_return),
    )
    assert calls["step"] == list(range(1, 20))
    assert calls["episode"] == [(3, 1), (9, 2), (11, 3), (19, 4)]
    assert calls["training"] == calls["test"] == [3, 6, 8]


def test_a_saved_agent_returns(tmp_path):
    agent = trained()
    agent.save(tmp_path / "final")
    agent.save(tmp_path / "best", best=True)
    observations = np.random.default_rng(0).uniform(0, 100, (9, 2)).astype(np.float32)
    final = DDPG.load(tmp_path / "final", Counter())
    assert final.config == agent.config
    np.testing.assert_array_equal(final.policy(observations), agent.policy(observations))
    np.testing.assert_array_equal(Policy.load(tmp_path / "final")(observations), agent.policy(observations))
    agent.learner.load_state_dict(agent.best.learner)
    best = DDPG.load(tmp_path / "best", Counter())
    np.testing.assert_array_equal(best.policy(observations), agent.policy(observations))
    assert not list(tmp_path.rglob("*.pkl"))
    assert {path.name for path in (tmp_path / "best").iterdir()} == {
        "config.json", "actor.weights.h5", "critic.weights.h5", "target_actor.weights.h5", "target_critic.weights.h5",
    }  # fmt: skip


def test_a_loaded_agent_acts_through_the_running_statistics_that_the_saved_one_saw(tmp_path):
    agent = trained(env=NormalizeObservation(Counter()))
    agent.save(tmp_path)
    loaded = DDPG.load(tmp_path, NormalizeObservation(Counter()))
    with frozen([agent.env]):
        actions = [each.act(each.env.reset(seed=5)[0]) for each in (agent, loaded)]
    np.testing.assert_array_equal(*actions)
    assert not np.array_equal(agent.act(NormalizeObservation(Counter()).reset(seed=5)[0]), actions[0])


def test_a_loaded_agent_leaves_the_running_statistics_as_they_are_until_it_is_trained(tmp_path):
    agent = trained(env=NormalizeReward(NormalizeObservation(Counter())))
    agent.save(tmp_path)
    env = NormalizeReward(NormalizeObservation(Counter()))
    loaded = DDPG.load(tmp_path, env)
    observation, _ = env.reset(seed=5)
    env.step(loaded.act(observation))
    assert bits(state_dict(env)) == bits(state_dict(agent.env))
    loaded.test()
    assert bits(state_dict(env)) == bits(state_dict(agent.env))
    loaded.train_n_episodes(1, n_validation_episodes=2)
    assert bits(state_dict(env)) != bits(state_dict(agent.env))


def test_the_best_policy_is_saved_with_the_statistics_of_its_episode(tmp_path):
    agent = trained(env=NormalizeObservation(Counter()))
    assert agent.best.episode < len(agent.records)
    agent.save(tmp_path, best=True)
    restored = NormalizeObservation(Counter())
    restore(restored, tmp_path)
    assert bits(state_dict(restored)) == bits(agent.best.statistics) != bits(state_dict(agent.env))


def test_load_refuses_an_environment_without_the_running_statistics(tmp_path):
    env = gym.wrappers.TransformObservation(
        Counter(), lambda seen: seen, NormalizeObservation(Counter()).observation_space
    )
    for saved, other in ((NormalizeObservation(Counter()), env), (env, NormalizeObservation(Counter()))):
        DDPG(saved, replay_batch_size=8).save(tmp_path)
        with pytest.raises(UnsuitableEnvironmentError, match=r"with running statistics in .*NormalizeObservation"):
            DDPG.load(tmp_path, other)


def test_a_saved_actor_is_a_keras_model_in_the_environments_units(tmp_path):
    agent = trained()
    agent.save(tmp_path)
    observations = np.random.default_rng(0).uniform(0, 100, (9, 2)).astype(np.float32)
    np.testing.assert_allclose(load_policy_model(tmp_path)(observations), agent.policy(observations), atol=1e-5)


def standardising():
    return DDPG(Counter(), seed=1, observation_normalization="standardize", **SMALL)


def test_what_was_standardised_in_training_is_so_wherever_the_agent_is_used(tmp_path):
    agent = standardising()
    list(agent.trainer.train(TrainingConfig(n_episodes=3, n_validation_episodes=2)))
    agent.save(tmp_path)
    observations = np.random.default_rng(0).uniform(0, 100, (9, 2)).astype(np.float32)
    actions = agent.policy(observations)
    assert np.abs(agent.observations.scale(observations)).max() > 2
    np.testing.assert_array_equal(Policy.load(tmp_path)(observations), actions)
    np.testing.assert_array_equal(DDPG.load(tmp_path, Counter()).policy(observations), actions)
    np.testing.assert_allclose(load_policy_model(tmp_path)(observations), actions, atol=1e-4)
    scaled = [agent.observations.scale(observations), agent.actions.scale(actions)]
    q = ActionValue.load(tmp_path)(observations, actions)
    np.testing.assert_allclose(q, agent.critic(scaled).numpy()[:, 0], rtol=1e-4, atol=1e-5)


def test_the_best_policy_is_saved_with_the_scaling_that_it_was_scored_with(tmp_path):
    agent, policies = standardising(), {}
    observations = np.random.default_rng(0).uniform(0, 100, (9, 2)).astype(np.float32)
    for record in agent.trainer.train(TrainingConfig(n_episodes=3, n_validation_episodes=1)):
        policies[record.episode] = agent.policy
        if agent.best:
            agent.trainer.best = agent.best._replace(score=math.inf)  # none that follows is better
    agent.save(tmp_path, best=True)
    now = agent.observation_moments["n_seen"]
    best = Policy.load(tmp_path)
    np.testing.assert_array_equal(best(observations), policies[agent.best.episode](observations))
    assert best.observations.moments.n_seen < now == agent.observation_moments["n_seen"]


def test_load_refuses_another_environment(tmp_path):
    trained().save(tmp_path)
    with pytest.raises(UnsuitableEnvironmentError, match="observations lie in"):
        DDPG.load(tmp_path, mountain_car())
    with pytest.raises(FileNotFoundError, match="expected a saved agent"):
        DDPG.load(tmp_path / "nowhere", mountain_car())


def same_training(a, b):
    return np.array_equal(a.learner.state.floats, b.learner.state.floats) and all(
        np.array_equal(x.observations, y.observations) and np.array_equal(x.actions, y.actions)
        for x, y in zip(a.history.training_episodes, b.history.training_episodes, strict=True)
    )


def test_the_seed_repeats_training_whatever_the_global_state():
    first = trained(seed=5)
    np.random.seed(99)
    np.random.rand()
    assert same_training(first, trained(seed=5))
    assert not same_training(first, trained(seed=6))


def test_global_random_state_is_left_alone():
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    trained()
    assert np.random.rand() == expected


def test_without_a_seed_each_agent_has_its_own():
    assert DDPG(Counter(), **SMALL).seed != DDPG(Counter(), **SMALL).seed


DIGEST = """
import hashlib, os, sys
sys.path.insert(0, {root!r})
import tests.conftest
from tests.ddpg.test_agent import mountain_car, SMALL
from ddpg import DDPG
agent = DDPG(mountain_car(), seed=11, **SMALL)
agent.train_n_episodes(2, action_repeat=20, n_random_episodes=1, n_validation_episodes=2)
print(hashlib.sha256(agent.learner.state.floats.numpy().tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_seed_repeats_training_in_another_process(request):
    script = DIGEST.format(root=str(request.config.rootpath))
    digests = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()[-1]
        for _ in range(2)
    }
    assert len(digests) == 1


@pytest.mark.slow
def test_any_number_of_dimensions_learns():
    env = Counter(size=5)
    env.action_space = gym.spaces.Box(-1, 1, (2, 2), np.float32)
    agent = trained(env=env)
    assert agent.n_updates > 0
    assert agent.act(np.zeros(5)).shape == (4,)


def test_q_is_that_of_the_present_critic():
    agent = DDPG(mountain_car(), seed=1, dropout_critic=0.1, **SMALL)
    observations, actions = np.array([[-0.5, 0.01], [0.2, -0.03]]), np.array([[0.5], [-1.0]])

    def expected():
        return agent.critic([agent.observations.scale(observations), agent.actions.scale(actions)]).numpy()[:, 0]

    np.testing.assert_allclose(agent.q(observations, actions), expected(), atol=1e-5)
    before = agent.q(observations[0], actions[0])
    agent.train_n_episodes(1, action_repeat=50, n_validation_episodes=0, run_tests=False)
    assert agent.n_updates > 0
    assert abs(agent.q(observations[0], actions[0]) - before) > 1e-4
    np.testing.assert_allclose(agent.q(observations, actions), expected(), atol=1e-5)


def test_q_follows_the_scaling_of_observations_also_before_learning():
    agent = standardising()
    observations, actions = np.array([[3.0, 40.0]]), np.array([[0.5, 0.5]])
    before = agent.q(observations, actions)
    agent.load_observation_moments(Moments.of_nothing(2).after(np.array([[1.0, 10.0], [9.0, 90.0]]))._asdict())
    assert np.abs(agent.q(observations, actions) - before) > 1e-4


def test_the_last_snapshot_is_of_the_final_policy():
    """Also where one is due after the last step, before the episode's end changes the scaling of observations."""
    agent = standardising()
    config = TrainingConfig(n_episodes=3, gen_q_a_frames_every_n_steps=1, grid=GridConfig(n_cells=2, n_actions=2))
    list(agent.trainer.train(config))
    snapshot, axes = agent.history.snapshots[-1], agent.history.grid
    corner = np.array([axes.x[0], axes.y[0]])
    np.testing.assert_allclose(snapshot.policy[0, 0], agent.actions.scale(agent.policy(corner)), atol=1e-5)
    steps = [each.step for each in agent.history.snapshots]
    assert steps == sorted(set(steps))
    assert agent.history.weights[-1].step == steps[-1]
