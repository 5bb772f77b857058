"""Pictures of an agent, as its methods return them; `ddpg.visualizations`, which takes a second to load, draws them."""

import dataclasses
import sys
from os import PathLike
from pathlib import Path

from ddpg.files import replacing
from ddpg.history import Snapshot, TrainingHistory


@dataclasses.dataclass(frozen=True)
class Picture:
    """A PNG, which notebooks show if it is the value of a cell."""

    png: bytes

    def save(self, path: str | PathLike[str]) -> Path:
        """Writes the picture into a file; returns its path."""
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(self.png)
        return Path(path)

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return f"Picture({len(self.png):,} bytes)"


def draw_networks(history: TrainingHistory, snapshot: Snapshot) -> Picture:
    """Draws a snapshot of Q and the policy.

    Args:
        history: Names, bounds and the grid of what is drawn.
        snapshot: On this grid.
    """
    from ddpg.visualizations import NetworksPicture
    from ddpg.visualizations.notebook import encode_png

    return Picture(encode_png(NetworksPicture(history).draw(snapshot)))


def draw_returns(history: TrainingHistory) -> Picture:
    """Draws the returns of all training and test episodes.

    Raises:
        ValueError: There is no training episode.
    """
    from ddpg.visualizations import notebook

    if not history.training_episodes:
        raise ValueError("history: expected at least one training episode, received none; see train_n_episodes")
    last = history.training_episodes[-1]
    return Picture(notebook.draw_returns(history, last.epsilon, last.episode))


def show_histories() -> None:
    """Lets notebooks show a history as a picture of its returns; does nothing outside of a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        shell.display_formatter.formatters["image/png"].for_type(TrainingHistory, _png_of)


def _png_of(history: TrainingHistory) -> bytes | None:
    return draw_returns(history).png if history.training_episodes else None
