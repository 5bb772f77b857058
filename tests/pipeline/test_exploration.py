import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ddpg.history import NetworkWeights, save_episodes
from pipeline.exploration import page_of_results, page_of_seeds
from pipeline.results import CSV
from tests.ddpg.visualizations.conftest import make_episode, make_history
from tests.pipeline.reports.made import opened

SEEDS = (3, 1, 2)
RETURNS = [95.0, 97.0, 94.0]


@pytest.fixture
def made(tmp_path):
    """Makes results whose seeds have histories."""

    def made(name="first", size=2, with_weights=True):
        result = opened(tmp_path / name, name, RETURNS, seeds=SEEDS)
        for seed in SEEDS:
            history = make_history(size)
            history.networks = {"actor": [], "critic": [], "n_weights": 2}
            history.weights = [NetworkWeights(2, np.full(2, seed))] if with_weights else []
            folder = result.folder / f"results/train/seeds/{seed}"
            folder.mkdir(parents=True)
            history.save(folder / "history.npz")
        return result

    return made


def contents(page):
    return json.loads(re.findall(r'id="data">(.*?)</script>', page)[0])


def test_the_median_seed_comes_first_with_its_validation_its_best_policy_and_its_evaluation(made):
    result = made()
    assert result.median_seed == 1
    page = contents(page_of_seeds(result, [make_episode(1, 0, 4, 2, 1.0)]))
    assert [each["name"] for each in page["trainings"]] == ["seed 1", "seed 3", "seed 2"]
    assert page["shown"] == [0]
    first, second, _ = page["trainings"]
    assert [each["steps"] for each in first["episodes"]["evaluation"]["episodes"]] == [4]
    assert second["episodes"]["evaluation"]["episodes"] == []
    assert [each["number"] for each in first["validation"]] == [3, 4, 5, 6]
    assert first["validation"][-1]["score"] == 97
    assert first["bestEpisode"] == 6


def test_a_seed_that_never_learned_has_no_best_policy(made):
    result = made()
    file = result.folder / "results/train/episodes.csv"
    table = pd.read_csv(file).drop(columns="validation_return").assign(is_best=False)
    table.to_csv(file, **CSV)
    page = contents(page_of_seeds(result, []))
    assert [(each["bestEpisode"], each["validation"]) for each in page["trainings"]] == [(None, [])] * 3


def test_results_are_shown_side_by_side_by_their_median_seeds(made):
    results = [made("first"), made("second")]
    save_episodes(results[1].folder / "results/evaluate/trajectories.npz", [make_episode(1, 0, 4, 2, 1.0)])
    page = contents(page_of_results(results))
    assert [each["name"] for each in page["trainings"]] == ["first", "second"]
    assert page["shown"] == [0, 1]
    counts = [len(each["episodes"]["evaluation"]["episodes"]) for each in page["trainings"]]
    assert counts == [0, 1]


def test_results_without_weights_or_in_another_environment_are_left_out(made):
    first, others = made("first"), [made("other", size=3), made("earlier", with_weights=False)]
    others.append(replace(first, folder=first.folder / "nowhere", params=first.params))
    others[-1].__dict__["metrics"] = first.metrics  # of an MLflow run, which holds no histories
    assert page_of_results([first, *others]) is None
    page = contents(page_of_results([first, *others, made("second")]))
    assert [each["name"] for each in page["trainings"]] == ["first", "second"]
