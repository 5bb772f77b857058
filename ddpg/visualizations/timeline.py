"""Which snapshots become frames, and what had happened by the agent step of a frame."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ddpg.history import EpisodeHistory, Snapshot, TrainingHistory


class Moment(NamedTuple):
    """What had happened when a snapshot was taken."""

    training_episode: EpisodeHistory | None
    """The episode of the snapshot's step; `None` if it was interrupted and so not recorded."""
    n_steps: int
    """Agent steps made in that episode."""
    n_finished: int
    """Training episodes finished."""
    n_tested: int
    """Test episodes finished."""


def moment_at(history: TrainingHistory, snapshot: Snapshot) -> Moment:
    """Return the moment after the snapshot's agent step.

    A test takes no training step, so it finishes at the same step as the training episode before it: the last
    snapshot of a complete training shows every return.
    """
    episodes = history.training_episodes
    n_finished = bisect_right(episodes, snapshot.step, key=lambda episode: episode.last_step)
    last_finished = episodes[n_finished - 1].episode if n_finished else 0
    n_tested = bisect_right(history.test_episodes, last_finished, key=lambda episode: episode.episode)
    current = next((episode for episode in episodes if episode.episode == snapshot.episode), None)
    n_steps = min(snapshot.step - current.first_step, current.n_steps) if current else 0
    return Moment(current, n_steps, n_finished, n_tested)


def select_snapshots(history: TrainingHistory, every_n_steps: int = 1) -> list[Snapshot]:
    """Return the first snapshot at or after each multiple of `every_n_steps`, and the last snapshot.

    Raises:
        ValueError: There are no snapshots, or `every_n_steps` is not positive.
    """
    if every_n_steps < 1:
        raise ValueError(f"every_n_steps: expected at least 1, received {every_n_steps}")
    if not history.snapshots:
        raise ValueError(
            "expected a history with snapshots, received one without: train with gen_q_a_frames_every_n_steps > 0"
        )
    steps = np.array([snapshot.step for snapshot in history.snapshots])
    before_first = -1 if steps[0] == 0 else 0
    passes_a_multiple = np.diff(steps // every_n_steps, prepend=before_first) > 0
    passes_a_multiple[-1] = True
    return [history.snapshots[i] for i in np.flatnonzero(passes_a_multiple).tolist()]


def count_before_learning(snapshots: Sequence[Snapshot]) -> int:
    """Return how many snapshots were taken before the networks first changed; all, if they never did.

    None if the second already differs, since then nobody knows whether the first is from before.
    """
    if not snapshots:
        return 0
    first = snapshots[0]
    changed = (
        i
        for i, snapshot in enumerate(snapshots)
        if not (
            np.array_equal(snapshot.q_max, first.q_max, equal_nan=True)
            and np.array_equal(snapshot.policy, first.policy, equal_nan=True)
        )
    )
    n = next(changed, len(snapshots))
    return n if n > 1 else 0
