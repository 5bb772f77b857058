"""Trainings that are interrupted by real signals; FAULT_TRIES and FAULT_KILLS ask for more of them."""

import contextlib
import os
import random
import shutil
import signal
import time

import pytest

from tests.faults.stage import Stage
from tests.pipeline.small import copy_project, write_params

TRIES = int(os.environ.get("FAULT_TRIES", "1"))
KILLS = int(os.environ.get("FAULT_KILLS", "2"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are counted in /proc"),  # noqa: PTH112
]


def new_project(folder, migrated_store, **changes):
    folder.mkdir()
    copy_project(folder)
    write_params(folder, **changes)
    shutil.copy(migrated_store, folder / "mlflow.db")
    return folder


def results(project):
    folder = project / "results" / "train"
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".gitignore")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run_to_the_end(project):
    with Stage(project) as stage:
        assert stage.process.wait(120) == 0, stage.errors
        stage.wait_for(lambda: not stage.group(), 2)
    return stage.errors


@pytest.mark.minutes
def test_a_training_that_is_killed_at_any_moment_ends_with_the_same_bytes(tmp_path, migrated_store, capsys):
    plan = {"n_episodes": 150, "checkpoint_every": 2, "gen_q_a_frames_every_n_steps": 50}
    project = new_project(tmp_path / "project", migrated_store, train=plan)
    with Stage(project) as stage:
        seconds_to_start = stage.wait_for(lambda: "state-" in tree(project))
        seconds_to_train = stage.wait_for(lambda: stage.process.poll() is not None, 120)
    expected = results(project)
    assert len(expected["episodes.csv"].splitlines()) == 1 + 2 * 150
    n_resumed = 0
    for attempt in range(TRIES):
        rng = random.Random(attempt)
        for folder in ("results/train", ".seeds"):
            shutil.rmtree(project / folder)
        victims: list[str] = []
        while len(victims) < KILLS:
            victims += kill_at_random(project, rng, seconds_to_start, seconds_to_train)
        errors = run_to_the_end(project)
        resumed = "resumed from its checkpoint" in errors
        n_resumed += resumed
        with capsys.disabled():
            print(f"\ntraining {attempt + 1}: kill -9 of {', '.join(victims)}; resumed: {resumed}", end="")
        assert results(project) == expected
        assert "state-" not in tree(project)
    assert n_resumed


def kill_at_random(project, rng, seconds_to_start, seconds_to_train):
    """Kills the stage, alone, with its workers, or after one of them; returns which, or nothing if it had ended."""
    before = tree(project)
    with Stage(project) as stage:
        if rng.random() < 0.2:
            time.sleep(rng.uniform(0, seconds_to_start))
        else:
            stage.wait_for(lambda: saves_anew(project, before) or stage.process.poll() is not None, 120)
            time.sleep(rng.uniform(0, seconds_to_train / KILLS))
        victim = rng.choice(["stage", "group", "worker"]) if stage.workers() else "stage"
        if victim == "worker":
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(rng.choice(stage.workers()), signal.SIGKILL)
            time.sleep(rng.uniform(0, 1))
        stage.end(signal.SIGKILL, whole_group=victim == "group")
        was_alive = stage.process.wait() == -signal.SIGKILL
        stage.wait_for(lambda: not stage.group(), 10)
    return [victim] if was_alive else []


def saves_anew(project, before):
    names = tree(project)
    return "state" in names and names != before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["while it starts", "while it trains"])
def test_workers_are_gone_at_once_and_the_terminal_is_clean(tmp_path, migrated_store, number, moment):
    project = new_project(tmp_path / "project", migrated_store, train={"n_episodes": 3000, "checkpoint_every": 1})
    with Stage(project) as stage:
        stage.wait_for(stage.workers if moment == "while it starts" else lambda: "state-" in tree(project))
        # A terminal interrupts all; who ends a process, ends one.
        stage.end(number, whole_group=number == signal.SIGINT)
        assert stage.wait_for(lambda: not stage.workers()) < 2
        assert stage.process.wait(30) == 128 + number
        stage.wait_for(lambda: not stage.group(), 2)
        for trace in ("Traceback", "failed", "leaked"):
            assert trace not in stage.errors
        if number == signal.SIGINT:
            assert stage.errors.endswith("train: interrupted\n")


def tree(project):
    return " ".join(path.name for path in (project / ".seeds").rglob("*"))


def test_nothing_outlives_a_stage_that_is_killed(tmp_path, migrated_store):
    with Stage(
        new_project(tmp_path / "project", migrated_store, train={"n_episodes": 3000, "checkpoint_every": 1})
    ) as stage:
        stage.wait_for(lambda: "state-" in tree(stage.project))
        assert len(stage.workers()) >= 1
        stage.end(signal.SIGKILL)
        assert stage.wait_for(lambda: not stage.group()) < 2
