"""The explorer: a page on which a training is looked at, moment by moment and state by state.

The page needs no network and no other file. It holds the networks' weights at many moments of the training and
evaluates them itself, so that any plane of states can be drawn. Its parts are in the folder `explorer_page`.
"""

import base64
import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib import colormaps
from numpy.typing import ArrayLike
from PIL import Image

from ddpg.files import replacing
from ddpg.history import EpisodeHistory, NetworkWeights, TrainingHistory
from ddpg.records import EpisodeRecord
from ddpg.visualizations.notebook import HasHistory, Html
from ddpg.visualizations.panels import finite
from ddpg.visualizations.video import Frame

MOST_BYTES = 4_900_000
"""Of a page. If the weights take more, those of some moments are left out, evenly over the training."""

_FEWEST_MOMENTS = 12
_COLOUR_MAPS = ("viridis", "cividis", "PuOr", "RdBu")
_PAGE = Path(__file__).parent / "explorer_page"
_SCRIPTS = ("data.js", "network.js", "model.js", "draw.js", "planes.js", "charts.js", "controls.js")
_SHARE_OF_EPISODES = 0.4  # of the page, at most
_SHARE_OF_FRAMES = 0.12  # likewise
_FRAME_WIDTH = 240  # pixels, at most
_FRAME_COLOURS = 32
_TEXT_SIZE = 4 / 3  # of base64


class HasRecords(HasHistory, Protocol):
    """An agent, as far as the explorer needs it."""

    @property
    def records(self) -> list[EpisodeRecord]:
        """A record of each training episode."""
        ...

    @property
    def progress(self) -> Any:
        """How far the newest training is, with its configuration; `None` before the first."""
        ...


@dataclass(frozen=True)
class ExploredTraining:
    """A training, as the explorer shows it."""

    name: str
    """Such as `seed 1`."""
    history: TrainingHistory
    """With snapshots and weights."""
    validation_returns: Mapping[int, float] = field(default_factory=dict)
    """By the number of the training episode."""
    best_episode: int | None = None
    """The training episode after which the policy was best."""
    evaluation_episodes: Sequence[EpisodeHistory] = ()
    """Of the best policy."""
    evaluation_frames: Sequence[Sequence[Frame]] = ()
    """The environment's pictures at the start of each of these episodes and after each agent step; empty: none."""
    reference_state: Sequence[float] | None = None
    """The state that is chosen at first; `None`: the start of an evaluation episode, or of a training episode."""


def create_explorer(
    agent: HasRecords, path: str | PathLike[str] | None = None, *, title: str = "Training"
) -> Path | Html:
    """Create a page to explore how the agent learned, as a file or for a notebook.

    Args:
        agent: Its `history` needs snapshots: train with `gen_q_a_frames_every_n_steps`.
        path: The file to write; `None`: return the page, which notebooks show if it is the value of a cell.
        title: Heading of the page, such as the environment's name.

    Returns:
        The path of the file, or an object with `_repr_html_`.

    Raises:
        ValueError: The history has no snapshots with weights.
    """
    reference = None if agent.progress is None else agent.progress.config.grid.reference_state
    training = explored("this training", agent.history, agent.records, reference_state=reference)
    if path is None:
        document = html.escape(explorer_page([training], title))
        style = "width: 100%; height: 900px; border: 0"
        return Html(f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{document}"></iframe>')
    write_explorer([training], Path(path), title)
    return Path(path)


def explored(name: str, history: TrainingHistory, records: Sequence[EpisodeRecord], **others: Any) -> ExploredTraining:
    """Return a training with what its records say of validation and of the best policy."""
    returns = {record.episode: record.validation_return for record in records}
    best = max((record.episode for record in records if record.is_best), default=None)
    return ExploredTraining(name, history, returns, best, **others)


def write_explorer(
    trainings: Sequence[ExploredTraining], path: Path, title: str, *, n_shown: int = 1, most_bytes: int = MOST_BYTES
) -> None:
    """Write the page; see `explorer_page`."""
    page = explorer_page(trainings, title, n_shown=n_shown, most_bytes=most_bytes)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def explorer_page(
    trainings: Sequence[ExploredTraining], title: str, *, n_shown: int = 1, most_bytes: int = MOST_BYTES
) -> str:
    """Return the page.

    Args:
        trainings: In environments with the same observations and actions.
        title: Heading of the page.
        n_shown: How many trainings are shown at first, side by side, if there are more. Their weights come first
            where space is short.
        most_bytes: Size of the page; each training keeps the weights of some moments even so.

    Raises:
        ValueError: A training has no snapshots or weights, or they are in different environments.
    """
    _require_comparable(trainings)
    parts = {
        "TITLE": html.escape(title),
        "STYLE": (_PAGE / "style.css").read_text(encoding="utf-8"),
        "SCRIPT": "\n".join((_PAGE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
    }
    every = _episodes_apart(trainings, most_bytes)
    films = [_film(training.evaluation_frames, most_bytes) for training in trainings]
    without_weights = _fill(parts, _contents(trainings, n_shown, every, films, [[] for _ in trainings]))
    weights = _choose_weights(trainings, n_shown, most_bytes - len(without_weights.encode()))
    return _fill(parts, _contents(trainings, n_shown, every, films, weights))


def _fill(parts: Mapping[str, str], contents: Mapping[str, Any]) -> str:
    """Return the template with these parts, and the contents as DATA, in the place of their names in double braces."""
    template = (_PAGE / "page.html").read_text(encoding="utf-8")
    # Within a script element, only the character < could end it.
    data = json.dumps(contents, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    filled = {**parts, "DATA": data}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], template)


def _require_comparable(trainings: Sequence[ExploredTraining]) -> None:
    if not trainings:
        raise ValueError("trainings: expected at least one, received none")
    first = trainings[0].history
    for training in trainings:
        history = training.history
        if history.grid is None or not history.weights or not history.training_episodes:
            raise ValueError(
                f"{training.name}: expected a history with snapshots and weights, received none; "
                "train with gen_q_a_frames_every_n_steps"
            )
        if not is_comparable(first, history):
            raise ValueError(f"{training.name}: expected the observations and actions of {trainings[0].name}")


def is_comparable(one: TrainingHistory, other: TrainingHistory) -> bool:
    """Whether two trainings are of environments with the same observations and actions."""
    return (
        one.observation_names == other.observation_names
        and one.action_names == other.action_names
        and np.array_equal(one.action_low, other.action_low)
        and np.array_equal(one.action_high, other.action_high)
    )


def _episodes_apart(trainings: Sequence[ExploredTraining], most_bytes: int) -> int:
    """Return k: the page holds the steps of every kth episode, so that episodes take a fair share of it."""
    histories = [training.history for training in trainings]
    episodes = [each for history in histories for each in (*history.training_episodes, *history.test_episodes)]
    n_numbers = sum(episode.observations.size + episode.actions.size + episode.n_steps for episode in episodes)
    return max(1, math.ceil(n_numbers * 4 * _TEXT_SIZE / (_SHARE_OF_EPISODES * max(most_bytes, 1))))


def _choose_weights(trainings: Sequence[ExploredTraining], n_shown: int, spare: float) -> list[list[NetworkWeights]]:
    """Return the weights of each training that fit into the spare bytes; those first shown have precedence."""
    sizes = [(1 + training.history.weights[0].values.size) * 4 * _TEXT_SIZE for training in trainings]  # with the step
    reserved = sum(sizes[n_shown:]) * _FEWEST_MOMENTS
    chosen: list[list[NetworkWeights]] = []
    for i, (training, size) in enumerate(zip(trainings, sizes, strict=True)):
        share = (spare - reserved) / (n_shown - i) if i < n_shown else spare / (len(trainings) - i)
        chosen.append(_thinned(_changes(training.history.weights), max(_FEWEST_MOMENTS, int(share / size))))
        spare -= len(chosen[-1]) * size
    return chosen


def _changes(weights: Sequence[NetworkWeights]) -> list[NetworkWeights]:
    """Leave out weights that are those of the moment before: the page holds weights until the next."""
    changes = [weights[0]]
    for each in weights[1:]:
        if not np.array_equal(each.values, changes[-1].values):
            changes.append(each)
    return changes


def _thinned(weights: Sequence[NetworkWeights], most: int) -> list[NetworkWeights]:
    """Return at most so many, evenly spaced, the first and the last among them."""
    if len(weights) <= most:
        return list(weights)
    return [weights[round(i * (len(weights) - 1) / (most - 1))] for i in range(most)]


def _film(episodes: Sequence[Sequence[Frame]], most_bytes: int) -> dict[str, Any]:
    """Return every kth picture of the episodes as PNGs, so that they take a fair share of the page."""
    encoded = [[_small_png(frame) for frame in frames] for frames in episodes]
    n_bytes = sum(len(png) for images in encoded for png in images)
    every = max(1, math.ceil(n_bytes * _TEXT_SIZE / (_SHARE_OF_FRAMES * max(most_bytes, 1))))
    return {"every": every, "episodes": [[base64.b64encode(png).decode() for png in each[::every]] for each in encoded]}


def _small_png(frame: Frame) -> bytes:
    small = Image.fromarray(frame).reduce(math.ceil(frame.shape[1] / _FRAME_WIDTH))
    file = io.BytesIO()
    palette = small.quantize(_FRAME_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette.save(file, "PNG", optimize=True)
    return file.getvalue()


def _contents(
    trainings: Sequence[ExploredTraining],
    n_shown: int,
    every: int,
    films: Sequence[Mapping[str, Any]],
    weights: Sequence[Sequence[NetworkWeights]],
) -> dict[str, Any]:
    """Return what the page shows, as JSON values; see `data.js` for the other end."""
    history = trainings[0].history
    grid = history.grid
    assert grid is not None
    return {
        "dimensions": _dimensions(trainings),
        "actionNames": history.action_names,
        "actionLow": history.action_low.tolist(),
        "actionHigh": history.action_high.tolist(),
        "rewardThreshold": history.reward_threshold,
        "grid": {
            "x": grid.x_dimension,
            "y": grid.y_dimension if len(grid.y) > 1 else None,
            "action": grid.action_dimension,
            "reference": _reference_state(trainings),
        },
        "nActions": grid.n_actions,
        "colours": {name: _base64(colormaps[name](np.arange(256), bytes=True)[:, :3]) for name in _COLOUR_MAPS},
        "shown": list(range(min(n_shown, len(trainings)))),
        "trainings": [
            _training(each, kept, every) | {"film": film}
            for each, kept, film in zip(trainings, weights, films, strict=True)
        ],
    }


def _dimensions(trainings: Sequence[ExploredTraining]) -> list[dict[str, Any]]:
    """Return name and limits of each observation dimension: those of the snapshots and of what episodes visited."""
    history = trainings[0].history
    grid = history.grid
    assert grid is not None
    drawn = {grid.x_dimension: grid.x, **({grid.y_dimension: grid.y} if len(grid.y) > 1 else {})}
    described = []
    for i, name in enumerate(history.observation_names):
        values = np.concatenate([drawn.get(i, []), _visited(trainings, i)])
        low, high = (float(values.min()), float(values.max())) if values.size else (-1.0, 1.0)
        described.append({"name": name, "low": low, "high": high if high > low else low + 1.0})
    return described


def _visited(trainings: Sequence[ExploredTraining], dimension: int) -> Any:
    episodes = [each for training in trainings for each in training.history.training_episodes]
    return finite(episode.observations[:, dimension] for episode in episodes)


def _reference_state(trainings: Sequence[ExploredTraining]) -> list[float]:
    """Return the state that was named, or a start: the middle of bounds may be impossible, as of cosine and sine."""
    first = trainings[0]
    if first.reference_state is not None:
        return list(first.reference_state)
    episodes = [*first.evaluation_episodes, *first.history.training_episodes]
    start: list[float] = episodes[0].observations[0].tolist()
    return start


def _training(training: ExploredTraining, weights: Sequence[NetworkWeights], every: int) -> dict[str, Any]:
    history = training.history
    values = np.stack([each.values for each in weights]) if weights else np.zeros(0)
    validation = {number: score for number, score in training.validation_returns.items() if np.isfinite(score)}
    return {
        "name": training.name,
        "nSteps": history.n_steps,
        "networks": history.networks,
        "weights": {"steps": _base64([each.step for each in weights], "<i4"), "values": _base64(values, "<f4")},
        "validation": [{"number": number, "score": score} for number, score in validation.items()],
        "bestEpisode": training.best_episode,
        "episodes": {
            "training": _episodes(history.training_episodes, every),
            "test": _episodes(history.test_episodes, every),
            "evaluation": _episodes(training.evaluation_episodes, 1),
        },
    }


def _episodes(episodes: Sequence[EpisodeHistory], every: int) -> dict[str, Any]:
    """Return the steps of the last and of every kth episode before it in a row, and what tells the episodes apart."""
    kept = episodes[::-1][::every][::-1]
    numbers_kept = {episode.episode for episode in kept}
    return {
        "episodes": [
            {
                "number": episode.episode,
                "firstStep": episode.first_step,
                "steps": episode.n_steps,
                "isKept": episode.episode in numbers_kept,
                "score": episode.score,
                "epsilon": episode.epsilon,
                "end": "goal" if episode.reached_goal else "end" if episode.terminated else "limit",
            }
            for episode in episodes
        ],
        **{
            name: _base64(np.concatenate([np.zeros(0), *(getattr(each, name).ravel() for each in kept)]), "<f4")
            for name in ("observations", "actions", "rewards")
        },
    }


def _base64(values: ArrayLike, dtype: str = "|u1") -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()
