"""What notebooks show: a player, a video, and the returns of a training in progress."""

import base64
import html
import io
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

import numpy as np
from matplotlib.transforms import Bbox
from PIL import Image

from ddpg.history import TrainingHistory
from ddpg.records import EpisodeRecord
from ddpg.visualizations.charts import ScorePanel
from ddpg.visualizations.figure import new_canvas
from ddpg.visualizations.video import Frame

_CONTROLS_HEIGHT = 44
_PNG_COLOURS = 255
_SECONDS_BETWEEN_PICTURES = 1.0
_SHARE_OF_TIME = 0.02

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
  const delay = DELAY, frames = FRAMES;
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


class HasHistory(Protocol):
    """An agent, as far as pictures need it."""

    @property
    def history(self) -> TrainingHistory:
        """What happened in its training."""
        ...


@dataclass(frozen=True)
class Html:
    """A piece of HTML that notebooks show."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Html({len(self.text):,} characters)"


def embed_video(mp4: bytes) -> Html:
    """Return a video element that contains an mp4 file."""
    data = base64.b64encode(mp4).decode()
    return Html(
        f'<video controls loop style="max-width: 100%"><source type="video/mp4" '
        f'src="data:video/mp4;base64,{data}"></video>'
    )


def embed_player(images: Sequence[bytes], size: tuple[int, int], fps: float) -> Html:
    """Return a player with play and pause, single steps and a slider; its keys are space and the arrows.

    It is an iframe, so that the scripts of several players in a notebook do not interfere.

    Args:
        images: At least one PNG.
        size: Their width and height.
        fps: Images per second.
    """
    width, height = size
    encoded = [base64.b64encode(image).decode() for image in images]
    document = _PLAYER.replace("DELAY", json.dumps(1000 / fps)).replace("FRAMES", json.dumps(encoded))
    return Html(
        f'<iframe srcdoc="{html.escape(document)}" '
        f'style="width: 100%; max-width: 1280px; aspect-ratio: {width} / {height + _CONTROLS_HEIGHT}; border: 0">'
        "</iframe>"
    )


def encode_png(frame: Frame) -> bytes:
    """Return a PNG with a palette, a third of the size of a JPEG and with sharp text."""
    image = Image.fromarray(frame).convert("RGB")
    file = io.BytesIO()
    image.quantize(_PNG_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


class LiveReturns:
    """Shows in a notebook the returns of a training so far: `train_n_episodes(50, on_episode=LiveReturns(50))`.

    One picture replaces all earlier output of the cell, such as the line per episode. It is drawn after the last
    episode, and before that at most once a second, or less often to take at most 2 % of the time. Does nothing
    outside a notebook.

    Args:
        n_episodes: Episodes of this training.

    Raises:
        ValueError: `n_episodes` is not positive.
    """

    def __init__(self, n_episodes: int) -> None:
        if n_episodes < 1:
            raise ValueError(f"n_episodes: expected at least 1, received {n_episodes}")
        self._n_episodes = n_episodes
        self._last_episode: int | None = None
        self._due = -math.inf

    def __call__(self, agent: HasHistory, record: EpisodeRecord) -> None:
        """Show the returns, if a picture is due; called by a training as its `on_episode`."""
        ipython = _ipython()
        if ipython is None:
            return
        if self._last_episode is None:
            self._last_episode = record.episode + self._n_episodes - 1
        started = time.perf_counter()
        if started >= self._due or record.episode == self._last_episode:
            png = draw_returns(agent.history, record.epsilon, self._last_episode)
            # The old picture stays until the new one comes, which avoids flicker.
            ipython.display.clear_output(wait=True)
            ipython.display.display(ipython.display.Image(png))
            ended = time.perf_counter()
            self._due = ended + max(_SECONDS_BETWEEN_PICTURES, (ended - started) / _SHARE_OF_TIME)


def draw_returns(history: TrainingHistory, epsilon: float, last_episode: int) -> bytes:
    """Return a PNG of all returns so far.

    Args:
        history: With at least one training episode.
        epsilon: Current scale of the exploration noise.
        last_episode: Number of the episode that ends the training.
    """
    canvas = new_canvas(9, 4, dpi=100)
    panel = ScorePanel(canvas.figure, Bbox.from_bounds(0.07, 0.28, 0.91, 0.62), history)
    panel.axes.set_xlim(0, last_episode + 1)
    episode = history.training_episodes[-1].episode
    progress = f"episode {episode} of {last_episode}, ε = {epsilon:.2f}, {history.n_steps:,} agent steps"
    panel.axes.set_title(progress, loc="right", fontsize=12)
    canvas.draw()
    panel.draw(canvas.get_renderer(), len(history.training_episodes), len(history.test_episodes))
    return encode_png(np.asarray(canvas.buffer_rgba()))


def _ipython() -> ModuleType | None:
    """Return IPython if this process is a notebook's kernel; IPython in a terminal has none, and shows no pictures."""
    ipython = sys.modules.get("IPython")
    return ipython if ipython is not None and hasattr(ipython.get_ipython(), "kernel") else None
