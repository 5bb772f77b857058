import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ddpg.visualizations import LiveReturns, notebook
from ddpg.visualizations.notebook import draw_returns, encode_png

N_EPISODES = 5


def test_a_png_has_the_colours_of_its_frame():
    frame = np.zeros((4, 6, 4), np.uint8)
    frame[:2] = 200, 60, 30, 255
    image = Image.open(io.BytesIO(encode_png(frame)))
    assert image.format == "PNG"
    np.testing.assert_allclose(np.asarray(image.convert("RGB")), frame[..., :3], atol=4)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(notebook, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.fixture
def shown(monkeypatch):
    """What a notebook's kernel was asked to show, in order."""
    shown = []
    display = SimpleNamespace(
        Image=lambda png: Image.open(io.BytesIO(png)).format,
        display=shown.append,
        clear_output=lambda wait: shown.append(("clear", wait)),
    )
    # Not in sys.modules, where Matplotlib looks too.
    monkeypatch.setattr(notebook, "_ipython", lambda: SimpleNamespace(display=display))
    return shown


def pictures_by_episode(history, shown, clock, seconds_per_episode):
    """How many pictures had been shown after each episode."""
    live_returns = LiveReturns(N_EPISODES)
    counts = []
    for episode in range(8, 8 + N_EPISODES):
        live_returns(SimpleNamespace(history=history), SimpleNamespace(episode=episode, epsilon=0.5))
        counts.append(shown.count("PNG"))
        clock.now += seconds_per_episode
    return counts


def test_short_episodes_show_one_picture_at_the_start_which_the_last_replaces(history, shown, clock):
    assert pictures_by_episode(history, shown, clock, seconds_per_episode=0.1) == [1, 1, 1, 1, 2]
    assert shown == [("clear", True), "PNG", ("clear", True), "PNG"]


def test_long_episodes_show_a_picture_each(history, shown, clock):
    assert pictures_by_episode(history, shown, clock, seconds_per_episode=1.1) == [1, 2, 3, 4, 5]


def test_slow_pictures_are_shown_less_often(history, shown, clock, monkeypatch):
    def draw_slowly(*_):
        clock.now += 0.1
        return draw_returns(history, 0.5, 5)

    monkeypatch.setattr(notebook, "draw_returns", draw_slowly)
    # A tenth of a second is 2 % of five.
    assert pictures_by_episode(history, shown, clock, seconds_per_episode=2.6) == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("ipython", [None, SimpleNamespace(get_ipython=lambda: None)], ids=["no IPython", "a script"])
def test_outside_a_notebook_nothing_happens(monkeypatch, ipython):
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(notebook, "draw_returns", lambda *_: pytest.fail("drew a picture that nobody sees"))
    LiveReturns(1)(SimpleNamespace(history=None), SimpleNamespace(episode=1, epsilon=1.0))


def test_the_picture_depends_on_every_return_and_on_nothing_else(history):
    complete = draw_returns(history, 0.5, N_EPISODES)
    assert complete == draw_returns(history, 0.5, N_EPISODES)
    assert Image.open(io.BytesIO(complete)).size == (900, 400)
    del history.test_episodes[1]
    assert complete != draw_returns(history, 0.5, N_EPISODES)


def test_a_training_without_episodes_is_rejected():
    with pytest.raises(ValueError, match="n_episodes: expected at least 1, received 0"):
        LiveReturns(0)
