import math

import numpy as np
import pytest

from ddpg.environments.quadcopter.dynamics import (
    DRAG_COEFFICIENT,
    GRAVITY,
    HOVER_SPEED,
    INERTIA,
    MASS,
    advance,
    rest_on_ground,
    rotation,
    wrench,
)

STEP = 0.04
OFF, HOVER = wrench([0.0] * 4), wrench([HOVER_SPEED] * 4)


def state(position=(0, 0, 0), velocity=(0, 0, 0), attitude=(1, 0, 0, 0), rates=(0, 0, 0)):
    return [float(each) for each in (*position, *velocity, *attitude, *rates)]


def fly(start, forces, seconds, step=STEP, **air):
    for _ in range(round(seconds / step)):
        start = advance(start, forces, step, **air)
    return start


def test_falls_freely():
    fallen = fly(state(position=(1, 2, 9), velocity=(0.5, 0, 0)), OFF, 1.0, drag=0.0)
    assert fallen[:6] == pytest.approx([1.5, 2, 9 - GRAVITY / 2, 0.5, 0, -GRAVITY])


def test_falls_as_fast_as_the_air_lets_it():
    slowing = DRAG_COEFFICIENT / MASS
    fallen = fly(state(), OFF, 2.0)
    assert fallen[5] == pytest.approx(-GRAVITY / slowing * (1 - math.exp(-2.0 * slowing)), rel=1e-6)


def test_hovers_for_ever():
    start = state(position=(0.3, -1, 2))
    assert fly(start, HOVER, 40.0) == pytest.approx(start, abs=1e-9)


def test_is_carried_by_the_wind():
    assert fly(state(), HOVER, 60.0, wind=(2.0, -1.0, 0.0))[3:6] == pytest.approx([2, -1, 0], abs=1e-4)


def energy(moving):
    height, velocity, rates = moving[2], np.array(moving[3:6]), np.array(moving[10:])
    return MASS * (GRAVITY * height + velocity @ velocity / 2) + rates @ (INERTIA * rates) / 2


def test_keeps_energy_and_angular_momentum_without_rotors_and_air():
    start = state(velocity=(1, 2, 3), attitude=(0.5, 0.5, -0.5, 0.5), rates=(3, -2, 4))
    end = fly(start, OFF, 4.0, drag=0.0)
    assert energy(end) == pytest.approx(energy(start), abs=1e-4)
    momenta = [np.array(rotation(each)) @ (INERTIA * np.array(each[10:])) for each in (start, end)]
    assert momenta[0] == pytest.approx(momenta[1], abs=1e-5)
    assert end[10:12] != pytest.approx(start[10:12], abs=0.1)


def test_a_symmetric_top_precesses():
    rate = (INERTIA[2] - INERTIA[0]) / INERTIA[0] * 2.0
    p, q, r = fly(state(rates=(1, 0, 2)), OFF, 1.0)[10:]
    assert (p, q, r) == pytest.approx((math.cos(rate), math.sin(rate), 2), abs=1e-6)


def test_the_attitude_stays_a_rotation():
    end = np.array(rotation(fly(state(rates=(5, -8, 9)), OFF, 40.0)))
    assert end @ end.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(end) == pytest.approx(1)


def test_the_rotation_is_that_of_the_quaternion():
    half = math.radians(30) / 2
    about_up = state(attitude=(math.cos(half), 0, 0, math.sin(half)))
    expected = [[math.cos(2 * half), -math.sin(2 * half), 0], [math.sin(2 * half), math.cos(2 * half), 0], [0, 0, 1]]
    assert np.array(rotation(about_up)) == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    ("faster", "row", "column", "sign"),
    [
        ((1, 1, 0, 0), 2, 1, 1),  # those on the left: the left side rises
        ((0, 1, 1, 0), 2, 0, -1),  # the rear ones: the nose sinks
        ((1, 0, 1, 0), 1, 0, 1),  # the clockwise ones: the nose turns left
    ],
)
def test_two_faster_rotors_turn_it_about_one_axis(faster, row, column, sign):
    forces = wrench([HOVER_SPEED * (1 + 0.1 * each) for each in faster])
    turned = np.array(rotation(fly(state(), forces, 0.2)))
    assert sign * turned[row, column] > 0.005
    axis = {(2, 1): 0, (2, 0): 1, (1, 0): 2}[row, column]
    assert turned[axis, axis] == pytest.approx(1, abs=1e-12)


def test_four_equal_rotors_lift_and_do_not_turn():
    assert pytest.approx((MASS * GRAVITY, 0, 0, 0)) == HOVER
    assert wrench([2 * HOVER_SPEED] * 4) == pytest.approx((4 * MASS * GRAVITY, 0, 0, 0))


def test_a_step_is_as_accurate_as_it_says():
    start = state(velocity=(1, -1, 0.5), attitude=(0.8, 0.6, 0, 0), rates=(2, -1.5, 1.5))
    forces = wrench([HOVER_SPEED * each for each in (1.05, 1.0, 0.97, 1.02)])
    exact = np.array(fly(start, forces, STEP, step=STEP / 64))
    errors = [np.abs(np.array(fly(start, forces, STEP, step=STEP / n)) - exact) for n in (1, 2)]
    assert errors[0][:3].max() < 1e-5
    assert errors[0][6:10].max() < 0.5e-5
    assert errors[0].max() / errors[1].max() == pytest.approx(16, rel=0.2)


def test_rests_on_the_ground_with_its_heading():
    tilted = state((1, 2, -0.1), (0, 0, -1), [0.6, 0.3, 0.2, 0.8], (1, 1, 1))
    assert rest_on_ground(tilted) == pytest.approx(state((1, 2, 0), attitude=(0.6, 0, 0, 0.8)))
    assert rest_on_ground(state(attitude=(0, 1, 0, 0))) == state()
