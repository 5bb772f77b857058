"""Writes frames as mp4 or gif: the same frames give the same bytes, and an interruption leaves no broken file."""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from ddpg.files import replacing

Frame = NDArray[np.uint8]
"""Shape (height, width, 3): red, green and blue; or (height, width, 4), with an alpha that is ignored."""

FRAMES_PER_SEGMENT = 40
"""An mp4 is encoded in pieces of so many frames, each of which a player can jump to."""

_BT709 = 1
_LIMITED_RANGE = 1
# Else the conversion to YUV rounds as the processor's instructions do it fastest.
_SAME_EVERYWHERE = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
# One of 256 stays free for the transparency of what did not change since the last frame.
_GIF_COLOURS = 255
# Browsers slow down gifs with a shorter delay.
_SHORTEST_GIF_DELAY = 0.02


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

    A frame is read before the next is asked for, so that all may be in the same memory.

    Raises:
        ValueError: No frames, frames of different shapes, or `fps` not positive.
    """
    checked = _check_frames(frames, fps)
    segments = (chain([first], islice(checked, FRAMES_PER_SEGMENT - 1)) for first in checked)
    join_mp4((encode_mp4(segment, fps) for segment in segments), path)


def encode_mp4(frames: Iterable[Frame], fps: float) -> bytes:
    """A segment for `join_mp4`: at least one frame of one shape; one is encoded while the next is drawn."""
    iterator = iter(frames)
    first = next(iterator)
    height, width = (length // 2 * 2 for length in first.shape[:2])
    picture = av.VideoFrame(width, height, "rgba" if first.shape[2] == 4 else "rgb24")
    reformatter = VideoReformatter()
    rate = Fraction(fps).limit_denominator(1001)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = _add_stream(container, width, height, rate)
        for i, frame in enumerate(chain([first], iterator)):
            _copy(frame[:height, :width], picture)
            converted = reformatter.reformat(
                picture, format="yuv420p", dst_colorspace=_BT709, interpolation=_SAME_EVERYWHERE, threads=1
            )
            converted.pts, converted.time_base = i, 1 / rate
            container.mux(stream.encode(converted))
        container.mux(stream.encode())
    return file.getvalue()


def _add_stream(container: Any, width: int, height: int, rate: Fraction) -> Any:
    # Without adaptive quantisation, which takes from text what it gives to even areas, charts are sharper in fewer
    # bytes. Without B-frames, segments join in order. The macroblock tree of slower presets would decide by memory
    # beyond the picture, and x264 otherwise compares blocks as the processor does it fastest: without both, the same
    # frames are the same bytes. The rest makes the files of the fastest preset nearly as small as those of the next.
    x264 = "aq-mode=0:bframes=0:mbtree=0:cpu-independent=1:cabac=1:8x8dct=1:partitions=i8x8,i4x4"
    options = {"preset": "ultrafast", "crf": "25", "x264-params": x264}
    stream = container.add_stream("libx264", rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    # The second thread encodes while the next frame is drawn. x264 encodes differently with another number.
    context.thread_count, context.thread_type = 2, "FRAME"
    # Untagged video is converted back by a matrix that players guess from its size.
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


def _copy(frame: Frame, picture: av.VideoFrame) -> None:
    """Copies pixels into the memory of a picture, whose lines may be longer than its width."""
    height, width, n_channels = frame.shape
    plane = picture.planes[0]
    lines = np.frombuffer(cast(Any, plane), np.uint8).reshape(height, plane.line_size)
    lines[:, : width * n_channels].reshape(height, width, n_channels)[:] = frame


def join_mp4(segments: Iterable[bytes], path: Path) -> None:
    """Writes the segments that `encode_mp4` made of frames of one shape, one after the other, as one mp4.

    Raises:
        ValueError: There are no segments.
    """
    with (
        replacing(path) as temporary,
        av.open(temporary, "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container,
    ):
        stream: Any = None
        start = 0
        for segment in segments:
            with av.open(io.BytesIO(segment), "r") as source:
                part = source.streams.video[0]
                stream = stream or container.add_stream_from_template(part)
                for packet in source.demux(part):
                    if packet.size:
                        packet.stream = stream
                        packet.pts = packet.dts = start + cast(int, packet.pts)
                        container.mux(packet)
                start += cast(int, part.duration)
        if stream is None:
            raise ValueError("segments: expected at least one, received none")


def write_gif(frames: Iterable[Frame], path: Path, fps: float, width: int = 600, max_frames: int = 360) -> None:
    """Writes a looping gif at most `width` pixels wide, in one palette.

    Where there are more than `max_frames`, only every 2nd, 4th, … frame is kept, for as much longer: the duration
    stays. The last frame is kept. All kept frames are in memory.

    Raises:
        ValueError: No frames, frames of different shapes, `fps` not positive, or `max_frames` less than 2.
    """
    _check_limit(max_frames)
    images, starts = _keep_some(_check_frames(frames, fps), width, max_frames, _least_stride(fps))
    save_gif(images, starts, path, fps)


def save_gif(images: Sequence[Image.Image], starts: Sequence[int], path: Path, fps: float) -> None:
    """Writes images as a looping gif, in one palette.

    Args:
        images: At least one.
        starts: The number of the frame from which each is shown, and the number of frames as one more.
        path: The file.
        fps: Frames per second.
    """
    palette = _common_palette(images)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    # Delays are whole hundredths of a second: times are rounded, so that errors do not add up.
    times = np.round(np.array(starts) * 100 / fps)
    durations = (np.diff(times) * 10).astype(int).tolist()
    with replacing(path) as temporary:
        first.save(temporary, "GIF", save_all=True, append_images=others, duration=durations, loop=0, disposal=1)


def choose_gif_frames(n_frames: int, fps: float, max_frames: int) -> tuple[list[int], list[int]]:
    """Which of so many frames to show in a gif of at most `max_frames`, and their starts for `save_gif`.

    They are evenly spaced, but the last frame takes the place of its neighbour.

    Raises:
        ValueError: `max_frames` is less than 2.
    """
    _check_limit(max_frames)
    stride = max(_least_stride(fps), math.ceil(n_frames / max_frames))
    starts = list(range(0, n_frames, stride))
    return [*starts[:-1], n_frames - 1], [*starts, n_frames]


def shrink(frame: Frame, width: int) -> Image.Image:
    """The frame as an image of its own at most `width` pixels wide."""
    image = Image.fromarray(frame).convert("RGB")
    if image.width <= width:
        return image
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)


def check_fps(fps: float) -> None:
    """Refuses what is no rate.

    Raises:
        ValueError: `fps` is not positive.
    """
    if not fps > 0:
        raise ValueError(f"fps: expected more than 0, received {fps}")


def _check_frames(frames: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """The frames, at least one, of one shape."""
    check_fps(fps)
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError("frames: expected at least one, received none")
    return chain([first], (_check_shape(frame, first.shape) for frame in iterator))


def _check_shape(frame: Frame, shape: tuple[int, ...]) -> Frame:
    if frame.shape != shape:
        raise ValueError(f"frames: expected all of shape {shape}, received one of {frame.shape}")
    return frame


def _check_limit(max_frames: int) -> None:
    if max_frames < 2:
        raise ValueError(f"max_frames: expected at least 2, received {max_frames}")


def _least_stride(fps: float) -> int:
    return math.ceil(_SHORTEST_GIF_DELAY * fps)


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
                kept.append((i, shrink(frame, width)))
    if kept[-1][0] < i:
        # The last picture takes the place of its neighbour.
        kept[-1] = (kept[-1][0], shrink(frame, width))
    starts, images = zip(*kept, strict=True)
    return list(images), [*starts, i + 1]


def _common_palette(images: Sequence[Image.Image]) -> Image.Image:
    """A palette of the colours in a dozen frames spread over all of them; one for all, lest still areas flicker."""
    chosen = [images[i] for i in np.unique(np.linspace(0, len(images) - 1, 12).astype(int))]
    mosaic = Image.fromarray(np.concatenate([np.asarray(image) for image in chosen]))
    # Other methods count pixels, and so lose the colours of thin lines and small panels.
    return mosaic.quantize(_GIF_COLOURS, Image.Quantize.MAXCOVERAGE)
