"""The single source of randomness: every generator and every environment seed is derived from one number."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Uses of randomness; the streams of one seed are independent."""

    NETWORKS = 0
    NOISE = 1
    SAMPLING = 2
    RANDOM_ACTIONS = 3
    TRAINING_EPISODES = 4
    TEST_EPISODES = 5
    VALIDATION_EPISODES = 6
    EVALUATION_EPISODES = 7
    BOOTSTRAP = 8
    TARGET_NOISE = 9


def new_seed() -> int:
    """Draws a seed, small enough to write down."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def generator(seed: int, stream: Stream) -> np.random.Generator:
    """Creates the generator of a stream."""
    return np.random.default_rng([seed, stream])


def episode_seed(seed: int, stream: Stream, index: int) -> int:
    """Derives the seed with which the environment is reset for an episode.

    Seeds for evaluation are odd and all others even, so that no policy is evaluated on a start it was selected by.
    """
    (word,) = np.random.SeedSequence([seed, stream, index]).generate_state(1)
    return 2 * int(word >> 1) + (stream == Stream.EVALUATION_EPISODES)
