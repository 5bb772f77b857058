from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from ddpg.visualizations.video import (
    FRAMES_PER_SEGMENT,
    Frame,
    choose_gif_frames,
    shrink,
    write_gif,
    write_mp4,
)


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


def write_frames_as_gif(path: Path, n_frames: int, fps: float, max_frames: int = 99) -> list[Frame]:
    """Write frames with a white column as a gif; return the chosen ones."""
    frames = list(make_frames(n_frames))
    chosen, starts = choose_gif_frames(n_frames, fps, max_frames)
    write_gif([shrink(frames[i], 64) for i in chosen], starts, path, fps)
    return [frames[i] for i in chosen]


def test_a_gif_loops_through_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "video.gif"
    frames = write_frames_as_gif(path, 5, fps=10)
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        for frame, shown in zip(frames, ImageSequence.Iterator(image), strict=True):
            np.testing.assert_array_equal(shown.convert("RGB"), frame)


@pytest.mark.parametrize(("fps", "max_frames", "durations"), [(30, 99, {30, 40}), (100, 99, {20}), (30, 10, {100})])
def test_a_gif_keeps_its_duration_and_has_no_delay_that_browsers_change(
    tmp_path: Path, fps: float, max_frames: int, durations: set[int]
) -> None:
    write_frames_as_gif(tmp_path / "video.gif", 30, fps, max_frames)
    shown = gif_durations(tmp_path / "video.gif")
    assert set(shown) == durations
    assert sum(shown) == 30 * 1000 / fps


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


def test_frames_are_shrunk_but_not_enlarged() -> None:
    frame = next(make_frames(1, height=60, width=120))
    assert [shrink(frame, width).size for width in (40, 200)] == [(40, 20), (120, 60)]


def test_an_interruption_leaves_the_old_file(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Frame]:
        yield from make_frames(5)
        raise KeyboardInterrupt

    path = tmp_path / "video.mp4"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_mp4(interrupted(), path, fps=10)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_invalid_frames(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with pytest.raises(ValueError, match="expected at least one, received none"):
        write_mp4(iter([]), path, 10)
    with pytest.raises(ValueError, match="fps: expected more than 0, received 0"):
        write_mp4(make_frames(2), path, 0)
    with pytest.raises(ValueError, match=r"expected all of shape \(32, 64, 3\), received one of \(8, 8, 3\)"):
        write_mp4(iter([*make_frames(1), *make_frames(1, 8, 8)]), path, 10)
    assert not list(tmp_path.iterdir())
