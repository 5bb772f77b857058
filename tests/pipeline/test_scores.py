from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ddpg.algorithm.scaling import BoxScaler
from pipeline.scores import median_seed, seeds_table, selection_score, summarize
from tests.pipeline.small import params

TRAINING = pd.DataFrame(
    {
        "seed": np.repeat([2, 3], 3),
        "episode": [1, 2, 3] * 2,
        "environment_steps": [100, 200, 300] * 2,
        "validation_return": [np.nan, 95, 97, np.nan, 20, 30],
        "test_return": [1, 91, 99, 92, 93, 94],
        "training_return": [1.0] * 6,
        "reached_goal": [True, True, False] * 2,
        "is_best": [False, True, False, False, True, False],
    }
)


class Evaluated:
    """A policy with one episode, of which only the return is known."""

    def __init__(self, seed, name, score):
        self.seed, self.name, self.score = seed, name, score
        self.episodes = [SimpleNamespace(score=score, actions=np.full((3, 1), 0.5))]
        self.policy = SimpleNamespace(actions=BoxScaler([-1], [1]))


def test_the_seeds_table_has_the_first_solution_and_diagnoses():
    scores = [(2, "best", 97.0), (2, "final", 12.0), (3, "best", 30.0), (3, "final", 25.0)]
    evaluated = [Evaluated(*each) for each in scores]
    table = seeds_table(evaluated, TRAINING, threshold=90.0)
    assert table["episodes_to_solve"].tolist()[0] == 2
    assert table["environment_steps_to_solve"].tolist()[0] == 200
    assert np.isnan(table["episodes_to_solve"].tolist()[1])
    assert table["best_diagnosis"].tolist() == ["solved", "not solved"]
    assert table["final_diagnosis"].tolist() == ["collapse after solving", "not solved"]
    assert list(seeds_table(evaluated, TRAINING, threshold=None)) == ["seed", "best_return", "final_return"]


def test_a_policy_that_retired_from_its_validation_has_not_solved_the_task():
    """Its mean is one of few start states; the policy that solves the task is the best so far."""
    training = TRAINING[TRAINING["seed"] == 2].assign(validation_return=[92, 95, 97])
    evaluated = [Evaluated(2, "best", 97.0), Evaluated(2, "final", 12.0)]
    assert seeds_table(evaluated, training, threshold=90.0)["episodes_to_solve"].tolist() == [2]


def test_without_validation_the_test_return_selects():
    assert selection_score(TRAINING).tolist()[1] == 95
    unvalidated = TRAINING.assign(validation_return=np.nan)
    assert selection_score(unvalidated).tolist() == unvalidated["test_return"].tolist()


@pytest.mark.parametrize(
    ("returns", "expected"), [([3, 1, 2], 30), ([4, 1, 2, 3], 30), ([5], 10), ([1, 1, 1], 20)], ids=str
)
def test_median_seed(returns, expected):
    seeds = pd.DataFrame({"seed": range(10, 10 * len(returns) + 1, 10), "best_return": returns})
    assert median_seed(seeds) == expected


def test_seeds_that_never_solved_count_as_the_longest():
    seeds = pd.DataFrame(
        {
            "seed": [1, 2, 3],
            "best_return": [95.0, 91.0, 20.0],
            "final_return": [95.0, 50.0, 20.0],
            "episodes_to_solve": [10, 30, np.nan],
            "environment_steps_to_solve": [np.nan, 500, np.nan],
        }
    )
    metrics = summarize(seeds, 90.0, params().evaluate)
    assert metrics["best"]["solved_share"] == pytest.approx(2 / 3)
    assert metrics["final"]["solved_share"] == pytest.approx(1 / 3)
    assert metrics["best"]["return_worst_seed"] == 20
    assert metrics["episodes_to_solve_median"] == 30
    assert metrics["environment_steps_to_solve_median"] is None
    assert metrics["best"]["return_iqm_low"] <= metrics["best"]["return_iqm"] <= metrics["best"]["return_iqm_high"]
    assert "solved_share" not in summarize(seeds, None, params().evaluate)["best"]
