import numpy as np

from ddpg.seeding import Stream, episode_seed, generator


def test_streams_and_seeds_are_independent_and_repeat():
    draws = {(seed, stream): generator(seed, stream).random() for seed in range(3) for stream in Stream}
    assert len(set(draws.values())) == len(draws)
    assert generator(2, Stream.NOISE).random() == draws[2, Stream.NOISE]


def test_no_episode_of_evaluation_shares_a_start_with_training_tests_or_validation():
    others = [stream for stream in Stream if stream != Stream.EVALUATION_EPISODES]
    evaluation = {episode_seed(seed, Stream.EVALUATION_EPISODES, i) for seed in range(20) for i in range(200)}
    other = {episode_seed(seed, stream, i) for stream in others for seed in range(20) for i in range(200)}
    assert {seed % 2 for seed in evaluation} == {1}
    assert {seed % 2 for seed in other} == {0}
    assert len(evaluation) == 4000


def test_seeds_fit_every_environment():
    assert all(0 <= episode_seed(i, Stream.TEST_EPISODES, i) < np.iinfo(np.uint32).max for i in range(100))
