import numpy as np
import pytest

from ddpg.evaluation.rollouts import mean_score, run_episodes
from tests.probes import Counter


def constant(observations):
    return np.tile(np.array([0.25, 4.0], np.float32), (len(observations), 1))


def test_a_recorded_episode_starts_at_its_first_observation():
    (episode,) = run_episodes(constant, [Counter(length=5)], [3], action_repeat=2, episode=7, first_step=11)
    assert episode.observations[:, 0].tolist() == [0, 2, 4, 5]
    assert episode.actions.tolist() == [[0.25, 4.0]] * 3
    assert episode.rewards.tolist() == [2, 2, 1]
    assert (episode.environment_steps, episode.truncated, episode.terminated) == (5, True, False)
    assert (episode.episode, episode.first_step, episode.epsilon, episode.score) == (7, 11, 0, 5)


@pytest.mark.parametrize("n_envs", [1, 2, 3, 9])
def test_results_do_not_depend_on_how_many_run_at_once(n_envs):
    class Random(Counter):
        def reset(self, *, seed=None, options=None):
            observation, info = super().reset(seed=seed)
            self.length = int(self.np_random.integers(1, 9))
            return observation, info

    lengths = [int(np.random.default_rng(seed).integers(1, 9)) for seed in range(7)]
    episodes = run_episodes(constant, [Random() for _ in range(n_envs)], list(range(7)), action_repeat=1)
    assert [episode.n_steps for episode in episodes] == lengths


def test_one_policy_call_serves_all_running_episodes():
    sizes = []

    def policy(observations):
        sizes.append(len(observations))
        return constant(observations)

    run_episodes(policy, [Counter(length=2), Counter(length=3)], [0, 1], action_repeat=1)
    assert sizes == [2, 2, 1]


def test_environments_that_run_no_episode_are_left_alone():
    class Untouchable:
        """Has nothing to freeze, to reset or to step."""

        def __getattribute__(self, name):
            raise AssertionError(name)

    (episode,) = run_episodes(constant, [Counter(length=2), Untouchable()], [0], action_repeat=1)
    assert episode.n_steps == 2


def test_mean_score():
    episodes = run_episodes(constant, [Counter(length=2), Counter(length=5)], [0, 1], action_repeat=1)
    assert mean_score(episodes) == 3.5
