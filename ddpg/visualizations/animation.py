"""Animations of a training: of the networks on the state grid, and of the episodes meanwhile."""

import tempfile
import time
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Protocol

from PIL import Image

from ddpg.history import TrainingHistory
from ddpg.visualizations.player import Html, embed_player, embed_video
from ddpg.visualizations.timeline import select_snapshots
from ddpg.visualizations.training_picture import TrainingPicture
from ddpg.visualizations.video import Frame, replacing, write_video

_SUFFIXES = {"video_file": ".mp4", "gif": ".gif"}
_DISPLAY_MODES = (*_SUFFIXES, "video", "js")
_FULL_SIZE = 1280, 720
# A player holds every frame as a picture of its own: a notebook of several hundred would be too large.
_PLAYER_SIZE = 960, 540


class HasHistory(Protocol):
    """An agent, for all that a picture needs of it."""

    @property
    def history(self) -> TrainingHistory:
        """What happened in its training."""
        ...


def create_animation(
    agent: HasHistory,
    every_n_steps: int = 1,
    display_mode: str = "video_file",
    fps: float = 30,
    path: str | PathLike[str] | None = None,
) -> Path | Html:
    """An animation of how the agent learned, as a file or for a notebook.

    Args:
        agent: Its `history` needs snapshots: train with `gen_q_a_frames_every_n_steps`.
        every_n_steps: Agent steps per frame; no frames come between the recorded snapshots. The last is shown.
        display_mode: `video_file` writes an mp4 and `gif` a gif; `video` returns a video and `js` a player with
            single steps and a slider, both shown by a notebook as the value of its cell.
        fps: Frames per second.
        path: The file to write; by default `training_animation_<Unix time>` in the working directory. Only for
            `video_file` and `gif`.

    Returns:
        The path of the file, or an object with `_repr_html_`.

    Raises:
        ValueError: The history has no snapshots, or an argument is none of the above.
    """
    history = agent.history
    if display_mode not in _DISPLAY_MODES:
        raise ValueError(f"display_mode: expected one of {', '.join(_DISPLAY_MODES)}, received {display_mode!r}")
    if display_mode in _SUFFIXES:
        suffix = _SUFFIXES[display_mode]
        file = Path(path if path is not None else f"training_animation_{int(time.time())}{suffix}")
        if file.suffix != suffix:
            raise ValueError(f"path: expected the suffix {suffix} of {display_mode!r}, received {str(file)!r}")
        write_training_animation(history, file, fps, every_n_steps)
        print(f"Video saved to {file}.")
        return file
    if path is not None:
        raise ValueError(f"path: expected none for display_mode {display_mode!r}, which writes no file")
    if display_mode == "js":
        return embed_player(render_training(history, every_n_steps, _PLAYER_SIZE), fps)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "animation.mp4"
        write_training_animation(history, file, fps, every_n_steps)
        return embed_video(file.read_bytes())


def write_training_animation(
    history: TrainingHistory,
    path: Path,
    fps: float = 30,
    every_n_steps: int = 1,
    size: tuple[int, int] = _FULL_SIZE,
) -> None:
    """Writes the animation as mp4 or gif, as the path's suffix says; a gif is 600 pixels wide.

    Raises:
        ValueError: The history has no snapshots, or an argument is out of range.
    """
    write_video(render_training(history, every_n_steps, size), path, fps)


def render_training(
    history: TrainingHistory, every_n_steps: int = 1, size: tuple[int, int] = _FULL_SIZE
) -> Iterator[Frame]:
    """One frame of `size` (width, height) for each of `select_snapshots(history, every_n_steps)`.

    Raises:
        ValueError: The history has no snapshots, or `every_n_steps` is not positive.
    """
    snapshots = select_snapshots(history, every_n_steps)
    picture = TrainingPicture(history, size)
    return map(picture.draw, snapshots)


def draw_poster(history: TrainingHistory, path: Path, size: tuple[int, int] = _FULL_SIZE) -> None:
    """Writes the last frame as PNG.

    Raises:
        ValueError: The history has no snapshots.
    """
    *_, frame = render_training(history, every_n_steps=history.n_steps + 1, size=size)
    with replacing(path) as temporary:
        Image.fromarray(frame).save(temporary, "PNG", optimize=True)
