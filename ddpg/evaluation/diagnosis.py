"""Why a policy does not solve its environment."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from ddpg.algorithm.scaling import BoxScaler
from ddpg.history import EpisodeHistory

IDLE_ACTION = 0.1
"""Mean size of the scaled action below which a policy is idle."""
SATURATED_ACTION = 0.95
"""Size of the scaled action above which it counts as being at its bound."""
SATURATED_SHARE = 0.9
"""Fraction of such actions above which a policy is saturated."""


class Diagnosis(StrEnum):
    """Why a policy fails, the most informative reason first."""

    SOLVED = "solved"
    GOAL_NEVER_SEEN = "goal never seen"
    """No training episode reached the goal or the threshold: there was nothing to learn from. Explore more."""
    COLLAPSED = "collapse after solving"
    """An earlier policy of the same training solved the environment."""
    IDLE = "idle optimum"
    """The policy hardly acts: it learned that the cost of acting is best avoided."""
    SATURATED = "saturated policy"
    """Nearly all actions are at a bound, where the squashing function has no gradient."""
    UNSOLVED = "not solved"
    """None of the above."""


def diagnose(
    episodes: Sequence[EpisodeHistory], actions: BoxScaler, threshold: float, n_goals_seen: int, best_score: float
) -> Diagnosis:
    """Diagnoses why a policy fails.

    Args:
        episodes: The policy's evaluation.
        actions: Scaling of its actions.
        threshold: Mean return from which the environment counts as solved.
        n_goals_seen: Training episodes that reached the goal or the threshold.
        best_score: Mean return of the training's best policy in the same evaluation.
    """
    if np.mean([episode.score for episode in episodes]) >= threshold:
        return Diagnosis.SOLVED
    if n_goals_seen == 0:
        return Diagnosis.GOAL_NEVER_SEEN
    if best_score >= threshold:
        return Diagnosis.COLLAPSED
    sizes = np.abs(actions.scale(np.concatenate([episode.actions for episode in episodes])))
    if sizes.mean() < IDLE_ACTION:
        return Diagnosis.IDLE
    if np.mean(sizes >= SATURATED_ACTION) >= SATURATED_SHARE:
        return Diagnosis.SATURATED
    return Diagnosis.UNSOLVED
