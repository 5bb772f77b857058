from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from ddpg.visualizations.video import (
    FRAMES_PER_SEGMENT,
    Frame,
    choose_gif_frames,
    join_mp4,
    replacing,
    write_gif,
    write_mp4,
    write_video,
)

Write = Callable[[Iterator[Frame], Path, float], None]


def make_frames(n_frames: int, height: int = 32, width: int = 64) -> Iterator[Frame]:
    """Black frames with a white column, farther right in each."""
    for i in range(n_frames):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[:, i] = 255
        yield frame


def decode(path: Path) -> list[Frame]:
    with av.open(path) as container:
        decoded = container.decode(video=0)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded]


def gif_durations(path: Path) -> list[int]:
    with Image.open(path) as image:
        return [frame.info["duration"] for frame in ImageSequence.Iterator(image)]


def test_mp4_plays_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    write_mp4(make_frames(20), path, fps=10)
    with av.open(path) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.width, stream.height) == ("h264", "yuv420p", 64, 32)
        assert stream.frames == 20
        assert stream.average_rate == 10
        assert container.duration == 2 * av.time_base
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_mp4_shows_the_frames(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    colour = np.array([200, 60, 30], np.uint8)
    write_mp4(iter([np.tile(colour, (32, 64, 1))] * 3), path, fps=10)
    for frame in decode(path):
        assert np.abs(frame.astype(int) - colour).max() <= 4


def test_mp4_of_several_segments_has_no_seams(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    n_frames = 2 * FRAMES_PER_SEGMENT + 5
    write_mp4(make_frames(n_frames, width=96), path, fps=12.5)
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert stream.frames == n_frames
        assert container.duration == n_frames / 12.5 * av.time_base
        frames = list(container.decode(stream))
    assert [frame.time for frame in frames] == pytest.approx([i / 12.5 for i in range(n_frames)])
    assert all(frames[i].key_frame for i in (0, FRAMES_PER_SEGMENT, 2 * FRAMES_PER_SEGMENT))
    for i, frame in enumerate(frames):
        assert frame.to_ndarray(format="gray").mean(axis=0).argmax() == i


def test_mp4_takes_a_frame_before_it_asks_for_the_next(tmp_path: Path) -> None:
    def in_one_memory() -> Iterator[Frame]:
        frame = np.zeros((32, 64, 4), np.uint8)
        for other in make_frames(30):
            frame[..., :3] = other
            yield frame

    write_mp4(in_one_memory(), tmp_path / "one.mp4", fps=10)
    write_mp4(make_frames(30), tmp_path / "own.mp4", fps=10)
    for frame, other in zip(decode(tmp_path / "one.mp4"), decode(tmp_path / "own.mp4"), strict=True):
        np.testing.assert_array_equal(frame, other)


def test_an_mp4_of_no_segments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="segments: expected at least one, received none"):
        join_mp4([], tmp_path / "video.mp4")
    assert not list(tmp_path.iterdir())


def test_mp4_of_odd_size_loses_a_row_and_a_column(tmp_path: Path) -> None:
    write_mp4(make_frames(2, height=33, width=65), tmp_path / "video.mp4", fps=10)
    assert decode(tmp_path / "video.mp4")[0].shape == (32, 64, 3)


@pytest.mark.slow
def test_mp4_bytes_depend_on_the_frames_alone(tmp_path: Path) -> None:
    def slow_changes() -> Iterator[Frame]:
        for i in range(200):
            frame = np.full((475, 600, 3), 255, np.uint8)
            frame[100 + i // 2 : 140 + i // 2, 50 + i : 90 + i] = 0
            frame[-60:] = 240
            frame[-40:-30, 100 : 100 + i] = [200, 30, 40]
            yield frame

    contents = set()
    for i in range(6):
        # What the memory that the encoder gets held before.
        scattered = [np.random.default_rng(i).bytes(3_000_000) for _ in range(5)]
        del scattered
        write_mp4(slow_changes(), tmp_path / "video.mp4", fps=30)
        contents.add((tmp_path / "video.mp4").read_bytes())
    assert len(contents) == 1


def test_mp4_has_fractional_rates(tmp_path: Path) -> None:
    write_mp4(make_frames(3), tmp_path / "video.mp4", fps=12.5)
    with av.open(tmp_path / "video.mp4") as container:
        assert container.streams.video[0].average_rate == 12.5


def test_gif_is_small(tmp_path: Path) -> None:
    path = tmp_path / "video.gif"
    write_gif(make_frames(5, height=60, width=120), path, fps=10, width=40)
    with Image.open(path) as image:
        assert (image.size, image.info["loop"]) == ((40, 20), 0)
    assert gif_durations(path) == [100] * 5


def test_gif_keeps_its_duration(tmp_path: Path) -> None:
    path = tmp_path / "video.gif"
    write_gif(make_frames(30), path, fps=30)
    assert sum(gif_durations(path)) == 1000
    assert set(gif_durations(path)) == {30, 40}


@pytest.mark.parametrize("n_frames", [10, 11, 21, 40, 41, 99])
def test_gif_skips_frames_but_not_the_last(tmp_path: Path, n_frames: int) -> None:
    path = tmp_path / "video.gif"
    write_gif(make_frames(n_frames, width=128), path, fps=10, max_frames=10)
    durations = gif_durations(path)
    assert 5 <= len(durations) <= 10
    assert sum(durations) == n_frames * 100
    with Image.open(path) as image:
        image.seek(len(durations) - 1)
        row = np.asarray(image.convert("L"))[0]
        assert np.flatnonzero(row).tolist() == [n_frames - 1]


@pytest.mark.parametrize(
    ("n_frames", "fps", "max_frames", "chosen", "starts"),
    [
        (1, 10, 5, [0], [0, 1]),
        (5, 10, 5, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]),
        (7, 10, 3, [0, 3, 6], [0, 3, 6, 7]),
        (8, 10, 3, [0, 3, 7], [0, 3, 6, 8]),
        (6, 100, 99, [0, 2, 5], [0, 2, 4, 6]),
    ],
)
def test_frames_for_a_gif(n_frames: int, fps: float, max_frames: int, chosen: list[int], starts: list[int]) -> None:
    assert choose_gif_frames(n_frames, fps, max_frames) == (chosen, starts)


def test_gif_delays_are_no_shorter_than_browsers_keep(tmp_path: Path) -> None:
    write_gif(make_frames(20), tmp_path / "video.gif", fps=100)
    assert gif_durations(tmp_path / "video.gif") == [20] * 10


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_same_frames_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for path in paths:
        write_video(make_frames(30), path, fps=15)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_an_interruption_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    def interrupted() -> Iterator[Frame]:
        yield from make_frames(5)
        raise KeyboardInterrupt

    path = tmp_path / f"video{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_video(interrupted(), path, fps=10)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_success_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_mp4, write_gif])
def test_refused_frames(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "video"
    with pytest.raises(ValueError, match="expected at least one, received none"):
        write(iter([]), path, 10)
    with pytest.raises(ValueError, match="fps: expected more than 0, received 0"):
        write(make_frames(2), path, 0)
    with pytest.raises(ValueError, match=r"expected all of shape \(32, 64, 3\), received one of \(8, 8, 3\)"):
        write(iter([*make_frames(1), *make_frames(1, 8, 8)]), path, 10)
    assert not list(tmp_path.iterdir())


def test_refused_limits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_frames: expected at least 2, received 1"):
        write_gif(make_frames(2), tmp_path / "video.gif", 10, max_frames=1)
    with pytest.raises(ValueError, match=r"expected the suffix \.mp4 or \.gif, received '\.avi'"):
        write_video(make_frames(2), tmp_path / "video.avi", 10)
