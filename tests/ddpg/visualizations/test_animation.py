import base64
import html
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from ddpg.history import TrainingHistory
from ddpg.visualizations import create_animation, draw_poster, render_training, write_training_animation
from ddpg.visualizations.player import Html

SMALL = 320, 180


@pytest.fixture
def agent(history: TrainingHistory) -> SimpleNamespace:
    return SimpleNamespace(history=history)


def count_frames(file: Path | io.BytesIO) -> int:
    with av.open(file, "r") as container:
        return len(list(container.decode(video=0)))


def test_video_file(
    agent: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = create_animation(agent, display_mode="video_file", every_n_steps=4, fps=15)
    assert isinstance(path, Path)
    assert re.fullmatch(r"training_animation_\d+\.mp4", str(path))
    assert capsys.readouterr().out == f"Video saved to {path}.\n"
    assert count_frames(path) == 4
    with av.open(path) as container:
        assert container.streams.video[0].average_rate == 15


def test_gif(agent: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "training.gif"
    assert create_animation(agent, display_mode="gif", fps=10, path=str(path)) == path
    with Image.open(path) as image:
        assert image.size == (600, 338)
        assert len(list(ImageSequence.Iterator(image))) == 7


def test_video_in_a_notebook(agent: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = create_animation(agent, display_mode="video", every_n_steps=4)
    assert isinstance(shown, Html)
    found = re.search(r'src="data:video/mp4;base64,(.*?)"', shown._repr_html_())
    assert found is not None
    assert count_frames(io.BytesIO(base64.b64decode(found[1]))) == 4
    assert not list(tmp_path.iterdir())


def test_player(agent: SimpleNamespace) -> None:
    shown = create_animation(agent, display_mode="js", every_n_steps=4, fps=20)
    assert isinstance(shown, Html)
    found = re.search(r'srcdoc="(.*?)"', shown._repr_html_(), re.DOTALL)
    assert found is not None
    constants = re.search(r"const frames = (\[.*\]), delay = (.*);", html.unescape(found[1]))
    assert constants is not None
    frames = json.loads(constants[1])
    assert len(frames) == 4
    assert float(constants[2]) == 50
    assert Image.open(io.BytesIO(base64.b64decode(frames[0]))).size == (960, 540)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"display_mode": "jpg"}, "expected one of video_file, gif, video, js, received 'jpg'"),
        ({"display_mode": "gif", "path": "a.mp4"}, r"expected the suffix \.gif of 'gif', received 'a\.mp4'"),
        ({"display_mode": "js", "path": "a.html"}, "path: expected none for display_mode 'js'"),
        ({"every_n_steps": 0}, "every_n_steps: expected at least 1, received 0"),
    ],
)
def test_refused_arguments(agent: SimpleNamespace, arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_animation(agent, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("display_mode", ["video_file", "gif", "video", "js"])
def test_no_snapshots(
    agent: SimpleNamespace, display_mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    agent.history.snapshots.clear()
    with pytest.raises(ValueError, match="train with gen_q_a_frames_every_n_steps"):
        create_animation(agent, display_mode=display_mode)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_same_history_same_bytes(history: TrainingHistory, tmp_path: Path, suffix: str) -> None:
    history.save(tmp_path / "history.npz")
    for i, same in enumerate([history, TrainingHistory.load(tmp_path / "history.npz")]):
        write_training_animation(same, tmp_path / f"{i}{suffix}", size=SMALL)
    assert (tmp_path / f"0{suffix}").read_bytes() == (tmp_path / f"1{suffix}").read_bytes()


def test_the_poster_is_the_last_frame(history: TrainingHistory, tmp_path: Path) -> None:
    draw_poster(history, tmp_path / "poster.png", SMALL)
    *_, last = render_training(history, size=SMALL)
    with Image.open(tmp_path / "poster.png") as image:
        np.testing.assert_array_equal(np.asarray(image), last)


def test_pictures_need_no_tensorflow() -> None:
    check = (
        "import sys, ddpg.visualizations; print({'tensorflow', 'keras', 'mlflow', 'dvc', 'pandas'} & {*sys.modules})"
    )
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout == "set()\n"
