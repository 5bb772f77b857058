import av
import numpy as np
import pytest

from ddpg.files import DamagedFileError
from ddpg.visualizations.video import write_mp4
from pipeline.reports.film import Film, write_side_by_side


@pytest.fixture
def film(tmp_path):
    """Makes a film whose i-th frame has the brightness 20 i."""

    def film(name, n_frames, fps=10, pace=10.0):
        file = tmp_path / f"{name}.mp4"
        write_mp4((np.full((72, 128, 3), 20 * i, np.uint8) for i in range(n_frames)), file, fps)
        return Film(file, name, "#0072B2", pace)

    return film


def shown(path, n_columns=2):
    """Which frame of each film each frame shows, and the size."""
    with av.open(path) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        fps = container.streams.video[0].average_rate
    width = frames[0].shape[1] // n_columns
    rows = [
        tuple(round(frame[60:300, i * width + 40 : (i + 1) * width - 40].mean() / 20) for i in range(n_columns))
        for frame in frames
    ]
    return rows, frames[0].shape, fps


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({}, [(0, 0), (1, 1), (2, 2), (3, 3), (3, 4)]),
        ({"fps": 20}, [(0, 0), (1, 2), (2, 4), (3, 4)]),
        ({"pace": 20.0}, [(0, 0), (1, 0), (2, 1), (3, 1), (3, 2), (3, 2), (3, 3), (3, 3), (3, 4), (3, 4)][:9]),
        ({"pace": 5.0}, [(0, 0), (1, 2), (2, 4), (3, 4)]),
    ],
)
def test_all_films_show_the_same_step_and_the_shorter_keeps_its_last_frame(film, tmp_path, other, expected):
    write_side_by_side([film("a", 4), film("b", 5, **other)], tmp_path / "both.mp4")
    rows, shape, fps = shown(tmp_path / "both.mp4")
    assert rows[: len(expected)] == expected
    assert (shape, fps) == ((396, 1280, 3), 10)


def test_the_same_films_give_the_same_bytes(film, tmp_path):
    films = [film(name, 3) for name in "abcd"]
    for name in ("one.mp4", "two.mp4"):
        write_side_by_side(films, tmp_path / name)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    assert shown(tmp_path / "one.mp4")[1] == (2 * 396, 1280, 3)


@pytest.mark.parametrize("content", [b"", b"no video", None])
def test_a_damaged_film_is_named(tmp_path, content):
    films = [Film(tmp_path / f"{name}.mp4", name, "#000", 10.0) for name in ("intact", "damaged")]
    for film in films:
        write_mp4([np.zeros((72, 128, 3), np.uint8)] * 3, film.file, 10)
    intact = films[1].file.read_bytes()
    films[1].file.write_bytes(intact[: len(intact) // 2] if content is None else content)
    for order in (films, films[::-1]):
        with pytest.raises(DamagedFileError, match=r"damaged\.mp4: expected a video"):
            write_side_by_side(order, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
