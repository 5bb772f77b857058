import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ddpg.visualizations import LiveReturns, live
from ddpg.visualizations.live import draw_returns

N_EPISODES = 5


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(live, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook's kernel was asked to show, in order."""
    shown = []
    display = SimpleNamespace(
        Image=lambda png: Image.open(io.BytesIO(png)).format,
        display=shown.append,
        clear_output=lambda wait: shown.append(("clear", wait)),
    )
    # Not in sys.modules, where Matplotlib looks too.
    monkeypatch.setattr(live, "_ipython", lambda: SimpleNamespace(display=display))
    return shown


def pictures_by_episode(history, notebook, clock, seconds_per_episode):
    """How many pictures had been shown after each episode."""
    live_returns = LiveReturns(N_EPISODES)
    counts = []
    for episode in range(8, 8 + N_EPISODES):
        live_returns(SimpleNamespace(history=history), SimpleNamespace(episode=episode, epsilon=0.5))
        counts.append(notebook.count("PNG"))
        clock.now += seconds_per_episode
    return counts


def test_quick_episodes_show_one_picture_at_the_start_and_one_at_the_end(history, notebook, clock):
    assert pictures_by_episode(history, notebook, clock, seconds_per_episode=0.1) == [1, 1, 1, 1, 2]


def test_a_picture_takes_the_place_of_all_before_it(history, notebook, clock):
    pictures_by_episode(history, notebook, clock, seconds_per_episode=0.1)
    assert notebook == [("clear", True), "PNG", ("clear", True), "PNG"]


def test_long_episodes_show_a_picture_each(history, notebook, clock):
    assert pictures_by_episode(history, notebook, clock, seconds_per_episode=1.1) == [1, 2, 3, 4, 5]


def test_where_pictures_are_slow_they_are_fewer(history, notebook, clock, monkeypatch):
    def draw_slowly(*_):
        clock.now += 0.1
        return draw_returns(history, 0.5, 5)

    monkeypatch.setattr(live, "draw_returns", draw_slowly)
    # A tenth of a second is 2 % of five.
    assert pictures_by_episode(history, notebook, clock, seconds_per_episode=2.6) == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("ipython", [None, SimpleNamespace(get_ipython=lambda: None)], ids=["no IPython", "a script"])
def test_outside_a_notebook_nothing_happens(monkeypatch, ipython):
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setattr(live, "draw_returns", lambda *_: pytest.fail("drew a picture that nobody sees"))
    LiveReturns(1)(SimpleNamespace(history=None), SimpleNamespace(episode=1, epsilon=1.0))


def test_the_picture_shows_every_return_and_repeats_byte_for_byte(history):
    def pixels(png):
        return np.asarray(Image.open(io.BytesIO(png)))

    whole = draw_returns(history, 0.5, N_EPISODES)
    assert whole == draw_returns(history, 0.5, N_EPISODES)
    assert len(whole) < 100_000
    assert pixels(whole).shape == (400, 900, 3)
    del history.test_episodes[1]
    assert (pixels(whole) != pixels(draw_returns(history, 0.5, N_EPISODES))).any()


def test_no_episodes_are_refused():
    with pytest.raises(ValueError, match="n_episodes: expected at least 1, received 0"):
        LiveReturns(0)
