import os
import signal
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pytest

from ddpg.history import TrainingHistory
from ddpg.visualizations.segments import draw_segments
from ddpg.visualizations.training_picture import TrainingPicture
from ddpg.visualizations.video import FRAMES_PER_SEGMENT, Frame

pytestmark = pytest.mark.slow

SIZE = 320, 180
N_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@pytest.fixture
def many(history: TrainingHistory) -> TrainingHistory:
    """Three segments and a little more."""
    first = history.snapshots[0]
    steps = [step for step in range(1, 15) for _ in range(9)]
    history.snapshots[:] = [
        first._replace(step=step, episode=1 + (step > 4) + (step > 10), q_max=first.q_max + i)
        for i, step in enumerate(steps)
    ]
    assert len(history.snapshots) == 3 * FRAMES_PER_SEGMENT + 6
    return history


def copy_all(frames: Iterator[Frame]) -> list[Frame]:
    return [frame.copy() for frame in frames]


def process_ids(frames: Iterator[Frame]) -> int:
    list(frames)
    return os.getpid()


def end_itself(frames: Iterator[Frame]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(frames: Iterator[Frame]) -> None:
    raise OSError("expected room on the disk, received none")


def draw(history: TrainingHistory, finish: Any, n_processes: int | None) -> list[Any]:
    options: dict[str, Any] = {"size": SIZE, "colour_scale": "run", "n_processes": n_processes, "name": "test"}
    return list(draw_segments(history, history.snapshots, finish, **options))


def test_segments_are_all_frames_in_order(many: TrainingHistory) -> None:
    segments = draw(many, copy_all, None)
    assert [len(segment) for segment in segments] == [FRAMES_PER_SEGMENT] * 3 + [6]
    picture = TrainingPicture(many, SIZE)
    for snapshot, frame in zip(many.snapshots, chain.from_iterable(segments), strict=True):
        np.testing.assert_array_equal(frame, picture.draw(snapshot))


def test_few_frames_are_drawn_here(history: TrainingHistory) -> None:
    assert draw(history, process_ids, None) == [os.getpid()]
    assert draw(history, process_ids, 4) == [os.getpid()]


def test_a_number_of_processes_must_be_positive(history: TrainingHistory) -> None:
    with pytest.raises(ValueError, match="n_processes: expected at least 1, received 0"):
        draw(history, copy_all, 0)


def test_processes_share_the_segments_and_draw_the_same(many: TrainingHistory) -> None:
    assert os.getpid() not in draw(many, process_ids, 2)
    alone, together = (draw(many, copy_all, n) for n in (1, 2))
    for frame, same in zip(chain.from_iterable(alone), chain.from_iterable(together), strict=True):
        np.testing.assert_array_equal(frame, same)


def test_a_failure_in_a_process_is_raised_here(many: TrainingHistory) -> None:
    with pytest.raises(OSError, match="expected room on the disk"):
        draw(many, fail, 2)
    with pytest.raises(RuntimeError, match=r"a process that draws the animation died.*smaller n_processes"):
        draw(many, end_itself, 2)


@pytest.mark.skipif(N_CORES < 2, reason="needs two cores on a system with affinities")
def test_cores_that_this_process_may_not_use_are_not_counted(
    many: TrainingHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddpg.visualizations.segments._MANY_FRAMES", 1)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert set(draw(many, process_ids, None)) == {os.getpid()}
    finally:
        os.sched_setaffinity(0, cores)
