import numpy as np
import pytest

from ddpg import DDPG, AgentConfig, TrainingConfig
from ddpg.evaluation.rollouts import run_episodes
from ddpg.finite import NotFiniteError
from tests.probes import Counter

SMALL = AgentConfig(
    hidden_layer_sizes_actor=(8,), hidden_layer_sizes_critic=((8,), (8,)), replay_buffer_size=64, replay_batch_size=8
)


DEFAULTS = {"n_episodes": 3, "n_validation_episodes": 0, "run_tests": False}


class Faulty(Counter):
    """From some reset on, those of a trial not counted, the third step returns what is asked."""

    def __init__(self, resets, observation=None, reward=None, length=6):
        super().__init__(length)
        self.resets, self.faults = resets, (observation, reward)

    @property
    def n_resets(self):
        return sum(seed > 9 for seed in self.seeds)  # a trial's seeds are small

    def step(self, action):
        observation, reward, *rest = super().step(action)
        if self.n_resets >= self.resets and self.count >= 3:
            observation = observation if self.faults[0] is None else np.full(2, self.faults[0], np.float32)
            reward = reward if self.faults[1] is None else self.faults[1]
        return observation, reward, *rest


def steps_until_noticed(env, message, **plan):
    agent = DDPG(env, SMALL, seed=1)
    with pytest.raises(NotFiniteError, match=message):
        list(agent.trainer.train(TrainingConfig(**DEFAULTS | plan)))
    assert np.isfinite(agent.replay_buffer.rows).all()
    assert np.isfinite(agent.replay_buffer.reward_mean)
    return env.count


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_observation_or_reward_that_is_not_finite_is_noticed_at_its_step(value):
    # This episode never ends by itself.
    endless = 10**9
    observation = "training episode 1: expected a finite observation from the environment, received"
    assert steps_until_noticed(Faulty(1, observation=value, length=endless), observation) == 3
    reward = f"training episode 1: expected a reward of at most 3.4e.38 from the environment, received {value:g}"
    assert steps_until_noticed(Faulty(1, reward=value, length=endless), reward) == 3


def test_a_reward_that_overflows_is_noticed():
    assert steps_until_noticed(Faulty(2, reward=1e39), r"training episode 2: .* received 1e\+39") == 3
    # Each is finite, and their sum is not.
    assert steps_until_noticed(Faulty(1, reward=1e308), "training episode 1: .* received inf", action_repeat=6) == 6


def test_a_first_observation_that_is_not_finite_is_noticed():
    class Blind(Faulty):
        def _observation(self):
            return super()._observation() * (np.nan if self.n_resets else 1)

    assert steps_until_noticed(Blind(1), "training episode 1: expected a finite observation") == 0


@pytest.mark.slow
def test_a_test_episode_names_the_training_episode_before_it():
    steps_until_noticed(Faulty(4, reward=np.nan), "noise-free episode 2: expected a reward", run_tests=True)


@pytest.mark.parametrize("fault", [{"observation": np.nan}, {"reward": np.inf}])
def test_evaluation_notices_too(fault):
    for length in (3, 6):  # with the last step, and before
        env = Faulty(1, **fault, length=length)
        with pytest.raises(NotFiniteError, match="an evaluation episode: expected"):
            run_episodes(lambda x: np.zeros((len(x), 2), np.float32), [env], [10], 1)


@pytest.mark.slow
@pytest.mark.parametrize("during_episode", [True, False])
def test_networks_that_diverge_are_noticed_within_the_episode(during_episode):
    config = SMALL.model_copy(update={"lr_actor": 1e30, "lr_critic": 1e30, "train_during_episode": during_episode})
    agent = DDPG(Counter(), config, seed=1)
    message = "training episode 2: expected a finite .*, received .*; the networks diverged: try a smaller lr_actor"
    with pytest.raises(NotFiniteError, match=message):
        list(agent.trainer.train(TrainingConfig(n_episodes=5, n_validation_episodes=0)))
    assert agent.n_updates < 6 if during_episode else agent.n_updates == 6
