"""Episodes in a real MLflow store while training runs."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.tracking import LiveTraining, client, live
from tests.pipeline.laboratory import Laboratory, Store
from tests.pipeline.tracking.steps import train_live, wait_until

pytestmark = pytest.mark.slow


def test_live_training_holds_exactly_the_episodes_of_the_file(laboratory: Laboratory, store: Store) -> None:
    train_live(laboratory, {"train_seconds": 12.5})
    (parent,) = store.parents()
    children = store.children(parent)
    assert sorted(children) == [1, 2, 3]
    for seed, child in children.items():
        points = store.points(child)
        assert len(points) == len(set(points))
        assert set(points) == laboratory.recorded_points(seed)
        assert child.info.status == "FINISHED"
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["time/train_seconds"] == 12.5
    assert "backfilled" not in parent.data.tags


def test_episodes_arrive_while_training_runs(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_BATCH_SECONDS", 0.05)
    with LiveTraining(laboratory.params) as tracker:
        tracker.log_episode(2, next(laboratory.records(2)))
        wait_until(lambda: any("train/return" in run.data.metrics for run in store.runs()))
        (parent,) = store.parents()
        assert store.children(parent)[2].data.metrics["train/agent_steps"] == 200
        assert parent.info.status == "RUNNING"


def test_episodes_that_were_not_delivered_come_from_the_file_once(laboratory: Laboratory, store: Store) -> None:
    with LiveTraining(laboratory.params) as tracker:
        tracker.log_episode(1, next(laboratory.records(1)))
        tracker.finish(laboratory.results)
    (parent,) = store.parents()
    for seed, child in store.children(parent).items():
        assert sorted(store.points(child)) == sorted(laboratory.recorded_points(seed))


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_training_that_ends_by_an_exception_closes_its_runs(
    laboratory: Laboratory, store: Store, error: type[BaseException], status: str
) -> None:
    def train() -> None:
        with LiveTraining(laboratory.params) as tracker:
            tracker.log_episode(1, next(laboratory.records(1)))
            raise error

    with pytest.raises(error):
        train()
    (parent,) = store.parents()
    children = store.children(parent)
    assert [run.info.status for run in (parent, *children.values())] == [status] * 4
    assert children[1].data.metrics["train/agent_steps"] == 200
    assert not any(name.startswith("digest.") for name in parent.data.tags)


def test_requests_do_not_grow_with_the_episodes(
    laboratory: Laboratory, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[str] = []
    add_metrics = client.Experiment.add_metrics

    def counted(self: client.Experiment, run: str, metrics: Sequence[Any]) -> None:
        requests.append(run)
        add_metrics(self, run, metrics)

    monkeypatch.setattr(client.Experiment, "add_metrics", counted)
    train_live(laboratory)
    (parent,) = store.parents()
    for child in store.children(parent).values():
        # One while the thread opened the runs, one for the episodes since, and one more where the file had others.
        assert 1 <= requests.count(child.info.run_id) <= 3 < laboratory.n_episodes
