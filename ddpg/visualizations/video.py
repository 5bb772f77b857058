"""Writes frames as mp4 or gif: the same frames give the same bytes, and an interruption leaves no broken file."""

import math
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frame = NDArray[np.uint8]
"""Shape (height, width, 3): red, green and blue."""

_BT709 = 1
_LIMITED_RANGE = 1
# One of 256 stays free for the transparency of what did not change since the last frame.
_GIF_COLOURS = 255
# Browsers slow down gifs with a shorter delay.
_SHORTEST_GIF_DELAY = 0.02


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block succeeds and vanishes when it fails."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_video(frames: Iterable[Frame], path: Path, fps: float) -> None:
    """Writes an mp4 or a gif, as the path's suffix says.

    Raises:
        ValueError: Another suffix, no frames, frames of different shapes, or `fps` not positive.
    """
    if path.suffix == ".mp4":
        write_mp4(frames, path, fps)
    elif path.suffix == ".gif":
        write_gif(frames, path, fps)
    else:
        raise ValueError(f"{path}: expected the suffix .mp4 or .gif, received {path.suffix!r}")


def write_mp4(frames: Iterable[Frame], path: Path, fps: float) -> None:
    """Writes H.264 that browsers play, streamable from its start; of odd sizes the last row or column is cut off.

    Raises:
        ValueError: No frames, frames of different shapes, or `fps` not positive.
    """
    checked = _check_frames(frames, fps)
    first = next(checked)
    height, width = (length // 2 * 2 for length in first.shape[:2])
    with (
        replacing(path) as temporary,
        av.open(temporary, "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container,
    ):
        rate = Fraction(fps).limit_denominator(1001)
        # The macroblock tree decides by memory beyond the picture: without it, the same frames are the same bytes.
        options = {"preset": "veryfast", "crf": "20", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        # x264 encodes differently with another number of threads.
        context.thread_count = 1
        # Untagged video is converted back by a matrix that players guess from its size.
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        for frame in chain([first], checked):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]))
            container.mux(stream.encode(picture.reformat(format="yuv420p", dst_colorspace=_BT709)))
        container.mux(stream.encode())


def write_gif(frames: Iterable[Frame], path: Path, fps: float, width: int = 600, max_frames: int = 360) -> None:
    """Writes a looping gif at most `width` pixels wide, in one palette.

    Where there are more than `max_frames`, only every 2nd, 4th, … frame is kept, for as much longer: the duration
    stays. The last frame is kept. All kept frames are in memory.

    Raises:
        ValueError: No frames, frames of different shapes, `fps` not positive, or `max_frames` less than 2.
    """
    if max_frames < 2:
        raise ValueError(f"max_frames: expected at least 2, received {max_frames}")
    checked = _check_frames(frames, fps)
    with replacing(path) as temporary:
        images, starts = _keep_some(checked, width, max_frames, stride=math.ceil(_SHORTEST_GIF_DELAY * fps))
        palette = _common_palette(images)
        first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
        # Delays are whole hundredths of a second: times are rounded, so that errors do not add up.
        times = np.round(np.array(starts) * 100 / fps)
        durations = (np.diff(times) * 10).astype(int).tolist()
        first.save(temporary, "GIF", save_all=True, append_images=others, duration=durations, loop=0, disposal=1)


def _check_frames(frames: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """The frames, at least one, of one shape."""
    if not fps > 0:
        raise ValueError(f"fps: expected more than 0, received {fps}")
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError("frames: expected at least one, received none")
    return chain([first], (_check_shape(frame, first.shape) for frame in iterator))


def _check_shape(frame: Frame, shape: tuple[int, ...]) -> Frame:
    if frame.shape != shape:
        raise ValueError(f"frames: expected all of shape {shape}, received one of {frame.shape}")
    return frame


def _keep_some(
    frames: Iterator[Frame], width: int, max_frames: int, stride: int
) -> tuple[list[Image.Image], list[int]]:
    """At most `max_frames` images, and the indices of the frames where they start, with the end as one more."""
    kept: list[tuple[int, Image.Image]] = []
    for i, frame in enumerate(frames):
        if i % stride == 0:
            if len(kept) == max_frames:
                kept = kept[::2]
                stride *= 2
            if i % stride == 0:
                kept.append((i, _shrink(frame, width)))
    if kept[-1][0] < i:
        # The last picture takes the place of its neighbour.
        kept[-1] = (kept[-1][0], _shrink(frame, width))
    starts, images = zip(*kept, strict=True)
    return list(images), [*starts, i + 1]


def _shrink(frame: Frame, width: int) -> Image.Image:
    image = Image.fromarray(frame)
    if image.width <= width:
        return image
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def _common_palette(images: list[Image.Image]) -> Image.Image:
    """A palette of the colours in a dozen frames spread over all of them; one for all, lest still areas flicker."""
    chosen = [images[i] for i in np.unique(np.linspace(0, len(images) - 1, 12).astype(int))]
    mosaic = Image.fromarray(np.concatenate([np.asarray(image) for image in chosen]))
    # Other methods count pixels, and so lose the colours of thin lines and small panels.
    return mosaic.quantize(_GIF_COLOURS, Image.Quantize.MAXCOVERAGE)
