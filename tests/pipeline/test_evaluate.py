import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ddpg.algorithm.learner import Learner
from ddpg.algorithm.policy import Policy
from ddpg.algorithm.saved_agent import Description, write_description
from ddpg.algorithm.scaling import BoxScaler
from ddpg.config import AgentConfig
from ddpg.environments.interface import UnsuitableEnvironmentError
from ddpg.files import DamagedFileError
from ddpg.history import load_episodes
from pipeline import results
from pipeline.evaluate import evaluate, median_seed, seeds_table, selection_score, summarize
from pipeline.results import MissingResultError
from tests.pipeline.small import params

OBSERVATIONS = BoxScaler(np.float32([-1.2, -0.07]), np.float32([0.6, 0.07]))
TRAINING = pd.DataFrame(
    {
        "seed": np.repeat([2, 3], 3),
        "episode": [1, 2, 3] * 2,
        "environment_steps": [100, 200, 300] * 2,
        "validation_return": [np.nan, 95, 97, np.nan, 20, 30],
        "test_return": [1, 91, 99, 92, 93, 94],
        "training_return": [1.0] * 6,
        "reached_goal": [True, True, False] * 2,
    }
)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A project with policies of two seeds that the train stage might have written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.tracking.record", lambda *arguments: recorded.append(arguments[0]))
    recorded = []
    config = AgentConfig(hidden_layer_sizes_actor=(4,), hidden_layer_sizes_critic=((4,), (4,)))
    for seed in (2, 3):
        for i, name in enumerate(("best", "final")):
            folder = results.seed_folder(seed) / name
            folder.mkdir(parents=True)
            Learner(2, 1, config, np.random.default_rng(10 * seed + i)).save_weights(folder)
            write_description(folder, Description(config, OBSERVATIONS, BoxScaler([-1], [1])))
    TRAINING.to_csv(results.TRAIN / "episodes.csv", **results.CSV)
    return recorded


def test_writes_tables_metrics_and_the_median_seeds_policy_twice_the_same(trained):
    evaluate(params())
    assert trained == ["evaluate"]
    episodes = pd.read_csv(results.EVALUATE / "episodes.csv")
    assert len(episodes) == 2 * 2 * 3
    seeds = pd.read_csv(results.EVALUATE / "seeds.csv")
    for row in seeds.itertuples():
        own = episodes[(episodes["seed"] == row.seed) & (episodes["policy"] == "best")]
        assert row.best_return == pytest.approx(own["return"].mean(), rel=1e-4)
    metrics = json.loads((results.EVALUATE / "metrics.json").read_text())
    median = metrics["median_seed"]
    actor = (results.seed_folder(median) / "best" / "actor.weights.h5").read_bytes()
    assert (results.EVALUATE / "policy" / "actor.weights.h5").read_bytes() == actor
    policy = Policy.load(results.EVALUATE / "policy")
    for episode in load_episodes(results.EVALUATE / "trajectories.npz"):
        np.testing.assert_allclose(policy(episode.observations[:-1]), episode.actions, atol=1e-6)

    kept = {path: path.read_bytes() for path in results.EVALUATE.rglob("*") if path.is_file()}
    evaluate(params())
    assert {path: path.read_bytes() for path in results.EVALUATE.rglob("*") if path.is_file()} == kept


def test_all_policies_start_from_the_same_states_which_the_seed_chooses(trained):
    def starts(**changes):
        evaluate(params(evaluate=changes))
        return [episode.observations[0].tolist() for episode in load_episodes(results.EVALUATE / "trajectories.npz")]

    assert starts() == starts()
    assert starts(seed=1) != starts()


def test_says_which_stage_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingResultError, match="expected from the train stage, found nothing"):
        evaluate(params())
    assert not results.EVALUATE.exists()


class Evaluated:
    """A policy with one episode that says no more than its return."""

    def __init__(self, seed, name, score):
        self.seed, self.name, self.score = seed, name, score
        self.episodes = [SimpleNamespace(score=score, actions=np.full((3, 1), 0.5))]
        self.policy = SimpleNamespace(actions=BoxScaler([-1], [1]))


def test_the_seeds_table_says_when_and_why_not():
    scores = [(2, "best", 97.0), (2, "final", 12.0), (3, "best", 30.0), (3, "final", 25.0)]
    evaluated = [Evaluated(*each) for each in scores]
    table = seeds_table(evaluated, TRAINING, threshold=90.0)
    assert table["episodes_to_solve"].tolist()[0] == 2
    assert table["environment_steps_to_solve"].tolist()[0] == 200
    assert np.isnan(table["episodes_to_solve"].tolist()[1])
    assert table["best_diagnosis"].tolist() == ["solved", "not solved"]
    assert table["final_diagnosis"].tolist() == ["collapse after solving", "not solved"]
    assert list(seeds_table(evaluated, TRAINING, threshold=None)) == ["seed", "best_return", "final_return"]


def test_without_validation_the_test_return_says_when():
    assert selection_score(TRAINING).tolist()[1] == 95
    unvalidated = TRAINING.assign(validation_return=np.nan)
    assert selection_score(unvalidated).tolist() == unvalidated["test_return"].tolist()


@pytest.mark.parametrize(
    ("returns", "expected"), [([3, 1, 2], 30), ([4, 1, 2, 3], 30), ([5], 10), ([1, 1, 1], 20)], ids=str
)
def test_median_seed(returns, expected):
    seeds = pd.DataFrame({"seed": range(10, 10 * len(returns) + 1, 10), "best_return": returns})
    assert median_seed(seeds) == expected


def test_metrics_respect_seeds_that_never_solved():
    seeds = pd.DataFrame(
        {
            "seed": [1, 2, 3],
            "best_return": [95.0, 91.0, 20.0],
            "final_return": [95.0, 50.0, 20.0],
            "episodes_to_solve": [10, 30, np.nan],
            "environment_steps_to_solve": [np.nan, 500, np.nan],
        }
    )
    metrics = summarize(params(), seeds, 90.0)
    assert metrics["best"]["solved_share"] == pytest.approx(2 / 3)
    assert metrics["final"]["solved_share"] == pytest.approx(1 / 3)
    assert metrics["best"]["return_worst_seed"] == 20
    assert metrics["episodes_to_solve_median"] == 30
    assert metrics["environment_steps_to_solve_median"] is None
    assert metrics["best"]["return_iqm_low"] <= metrics["best"]["return_iqm"] <= metrics["best"]["return_iqm_high"]
    assert "solved_share" not in summarize(params(), seeds, None)["best"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("episodes.csv", b"", "expected a table"),
        ("episodes.csv", b"\xff\xfe", "expected a table"),
        ("episodes.csv", b"seed,episode\n1,1\n", "found no environment_steps"),
        ("episodes.csv", TRAINING.head(0).to_csv(index=False).encode(), "found no row"),
        ("seeds/3/final/config.json", b"[]", "expected a saved agent's description"),
        ("seeds/3/final/config.json", b'{"format": 0}', "expected format"),
        ("seeds/3/final/actor.weights.h5", b"", "expected the weights of the configured actor"),
        ("seeds/3/final/actor.weights.h5", None, "expected the weights of the configured actor"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_the_old_results_stay(trained, file, content, expected):
    evaluate(params())
    kept = {path: path.read_bytes() for path in results.EVALUATE.rglob("*") if path.is_file()}
    path = results.TRAIN / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    with pytest.raises(DamagedFileError, match=rf"^results/train/{re.escape(file)}: .*{re.escape(expected)}"):
        evaluate(params())
    assert {path: path.read_bytes() for path in results.EVALUATE.rglob("*") if path.is_file()} == kept


def test_policies_of_another_environment_are_refused_by_name(trained):
    with pytest.raises(UnsuitableEnvironmentError, match=r"^results/train/seeds/2/best: expected an environment whose"):
        evaluate(params(environment={"id": "Pendulum-v1"}))
