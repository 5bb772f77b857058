"""Animations of a training: of the networks on the state grid, and of the episodes meanwhile."""

import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import cache, partial
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import joblib  # type: ignore[import-untyped]
from PIL import Image
from tqdm import tqdm

from ddpg.files import replacing
from ddpg.history import Snapshot, TrainingHistory
from ddpg.visualizations.notebook import HasHistory, Html, embed_player, embed_video, encode_png
from ddpg.visualizations.timeline import select_snapshots
from ddpg.visualizations.training_picture import ColourScaleOf, TrainingPicture
from ddpg.visualizations.video import (
    FRAMES_PER_SEGMENT,
    Frame,
    check_fps,
    choose_gif_frames,
    encode_mp4,
    join_mp4,
    shrink,
    write_gif,
)

Result = TypeVar("Result")
Finish = Callable[[Iterator[Frame], Sequence[Snapshot]], Result]
"""Converts the frames of a segment, all of which share their memory, and which show these snapshots."""

_SUFFIXES = {"video_file": ".mp4", "gif": ".gif"}
_DISPLAY_MODES = (*_SUFFIXES, "video", "js")
_FULL_SIZE = 1280, 720
# Smaller, since a player contains every frame as a separate picture.
_PLAYER_SIZE = 960, 540
# With fewer frames, several processes are no faster than one: they take two seconds to start.
_MANY_FRAMES = 600


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
    """Create an animation of how the agent learned, as a file or for a notebook; terminals show a progress bar.

    Args:
        agent: Its `history` needs snapshots: train with `gen_q_a_frames_every_n_steps`.
        every_n_steps: Agent steps per frame; there are no frames between the recorded snapshots. The last is shown.
        display_mode: `video_file` writes an mp4 and `gif` a gif; `video` returns a video and `js` a player with
            single steps and a slider, which notebooks show if they are the value of a cell.
        fps: Frames per second.
        path: The file to write; by default `training_animation_<Unix time>` in the working directory. Only for
            `video_file` and `gif`.
        colour_scale: `run`: colours mean the same in all frames; `frame`: those of Q and its gradient span the
            values of each frame.
        n_processes: Number of drawing processes; does not affect the result. `None`: one per core if there are many
            frames, otherwise one.

    Returns:
        The path of the file, or an object with `_repr_html_`.

    Raises:
        ValueError: The history has no snapshots, or an argument is invalid.
        RuntimeError: A drawing process died.
    """
    history = agent.history
    if display_mode not in _DISPLAY_MODES:
        raise ValueError(f"display_mode: expected one of {', '.join(_DISPLAY_MODES)}, received {display_mode!r}")
    if path is not None and display_mode not in _SUFFIXES:
        raise ValueError(f"path: expected none for display_mode {display_mode!r}, which writes no file")
    if display_mode == "js":
        check_fps(fps)
        snapshots = select_snapshots(history, every_n_steps)
        convert = partial(_convert_all, convert=encode_png)
        segments = draw_segments(history, snapshots, convert, _PLAYER_SIZE, colour_scale, n_processes)
        return embed_player([*chain.from_iterable(segments)], _PLAYER_SIZE, fps)
    write = partial(
        write_training_animation,
        history,
        fps=fps,
        every_n_steps=every_n_steps,
        colour_scale=colour_scale,
        n_processes=n_processes,
    )
    if display_mode == "video":
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "training.mp4"
            write(file)
            return embed_video(file.read_bytes())
    suffix = _SUFFIXES[display_mode]
    file = Path(path if path is not None else f"training_animation_{int(time.time())}{suffix}")
    if file.suffix != suffix:
        raise ValueError(f"path: expected the suffix {suffix} of {display_mode!r}, received {str(file)!r}")
    write(file)
    print(f"Video saved to {file}.")
    return file


def write_training_animation(
    history: TrainingHistory,
    path: Path,
    fps: float = 30,
    every_n_steps: int = 1,
    *,
    gif_width: int = 800,
    gif_frames: int = 360,
    colour_scale: ColourScaleOf = "run",
    n_processes: int | None = None,
) -> None:
    """Write the animation as mp4 or gif, depending on the path's suffix; terminals show a progress bar.

    Args:
        history: With snapshots.
        path: The file.
        fps: Frames per second.
        every_n_steps: Agent steps per frame; see `select_snapshots`.
        gif_width: Pixels to which a gif is shrunk.
        gif_frames: Maximum number of frames in a gif, evenly spaced; it lasts as long as the mp4.
        colour_scale: As in `create_animation`.
        n_processes: As in `create_animation`.

    Raises:
        ValueError: The history has no snapshots, or an argument is invalid.
        RuntimeError: A drawing process died.
    """
    check_fps(fps)
    snapshots = select_snapshots(history, every_n_steps)
    draw = partial(
        draw_segments, history, size=_FULL_SIZE, colour_scale=colour_scale, n_processes=n_processes, name=path.name
    )
    if path.suffix == ".mp4":
        join_mp4(draw(snapshots, partial(_encode, fps=fps)), path)
    elif path.suffix == ".gif":
        chosen, starts = choose_gif_frames(len(snapshots), fps, gif_frames)
        convert = partial(_convert_all, convert=partial(shrink, width=gif_width))
        segments = draw([snapshots[i] for i in chosen], convert)
        write_gif([*chain.from_iterable(segments)], starts, path, fps)
    else:
        raise ValueError(f"{path}: expected the suffix .mp4 or .gif, received {path.suffix!r}")


def write_training_pictures(
    history: TrainingHistory,
    mp4: Path,
    gif: Path,
    poster: Path,
    fps: float = 30,
    every_n_steps: int = 1,
    *,
    gif_width: int = 800,
    gif_frames: int = 360,
    n_processes: int | None = None,
) -> None:
    """Write the animation as mp4 and as gif, as `write_training_animation` does, and its last frame as PNG.

    Each frame is drawn once.

    Raises:
        ValueError: The history has no snapshots, or an argument is invalid.
        RuntimeError: A drawing process died.
    """
    check_fps(fps)
    snapshots = select_snapshots(history, every_n_steps)
    chosen, starts = choose_gif_frames(len(snapshots), fps, gif_frames)
    finish = partial(
        _finish_all, fps=fps, width=gif_width, shrunk=frozenset(snapshots[i].step for i in chosen), last=snapshots[-1]
    )
    images: list[Image.Image] = []

    def encoded() -> Iterator[bytes]:
        for segment in draw_segments(history, snapshots, finish, _FULL_SIZE, "run", n_processes, mp4.stem):
            images.extend(segment.images)
            if segment.last is not None:
                with replacing(poster) as temporary:
                    Image.fromarray(segment.last).save(temporary, "PNG", optimize=True)
            yield segment.mp4

    join_mp4(encoded(), mp4)
    write_gif(images, starts, gif, fps)


class _Finished(NamedTuple):
    mp4: bytes
    images: list[Image.Image]
    """For the gif."""
    last: Frame | None
    """The animation's last frame, if it is in this segment."""


def _finish_all(
    frames: Iterator[Frame],
    segment: Sequence[Snapshot],
    fps: float,
    width: int,
    shrunk: frozenset[int],
    last: Snapshot,
) -> _Finished:
    images, poster = [], None

    def seen() -> Iterator[Frame]:
        nonlocal poster
        for frame, snapshot in zip(frames, segment, strict=True):
            if snapshot.step in shrunk:
                images.append(shrink(frame, width))
            if snapshot.step == last.step:
                poster = frame[..., :3].copy()
            yield frame

    return _Finished(encode_mp4(seen(), fps), images, poster)


def _encode(frames: Iterator[Frame], _: Sequence[Snapshot], fps: float) -> bytes:
    return encode_mp4(frames, fps)


def draw_segments(
    history: TrainingHistory,
    snapshots: Sequence[Snapshot],
    finish: Finish[Result],
    size: tuple[int, int],
    colour_scale: ColourScaleOf,
    n_processes: int | None,
    name: str = "frames",
) -> Iterator[Result]:
    """Draw a frame for each snapshot, in segments that several processes share.

    The segments do not depend on the number of processes.

    Args:
        history: With a grid.
        snapshots: Some of its snapshots.
        finish: See `Finish`. Must be picklable.
        size: Width and height of the frames.
        colour_scale: As in `TrainingPicture`.
        n_processes: As in `create_animation`.
        name: Title of the progress bar.

    Yields:
        What `finish` returned for each segment, in order.

    Raises:
        ValueError: `n_processes` is not positive, or `TrainingPicture` rejects the history.
        RuntimeError: A drawing process died.
    """
    if n_processes is not None and n_processes < 1:
        raise ValueError(f"n_processes: expected at least 1, received {n_processes}")
    if n_processes is None:
        # Unlike os.cpu_count(), joblib respects affinities and the limits of containers.
        n_processes = joblib.cpu_count() if len(snapshots) >= _MANY_FRAMES else 1
    starts = range(0, len(snapshots), FRAMES_PER_SEGMENT)
    segments = [snapshots[start : start + FRAMES_PER_SEGMENT] for start in starts]
    n_processes = min(n_processes, len(segments))
    if n_processes == 1:
        picture = TrainingPicture(history, size, colour_scale)
        results = (finish(map(picture.draw, segment), segment) for segment in segments)
    else:
        results = _draw_in_processes(history, segments, finish, size, colour_scale, n_processes)
    with closing(results), tqdm(total=len(snapshots), desc=name, unit="frame", disable=None) as bar:
        for segment, result in zip(segments, results, strict=True):
            yield result
            bar.update(len(segment))


def _draw_in_processes(
    history: TrainingHistory,
    segments: Iterable[Sequence[Snapshot]],
    finish: Finish[Result],
    size: tuple[int, int],
    colour_scale: ColourScaleOf,
    n_processes: int,
) -> Generator[Result, None, None]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "history.npz"
        history.save(file)
        try:
            # Threads within the processes would only compete with each other.
            with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
                parallel = joblib.Parallel(n_processes, return_as="generator", pre_dispatch="2 * n_jobs", batch_size=1)
                draw = joblib.delayed(_draw_segment)
                tasks = (draw(file, segment, finish, size, colour_scale) for segment in segments)
                with closing(parallel(tasks)) as results:
                    yield from results
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a process that draws the animation died, perhaps out of memory: try a smaller n_processes"
            ) from error


def _draw_segment(
    file: Path,
    segment: Sequence[Snapshot],
    finish: Finish[Result],
    size: tuple[int, int],
    colour_scale: ColourScaleOf,
) -> Result:
    return finish(map(_picture(file, size, colour_scale).draw, segment), segment)


@cache
def _picture(file: Path, size: tuple[int, int], colour_scale: ColourScaleOf) -> TrainingPicture:
    """Return this process's picture, which takes longer to lay out than to draw."""
    _picture.cache_clear()
    return TrainingPicture(TrainingHistory.load(file), size, colour_scale)


def _convert_all(frames: Iterator[Frame], _: Sequence[Snapshot], convert: Callable[[Frame], Result]) -> list[Result]:
    return [convert(frame) for frame in frames]
