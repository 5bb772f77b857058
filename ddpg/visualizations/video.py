"""Write frames as mp4 or gif: the same frames give the same bytes, and an interruption leaves no partial file."""

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
"""An mp4 is encoded in segments of this many frames; a player can jump to the start of each."""

_BT709 = 1
_LIMITED_RANGE = 1
# Otherwise the conversion to YUV rounds differently from processor to processor.
_SAME_EVERYWHERE = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
# The 256th is for pixels that did not change since the last frame: they are transparent.
_GIF_COLOURS = 255
# In seconds. Browsers slow down gifs with a shorter delay.
_SHORTEST_GIF_DELAY = 0.02


def write_mp4(frames: Iterable[Frame], path: Path, fps: float) -> None:
    """Write H.264 that browsers play and stream; an odd last row or column is cut off.

    A frame is read before the next is requested, so all frames may share their memory.

    Raises:
        ValueError: No frames, frames of different shapes, or `fps` not positive.
    """
    check_fps(fps)
    checked = _same_shape(frames)
    segments = (chain([first], islice(checked, FRAMES_PER_SEGMENT - 1)) for first in checked)
    join_mp4((encode_mp4(segment, fps) for segment in segments), path)


def encode_mp4(frames: Iterable[Frame], fps: float) -> bytes:
    """Encode a segment for `join_mp4`: at least one frame, all of one shape."""
    iterator = iter(frames)
    first = next(iterator)
    height, width = (length // 2 * 2 for length in first.shape[:2])
    pixel_format = "rgba" if first.shape[2] == 4 else "rgb24"
    reformatter = VideoReformatter()
    rate = Fraction(fps).limit_denominator(1001)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = _add_stream(container, width, height, rate)
        for i, frame in enumerate(chain([first], iterator)):
            converted = reformatter.reformat(
                # Without a copy.
                av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame[:height, :width]), pixel_format),
                format="yuv420p",
                dst_colorspace=_BT709,
                interpolation=_SAME_EVERYWHERE,
                threads=1,
            )
            converted.pts, converted.time_base = i, 1 / rate
            container.mux(stream.encode(converted))
        container.mux(stream.encode())
    return file.getvalue()


def _add_stream(container: Any, width: int, height: int, rate: Fraction) -> Any:
    # Adaptive quantisation takes bits from text and gives them to flat areas: without it, charts are sharper in fewer
    # bytes. Without B-frames, segments join in order. The macroblock tree of slower presets reads memory beyond the
    # picture, and x264 otherwise compares blocks as the processor does it fastest: with both off, the same frames
    # give the same bytes. The rest makes the fastest preset's files nearly as small as the next one's.
    x264 = "aq-mode=0:bframes=0:mbtree=0:cpu-independent=1:cabac=1:8x8dct=1:partitions=i8x8,i4x4"
    options = {"preset": "ultrafast", "crf": "25", "x264-params": x264}
    stream = container.add_stream("libx264", rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    # The second thread encodes while the next frame is drawn. x264's output depends on the number of threads.
    context.thread_count, context.thread_type = 2, "FRAME"
    # Players guess the colour matrix of untagged video from its size.
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


def join_mp4(segments: Iterable[bytes], path: Path) -> None:
    """Write the segments, which `encode_mp4` made of frames of one shape, as one mp4.

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
            raise ValueError("frames: expected at least one, received none")


def choose_gif_frames(n_frames: int, fps: float, max_frames: int) -> tuple[list[int], list[int]]:
    """Choose at most `max_frames` of the frames for a gif, and return them with their starts for `write_gif`.

    They are evenly spaced, except that the last frame replaces its neighbour.
    """
    stride = max(math.ceil(_SHORTEST_GIF_DELAY * fps), math.ceil(n_frames / max_frames))
    starts = list(range(0, n_frames, stride))
    return [*starts[:-1], n_frames - 1], [*starts, n_frames]


def write_gif(images: Sequence[Image.Image], starts: Sequence[int], path: Path, fps: float) -> None:
    """Write images as a looping gif with one palette.

    Args:
        images: At least one.
        starts: The frame number from which each image is shown, followed by the total number of frames.
        path: The file.
        fps: Frames per second.
    """
    palette = _common_palette(images)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    # Delays are multiples of 10 ms. Times are rounded, not delays, so that errors do not add up.
    times = np.round(np.array(starts) * 100 / fps)
    durations = (np.diff(times) * 10).astype(int).tolist()
    with replacing(path) as temporary:
        first.save(temporary, "GIF", save_all=True, append_images=others, duration=durations, loop=0, disposal=1)


def shrink(frame: Frame, width: int) -> Image.Image:
    """Return a copy of the frame as an image at most `width` pixels wide."""
    image = Image.fromarray(frame).convert("RGB")
    if image.width <= width:
        return image
    return image.resize((width, round(image.height * width / image.width)), Image.Resampling.HAMMING)


def check_fps(fps: float) -> None:
    """Raise `ValueError` if `fps` is not positive."""
    if not fps > 0:
        raise ValueError(f"fps: expected more than 0, received {fps}")


def _same_shape(frames: Iterable[Frame]) -> Iterator[Frame]:
    shape = None
    for frame in frames:
        shape = shape or frame.shape
        if frame.shape != shape:
            raise ValueError(f"frames: expected all of shape {shape}, received one of {frame.shape}")
        yield frame


def _common_palette(images: Sequence[Image.Image]) -> Image.Image:
    """Return one palette for all images, so that still areas do not flicker; from a dozen evenly spaced ones."""
    chosen = [images[i] for i in np.unique(np.linspace(0, len(images) - 1, 12).astype(int))]
    mosaic = Image.fromarray(np.concatenate([np.asarray(image) for image in chosen]))
    # Other methods count pixels, and so lose the colours of thin lines and small panels.
    return mosaic.quantize(_GIF_COLOURS, Image.Quantize.MAXCOVERAGE)
