"""Animations of a training: of the networks on the state grid, and of the episodes meanwhile."""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Literal, Protocol

from PIL import Image

from ddpg.files import replacing
from ddpg.history import TrainingHistory
from ddpg.visualizations.player import Html, embed_player, embed_video, encode_png
from ddpg.visualizations.segments import draw_segments
from ddpg.visualizations.timeline import select_snapshots
from ddpg.visualizations.training_picture import ColourScaleOf, TrainingPicture
from ddpg.visualizations.video import (
    Frame,
    check_fps,
    choose_gif_frames,
    encode_mp4,
    join_mp4,
    save_gif,
    shrink,
)

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
    display_mode: Literal["gif", "js", "video", "video_file"] = "video_file",
    fps: float = 30,
    path: str | PathLike[str] | None = None,
    *,
    colour_scale: ColourScaleOf = "run",
    n_processes: int | None = None,
) -> Path | Html:
    """An animation of how the agent learned, as a file or for a notebook; on a terminal with a bar meanwhile.

    Args:
        agent: Its `history` needs snapshots: train with `gen_q_a_frames_every_n_steps`.
        every_n_steps: Agent steps per frame; no frames come between the recorded snapshots. The last is shown.
        display_mode: `video_file` writes an mp4 and `gif` a gif; `video` returns a video and `js` a player with
            single steps and a slider, both shown by a notebook as the value of its cell.
        fps: Frames per second.
        path: The file to write; by default `training_animation_<Unix time>` in the working directory. Only for
            `video_file` and `gif`.
        colour_scale: `run`: colours mean the same in all frames; `frame`: those of Q and its gradient span the
            values of each frame.
        n_processes: Processes that draw, without effect on the result. `None`: one per core if frames are many.

    Returns:
        The path of the file, or an object with `_repr_html_`.

    Raises:
        ValueError: The history has no snapshots, or an argument is none of the above.
        RuntimeError: A process that draws died.
    """
    history = agent.history
    if display_mode not in _DISPLAY_MODES:
        raise ValueError(f"display_mode: expected one of {', '.join(_DISPLAY_MODES)}, received {display_mode!r}")
    write = partial(
        write_training_animation,
        history,
        fps=fps,
        every_n_steps=every_n_steps,
        colour_scale=colour_scale,
        n_processes=n_processes,
    )
    if display_mode in _SUFFIXES:
        suffix = _SUFFIXES[display_mode]
        file = Path(path if path is not None else f"training_animation_{int(time.time())}{suffix}")
        if file.suffix != suffix:
            raise ValueError(f"path: expected the suffix {suffix} of {display_mode!r}, received {str(file)!r}")
        write(file)
        print(f"Video saved to {file}.")
        return file
    if path is not None:
        raise ValueError(f"path: expected none for display_mode {display_mode!r}, which writes no file")
    if display_mode == "js":
        return _make_player(history, fps, every_n_steps, colour_scale, n_processes)
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "training.mp4"
        write(file)
        return embed_video(file.read_bytes())


def write_training_animation(
    history: TrainingHistory,
    path: Path,
    fps: float = 30,
    every_n_steps: int = 1,
    size: tuple[int, int] = _FULL_SIZE,
    *,
    gif_width: int = 600,
    gif_frames: int = 360,
    colour_scale: ColourScaleOf = "run",
    n_processes: int | None = None,
) -> None:
    """Writes the animation as mp4 or gif, as the path's suffix says; on a terminal with a bar meanwhile.

    Args:
        history: With snapshots.
        path: The file.
        fps: Frames per second.
        every_n_steps: Agent steps per frame, as `select_snapshots` says.
        size: Width and height of the picture.
        gif_width: Pixels to which a gif is shrunk.
        gif_frames: At most so many frames, evenly chosen, are in a gif; it lasts as long as the mp4.
        colour_scale: As in `create_animation`.
        n_processes: As in `create_animation`.

    Raises:
        ValueError: The history has no snapshots, or an argument is out of range.
        RuntimeError: A process that draws died.
    """
    check_fps(fps)
    snapshots = select_snapshots(history, every_n_steps)
    draw = partial(
        draw_segments, history, size=size, colour_scale=colour_scale, n_processes=n_processes, name=path.name
    )
    if path.suffix == ".mp4":
        join_mp4(draw(snapshots, partial(encode_mp4, fps=fps)), path)
    elif path.suffix == ".gif":
        chosen, starts = choose_gif_frames(len(snapshots), fps, gif_frames)
        segments = draw([snapshots[i] for i in chosen], partial(_shrink_all, width=gif_width))
        save_gif([*chain.from_iterable(segments)], starts, path, fps)
    else:
        raise ValueError(f"{path}: expected the suffix .mp4 or .gif, received {path.suffix!r}")


def render_training(
    history: TrainingHistory,
    every_n_steps: int = 1,
    size: tuple[int, int] = _FULL_SIZE,
    *,
    colour_scale: ColourScaleOf = "run",
) -> Iterator[Frame]:
    """One frame of `size` (width, height) for each of `select_snapshots(history, every_n_steps)`.

    Yields:
        Shape (height, width, 3), each in memory of its own.

    Raises:
        ValueError: The history has no snapshots, or an argument is out of range.
    """
    snapshots = select_snapshots(history, every_n_steps)
    picture = TrainingPicture(history, size, colour_scale)
    return (picture.draw(snapshot)[..., :3].copy() for snapshot in snapshots)


def draw_poster(history: TrainingHistory, path: Path, size: tuple[int, int] = _FULL_SIZE) -> None:
    """Writes the last frame as PNG.

    Raises:
        ValueError: The history has no snapshots.
    """
    *_, frame = render_training(history, every_n_steps=history.n_steps + 1, size=size)
    with replacing(path) as temporary:
        Image.fromarray(frame).save(temporary, "PNG", optimize=True)


def _make_player(
    history: TrainingHistory,
    fps: float,
    every_n_steps: int,
    colour_scale: ColourScaleOf,
    n_processes: int | None,
) -> Html:
    check_fps(fps)
    segments = draw_segments(
        history,
        select_snapshots(history, every_n_steps),
        _encode_all,
        size=_PLAYER_SIZE,
        colour_scale=colour_scale,
        n_processes=n_processes,
        name="frames",
    )
    return embed_player([*chain.from_iterable(segments)], _PLAYER_SIZE, fps)


def _shrink_all(frames: Iterator[Frame], width: int) -> list[Image.Image]:
    return [shrink(frame, width) for frame in frames]


def _encode_all(frames: Iterator[Frame]) -> list[bytes]:
    return [encode_png(frame) for frame in frames]
