"""Videos of several results side by side, in step."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple

import av
import matplotlib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from ddpg.files import DamagedFileError
from ddpg.visualizations.video import Frame, write_mp4
from pipeline.provenance.result import Result
from pipeline.reports.charts import colour_of

_WIDTH = 1280
_CAPTION_HEIGHT = 36
_MOST_IN_A_ROW = 3
_BT709 = 1
_FONT = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"


class Film(NamedTuple):
    """A video of one result."""

    file: Path
    caption: str
    colour: str
    pace: float
    """Steps shown per second."""


def films_of(results: Sequence[Result], kind: Literal["training", "rollout"]) -> list[Film]:
    """The videos of the results that have one."""
    return [
        Film(file, f"{result.name}, seed {result.median_seed}", colour_of(i), result.pace(kind))
        for i, result in enumerate(results)
        if (file := result.film(kind))
    ]


def write_side_by_side(films: Sequence[Film], path: Path) -> None:
    """Writes an mp4 in which all films show the same step; one that ends first keeps its last frame.

    Args:
        films: At least one; the first sets speed and frame rate.
        path: Ends in `.mp4`.

    Raises:
        DamagedFileError: A file is not a video.
    """
    with _opened(films[0]) as container:
        fps = float(container.streams.video[0].average_rate or 1)
    write_mp4(_side_by_side(films, fps), path, fps)


def _side_by_side(films: Sequence[Film], fps: float) -> Iterator[Frame]:
    n_columns = len(films) if len(films) <= _MOST_IN_A_ROW else math.ceil(math.sqrt(len(films)))
    width = _WIDTH // n_columns // 2 * 2
    # A film whose second shows fewer steps than the first's runs faster.
    streams = [_in_step(film, width, films[0].pace / film.pace / fps) for film in films]
    first = [next(stream) for stream in streams]
    height = max(map(len, first)) + _CAPTION_HEIGHT
    corners = [(i // n_columns * height, i % n_columns * width) for i in range(len(films))]
    n_rows = math.ceil(len(films) / n_columns)
    canvas = np.full((n_rows * height, n_columns * width, 3), 255, np.uint8)
    for film, (top, left) in zip(films, corners, strict=True):
        canvas[top : top + _CAPTION_HEIGHT, left : left + width] = _caption(film, width)
    for frames in chain([first], zip_longest(*streams)):
        for frame, (top, left) in zip(frames, corners, strict=True):
            if frame is not None:
                canvas[top + _CAPTION_HEIGHT :][: len(frame), left : left + width] = frame
        yield canvas.copy()


def _in_step(film: Film, width: int, seconds_per_frame: float) -> Iterator[Frame]:
    """The frames of a film at multiples of `seconds_per_frame`, in the film's own time."""
    with _opened(film) as container:
        ratio = seconds_per_frame * float(container.streams.video[0].average_rate or 1)
        n_shown = 0
        for i, frame in enumerate(container.decode(video=0)):
            # The small number keeps rounding from showing a frame twice.
            n_due = max(0, math.ceil((i + 1 - 1e-6) / ratio) - n_shown)
            yield from [_scaled(frame, width)] * n_due if n_due else ()
            n_shown += n_due
        if not n_shown:
            raise IndexError("no frame can be decoded")


@contextmanager
def _opened(film: Film) -> "Iterator[av.container.InputContainer]":
    try:
        with av.open(film.file) as container:
            yield container
    except (av.FFmpegError, IndexError) as error:  # IndexError: no stream or no frame
        raise DamagedFileError(f"{film.file}: expected a video, received something else ({error})") from None


def _scaled(frame: Any, width: int) -> Frame:
    height = round(frame.height * width / frame.width / 2) * 2
    scaled: Frame = frame.to_ndarray(
        format="rgb24", width=width, height=height, interpolation="AREA", src_colorspace=_BT709
    )
    return scaled


def _caption(film: Film, width: int) -> Frame:
    image = Image.new("RGB", (width, _CAPTION_HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 4, 5, _CAPTION_HEIGHT - 5), fill=ImageColor.getrgb(film.colour))
    draw.text((14, _CAPTION_HEIGHT / 2), film.caption, "#222", ImageFont.truetype(_FONT, 17), anchor="lm")
    return np.asarray(image)
