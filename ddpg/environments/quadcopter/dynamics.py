"""The motion of a quadcopter: a rigid body with four rotors, in plain floats, which are faster here than small arrays.

The equations are those of Mahony, Kumar and Corke, "Multirotor Aerial Vehicles", IEEE Robotics & Automation Magazine
19(3), 2012, with the attitude as a quaternion and air resistance in proportion to the airspeed. The world's z axis
points up; the body's axes point ahead, left and up. All units are SI.

Each value is computed by correctly rounded operations (+, −, ×, ÷, √), so it is the same on every processor.
"""

import math
from collections.abc import Sequence

State = Sequence[float]
"""Position (3), velocity (3), both in the world; attitude from body to world as a unit quaternion w, x, y, z; angular
velocity in the body (3)."""

GRAVITY = 9.81
MASS = 1.0
INERTIA = (0.02, 0.02, 0.035)
ARM = 0.25
"""From the centre to each rotor, in m."""
THRUST_COEFFICIENT = 1.5e-5
"""Thrust of a rotor in N over its squared speed in rad/s."""
REACTION_COEFFICIENT = 0.02
"""Torque by which the air resists a rotor in N m, over its thrust in N."""
DRAG_COEFFICIENT = 0.2
"""Air resistance in N over airspeed in m/s."""
HOVER_SPEED = math.sqrt(MASS * GRAVITY / 4 / THRUST_COEFFICIENT)
"""Of each rotor, in rad/s, about 404; the four then carry the weight."""
_OFFSET = ARM * math.sqrt(0.5)
ROTORS = ((_OFFSET, _OFFSET), (-_OFFSET, _OFFSET), (-_OFFSET, -_OFFSET), (_OFFSET, -_OFFSET))
"""Where they are in the body, ahead and left: front left, rear left, rear right, front right. The first and third turn
clockwise, seen from above, and the others counterclockwise."""


def wrench(speeds: Sequence[float]) -> tuple[float, float, float, float]:
    """The rotors' total thrust in N, and their torques about the body's axes in N m, from their speeds in rad/s."""
    front_left, rear_left, rear_right, front_right = (THRUST_COEFFICIENT * speed * speed for speed in speeds)
    return (
        front_left + rear_left + rear_right + front_right,
        _OFFSET * (front_left + rear_left - rear_right - front_right),
        _OFFSET * (rear_left + rear_right - front_left - front_right),
        # The body is pushed against the rotors' rotation.
        REACTION_COEFFICIENT * (front_left - rear_left + rear_right - front_right),
    )


def derivative(
    state: State, forces: Sequence[float], wind: Sequence[float] = (0.0, 0.0, 0.0), drag: float = DRAG_COEFFICIENT
) -> tuple[float, ...]:
    """The state's change per second in free flight.

    Args:
        state: As `State` describes it.
        forces: What `wrench` returns.
        wind: Velocity of the air in the world.
        drag: Its resistance in N over airspeed in m/s.
    """
    _, _, _, vx, vy, vz, w, x, y, z, p, q, r = state
    thrust, torque_x, torque_y, torque_z = forces
    acceleration, damping = thrust / MASS, drag / MASS
    inertia_x, inertia_y, inertia_z = INERTIA
    return (
        vx,
        vy,
        vz,
        2 * (x * z + w * y) * acceleration - damping * (vx - wind[0]),
        2 * (y * z - w * x) * acceleration - damping * (vy - wind[1]),
        (1 - 2 * (x * x + y * y)) * acceleration - damping * (vz - wind[2]) - GRAVITY,
        -0.5 * (x * p + y * q + z * r),
        0.5 * (w * p + y * r - z * q),
        0.5 * (w * q + z * p - x * r),
        0.5 * (w * r + x * q - y * p),
        (torque_x - (inertia_z - inertia_y) * q * r) / inertia_x,
        (torque_y - (inertia_x - inertia_z) * p * r) / inertia_y,
        (torque_z - (inertia_y - inertia_x) * p * q) / inertia_z,
    )


def advance(
    state: State,
    forces: Sequence[float],
    seconds: float,
    wind: Sequence[float] = (0.0, 0.0, 0.0),
    drag: float = DRAG_COEFFICIENT,
) -> list[float]:
    """The state after a time in free flight, by one step of the classic Runge-Kutta method of order four.

    A step of 0.04 s errs by less than 1e-5 m and 1e-5 rad at up to 3 rad/s, and 32 times less for each halving of it.

    Args:
        state: As `State` describes it.
        forces: What `wrench` returns; they hold all the time.
        seconds: The time.
        wind: Velocity of the air in the world.
        drag: Its resistance in N over airspeed in m/s.
    """
    half = seconds / 2
    first = derivative(state, forces, wind, drag)
    second = derivative([s + half * d for s, d in zip(state, first, strict=True)], forces, wind, drag)
    third = derivative([s + half * d for s, d in zip(state, second, strict=True)], forces, wind, drag)
    fourth = derivative([s + seconds * d for s, d in zip(state, third, strict=True)], forces, wind, drag)
    sixth = seconds / 6
    moved = [
        s + sixth * (a + 2 * (b + c) + d) for s, a, b, c, d in zip(state, first, second, third, fourth, strict=True)
    ]
    moved[6:10] = unit(moved[6:10])
    return moved


def unit(vector: Sequence[float]) -> list[float]:
    """The vector, which is not zero, scaled to length one."""
    length = math.sqrt(sum([each * each for each in vector]))
    return [each / length for each in vector]


def rotation(state: State) -> tuple[tuple[float, float, float], ...]:
    """The rotation matrix from body to world, as its rows."""
    w, x, y, z = state[6:10]
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


def rest_on_ground(state: State) -> list[float]:
    """The state at rest on level ground, at the same place and heading; upside down, the heading is lost."""
    w, z = state[6], state[9]
    heading = unit((w, z)) if w or z else (1.0, 0.0)
    x, y = state[:2]
    return [x, y, 0.0, 0.0, 0.0, 0.0, heading[0], 0.0, 0.0, heading[1], 0.0, 0.0, 0.0]
