"""Pictures of a seed's networks as it learns, for the slider of MLflow's UI."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddpg.history import Snapshot, TrainingHistory
    from ddpg.visualizations.video import Frame


class Painter:
    """Draws the networks of some seeds, whose histories differ in their snapshots only."""

    def __init__(self) -> None:
        self._picture: Any = None

    def draw(self, history: "TrainingHistory", snapshot: "Snapshot") -> "Frame":
        """The picture of a snapshot; the first takes a tenth of a second, the others much less."""
        # Matplotlib's import is left to those who draw.
        from ddpg.visualizations import NetworksPicture

        self._picture = self._picture or NetworksPicture(history)
        frame: Frame = self._picture.draw(snapshot)
        return frame


def pictures_every_n_episodes(params: Mapping[str, Any]) -> int:
    """Episodes between pictures, 0 for none; older versions of params.yaml do not ask for any."""
    return int(params.get("tracking", {}).get("pictures_every_n_episodes", 0))


def picture_steps(episode: int, every_n_episodes: int, *, is_first: bool) -> list[int]:
    """The slider's steps at which the networks after an episode are shown: its own for every nth.

    The first networks that there are stand at 0 as well, where the slider starts.
    """
    if every_n_episodes == 0:
        return []
    return [0] * is_first + [episode] * (episode % every_n_episodes == 0)


def pictured_snapshots(history: "TrainingHistory", every_n_episodes: int) -> Iterator[tuple[int, "Snapshot"]]:
    """Steps of the slider, each with the newest snapshot at the end of the episode that it stands for."""
    taken = [snapshot.step for snapshot in history.snapshots]
    is_first = True
    for episode in history.training_episodes:
        n_taken = bisect_right(taken, episode.last_step)
        if n_taken:
            for step in picture_steps(episode.episode, every_n_episodes, is_first=is_first):
                yield step, history.snapshots[n_taken - 1]
            is_first = False
