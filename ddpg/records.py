"""A record of each training episode: a row of the result's table."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class EpisodeRecord(NamedTuple):
    """One training episode in numbers; NaN where a number is undefined."""

    episode: int
    epsilon: float
    """Scale of the exploration noise in this episode."""
    training_return: float
    test_return: float
    """Return of the test episode, without noise."""
    validation_return: float
    """Mean return over validation episodes from fixed start states, if the policy changed."""
    validation_episodes: int
    """How many these were: fewer than all if the first showed that the policy is not the best."""
    agent_steps: int
    """In training episodes, so far."""
    environment_steps: int
    """In training episodes, so far; tests and validation do not count."""
    updates: int
    """So far."""
    replay_buffer_size: int
    critic_loss: float
    """Mean over the episode's updates, like `actor_loss` and `mean_q`; see `ddpg.algorithm.update.UpdateMetrics`."""
    actor_loss: float
    mean_q: float
    reached_goal: bool
    """Whether this training episode ended at a goal; see `EpisodeHistory.reached_goal`."""
    is_best: bool
    """Whether the policy after this episode scored higher than all before it."""


def records_to_arrays(records: Sequence[EpisodeRecord]) -> dict[str, NDArray[Any]]:
    """Returns a column of each field."""
    return {f"record_{name}": np.array([getattr(record, name) for record in records]) for name in EpisodeRecord._fields}


def records_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> list[EpisodeRecord]:
    """Restores what `records_to_arrays` returned; other arrays are ignored."""
    columns = [arrays[f"record_{name}"].tolist() for name in EpisodeRecord._fields]
    return [EpisodeRecord(*values) for values in zip(*columns, strict=True)]
