from functools import partial

import gymnasium as gym
import numpy as np
import pytest

from ddpg.history import EpisodeHistory
from ddpg.visualizations import render_rollout
from ddpg.visualizations.rollout_picture import EpisodePicture, _mountain_car, decimals
from tests.ddpg.visualizations.walk import BLUE, RED, Walk, has_colour


def test_the_bar_shows_the_sign_and_size_of_the_action() -> None:
    widths = {}
    env = Walk()
    for action, colour, other in [(1.5, BLUE, RED), (-0.5, RED, BLUE)]:
        env.reset(seed=5)
        frame = EpisodePicture(env, "", 600).draw(np.zeros(1), 1, 0.0, np.array([action]))
        assert not has_colour(frame, other)
        columns = np.flatnonzero((frame == colour).all(axis=-1).any(axis=0))
        widths[action] = columns.max() - columns.min()
    assert widths[1.5] == pytest.approx(3 * widths[-0.5], abs=4)


@pytest.mark.parametrize("n_actions", [4, 17])
def test_many_actions(n_actions: int) -> None:
    env = Walk(n_actions=n_actions)
    env.reset(seed=5)
    frame = EpisodePicture(env, "", 600).draw(np.zeros(1), 1, 0.0, np.ones(n_actions))
    assert has_colour(frame, BLUE)
    assert [length % 2 for length in frame.shape[:2]] == [0, 0]


def test_a_return_of_almost_zero_has_no_sign() -> None:
    assert [decimals(value, 1) for value in (-0.04, 0.0, -0.06, 97.26)] == ["0.0", "0.0", "−0.1", "97.3"]


@pytest.mark.parametrize("position", [-1.1, -0.5, 0.1, 0.5])
def test_the_arrow_starts_above_the_car(position: float) -> None:
    with gym.make("MountainCarContinuous-v0", render_mode="rgb_array") as env:
        env.reset(seed=0)
        env.unwrapped.state = np.array([position, 0.0])  # type: ignore[attr-defined]
        dark = np.asarray(env.render()).sum(axis=-1) < 100
    # The track is a thin line; the car has squares of 8 dark pixels.
    rows, columns = np.nonzero(np.lib.stride_tricks.sliding_window_view(dark, (8, 8)).all(axis=(2, 3)))
    x, y = _mountain_car(np.array([position, 0.0]))
    assert 600 * x == pytest.approx(columns.mean() + 4, abs=12)
    assert rows.min() - 20 < 400 * y < rows.min()


def test_the_arrow_points_where_the_car_is_pushed() -> None:
    make = partial(gym.make, "MountainCarContinuous-v0", render_mode="rgb_array")
    tips = {}
    for action in (-1.0, 1.0):
        with make() as env:
            start, _ = env.reset(seed=1)
            end, reward, *_ = env.step(np.array([action], np.float32))
        actions, rewards = np.full((1, 1), action, np.float32), np.array([reward])
        episode = EpisodeHistory(0, 0.0, 0, np.stack([start, end]), actions, rewards, 1, False, True)
        frame = next(render_rollout(make, [episode], [1]))
        # Above the bar.
        picture = frame[:400].astype(int)
        coloured = np.abs(picture - (BLUE if action > 0 else RED)).max(axis=-1) < 5
        tips[action] = np.flatnonzero(coloured.any(axis=0)).mean() - 600 * _mountain_car(start)[0]
    assert tips[1.0] > 30
    assert tips[-1.0] < -30


@pytest.mark.parametrize("wrapper", [gym.Wrapper, gym.wrappers.NormalizeObservation])
def test_there_is_no_arrow_where_a_wrapper_changes_the_observation_that_places_it(wrapper: type[gym.Wrapper]) -> None:
    with wrapper(gym.make("MountainCarContinuous-v0", render_mode="rgb_array")) as env:
        observation, _ = env.reset(seed=1)
        frame = EpisodePicture(env, "", 600).draw(observation, 1, 0.0, np.ones(1))
    assert has_colour(frame[:400], BLUE) == (wrapper is gym.Wrapper)


def test_a_picture_that_changes_in_parts_looks_as_if_all_of_it_were_new() -> None:
    with gym.make("MountainCarContinuous-v0", render_mode="rgb_array") as env:
        observation, _ = env.reset(seed=1)
        picture = EpisodePicture(env, "", 424)
        for action in (1.0, -1.0, 0.3):
            picture.draw(observation, 1, 0.0, np.array([action]))
            observation, *_ = env.step(np.array([action], np.float32))
        kept, new = (each.draw(observation, 2, 0.0, np.ones(1)) for each in (picture, EpisodePicture(env, "", 424)))
    assert np.abs(kept.astype(int) - new).max() <= 1
