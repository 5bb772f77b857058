"""Returns in a notebook while an agent learns."""

import io
import math
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from ddpg.history import EpisodeRecord, TrainingHistory
from ddpg.visualizations.panels import ScorePanel

if TYPE_CHECKING:
    from ddpg.visualizations.animation import HasHistory

_INCHES = 9.0, 4.0
_SECONDS = 1.0
_SHARE_OF_TIME = 0.02


class LiveReturns:
    """Shows in a notebook the returns of a training so far: `train_n_episodes(50, on_episode=LiveReturns(50))`.

    One picture takes the place of all that the cell has shown before, such as the line per episode. It is drawn after
    the last episode; before that at most once a second, and less often where that would take more than 2 % of the
    time. Outside a notebook nothing happens.

    Args:
        n_episodes: Episodes of this training.

    Raises:
        ValueError: `n_episodes` is not positive.
    """

    def __init__(self, n_episodes: int) -> None:
        if n_episodes < 1:
            raise ValueError(f"n_episodes: expected at least 1, received {n_episodes}")
        self._n_episodes = n_episodes
        self._last_episode: int | None = None
        self._due = -math.inf

    def __call__(self, agent: "HasHistory", record: "EpisodeRecord") -> None:
        """Takes part in a training as its `on_episode`."""
        ipython = _ipython()
        if ipython is None:
            return
        if self._last_episode is None:
            self._last_episode = record.episode + self._n_episodes - 1
        started = time.perf_counter()
        if started >= self._due or record.episode == self._last_episode:
            _replace_output(ipython.display, draw_returns(agent.history, record.epsilon, self._last_episode))
            ended = time.perf_counter()
            self._due = ended + max(_SECONDS, (ended - started) / _SHARE_OF_TIME)


def draw_returns(history: TrainingHistory, epsilon: float, last_episode: int) -> bytes:
    """A PNG of all returns so far.

    Args:
        history: Of the training, with at least one episode.
        epsilon: Scale of the exploration noise now.
        last_episode: Number of the episode that ends the training.
    """
    figure = Figure(figsize=_INCHES, dpi=100, facecolor="white")
    # Matplotlib has no type hints for this class.
    canvas = cast(Any, FigureCanvasAgg(figure))
    panel = ScorePanel(figure, Bbox.from_bounds(0.07, 0.28, 0.91, 0.62), history)
    panel.axes.set_xlim(0, last_episode + 1)
    episode = history.training_episodes[-1].episode
    progress = f"episode {episode} of {last_episode}, ε = {epsilon:.2f}, {history.n_steps:,} agent steps"
    panel.axes.set_title(progress, loc="right", fontsize=12)
    canvas.draw()
    panel.draw(canvas.get_renderer(), len(history.training_episodes), len(history.test_episodes))
    file = io.BytesIO()
    Image.frombytes("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB").save(file, "PNG")
    return file.getvalue()


def _ipython() -> ModuleType | None:
    """IPython, if this process is a notebook's kernel; a terminal, which shows no pictures, has none."""
    ipython = sys.modules.get("IPython")
    return ipython if ipython is not None and hasattr(ipython.get_ipython(), "kernel") else None


def _replace_output(display: ModuleType, png: bytes) -> None:
    # What is there stays until the picture comes, so that nothing flickers.
    display.clear_output(wait=True)
    display.display(display.Image(png))
