"""Which snapshots become frames, and what had happened by the agent step of a frame."""

from bisect import bisect_right
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


class Timeline:
    """Finds the moment of a snapshot in a history.

    An episode is finished at the step that ended it. Its test takes no step of training, so it is finished at the
    same step: the last snapshot of a complete training shows every score.
    """

    def __init__(self, history: TrainingHistory) -> None:
        self._episodes = {episode.episode: episode for episode in history.training_episodes}
        self._last_steps = [episode.last_step for episode in history.training_episodes]
        self._numbers = [episode.episode for episode in history.training_episodes]
        self._test_numbers = [episode.episode for episode in history.test_episodes]

    def at(self, snapshot: Snapshot) -> Moment:
        """The moment after the snapshot's agent step."""
        episode = self._episodes.get(snapshot.episode)
        n_finished = bisect_right(self._last_steps, snapshot.step)
        last_finished = self._numbers[n_finished - 1] if n_finished else 0
        return Moment(
            training_episode=episode,
            n_steps=min(snapshot.step - episode.first_step, episode.n_steps) if episode else 0,
            n_finished=n_finished,
            n_tested=bisect_right(self._test_numbers, last_finished),
        )


def select_snapshots(history: TrainingHistory, every_n_steps: int = 1) -> list[Snapshot]:
    """The snapshots of every nth agent step, and the last.

    Snapshots are recorded every kth step. Those at multiples of n are taken; where n is no multiple of k, the first
    after each multiple; so all of them where n < k.

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
    return [history.snapshots[i] for i in np.flatnonzero(passes_a_multiple)]
