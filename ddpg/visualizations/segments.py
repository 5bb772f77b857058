"""Draws the frames of a training in segments, which several processes share."""

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from ddpg.history import Snapshot, TrainingHistory, save_arrays
from ddpg.visualizations.training_picture import ColourScaleOf, TrainingPicture
from ddpg.visualizations.video import FRAMES_PER_SEGMENT, Frame

Result = TypeVar("Result")

# Fewer are drawn by one process about as fast, since others take two seconds to start.
_MANY_FRAMES = 600


def draw_segments(
    history: TrainingHistory,
    snapshots: Sequence[Snapshot],
    finish: Callable[[Iterator[Frame]], Result],
    *,
    size: tuple[int, int],
    colour_scale: ColourScaleOf,
    n_processes: int | None,
    name: str,
) -> Iterator[Result]:
    """Draws a frame for each snapshot, with a bar on a terminal.

    Segments have the same frames whatever the number of processes.

    Args:
        history: With a grid.
        snapshots: Some of its snapshots.
        finish: What to make of a segment's frames. A frame's memory is that of the next. Other processes import it
            by its name.
        size: Width and height of the frames.
        colour_scale: As `TrainingPicture` says.
        n_processes: `None`: one per core that this process may use if there are many frames, else this one alone.
        name: What the bar shows.

    Yields:
        What `finish` returned of each segment, in order.

    Raises:
        ValueError: `n_processes` is not positive, or the picture does not take the history.
        RuntimeError: A process died.
    """
    if n_processes is not None and n_processes < 1:
        raise ValueError(f"n_processes: expected at least 1, received {n_processes}")
    if n_processes is None:
        n_processes = _usable_cores() if len(snapshots) >= _MANY_FRAMES else 1
    starts = range(0, len(snapshots), FRAMES_PER_SEGMENT)
    segments = [snapshots[start : start + FRAMES_PER_SEGMENT] for start in starts]
    n_processes = min(n_processes, len(segments))
    results = (
        _draw_here(TrainingPicture(history, size, colour_scale), segments, finish)
        if n_processes == 1
        else _draw_in_processes(history, (size, colour_scale), segments, finish, n_processes)
    )
    with closing(results), tqdm(total=len(snapshots), desc=name, unit="frame", disable=None) as bar:
        for segment, result in zip(segments, results, strict=True):
            yield result
            bar.update(len(segment))


def _usable_cores() -> int:
    # A quarter of a second that few frames do not need.
    import joblib  # type: ignore[import-untyped]

    # os.cpu_count() also counts cores that an affinity or a container keeps from this process.
    return int(joblib.cpu_count())


def _draw_here(
    picture: TrainingPicture,
    segments: Iterable[Sequence[Snapshot]],
    finish: Callable[[Iterator[Frame]], Result],
) -> Generator[Result, None, None]:
    for segment in segments:
        yield finish(map(picture.draw, segment))


def _draw_in_processes(
    history: TrainingHistory,
    layout: tuple[tuple[int, int], ColourScaleOf],
    segments: Iterable[Sequence[Snapshot]],
    finish: Callable[[Iterator[Frame]], Result],
    n_processes: int,
) -> Generator[Result, None, None]:
    import joblib

    with tempfile.TemporaryDirectory() as folder, _explained():
        file = Path(folder) / "history.npz"
        save_arrays(file, history.to_arrays())
        # More threads than processes would only be in each other's way.
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            parallel = joblib.Parallel(n_processes, return_as="generator", pre_dispatch="2 * n_jobs", batch_size=1)
            tasks = (joblib.delayed(_draw_there)(file, layout, segment, finish) for segment in segments)
            with closing(parallel(tasks)) as results:
                yield from results


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a process that draws the animation died, perhaps for want of memory: try a smaller n_processes"
        ) from error


def _draw_there(
    file: Path,
    layout: tuple[tuple[int, int], ColourScaleOf],
    segment: Sequence[Snapshot],
    finish: Callable[[Iterator[Frame]], Result],
) -> Result:
    return finish(map(_picture(file, *layout).draw, segment))


@cache
def _picture(file: Path, size: tuple[int, int], colour_scale: ColourScaleOf) -> TrainingPicture:
    """The picture of this process: it takes longer to lay out than to draw."""
    _picture.cache_clear()
    return TrainingPicture(TrainingHistory.load(file), size, colour_scale)
