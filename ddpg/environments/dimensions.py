"""Names of what observations and actions consist of, with units, for pictures.

To name those of your own environment, put `observation_names` and `action_names` into its `metadata`. To name those of
another, call `register`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Names(NamedTuple):
    """A name for each dimension; the unit, if there is one, follows in brackets."""

    observations: tuple[str, ...]
    actions: tuple[str, ...]


# As Gymnasium documents them, in the order of its documentation. Without a unit where it scales a quantity, as the
# motors of MuJoCo's models do. At most 18 characters, which is what pictures have room for.
_NAMES: dict[str, Names] = {
    "MountainCarContinuous": Names(("position", "velocity"), ("force",)),
    "Pendulum": Names(("cos angle", "sin angle", "velocity (rad/s)"), ("torque (N m)",)),
    "LunarLander": Names(
        ("x", "y", "x velocity", "y velocity", "angle (rad)", "angular velocity", "left leg", "right leg"),
        ("main engine", "side engines"),
    ),
    "BipedalWalker": Names(
        (
            *("hull angle (rad)", "hull rate", "x velocity", "y velocity"),
            *("hip 1 (rad)", "hip 1 rate", "knee 1 (rad)", "knee 1 rate", "leg 1 contact"),
            *("hip 2 (rad)", "hip 2 rate", "knee 2 (rad)", "knee 2 rate", "leg 2 contact"),
            *(f"lidar {i}" for i in range(1, 11)),
        ),
        ("hip 1", "knee 1", "hip 2", "knee 2"),
    ),
    "InvertedPendulum": Names(("cart (m)", "pole (rad)", "cart (m/s)", "pole (rad/s)"), ("force",)),
    "InvertedDoublePendulum": Names(
        (
            *("cart (m)", "sin pole 1", "sin pole 2", "cos pole 1", "cos pole 2"),
            *("cart (m/s)", "pole 1 (rad/s)", "pole 2 (rad/s)", "constraint (N)"),
        ),
        ("force",),
    ),
    "Reacher": Names(
        (
            *("cos arm 1", "cos arm 2", "sin arm 1", "sin arm 2", "target x (m)", "target y (m)"),
            *("arm 1 (rad/s)", "arm 2 (rad/s)", "x to target (m)", "y to target (m)"),
        ),
        ("arm 1 torque", "arm 2 torque"),
    ),
    "Hopper": Names(
        (
            *("height (m)", "torso (rad)", "thigh (rad)", "leg (rad)", "foot (rad)"),
            *("x velocity (m/s)", "z velocity (m/s)"),
            *("torso (rad/s)", "thigh (rad/s)", "leg (rad/s)", "foot (rad/s)"),
        ),
        ("thigh torque", "leg torque", "foot torque"),
    ),
    "HalfCheetah": Names(
        (
            *("height (m)", "pitch (rad)"),
            *("hind thigh (rad)", "hind shin (rad)", "hind foot (rad)"),
            *("fore thigh (rad)", "fore shin (rad)", "fore foot (rad)"),
            *("x velocity (m/s)", "z velocity (m/s)", "pitch (rad/s)"),
            *("hind thigh (rad/s)", "hind shin (rad/s)", "hind foot (rad/s)"),
            *("fore thigh (rad/s)", "fore shin (rad/s)", "fore foot (rad/s)"),
        ),
        (
            *("hind thigh torque", "hind shin torque", "hind foot torque"),
            *("fore thigh torque", "fore shin torque", "fore foot torque"),
        ),
    ),
}


def register(prefix: str, observations: Sequence[str], actions: Sequence[str]) -> None:
    """Names the dimensions of all environments whose id starts with a prefix, in place of earlier names for it.

    Args:
        prefix: The longest that fits an id counts.
        observations: One name for each dimension, such as `"speed (m/s)"`; longer ones than 18 characters may be cut.
        actions: Likewise.
    """
    _NAMES[prefix] = Names(tuple(observations), tuple(actions))


def names_of(env: Any) -> Names:
    """Names of the dimensions of observations and actions.

    The environment's own, in its `metadata`, precede registered ones. Either are passed over if their numbers are not
    those of the dimensions, as where a wrapper stacks observations; then numbers serve as names.

    Args:
        env: Of Gymnasium or classic gym.
    """
    sizes = int(np.prod(env.observation_space.shape)), int(np.prod(env.action_space.shape))
    for names in (_own(env), _registered(env)):
        if names is not None and (len(names.observations), len(names.actions)) == sizes:
            return names
    return Names(tuple(f"observation {i}" for i in range(sizes[0])), tuple(f"action {i}" for i in range(sizes[1])))


def split_unit(name: str) -> tuple[str, str]:
    """The name alone, and its unit, which is empty if there is none."""
    alone, _, unit = name.partition(" (")
    return alone, unit.removesuffix(")")


def _own(env: Any) -> Names | None:
    metadata = getattr(env, "metadata", None)
    if not isinstance(metadata, Mapping) or not {"observation_names", "action_names"} <= metadata.keys():
        return None
    return Names(tuple(metadata["observation_names"]), tuple(metadata["action_names"]))


def _registered(env: Any) -> Names | None:
    identifier = getattr(getattr(env, "spec", None), "id", "") or ""
    prefix = max(filter(identifier.startswith, _NAMES), key=len, default=None)
    return None if prefix is None else _NAMES[prefix]
