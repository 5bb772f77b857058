import base64
import html
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from ddpg.history import Snapshot, TrainingHistory
from ddpg.visualizations import create_animation, write_training_animation, write_training_pictures
from ddpg.visualizations.animation import draw_segments
from ddpg.visualizations.notebook import Html
from ddpg.visualizations.training_picture import TrainingPicture
from ddpg.visualizations.video import FRAMES_PER_SEGMENT, Frame, shrink

pytestmark = pytest.mark.slow

SMALL = 320, 180
N_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


@pytest.fixture
def agent(history: TrainingHistory) -> SimpleNamespace:
    return SimpleNamespace(history=history)


def take_snapshots(history: TrainingHistory, n: int) -> None:
    """Replace the snapshots by many, one after every step, as if the last episode continued."""
    first = history.snapshots[0]
    history.snapshots[:] = [
        first._replace(step=step, episode=1 + (step > 4) + (step > 10), q_max=first.q_max + step)
        for step in range(1, n + 1)
    ]


def decode(file: Path | io.BytesIO) -> tuple[list[Image.Image], float]:
    """The frames of a video, and its duration in seconds."""
    with av.open(file, "r") as container:
        images = [frame.to_image() for frame in container.decode(video=0)]
        assert container.duration is not None
        return images, container.duration / av.time_base


def decode_gif(path: Path) -> tuple[list[Image.Image], list[int]]:
    """The frames of a gif, and their durations in milliseconds."""
    with Image.open(path) as gif:
        images = [image.copy() for image in ImageSequence.Iterator(gif)]
    return images, [image.info["duration"] for image in images]


def shown_snapshots(images: Sequence[Image.Image], history: TrainingHistory) -> list[int]:
    """The numbers of the snapshots whose pictures are nearest to the images."""
    picture, width = TrainingPicture(history), images[0].width
    pictures = np.stack([shrink(picture.draw(snapshot), width) for snapshot in history.snapshots]).astype(float)
    return [int(np.abs(pictures - np.asarray(image.convert("RGB"))).mean(axis=(1, 2, 3)).argmin()) for image in images]


def test_video_file(
    agent: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = create_animation(agent, display_mode="video_file", every_n_steps=4, fps=15)
    assert isinstance(path, Path)
    assert re.fullmatch(r"training_animation_\d+\.mp4", str(path))
    assert capsys.readouterr().out == f"Video saved to {path}.\n"
    images, duration = decode(path)
    assert [image.size for image in images] == [(1280, 720)] * 4
    assert duration == pytest.approx(4 / 15, abs=1e-3)
    assert shown_snapshots(images, agent.history) == [1, 3, 5, 6]


def test_gif(agent: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "training.gif"
    assert create_animation(agent, display_mode="gif", fps=10, path=str(path)) == path
    images, durations = decode_gif(path)
    assert [image.size for image in images] == [(800, 450)] * 7
    assert durations == [100] * 7
    assert shown_snapshots(images, agent.history) == list(range(7))


def test_a_gif_of_fewer_frames_lasts_as_long(history: TrainingHistory, tmp_path: Path) -> None:
    path = tmp_path / "training.gif"
    write_training_animation(history, path, fps=10, gif_width=320, gif_frames=3)
    images, durations = decode_gif(path)
    assert [image.size for image in images] == [(320, 180)] * 3
    assert durations == [300, 300, 100]
    assert shown_snapshots(images, history) == [0, 3, 6]


def test_video_in_a_notebook(agent: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = create_animation(agent, display_mode="video", every_n_steps=4, fps=10)
    assert isinstance(shown, Html)
    found = re.search(r"base64,(.*?)\"", shown._repr_html_())
    assert found is not None
    images, duration = decode(io.BytesIO(base64.b64decode(found[1])))
    assert duration == pytest.approx(0.4, abs=1e-3)
    assert shown_snapshots(images, agent.history) == [1, 3, 5, 6]
    assert not list(tmp_path.iterdir())


def test_player(agent: SimpleNamespace) -> None:
    shown = create_animation(agent, display_mode="js", every_n_steps=4, fps=20)
    assert isinstance(shown, Html)
    frames = re.search(r"const delay = 50.0, frames = (\[.*\]);", html.unescape(shown._repr_html_()))
    assert frames is not None
    images = [Image.open(io.BytesIO(base64.b64decode(image))) for image in json.loads(frames[1])]
    assert [image.size for image in images] == [(960, 540)] * 4
    assert shown_snapshots(images, agent.history) == [1, 3, 5, 6]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"display_mode": "jpg"}, "display_mode: expected one of video_file, gif, video, js"),
        ({"display_mode": "gif", "path": "a.mp4"}, r"path: expected the suffix \.gif"),
        ({"display_mode": "js", "path": "a.html"}, "path: expected none"),
        ({"display_mode": "js", "fps": 0}, "fps: expected more than 0"),
        ({"display_mode": "video", "fps": -1}, "fps: expected more than 0"),
        ({"colour_scale": "fixed"}, "colour_scale: expected run or frame"),
        ({"n_processes": 0}, "n_processes: expected at least 1"),
    ],
)
def test_invalid_arguments(
    agent: SimpleNamespace, arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        create_animation(agent, **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_the_bytes_depend_only_on_the_history(
    history: TrainingHistory, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddpg.visualizations.animation._FULL_SIZE", SMALL)
    take_snapshots(history, 2 * FRAMES_PER_SEGMENT + 5)
    history.save(tmp_path / "history.npz")
    contents = set()
    for n_processes in (1, 2, 3):
        path = tmp_path / f"{n_processes}{suffix}"
        write_training_animation(history, path, n_processes=n_processes)
        contents.add(path.read_bytes())
        history = TrainingHistory.load(tmp_path / "history.npz")
    assert len(contents) == 1


def test_an_interruption_leaves_the_old_file(history: TrainingHistory, tmp_path: Path) -> None:
    take_snapshots(history, 5000)
    history.save(tmp_path / "history.npz")
    (tmp_path / "training.mp4").write_text("old")
    code = (
        # A shell starts background processes with interrupts ignored.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from pathlib import Path; from ddpg.history import TrainingHistory; import ddpg.visualizations as v;"
        "h = TrainingHistory.load(Path('history.npz')); print('started', flush=True);"
        "v.write_training_animation(h, Path('training.mp4'), n_processes=2)"
    )
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, start_new_session=True, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        while process.poll() is None and not list(tmp_path.glob(".*.training.mp4")):
            time.sleep(0.05)
        time.sleep(2)
        # To the process group, as a terminal does.
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    assert {file.name for file in tmp_path.iterdir()} == {"history.npz", "training.mp4"}
    assert (tmp_path / "training.mp4").read_text() == "old"


def test_the_pictures_of_a_training_are_those_of_its_parts(
    history: TrainingHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddpg.visualizations.animation._FULL_SIZE", SMALL)
    take_snapshots(history, FRAMES_PER_SEGMENT + 7)
    files = [tmp_path / name for name in ("training.mp4", "training.gif", "poster.png")]
    contents = set()
    for n_processes in (1, 2):
        write_training_pictures(history, *files, 10, 2, gif_width=160, gif_frames=5, n_processes=n_processes)
        contents.add(tuple(file.read_bytes() for file in files))
    alone = [tmp_path / name for name in ("alone.mp4", "alone.gif")]
    for file in alone:
        write_training_animation(history, file, 10, 2, gif_width=160, gif_frames=5)
    assert {each[:2] for each in contents} == {tuple(file.read_bytes() for file in alone)}
    last = TrainingPicture(history, SMALL).draw(history.snapshots[-1])
    with Image.open(tmp_path / "poster.png") as image:
        np.testing.assert_array_equal(np.asarray(image), last[..., :3])


def copy_all(frames: Iterator[Frame], _: Sequence[Snapshot]) -> list[Frame]:
    return [frame.copy() for frame in frames]


def process_ids(frames: Iterator[Frame], _: Sequence[Snapshot]) -> int:
    list(frames)
    return os.getpid()


def end_itself(frames: Iterator[Frame], _: Sequence[Snapshot]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(frames: Iterator[Frame], _: Sequence[Snapshot]) -> None:
    raise OSError("expected room on the disk, received none")


def segments_of(history: TrainingHistory, finish: Any, n_processes: int | None) -> list[Any]:
    return list(draw_segments(history, history.snapshots, finish, SMALL, "run", n_processes))


@pytest.mark.parametrize("n_processes", [None, 2])
def test_segments_are_all_frames_in_order(history: TrainingHistory, n_processes: int | None) -> None:
    take_snapshots(history, 2 * FRAMES_PER_SEGMENT + 6)
    segments = segments_of(history, copy_all, n_processes)
    assert [len(segment) for segment in segments] == [FRAMES_PER_SEGMENT] * 2 + [6]
    picture = TrainingPicture(history, SMALL)
    for snapshot, frame in zip(history.snapshots, chain.from_iterable(segments), strict=True):
        np.testing.assert_array_equal(frame, picture.draw(snapshot))


def test_many_frames_are_drawn_in_other_processes(history: TrainingHistory) -> None:
    assert segments_of(history, process_ids, 4) == [os.getpid()]
    take_snapshots(history, 2 * FRAMES_PER_SEGMENT)
    assert os.getpid() not in segments_of(history, process_ids, 2)


def test_an_error_in_a_process_is_raised_here(history: TrainingHistory) -> None:
    take_snapshots(history, 2 * FRAMES_PER_SEGMENT)
    with pytest.raises(OSError, match="expected room on the disk"):
        segments_of(history, fail, 2)
    with pytest.raises(RuntimeError, match="smaller n_processes"):
        segments_of(history, end_itself, 2)


@pytest.mark.skipif(N_CORES < 2, reason="needs two cores on a system with affinities")
def test_cores_that_this_process_may_not_use_do_not_count(
    history: TrainingHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ddpg.visualizations.animation._MANY_FRAMES", 1)
    take_snapshots(history, 2 * FRAMES_PER_SEGMENT)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert set(segments_of(history, process_ids, None)) == {os.getpid()}
    finally:
        os.sched_setaffinity(0, cores)
