"""A pool of spawned processes, each with its own pipe: they share nothing that a killed process could leave locked.

A process performs one task after another, so that slow imports happen once per process. Of the libraries, loky fails
every task when one process dies, and pebble retries in the same process; neither streams messages, keeps Ctrl-C from
reaching a process that is starting, or ends processes with a parent that is killed.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

ATTEMPTS = 2
PROCESS_NAME = "worker"
_GRACE_SECONDS = 1.0
_ENDING = (signal.SIGINT, signal.SIGTERM)

Send = Callable[[Any], None]
Prepare = Callable[[], None]
Perform = Callable[[Any, Send], None]
NonRetryable = tuple[type[Exception], ...]


class TaskError(Exception):
    """A task failed, after a retry if it was retryable.

    Args:
        name: The task's name.
        cause: Why its last attempt failed.
        details: The traceback if an exception was raised.
        attempts: How often it was tried.
    """

    def __init__(self, name: int, cause: str, details: str, attempts: int) -> None:
        super().__init__(f"{name}: {cause}")
        self.name, self.cause, self.details, self.attempts = name, cause, details, attempts


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    task: int | None = None

    def receive(self) -> tuple[str, Any]:
        """Return the next message, or a failure if the process died."""
        try:
            if self.pipe.poll() or self.process.is_alive():
                kind, content = self.pipe.recv()
                return kind, content
        except (EOFError, OSError):
            pass
        self.process.join(_GRACE_SECONDS)
        return "failed", (_cause_of_death(self.process.exitcode), "", True)


def run(
    tasks: Mapping[int, Any],
    n_workers: int,
    prepare: Prepare,
    perform: Perform,
    *,
    non_retryable: NonRetryable = (),
    on_retry: Callable[[int, str], None],
) -> Generator[tuple[int, Any], None, None]:
    """Perform tasks in worker processes, which are gone once the generator ends or is closed.

    Args:
        tasks: The argument of `perform` for each task, by name.
        n_workers: Maximum number of processes.
        prepare: Called once in each process; a module-level function, like `perform`.
        perform: Performs a task; may send any number of messages.
        non_retryable: Exceptions after which a task is not retried.
        on_retry: Called with a task's name and the cause before it is retried in a new process.

    Yields:
        A task's name and a message. A retried task may send messages again.

    Raises:
        TaskError: A task failed twice, or with a non-retryable exception.
    """
    waiting = deque(tasks)
    attempts = dict.fromkeys(tasks, 0)
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.task is not None for worker in workers):
            idle = [worker for worker in workers if worker.task is None]
            while waiting and (idle or len(workers) < n_workers):
                if not idle:
                    with _signals_held():
                        workers.append(_start(prepare, perform, non_retryable))
                    idle.append(workers[-1])
                worker = idle.pop()
                worker.task = waiting.popleft()
                attempts[worker.task] += 1
                with contextlib.suppress(OSError):  # it is dead, which its sentinel reports
                    worker.pipe.send(tasks[worker.task])
            for worker in _ready([each for each in workers if each.task is not None]):
                name = worker.task
                assert name is not None
                kind, content = worker.receive()
                if kind == "sent":
                    yield name, content
                    continue
                worker.task = None
                if kind == "failed":
                    _terminate([worker])
                    workers.remove(worker)
                    cause, details, is_retryable = content
                    if not is_retryable or attempts[name] == ATTEMPTS:
                        raise TaskError(name, cause, details, attempts[name])
                    on_retry(name, cause)
                    waiting.appendleft(name)
    finally:
        _terminate(workers)


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """Wait until a worker has sent something or died; return all that have."""
    ready = connection.wait([each for worker in workers for each in (worker.pipe, worker.process.sentinel)])
    return [worker for worker in workers if worker.pipe in ready or worker.process.sentinel in ready]


def _start(prepare: Prepare, perform: Perform, non_retryable: NonRetryable) -> _Worker:
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(theirs, prepare, perform, non_retryable), daemon=True, name=PROCESS_NAME
    )
    process.start()
    theirs.close()  # so that the pipe closes when the process dies
    return _Worker(process, pipe)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Defer signals while a process starts: until it is in the list of workers, nothing would terminate it.

    The process inherits a blocked SIGINT, which it cannot ignore before its own code runs.
    """
    held: list[int] = []
    resource_tracker.ensure_running()  # when started later, it would unblock SIGINT
    handlers = {each: signal.signal(each, lambda number, _: held.append(number)) for each in _ENDING}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for each, handler in handlers.items():
            signal.signal(each, handler)
        for number in held:
            signal.raise_signal(number)


def _terminate(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + _GRACE_SECONDS
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()


def _cause_of_death(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        by = signal.Signals(-exitcode).name
        memory = "; the system may have run out of memory" if by == "SIGKILL" else ""
        return f"its process was killed by {by}{memory}"
    return f"its process exited with status {exitcode}"


def _serve(pipe: Connection, prepare: Prepare, perform: Perform, non_retryable: NonRetryable) -> None:
    """Perform tasks until the parent terminates this process."""
    # Ctrl-C reaches the whole process group; the parent terminates its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    prepare()
    while True:
        try:
            perform(pipe.recv(), lambda content: pipe.send(("sent", content)))
            pipe.send(("done", None))
        except Exception as error:
            # As text: to unpickle an exception, the parent might have to load TensorFlow.
            cause = f"{type(error).__name__}: {error}"
            with contextlib.suppress(OSError):
                pipe.send(("failed", (cause, traceback.format_exc(), not isinstance(error, non_retryable))))
            return


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
