import os
import subprocess
import sys
import time

import pytest

from pipeline.execution.workers import TaskError, run
from tests.pipeline.execution import tasks
from tests.pipeline.execution.tasks import living
from tests.pipeline.small import ROOT

pytestmark = pytest.mark.slow


def start(folder, *whats, n_workers=1, prepare=tasks.prepare):
    """Run tasks named by their number; return the generator and the list of retries."""
    given, retried = {}, []
    for number, what in enumerate(whats):
        (folder / str(number)).mkdir()
        given[number] = what, str(folder / str(number))
    messages = run(
        given,
        n_workers,
        prepare,
        tasks.perform,
        non_retryable=(OverflowError,),
        on_retry=lambda name, cause: retried.append((name, cause)),
    )
    return messages, retried


def test_one_process_performs_tasks_in_turn(tmp_path):
    messages = list(start(tmp_path, "", "", "")[0])
    assert [(name, text) for name, text in messages if text == "done"] == [(0, "done"), (1, "done"), (2, "done")]
    assert len({pid for _, pid in messages if pid != "done"}) == 1
    assert not living()


def test_processes_run_in_parallel_and_there_are_no_more_than_tasks(tmp_path):
    messages, _ = start(tmp_path, "sleep", "sleep", n_workers=5)
    pids = [next(messages)[1], next(messages)[1]]
    assert len(set(pids)) == len(living()) == 2
    messages.close()
    assert not living()


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        ("raise once", "ZeroDivisionError: it broke"),
        ("die once", "its process was killed by SIGKILL; the system may have run out of memory"),
    ],
)
def test_a_failed_task_is_retried_in_a_new_process(tmp_path, what, cause):
    messages, retried = start(tmp_path, what, "")
    received = list(messages)
    assert [name for name, content in received if content == "done"] == [0, 1]
    assert retried == [(0, cause)]
    first, second = [pid for name, pid in received if name == 0 and isinstance(pid, int)]
    assert first != second


@pytest.mark.parametrize(
    ("what", "cause", "attempts"),
    [
        ("raise", "ZeroDivisionError: it broke", 2),
        ("die", "its process was killed by SIGKILL; the system may have run out of memory", 2),
        ("exit", "its process exited with status 3", 2),
        ("diverge", "OverflowError: too large", 1),
    ],
)
def test_a_task_that_fails_again_ends_the_pool(tmp_path, what, cause, attempts):
    messages, retried = start(tmp_path, what, "sleep", n_workers=2)
    with pytest.raises(TaskError) as error:
        list(messages)
    assert (error.value.name, error.value.cause, error.value.attempts) == (0, cause, attempts)
    assert ("in perform" in error.value.details) == (":" in cause)
    assert len(retried) == attempts - 1
    assert len(list((tmp_path / "0").iterdir())) == attempts
    assert not living()


def test_a_process_that_fails_to_prepare_is_an_error(tmp_path):
    messages, _ = start(tmp_path, "", prepare=tasks.fail_to_prepare)
    with pytest.raises(TaskError) as error:
        list(messages)
    assert error.value.cause == "its process exited with status 1"


def test_processes_that_ignore_sigterm_are_killed(tmp_path):
    messages, _ = start(tmp_path, "stubborn")
    while next(messages)[1] != "deaf":
        pass
    started = time.monotonic()
    messages.close()
    assert time.monotonic() - started < 2
    assert not living()


ORPHANS = """
import os, sys
from tests.pipeline.execution import tasks
from pipeline.execution.workers import run
if __name__ == "__main__":
    given = {0: ("sleep", sys.argv[1]), 1: ("sleep", sys.argv[1])}
    messages = run(given, 2, tasks.prepare, tasks.perform, on_retry=print)
    print(next(messages)[1], next(messages)[1], flush=True)
    os.kill(os.getpid(), 9)
"""


def test_no_process_outlives_a_killed_parent(tmp_path):
    (tmp_path / "count").mkdir()
    (tmp_path / "orphans.py").write_text(ORPHANS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "orphans.py"), str(tmp_path / "count")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == -9
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
