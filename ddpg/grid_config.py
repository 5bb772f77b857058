"""Settings of the state grid: where snapshots of the networks are taken."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ddpg.base_config import (
    Config,
    Count,
    Limits,
    StrictFinite,
)


class GridConfig(Config):
    """The plane of states and the line of actions on which snapshots of the networks are taken.

    Other state dimensions are fixed at the reference state, other action dimensions at the policy's action.
    """

    x_dimension: Count = 0
    """State dimension along the horizontal axis."""

    y_dimension: Count = 1
    """State dimension along the vertical axis; ignored where states have one dimension."""

    action_dimension: Count = 0
    """Action dimension over which Q is maximised."""

    n_cells: Annotated[int, Field(ge=2)] = 16
    """States along each axis, including both bounds."""

    n_actions: Annotated[int, Field(ge=2)] = 11
    """Actions along the action's range, including both bounds."""

    x_limits: Limits | None = None
    """Range of the horizontal axis in the environment's units; `None`: the space's bounds, or [-1, 1] if unbounded."""

    y_limits: Limits | None = None
    """Range of the vertical axis, likewise."""

    reference_state: Annotated[tuple[StrictFinite, ...], Field(strict=False)] | None = None
    """Values of the other dimensions, in the environment's units; `None`: the middle of the bounds, or 0."""

    @model_validator(mode="after")
    def _limits_ascend(self) -> Self:
        for name in ("x_limits", "y_limits"):
            limits = getattr(self, name)
            if limits is not None and not limits[0] < limits[1]:
                raise ValueError(f"{name}: expected [low, high] with low < high, received {list(limits)}")
        if self.x_dimension == self.y_dimension:
            raise ValueError(f"y_dimension: expected another dimension than x_dimension, received {self.y_dimension}")
        return self
