import json
import re

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
from pipeline.errors import MissingResultError
from pipeline.evaluate import evaluate
from tests.pipeline.small import params
from tests.pipeline.test_scores import TRAINING

OBSERVATIONS = BoxScaler(np.float32([-1.2, -0.07]), np.float32([0.6, 0.07]))


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A project with policies of two seeds as the train stage writes them."""
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


def test_writes_the_same_tables_metrics_and_policy_of_the_median_seed_twice(trained):
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


def test_the_seed_determines_the_start_states(trained):
    def starts(**changes):
        evaluate(params(evaluate=changes))
        return [episode.observations[0].tolist() for episode in load_episodes(results.EVALUATE / "trajectories.npz")]

    assert starts() == starts()
    assert starts(seed=1) != starts()


def test_a_missing_stage_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingResultError, match="expected from the train stage, found nothing"):
        evaluate(params())
    assert not results.EVALUATE.exists()


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
def test_a_damaged_file_is_reported_and_the_old_results_stay(trained, file, content, expected):
    evaluate(params())
    kept = {path: path.read_bytes() for path in results.EVALUATE.rglob("*") if path.is_file()}
    path = results.TRAIN / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if content is None else content)
    with pytest.raises(DamagedFileError, match=rf"^results/train/{re.escape(file)}: .*{re.escape(expected)}"):
        evaluate(params())
    assert {path: path.read_bytes() for path in results.EVALUATE.rglob("*") if path.is_file()} == kept


def test_policies_of_another_environment_are_reported(trained):
    with pytest.raises(UnsuitableEnvironmentError, match=r"^results/train/seeds/2/best: expected an environment whose"):
        evaluate(params(environment={"id": "Pendulum-v1"}))
