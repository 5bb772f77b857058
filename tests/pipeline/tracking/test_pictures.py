"""Pictures of the networks in a real MLflow store, live and from files."""

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

from ddpg.history import GridAxes, Snapshot, TrainingHistory
from pipeline.tracking import LiveTraining, record
from pipeline.tracking.pictures import pictured_snapshots
from tests.ddpg.visualizations.conftest import make_history
from tests.pipeline.laboratory import Laboratory, Store

pytestmark = pytest.mark.slow


def networks(episode: int) -> TrainingHistory:
    """What a worker sends after an episode of ten agent steps."""
    grid = np.linspace(0, episode, 12).reshape(3, 4)
    axes = GridAxes(np.linspace(-1, 1, 4), np.linspace(-1, 1, 3), 0, 1, 0)
    snapshot = Snapshot(10 * episode, episode, grid, grid, grid / 10, grid[..., None], grid[..., None] / 10)
    low = np.array([-1.0])
    return TrainingHistory(("x", "y"), ("force",), low, -low, snapshots=[snapshot], grid=axes)


def train_live(laboratory: Laboratory, every_n_episodes: int, last: int = 6) -> None:
    params = laboratory.params | {"tracking": {"pictures_every_n_episodes": every_n_episodes}}
    with LiveTraining(params) as tracker:
        for seed in laboratory.seeds:
            for episode in laboratory.records(seed):
                sent = networks(episode["episode"]) if episode["episode"] <= last else None
                tracker.log_episode(seed, episode, sent)
        tracker.finish(laboratory.results)


def pictured_episodes(store: Store) -> dict[int, list[int]]:
    """By seed: the steps of its pictures, as MLflow names them."""
    (parent,) = store.parents()
    names = {seed: store.artifacts(run, "images") for seed, run in store.children(parent).items()}
    return {
        seed: sorted(int(step) for name in found for step in re.findall(r"networks\Wstep\W(\d+)\W.*\.png", name))
        for seed, found in names.items()
    }


def test_every_nth_episode_of_each_seed_is_pictured(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory, 2)
    assert pictured_episodes(store) == {1: [0, 2, 4, 6], 2: [0, 2, 4, 6], 3: [0, 2, 4, 6]}
    child = store.children(store.parents()[0])[1]
    names = [name for name in store.artifacts(child, "images") if name.endswith(".png")]
    with Image.open(store.client.download_artifacts(child.info.run_id, names[0])) as picture:
        assert picture.size[0] == 960


def test_none_are_drawn_if_none_are_asked_for(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory, 0)
    assert pictured_episodes(store) == {1: [], 2: [], 3: []}


@pytest.fixture
def histories(laboratory: Laboratory) -> None:
    """A history for each seed, with six episodes of ten agent steps and a snapshot in each."""
    history = make_history()
    episode = history.training_episodes[0]
    episodes = [dataclasses.replace(episode, episode=i + 1, first_step=4 * i) for i in range(6)]
    snapshots = [history.snapshots[0]._replace(step=4 * i + 2, episode=i + 1) for i in range(6)]
    whole = dataclasses.replace(history, training_episodes=episodes, test_episodes=[], snapshots=snapshots)
    for seed in laboratory.seeds:
        whole.save(laboratory.results / f"train/seeds/{seed}/history.npz")


@pytest.mark.usefixtures("histories")
def test_those_that_the_tracker_missed_come_from_the_files_once(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory, 2, last=3)
    expected = {1: [0, 2, 4, 6], 2: [0, 2, 4, 6], 3: [0, 2, 4, 6]}
    assert pictured_episodes(store) == expected
    params = laboratory.params | {"tracking": {"pictures_every_n_episodes": 2}}
    record("train", params, laboratory.results)
    assert pictured_episodes(store) == expected


def test_parameters_of_before_there_were_pictures_ask_for_none(laboratory: Laboratory, store: Store) -> None:
    params = {name: value for name, value in laboratory.params.items() if name != "tracking"}
    record("train", params, laboratory.results)
    assert pictured_episodes(store) == {1: [], 2: [], 3: []}


def test_a_picture_shows_the_newest_snapshot_at_the_end_of_its_episode() -> None:
    history = make_history()  # 4, 6 and 5 agent steps, a snapshot every 2nd
    found = [(step, snapshot.step) for step, snapshot in pictured_snapshots(history, 1)]
    assert found == [(0, 4), (1, 4), (2, 10), (3, 14)]
    assert [step for step, _ in pictured_snapshots(history, 2)] == [0, 2]
    history.snapshots = history.snapshots[3:]  # the first is of step 8
    assert [step for step, _ in pictured_snapshots(history, 1)] == [0, 2, 3]
