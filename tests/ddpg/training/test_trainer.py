import math

import numpy as np
import pytest

from ddpg.agent import DDPG
from ddpg.algorithm.operations import weights_of
from ddpg.algorithm.replay_buffer import Transition
from ddpg.config import AgentConfig, GridConfig, TrainingConfig
from tests.probes import Counter, DelayedProbe, TargetProbe

SMALL = AgentConfig(
    hidden_layer_sizes_actor=(8,),
    hidden_layer_sizes_critic=((8,), (8,)),
    replay_buffer_size=64,
    replay_batch_size=8,
    ou_theta=0.5,
)
FEW = TrainingConfig(n_episodes=4, n_validation_episodes=2, run_tests=True)


def small_agent(env=None, **changes):
    return DDPG(env or Counter(), SMALL.model_copy(update=changes), seed=1)


def transitions(agent):
    return Transition.from_rows(agent.replay_buffer.rows[: len(agent.replay_buffer)], 2, 2)


def run(agent, **changes):
    return list(agent.trainer.train(FEW.model_copy(update=changes)))


def test_epsilon_is_lowered_before_each_episode_and_never_below_its_least():
    assert [record.epsilon for record in run(small_agent(), eps=0.8, eps_decay=0.02)] == pytest.approx(
        [0.78, 0.76, 0.74, 0.72]
    )
    assert [record.epsilon for record in run(small_agent(), eps=0.8)] == pytest.approx([0.6, 0.4, 0.2, 0])
    assert [record.epsilon for record in run(small_agent(), eps=0.3, eps_decay=0.2, eps_min=0.05)] == pytest.approx(
        [0.1, 0.05, 0.05, 0.05]
    )


def test_learning_starts_when_the_buffer_holds_more_than_a_batch():
    records = run(small_agent(Counter(length=6)))
    # Six steps an episode and a batch of eight: the ninth transition makes the first update.
    assert [record.updates for record in records] == [0, 4, 10, 16]
    assert math.isnan(records[0].critic_loss)
    assert records[1].critic_loss > 0
    assert run(small_agent(learning_starts=2))[0].updates == 4


def test_updates_after_the_episode_are_as_many_as_it_had_steps():
    assert [record.updates for record in run(small_agent(train_during_episode=False))] == [0, 6, 12, 18]


def test_a_time_limit_bootstraps_and_an_end_does_not():
    for terminates, bootstraps, last in ((False, True, 0), (False, False, 1), (True, True, 1), (True, False, 1)):
        agent = small_agent(Counter(length=6, terminates=terminates), bootstrap_on_truncation=bootstraps)
        run(agent, n_episodes=1)
        assert transitions(agent).terminal[:, 0].tolist() == [0, 0, 0, 0, 0, last]


def test_transitions_are_scaled_once_and_summed_over_held_steps():
    agent = small_agent(Counter(length=6))
    run(agent, n_episodes=1, action_repeat=4)
    stored = transitions(agent)
    # Observations lie in [0, 100], so that 4 is -0.92.
    np.testing.assert_allclose(stored.observation[:, 0], [-1, -0.92], atol=1e-6)
    np.testing.assert_allclose(stored.next_observation[:, 0], [-0.92, -0.88], atol=1e-6)
    assert stored.reward[:, 0].tolist() == [4, 2]
    (episode,) = agent.history.training_episodes
    assert episode.observations[:, 0].tolist() == [0, 4, 6]
    np.testing.assert_array_equal(agent.actions.unscale(stored.action), episode.actions)
    assert len(agent.env.actions) == 6 + agent.history.test_episodes[0].environment_steps


def test_without_noise_the_first_action_is_the_policys():
    agent = small_agent()
    run(agent, n_episodes=1, eps=0.0)
    (episode,) = agent.history.training_episodes
    np.testing.assert_allclose(episode.actions, agent.policy(episode.observations[:-1]), atol=1e-6)


def test_noise_is_a_share_of_the_full_range_times_epsilon():
    def actions(eps):
        agent = small_agent(ou_sigma=0.01)
        agent.noise.reset()
        return np.array([agent.scaled_action(np.zeros(2), eps) for _ in range(3)])

    agent = small_agent(ou_sigma=0.01)
    agent.noise.reset()
    noise = np.array([agent.noise.sample() for _ in range(3)])
    np.testing.assert_allclose(actions(0.5) - actions(0.0), 2 * 0.5 * noise, atol=1e-6)


def test_the_gate_holds_learning_and_epsilon_until_the_goal_was_reached_often_enough():
    goal = small_agent(Counter(length=6, terminates=True, prize=10.0), successes_before_learning=3)
    records = run(goal, n_episodes=5, eps=1.0, eps_decay=0.1)
    assert [record.updates for record in records] == [0, 0, 0, 6, 12]
    assert [record.epsilon for record in records] == pytest.approx([1, 1, 1, 0.9, 0.8])
    failure = small_agent(Counter(length=6, terminates=True, prize=-10.0), successes_before_learning=3)
    assert run(failure, n_episodes=5)[-1].updates == 0


def test_n_random_episodes_are_n():
    agent = small_agent()
    run(agent, n_random_episodes=2, eps=0.0)
    is_policy = [
        np.allclose(episode.actions[:1], agent.policy(episode.observations[:1]), atol=0.2)
        for episode in agent.history.training_episodes
    ]
    drawn = [agent.actions.scale(episode.actions) for episode in agent.history.training_episodes]
    spread = [np.ptp(actions, axis=0).max() for actions in drawn]
    assert min(spread[:2]) > 0.5 > max(spread[2:])
    assert is_policy[2:] == [True, True]


def test_random_actions_are_uniform_over_the_space():
    agent = small_agent()
    actions = np.array([agent.random_action() for _ in range(4000)])
    for column in actions.T:
        counts, _ = np.histogram(column, bins=8, range=(-1, 1))
        assert counts.sum() == 4000
        assert np.abs(counts - 500).max() < 110


def test_validation_starts_are_the_same_each_time_and_others_are_not():
    agent = small_agent()
    run(agent)
    # Three episodes made updates; before, the copies were the agent's environment.
    seeds = [env.seeds[-3:] for env in agent.trainer._validation_envs]
    assert [len(set(own)) for own in seeds] == [1, 1]
    assert seeds[0][0] != seeds[1][0]
    assert len(set(agent.env.seeds)) == len(agent.env.seeds) == 8


def test_the_best_by_validation_is_kept_as_it_was():
    agent = small_agent()
    scores = iter([3.0, 9.0, 5.0])
    states = []

    def validate(n_episodes, action_repeat):
        states.append(agent.learner.state.floats.numpy())
        return agent.history.test_episodes[-1:]

    trainer = agent.trainer
    trainer.validate = validate
    kept = trainer.keep_if_best
    trainer.keep_if_best = lambda score: kept(next(scores))
    records = run(agent)
    assert [record.is_best for record in records] == [False, True, True, False]
    assert (agent.best.score, agent.best.episode) == (9.0, 3)
    np.testing.assert_array_equal(agent.best.learner["floats"], states[1])
    assert not np.array_equal(agent.best.learner["floats"], agent.learner.state.floats)


def test_without_validation_the_test_decides():
    agent = small_agent()
    records = run(agent, n_validation_episodes=0)
    assert math.isnan(records[-1].validation_return)
    assert agent.best.score == max(record.test_return for record in records[1:])


def test_without_test_or_validation_no_policy_is_the_best():
    agent = small_agent()
    records = run(agent, n_validation_episodes=0, run_tests=False)
    assert agent.n_updates > 0
    assert agent.best is None
    assert not any(record.is_best for record in records)


def test_snapshots_on_another_grid_are_refused():
    agent = small_agent()
    run(agent, gen_q_a_frames_every_n_steps=5, grid=GridConfig(n_cells=2, n_actions=2))
    with pytest.raises(ValueError, match="grid: expected that of the snapshots"):
        run(agent, gen_q_a_frames_every_n_steps=5, grid=GridConfig(n_cells=3, n_actions=2))


def test_tests_can_be_left_out():
    agent = small_agent()
    assert all(math.isnan(record.test_return) for record in run(agent, run_tests=False))
    assert agent.history.test_episodes == []


def test_snapshots_come_at_multiples_of_their_steps_and_at_the_end():
    agent = small_agent()
    run(agent, gen_q_a_frames_every_n_steps=5, grid=GridConfig(n_cells=2, n_actions=2))
    assert [(snapshot.step, snapshot.episode) for snapshot in agent.history.snapshots] == [
        (5, 1), (10, 2), (15, 3), (20, 4), (24, 4),
    ]  # fmt: skip


def test_weights_are_kept_at_every_kth_snapshot_and_at_the_end():
    agent = small_agent()
    run(agent, gen_q_a_frames_every_n_steps=1, grid=GridConfig(n_cells=2, n_actions=2))
    history = agent.history
    # A plane has 4 numbers for 3 quantities and for 2 of each action.
    every = math.ceil(history.networks["n_weights"] / (4 * (3 + 2 * 2)))
    assert 1 < every < 24
    assert [weights.step for weights in history.weights] == sorted({*range(1, 25, every), 24})
    expected = weights_of(agent.learner.parts, agent.observations)
    np.testing.assert_array_equal(history.weights[-1].values, expected)
    assert not np.array_equal(history.weights[-2].values, expected)
    list(agent.trainer.resume())
    assert [weights.step for weights in history.weights] == sorted({*range(1, 25, every), 24})


def test_a_test_episode_carries_the_number_of_the_training_episode_before_it():
    agent = small_agent()
    run(agent)
    assert [episode.episode for episode in agent.history.test_episodes] == [1, 2, 3, 4]
    assert [episode.first_step for episode in agent.history.test_episodes] == [6, 12, 18, 24]
    assert [episode.epsilon for episode in agent.history.test_episodes] == [0, 0, 0, 0]


def test_counts_go_on_in_a_second_training():
    agent = small_agent()
    run(agent)
    (record, *_) = run(agent)
    assert (record.episode, record.agent_steps, record.environment_steps) == (5, 30, 30)


def policy_of_probe(probe, n_episodes, seed, **changes):
    """What is learned from random actions alone."""
    settings = {"replay_buffer_size": 3000, "replay_batch_size": 256, "l2_reg_actor": 0, "l2_reg_critic": 0}
    agent = DDPG(probe, AgentConfig(lr_actor=0.001, lr_critic=0.003, **settings | changes), seed=seed)
    random = TrainingConfig(
        n_episodes=n_episodes, n_random_episodes=n_episodes, n_validation_episodes=0, run_tests=False
    )
    list(agent.trainer.train(random))
    return agent.policy


@pytest.mark.slow
def test_finds_the_best_action_of_each_state_of_a_probe():
    observations = np.linspace(-0.95, 0.95, 39, dtype=np.float32)[:, None]
    best = observations / 2
    errors = [
        np.mean((policy_of_probe(TargetProbe(), 1500, seed)(observations) - best) ** 2) / np.mean(best**2)
        for seed in range(4)
    ]
    # 1 is the least error of a policy that does not look at the state: the same action, 0, everywhere. On average, more
    # of that is learned than is not.
    assert max(errors) < 1
    assert np.mean(errors) < 0.5


@pytest.mark.slow
def test_finds_the_best_action_of_a_probe_that_pays_a_step_later():
    observations = np.column_stack([np.linspace(-3, 3, 21), np.zeros(21)]).astype(np.float32)

    def learns(seed, **changes):
        # Nearer to the best action, 1, than to the middle of all, 0.
        return np.all(abs(policy_of_probe(DelayedProbe(), 750, seed, **changes)(observations) - 1) < 0.5)

    assert all(learns(seed) for seed in range(3))
    assert not any(learns(seed, discount_factor=0.0) for seed in range(3))
