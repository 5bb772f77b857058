"""A DDPG agent for continuous control, with tools to watch and evaluate its learning."""

from typing import TYPE_CHECKING, Any

import ddpg.numerics  # noqa: F401 (before NumPy, which reads environment variables as it loads)
from ddpg.config import AgentConfig, TrainingConfig
from ddpg.grid_config import GridConfig

if TYPE_CHECKING:
    from ddpg.agent import DDPG

__all__ = ["DDPG", "AgentConfig", "GridConfig", "TrainingConfig"]


def __getattr__(name: str) -> Any:
    # The agent imports TensorFlow, which takes seconds; pictures, policies and configurations do without.
    if name == "DDPG":
        from ddpg.agent import DDPG

        return DDPG
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
