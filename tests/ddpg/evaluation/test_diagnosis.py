import numpy as np
import pytest

from ddpg.algorithm.scaling import BoxScaler
from ddpg.evaluation.diagnosis import Diagnosis, diagnose
from ddpg.history import EpisodeHistory


def episode(score, actions):
    n = len(actions)
    observations, rewards = np.zeros((n + 1, 1)), np.full(n, score / n)
    return EpisodeHistory(1, 0.0, 0, observations, np.array(actions)[:, None], rewards, n, False, True)


@pytest.mark.parametrize(
    ("score", "actions", "n_goals", "best_score", "expected"),
    [
        (95, [0, 10], 5, 95, Diagnosis.SOLVED),
        (-1, [5, 5], 0, -1, Diagnosis.GOAL_NEVER_SEEN),
        (-1, [5, 5], 5, 93, Diagnosis.COLLAPSED),
        (-1, [5, 5.2, 4.9], 5, 20, Diagnosis.IDLE),
        (-99, [10, 10, 0, 9.9], 5, 20, Diagnosis.SATURATED),
        (40, [7, 2, 9, 5], 5, 40, Diagnosis.UNSOLVED),
    ],
)
def test_names_the_failure(score, actions, n_goals, best_score, expected):
    actions_0_to_10 = BoxScaler([0.0], [10.0])
    assert diagnose([episode(score, actions)], actions_0_to_10, 90, n_goals, best_score) == expected
