"""Videos inside a notebook, without files beside it."""

import base64
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from ddpg.visualizations.video import Frame

_CONTROLS_HEIGHT = 44
_COLOURS = 255

_PLAYER = """<!doctype html>
<meta charset="utf-8">
<style>
  body { margin: 0; font: 14px sans-serif; background: white; color: #222; }
  img { display: block; width: 100%; height: calc(100vh - 44px); object-fit: contain; }
  div { display: flex; gap: 6px; height: 44px; padding: 0 6px; align-items: center; }
  input { flex: 1; }
  button { min-width: 2.6em; font-size: 15px; }
</style>
<img alt="Training animation">
<div>
  <button id="back" title="One frame back (left arrow)">&#9664;&#9664;</button>
  <button id="play" title="Play or pause (space)">&#9654;</button>
  <button id="forward" title="One frame forward (right arrow)">&#9654;&#9654;</button>
  <input type="range" min="0" value="0" aria-label="Frame">
  <output></output>
</div>
<script>
  const frames = FRAMES, delay = DELAY;
  const image = document.querySelector("img"), slider = document.querySelector("input");
  const output = document.querySelector("output"), play = document.getElementById("play");
  let timer = null;
  slider.max = frames.length - 1;
  function show(i) {
    slider.value = Math.min(Math.max(i, 0), frames.length - 1);
    image.src = "data:image/png;base64," + frames[slider.value];
    output.value = (Number(slider.value) + 1) + " / " + frames.length;
  }
  function pause() { clearInterval(timer); timer = null; play.innerHTML = "&#9654;"; }
  function step(n) { pause(); show(Number(slider.value) + n); }
  function advance() {
    if (Number(slider.value) === frames.length - 1) pause(); else show(Number(slider.value) + 1);
  }
  function toggle() {
    if (timer) return pause();
    if (Number(slider.value) === frames.length - 1) show(0);
    timer = setInterval(advance, delay);
    play.innerHTML = "&#10074;&#10074;";
  }
  play.onclick = toggle;
  document.getElementById("back").onclick = () => step(-1);
  document.getElementById("forward").onclick = () => step(1);
  slider.oninput = () => { pause(); show(Number(slider.value)); };
  document.onkeydown = event => {
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
    else if (event.key === " " && event.target.tagName !== "BUTTON") toggle();
    else return;
    event.preventDefault();
  };
  show(0);
</script>
"""


@dataclass(frozen=True)
class Html:
    """A piece of HTML that notebooks show."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Html({len(self.text):,} characters)"


def embed_video(mp4: bytes) -> Html:
    """An mp4 file within a video element."""
    data = base64.b64encode(mp4).decode()
    return Html(
        f'<video controls loop style="max-width: 100%"><source type="video/mp4" '
        f'src="data:video/mp4;base64,{data}"></video>'
    )


def embed_player(images: Sequence[bytes], size: tuple[int, int], fps: float) -> Html:
    """A player with play and pause, single steps and a slider; keys: space and the arrows.

    It is in a frame of its own, so that the scripts of several players in a notebook do not meet.

    Args:
        images: At least one PNG.
        size: Their width and height.
        fps: Images per second.
    """
    width, height = size
    encoded = [base64.b64encode(image).decode() for image in images]
    document = _PLAYER.replace("FRAMES", json.dumps(encoded)).replace("DELAY", json.dumps(1000 / fps))
    return Html(
        f'<iframe srcdoc="{html.escape(document)}" '
        f'style="width: 100%; max-width: 1280px; aspect-ratio: {width} / {height + _CONTROLS_HEIGHT}; border: 0">'
        "</iframe>"
    )


def encode_png(frame: Frame) -> bytes:
    """A PNG; few colours make it a third of the size of a JPEG, with sharp text."""
    image = Image.fromarray(frame).convert("RGB")
    file = io.BytesIO()
    image.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()
