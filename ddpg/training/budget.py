"""How far a training is, and when it is over."""

import math
from dataclasses import dataclass
from typing import Any

from ddpg.config import TrainingConfig
from ddpg.records import EpisodeRecord


@dataclass
class TrainingProgress:
    """How far the newest training is."""

    config: TrainingConfig
    epsilon: float
    """Scale of the exploration noise in the last episode, or before the first."""
    episodes: int = 0
    """Made so far."""
    environment_steps: int = 0
    """Made so far in training episodes."""
    n_solved: int = 0
    """Successive validations, up to the newest, whose score reached the target."""
    in_episode: bool = False
    """Whether an episode is under way, or was ended by an exception."""
    is_stopped: bool = False
    """Whether it ends early because that was asked for."""

    @property
    def share(self) -> float:
        """The share of the budget that is used up, in [0, 1]: of its environment steps, if it has some, or episodes."""
        total = self.config.n_environment_steps
        return min(1.0, self.episodes / self.config.n_episodes if total is None else self.environment_steps / total)

    @property
    def is_over(self) -> bool:
        """Whether no episode is left."""
        n_to_stop = self.config.stop_after_n_solved
        is_solved = n_to_stop > 0 and self.n_solved >= n_to_stop
        return self.is_stopped or is_solved or self.share == 1 or self.episodes >= self.config.n_episodes

    def after(self, record: EpisodeRecord, environment_steps: int, target: float | None) -> "TrainingProgress":
        """The progress after one more episode.

        Args:
            record: Of the episode.
            environment_steps: Those of the episode.
            target: See `TrainingConfig.target`.
        """
        n_solved = self.n_solved
        if target is not None and not math.isnan(record.validation_return):
            n_solved = n_solved + 1 if record.validation_return >= target else 0
        return TrainingProgress(
            self.config, record.epsilon, self.episodes + 1, self.environment_steps + environment_steps, n_solved
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything but the configuration, between two episodes."""
        return {name: getattr(self, name) for name in ("epsilon", "episodes", "environment_steps", "n_solved")}

    def next_epsilon(self, *, decays: bool) -> float:
        """Epsilon of the next episode.

        Args:
            decays: Whether it is lowered before it.
        """
        config = self.config
        if not decays:
            return self.epsilon
        decay = config.eps / config.n_episodes if config.eps_decay is None else config.eps_decay
        return max(self.epsilon - decay, config.eps_min)
