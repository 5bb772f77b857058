import numpy as np
import pytest

from ddpg.algorithm.replay_buffer import ReplayBuffer, Transition


def filled(n, capacity, reward=float):
    buffer = ReplayBuffer(capacity, observation_size=2, action_size=3)
    for i in range(n):
        buffer.add(np.full(2, i), np.full(3, 10 + i), reward(i), np.full(2, 20 + i), i % 2 == 0)
    return buffer


def test_keeps_a_transition_in_its_columns():
    batch = Transition.from_rows(filled(8, 10).rows[7:8], 2, 3)
    assert [column.tolist() for column in batch] == [[[7, 7]], [[17, 17, 17]], [[7]], [[27, 27]], [[1]]]


def test_overwrites_the_oldest_when_full():
    buffer = filled(7, 4)
    assert len(buffer) == 4
    assert buffer.rows[:, 0].tolist() == [4, 5, 6, 3]


def test_reward_statistics_count_every_reward_also_those_overwritten():
    rewards = np.random.default_rng(1).normal(3, 50, 1000)
    buffer = filled(1000, 16, lambda i: rewards[i])
    assert buffer.reward_mean == pytest.approx(rewards.mean(), rel=1e-10)
    assert buffer.reward_std == pytest.approx(rewards.std(), rel=1e-10)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_equal_rewards_divide_by_one(n):
    assert filled(n, 10, lambda _: -0.1).reward_std == 1


def test_samples_uniformly_from_what_it_holds():
    sample = filled(40, 64).sample(100_000, np.random.default_rng(0))
    counts = np.bincount(sample[:, 0].astype(int), minlength=40)
    assert len(counts) == 40
    assert np.abs(counts - 2500).max() < 6 * np.sqrt(2500)


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [("none", lambda r: r), ("scale", lambda r: r / 5.5), ("standardize", lambda r: (r - 10) / 5.5)],
)
def test_normalises_only_the_sampled_rewards(normalization, expected):
    rewards = [4.5, 15.5]
    buffer = filled(2, 4, lambda i: rewards[i])
    kept = buffer.rows.copy()
    batch = Transition.from_rows(buffer.sample(50, np.random.default_rng(0), normalization), 2, 3)
    index = batch.observation[:, 0].astype(int)
    np.testing.assert_allclose(batch.reward[:, 0], expected(np.array(rewards)[index]), rtol=1e-6)
    np.testing.assert_array_equal(buffer.rows, kept)


def test_the_discount_is_that_of_one_step_and_none_at_the_end():
    batch = Transition.from_rows(filled(10, 10).sample(50, np.random.default_rng(0), discount_factor=0.9), 2, 3)
    is_terminal = batch.observation[:, 0] % 2 == 0
    np.testing.assert_array_equal(batch.discount[:, 0], np.where(is_terminal, 0, np.float32(0.9)))


def returns_of_n_steps(episodes, n, discount_factor, normalized):
    """By the number of its transition: the reward, next observation and discount of n steps, in plain loops."""
    expected, first = {}, 0
    for rewards, terminates in episodes:
        for i in range(len(rewards)):
            last = min(i + n, len(rewards)) - 1
            reward = sum(discount_factor ** (j - i) * normalized(rewards[j]) for j in range(i, last + 1))
            is_terminal = terminates and last == len(rewards) - 1
            discount = 0.0 if is_terminal else discount_factor ** (last + 1 - i)
            expected[first + i] = [reward, first + last + 1, discount]
        first += len(rewards)
    return expected


@pytest.mark.parametrize("n", [1, 2, 3, 7, 60])
@pytest.mark.parametrize("capacity", [200, 53, 16])
@pytest.mark.parametrize("normalization", ["none", "standardize"])
def test_returns_of_several_steps_are_those_of_a_plain_loop_over_episodes(n, capacity, normalization):
    rng = np.random.default_rng(4)
    episodes = [(rng.normal(2, 3, length), i % 2 == 0) for i, length in enumerate([5, 1, 30, 9, 1, 2, 12, 40])]
    buffer, n_added = ReplayBuffer(capacity, 1, 1), 0
    for i, (rewards, terminates) in enumerate(episodes):
        for j, reward in enumerate(rewards, 1):
            buffer.add(n_added, 0, reward, n_added + 1, terminates and j == len(rewards))
            n_added += 1
        if i < len(episodes) - 1:  # the last one goes on, and the newest transition is not its last
            buffer.end_episode()
    statistics = {"none": (0, 1), "standardize": (buffer.reward_mean, buffer.reward_std)}[normalization]
    expected = returns_of_n_steps(episodes, n, 0.9, lambda reward: (reward - statistics[0]) / statistics[1])
    batch = Transition.from_rows(buffer.sample(3000, rng, normalization, 0.9, n), 1, 1)
    drawn = batch.observation[:, 0].astype(int)
    assert set(drawn) == set(range(max(0, n_added - capacity), n_added))
    found = np.column_stack([batch.reward, batch.next_observation, batch.discount])
    np.testing.assert_allclose(found, [expected[i] for i in drawn], rtol=1e-4, atol=1e-5)


def test_a_restored_buffer_samples_the_same_returns():
    buffer, restored = filled(40, 16), ReplayBuffer(16, 2, 3)
    buffer.end_episode()
    restored.load_state_dict(buffer.state_dict())
    for each in (buffer, restored):
        each.add(np.zeros(2), np.zeros(3), 1.0, np.zeros(2), False)
    first, second = (each.sample(64, np.random.default_rng(5), n_steps=3) for each in (buffer, restored))
    np.testing.assert_array_equal(first, second)


def test_same_generator_state_gives_the_same_batch():
    buffer = filled(40, 64)
    first, second = (buffer.sample(8, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_state_of_another_size_is_rejected():
    small, large = ReplayBuffer(4, 2, 1), ReplayBuffer(16, 2, 1)
    for i in range(9):
        small.add(np.zeros(2), np.zeros(1), i, np.zeros(2), False)
    with pytest.raises(ValueError, match="rows: expected shape"):
        large.load_state_dict(small.state_dict())
    again = ReplayBuffer(4, 2, 1)
    again.load_state_dict(small.state_dict())
    np.testing.assert_array_equal(again.rows, small.rows)
    assert (again.n_added, again.reward_std) == (9, small.reward_std)
