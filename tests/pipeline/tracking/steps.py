"""What tests of tracking do in several files."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.tracking import LiveTraining, record
from tests.pipeline.laboratory import Laboratory


def train_live(laboratory: Laboratory, timings: dict[str, float] | None = None) -> None:
    with LiveTraining(laboratory.params) as tracker:
        for seed in laboratory.seeds:
            for episode in laboratory.records(seed):
                tracker.log_episode(seed, episode)
        tracker.finish(laboratory.results, timings)


def record_all(laboratory: Laboratory) -> None:
    for stage in ("train", "evaluate", "animate"):
        record(stage, laboratory.params, laboratory.results)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def save_no_actor(policy: Path, folder: Path, *_: Any) -> None:
    """Replaces `pipeline.tracking.model.save_actor`, which takes seconds."""
    folder.mkdir()
    (folder / "MLmodel").touch()
