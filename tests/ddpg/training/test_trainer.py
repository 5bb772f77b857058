import math
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.wrappers import NormalizeObservation, NormalizeReward

from ddpg.agent import DDPG
from ddpg.algorithm.operations import weights_of
from ddpg.algorithm.replay_buffer import Transition
from ddpg.config import AgentConfig, GridConfig, TrainingConfig
from ddpg.environments.running_statistics import state_dict
from ddpg.evaluation.rollouts import run_episodes
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


@pytest.mark.parametrize(
    ("updates_per_step", "in_episodes", "after_episodes"),
    # Learning starts with the ninth step, or after the second episode.
    [(0.4, [0, 1, 4, 6], [0, 2, 4, 7]), (2, [0, 8, 20, 32], [0, 12, 24, 36]), (1.5, [0, 6, 15, 24], [0, 9, 18, 27])],
)
def test_the_updates_per_step_are_any_number_and_fractions_add_up(updates_per_step, in_episodes, after_episodes):
    settings = {"updates_per_step": updates_per_step}
    assert [record.updates for record in run(small_agent(**settings))] == in_episodes
    records = run(small_agent(train_during_episode=False, **settings))
    assert [record.updates for record in records] == after_episodes


def test_a_time_limit_bootstraps_and_an_end_does_not():
    for terminates, bootstraps, last in ((False, True, 1), (False, False, 0), (True, True, 0), (True, False, 0)):
        agent = small_agent(Counter(length=6, terminates=terminates), bootstrap_on_truncation=bootstraps)
        run(agent, n_episodes=1)
        assert transitions(agent).discount[:, 0].tolist() == [1, 1, 1, 1, 1, last]


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


def test_gaussian_noise_is_a_share_of_the_full_range_times_epsilon_too():
    agent = small_agent(noise="gaussian", gaussian_sigma=0.01)
    policy = agent.scaled_action(np.zeros(2))
    noise = np.array([agent.scaled_action(np.zeros(2), 0.5) - policy for _ in range(2000)])
    assert noise.std() == pytest.approx(2 * 0.5 * 0.01, rel=0.05)


def step_sizes(agent, **changes):
    """Adam's step sizes of the actor and the critic in each episode."""
    return np.array(
        [agent.learner.state_dict()["step_sizes"] for _ in agent.trainer.train(FEW.model_copy(update=changes))]
    )


def test_step_sizes_fall_linearly_over_the_budget_and_begin_anew_with_each_training():
    agent = small_agent(lr_actor=0.1, lr_critic=0.2)
    np.testing.assert_allclose(step_sizes(agent, lr_final=0.2)[:, 0], [0.1, 0.08, 0.06, 0.04], rtol=1e-6)
    # Episodes of 6 of 30 steps.
    lowered = step_sizes(agent, n_episodes=99, n_environment_steps=30, lr_final=0.0)
    np.testing.assert_allclose(lowered[:, 1], [0.2, 0.16, 0.12, 0.08, 0.04], rtol=1e-6)
    np.testing.assert_allclose(step_sizes(agent), [[0.1, 0.2]] * 4, rtol=1e-6)


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


def test_random_steps_are_counted_over_episodes():
    agent = small_agent()
    run(agent, n_random_steps=8, eps=0.0)
    _, second, *_ = agent.history.training_episodes
    drawn = agent.actions.scale(second.actions)
    policy = agent.actions.scale(agent.policy(second.observations[:-1]))
    # The second episode is steps 7 to 12, and the networks change little in an episode.
    assert (np.abs(drawn - policy).max(axis=1) > 0.3).tolist() == [True, True, False, False, False, False]


def test_random_actions_are_uniform_over_the_space():
    agent = small_agent()
    actions = np.array([agent.random_action() for _ in range(4000)])
    for column in actions.T:
        counts, _ = np.histogram(column, bins=8, range=(-1, 1))
        assert counts.sum() == 4000
        assert np.abs(counts - 500).max() < 110


@pytest.mark.parametrize(("budget", "n_episodes"), [(1, 1), (12, 2), (13, 3), (1000, 4)])
def test_training_ends_after_the_episode_that_uses_up_the_steps_or_after_the_episodes(budget, n_episodes):
    agent = small_agent()
    assert len(run(agent, n_environment_steps=budget)) == n_episodes
    # A second training has a budget of its own.
    assert len(run(agent, n_environment_steps=budget)) == n_episodes
    assert agent.trainer.progress.is_over


def test_validation_comes_after_the_episodes_in_which_the_steps_pass_a_multiple():
    agent = small_agent(Counter(length=6), learning_starts=2)
    records = run(agent, n_episodes=8, n_validation_episodes=1, validate_every_n_steps=15)
    validated = [not math.isnan(record.validation_return) for record in records]
    # Steps 6, 12, 18, 24, 30, 36, 42, 48.
    assert validated == [False, False, True, False, True, False, False, True]
    assert not any(record.is_best for record in records if math.isnan(record.validation_return))
    assert agent.best.episode == 3


def solved_after(scores, **changes):
    """The number of episodes of a training whose validations have these scores."""
    agent = small_agent(learning_starts=2)
    returns = iter(scores)
    agent.trainer.validate = lambda n, *_, **__: [SimpleNamespace(score=next(returns))] * n
    return len(run(agent, n_episodes=len(scores), **changes))


def test_training_stops_after_so_many_successive_validations_at_the_target():
    scores = [5.0, 9.0, 4.9, 5.0, 5.0, 5.0, 5.0]
    assert solved_after(scores, stop_after_n_solved=3, validation_target=5.0) == 6
    assert solved_after(scores, stop_after_n_solved=1, validation_target=5.0) == 1
    assert solved_after(scores, stop_after_n_solved=0, validation_target=5.0) == 7
    # The multiples of 12 steps are passed in every second episode.
    assert solved_after(scores, stop_after_n_solved=2, validation_target=5.0, validate_every_n_steps=12) == 4


def test_a_training_that_should_stop_needs_a_target():
    agent = small_agent()
    with pytest.raises(ValueError, match="validation_target: expected a number"):
        run(agent, stop_after_n_solved=1)
    assert (agent.progress, agent.records, agent.env.actions) == (None, [], [])


def test_the_environments_threshold_is_the_target():
    threshold = TrainingConfig(stop_after_n_solved=2).target(90.0)
    own = TrainingConfig(stop_after_n_solved=2, validation_target=-5.0).target(90.0)
    assert (threshold, own, TrainingConfig().target(90.0)) == (90.0, -5.0, None)


def test_validation_starts_are_the_same_each_time_and_others_are_not():
    agent = small_agent()
    for _ in agent.trainer.train(FEW):
        copies = agent.trainer.validation._envs
    # Three episodes made updates; before, the copies were the agent's environment.
    seeds = [env.seeds[-3:] for env in copies]
    assert [len(set(own)) for own in seeds] == [1, 1]
    assert seeds[0][0] != seeds[1][0]
    assert len(set(agent.env.seeds)) == len(agent.env.seeds) == 8


def test_running_statistics_are_those_of_training_alone_and_shared_with_the_copies(monkeypatch):
    measured = []

    def measure(policy, envs, *arguments, **options):
        measured.append([state_dict(env)["NormalizeObservation"]["obs_rms.count"] for env in envs])
        return run_episodes(policy, envs, *arguments, **options)

    for module in ("trainer", "validation"):
        monkeypatch.setattr(f"ddpg.training.{module}.run_episodes", measure)
    agent = small_agent(NormalizeObservation(Counter(length=6)))
    run(agent)
    # Seven observations an episode; the first learns nothing, so there is a test but no validation.
    assert [round(count[0]) for count in measured] == [7, 14, 14, 21, 21, 28, 28]
    assert [len(set(counts)) for counts in measured] == [1] * 7
    assert round(state_dict(agent.env)["NormalizeObservation"]["obs_rms.count"]) == 28


def test_validations_of_one_policy_are_equal_and_in_units_of_the_environment():
    agent = small_agent(NormalizeReward(NormalizeObservation(DelayedProbe())))
    run(agent)
    first, second, third = (agent.trainer.validate(5) for _ in range(3))
    for again in (second, third):
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one.observations, other.observations)
            np.testing.assert_array_equal(one.rewards, other.rewards)
    assert [episode.score for episode in first] == pytest.approx(
        [-((episode.actions[0, 0] - 1) ** 2) for episode in first]
    )


def test_the_best_policy_is_kept_with_the_statistics_it_saw():
    agent = small_agent(NormalizeObservation(Counter(length=6)))
    trainer = agent.trainer
    scores = iter([3.0, 9.0, 5.0])
    kept = trainer.keep_if_best
    trainer.keep_if_best = lambda score, *_: kept(next(scores))
    run(agent)
    assert trainer.best.episode == 3
    assert round(trainer.best.statistics["NormalizeObservation"]["obs_rms.count"]) == 21


class Opened(Counter):
    """Counts the instances that are open; a copy opens another."""

    n_open = 0

    def __init__(self):
        super().__init__()
        Opened.n_open += 1

    def __deepcopy__(self, memo):
        return Opened()

    def close(self):
        Opened.n_open -= 1


@pytest.mark.parametrize("n_validation_episodes", [1, 3])
def test_copies_are_closed_with_the_training_and_when_another_number_is_needed(monkeypatch, n_validation_episodes):
    monkeypatch.setattr(Opened, "n_open", 0)
    agent = small_agent(Opened())
    for _ in agent.trainer.train(FEW.model_copy(update={"n_validation_episodes": n_validation_episodes})):
        assert Opened.n_open == 1 + len(agent.trainer.validation._envs)
    assert Opened.n_open == 1
    for n in (2, 4, 3):
        agent.trainer.validate(n)
        assert Opened.n_open == 1 + n
    agent.trainer.close()
    assert Opened.n_open == 1
    agent.trainer.validate(2)
    assert Opened.n_open == 3


def test_the_best_by_validation_is_kept_as_it_was():
    agent = small_agent()
    scores = iter([3.0, 9.0, 5.0])
    states = []

    def validate(n_episodes, _, heat):
        states.append(agent.learner.state.floats.numpy())
        return [SimpleNamespace(score=score) for score in [next(scores)] * n_episodes]

    agent.trainer.validate = validate
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


def test_observations_are_standardised_by_those_of_the_training_episodes_that_ended():
    agent, seen, moments = small_agent(observation_normalization="standardize", learning_starts=2), [], []
    update = agent.learner.update

    def spy(rows, *arguments, **options):
        seen.append(Transition.from_rows(rows, 2, 2))
        return update(rows, *arguments, **options)

    agent.learner.update = spy
    list(agent.trainer.train(FEW, lambda: moments.append(agent.observation_moments["n_seen"])))
    # An episode of 6 steps has 7 observations; tests and validation do not count.
    assert moments == [0] * 6 + [7] * 6 + [14] * 6 + [21] * 6
    observations = np.concatenate([episode.observations for episode in agent.history.training_episodes])
    boxed = (observations - 50) / 50
    assert agent.observation_moments["n_seen"] == 28
    np.testing.assert_allclose(agent.observation_moments["mean"], boxed.mean(axis=0), rtol=1e-6)
    # The buffer holds what is standardised when it is drawn: the counts 0 to 6, in any episode.
    np.testing.assert_allclose(transitions(agent).observation[:6, 0], boxed[:6, 0], rtol=1e-6)
    of_one_episode = boxed[:7, 0]
    expected = (of_one_episode - of_one_episode.mean()) / of_one_episode.std()
    last = [np.concatenate(columns) for columns in zip(*seen[-6:], strict=True)]
    for column, first in ((last[0], 0), (last[3], 1)):
        np.testing.assert_allclose(np.unique(column[:, 0].round(4)), expected[first : first + 6], atol=1e-3)


def test_acting_and_snapshots_standardise_alike():
    agent = small_agent(observation_normalization="standardize")
    grid = GridConfig(n_cells=3, n_actions=2)
    run(agent, gen_q_a_frames_every_n_steps=99, grid=grid, n_validation_episodes=0, run_tests=False)
    (snapshot,) = agent.history.snapshots
    x, y = np.meshgrid([0, 50, 100], [0, 50, 100])
    states = np.stack([x, y], axis=-1).astype(np.float32)
    np.testing.assert_allclose(agent.actions.unscale(snapshot.policy), agent.policy(states), atol=1e-5)
    np.testing.assert_allclose(agent.act(states[0, 1]), agent.policy(states)[0, 1], atol=1e-6)


def test_transitions_of_several_steps_stay_within_an_episode_also_one_that_was_interrupted():
    agent = small_agent(Counter(length=6))

    def stop():
        if len(agent.replay_buffer) == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(agent.trainer.train(FEW, stop))
    list(agent.trainer.resume())
    rows = agent.replay_buffer.sample(2000, np.random.default_rng(0), n_steps=100)
    sampled = agent.observations.unscale(Transition.from_rows(rows, 2, 2).next_observation)[:, 0]
    # The interrupted episode ends after three steps, the others after six.
    assert set(np.round(sampled)) == {3, 6}


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
    # Here a return of two steps is complete, and needs no value that follows.
    assert all(learns(seed, n_step=2) for seed in range(3))


def test_a_policy_that_retires_from_its_validation_is_not_the_best():
    agent = small_agent()
    returns = iter([[1.0] * 2, [1.0] * 2, [9.0, 0.0], [-9.0, -8.0], [0.0] * 2, [0.0] * 2])
    heats = []

    def validate(n_episodes, _, heat):
        heats.append((heat.start, heat.stop))
        return [SimpleNamespace(score=score) for score in next(returns)]

    agent.trainer.validate = validate
    records = run(agent, n_validation_episodes=4, n_first_validation_episodes=2)
    assert heats == [(0, 2), (2, 4), (0, 2), (2, 4), (0, 2)]
    assert [record.validation_episodes for record in records] == [0, 4, 4, 2]
    assert [record.validation_return for record in records[1:]] == [1.0, -2.0, 0.0]
    assert [record.is_best for record in records] == [False, True, False, False]
    assert agent.best.returns.tolist() == [1.0] * 4


@pytest.mark.parametrize(("changes", "is_replaced"), [({}, False), ({"n_validation_episodes": 3}, True)])
def test_scores_of_another_kind_are_not_compared(changes, is_replaced):
    agent = small_agent()
    agent.trainer.validate = lambda n, *_, **__: [SimpleNamespace(score=50.0)] * n
    run(agent)
    agent.trainer.validate = lambda n, *_, **__: [SimpleNamespace(score=5.0)] * n
    run(agent, n_episodes=1, **changes)
    assert (agent.best.score == 5.0) == is_replaced
