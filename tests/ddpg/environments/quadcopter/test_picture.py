import numpy as np
import pytest

from ddpg.environments.pictures import check_frames
from ddpg.environments.quadcopter.environment import Quadcopter
from ddpg.environments.quadcopter.picture import HEIGHT, WIDTH, draw

TARGET = (0.0, 0.0, 1.5)
LEVEL = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
BLUE, GREEN = (33, 102, 172), (0, 138, 96)


def frame(position=(0.5, 0.0, 1.0), target=TARGET, trail=(), actions=(1.0,) * 4):
    return draw([*position, *LEVEL], target, trail, actions).astype(int)


def middle(picture, colour):
    """Column and row around which a colour lies."""
    rows, columns = np.nonzero(np.abs(picture - colour).sum(axis=2) < 12)
    return columns.mean(), rows.mean()


def test_a_frame_has_its_size_and_is_the_environments_own():
    env = Quadcopter(render_mode="rgb_array")
    check_frames(env)
    assert frame().shape == (HEIGHT, WIDTH, 3)
    assert Quadcopter().render() is None


def test_the_quadcopter_is_where_it_is():
    column, row = middle(frame(), BLUE)
    further, same_row = middle(frame((1.0, 0.0, 1.0)), BLUE)
    same_column, higher = middle(frame((0.5, 0.0, 1.5)), BLUE)
    assert further > column + 20
    assert higher < row - 20
    assert (same_column, same_row) == pytest.approx((column, row), abs=15)


def test_a_fast_rotor_is_darker_and_the_front_is_orange():
    shares = [(np.abs(frame(actions=actions) - BLUE).sum(axis=2) < 12).sum() for actions in ((1,) * 4, (1, 1, -1, -1))]
    assert shares[1] == pytest.approx(shares[0] / 2, rel=0.3)
    assert middle(frame(), (213, 94, 0))[0] > middle(frame(), BLUE)[0]


def test_the_target_stands_above_its_mark_on_the_ground_or_lies_on_it():
    far_away = (2.0, 0.0, 0.5)
    in_air, on_ground = frame(far_away), frame(far_away, (0.0, 0.0, 0.0))
    assert middle(in_air, GREEN)[1] < middle(on_ground, GREEN)[1] - 20


def test_the_trail_leads_to_the_quadcopter():
    trail = [(-1.0, 0.0, 1.0), (-0.5, 0.0, 1.0), (0.0, 0.0, 1.0)]
    rows, columns = np.nonzero((frame(trail=trail) != frame()).any(axis=2))
    assert columns.max() - columns.min() > 80
    assert rows.max() - rows.min() < 80


def test_draws_whatever_it_is_given():
    assert frame(position=(0.0, -5.9, 2.8), target=(0.0, -6.0, 2.8), trail=[(0.0, -9.0, 1.0)]).shape == (
        HEIGHT,
        WIDTH,
        3,
    )
