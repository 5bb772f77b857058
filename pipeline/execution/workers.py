"""Tasks for spawned processes, each with a pipe of its own: nothing that a killed process could leave locked is shared.

A process does one task after the other, so that what takes long to import is imported once in each.
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


class TaskError(Exception):
    """A task that failed, and was tried again if that could help.

    Args:
        name: Of the task.
        cause: What its last attempt ended by.
        details: The traceback of an exception.
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
        """The next message; one of its own where the process died."""
        try:
            if self.pipe.poll() or self.process.is_alive():
                kind, content = self.pipe.recv()
                return kind, content
        except (EOFError, OSError):
            pass
        self.process.join(_GRACE_SECONDS)
        return "failed", (_cause_of_death(self.process.exitcode), "", False)


def run(
    tasks: Mapping[int, Any],
    n_workers: int,
    prepare: Prepare,
    perform: Perform,
    *,
    hopeless: tuple[type[Exception], ...] = (),
    on_retry: Callable[[int, str], None],
) -> Generator[tuple[int, Any], None, None]:
    """Does tasks in processes, which are gone when the generator has ended or is closed.

    Args:
        tasks: What `perform` is given, by name.
        n_workers: Processes.
        prepare: Called once in each process; like `perform` a function of a module.
        perform: Does a task; sends what it likes.
        hopeless: Exceptions after which a task is not tried again.
        on_retry: Called with a task's name and why it is tried again, in a new process.

    Yields:
        A task's name and what it sent. One that is tried again may send again.

    Raises:
        TaskError: A task failed twice, or hopelessly.
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
                        workers.append(_start(prepare, perform, hopeless))
                    idle.append(workers[-1])
                worker = idle.pop()
                worker.task = waiting.popleft()
                attempts[worker.task] += 1
                with contextlib.suppress(OSError):  # dead already: its pipe tells
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
                    _end([worker])
                    workers.remove(worker)
                    cause, details, is_hopeless = content
                    if is_hopeless or attempts[name] == ATTEMPTS:
                        raise TaskError(name, cause, details, attempts[name])
                    on_retry(name, cause)
                    waiting.appendleft(name)
    finally:
        _end(workers)


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """Those that sent something or died; waits for the first."""
    ready = connection.wait([each for worker in workers for each in (worker.pipe, worker.process.sentinel)])
    return [worker for worker in workers if worker.pipe in ready or worker.process.sentinel in ready]


def _start(prepare: Prepare, perform: Perform, hopeless: tuple[type[Exception], ...]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, prepare, perform, hopeless), daemon=True, name=PROCESS_NAME)
    process.start()
    theirs.close()  # so that the pipe ends with the process
    return _Worker(process, pipe)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Puts off what signals do while a process starts: until it is listed, nobody would end it.

    The process inherits that interrupts are blocked, as it has no way yet to ignore them.
    """
    held: list[int] = []
    resource_tracker.ensure_running()  # which would unblock them
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


def _end(workers: list[_Worker]) -> None:
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
        memory = "; the system may have ended it for want of memory" if by == "SIGKILL" else ""
        return f"its process was ended by {by}{memory}"
    return f"its process exited with status {exitcode}"


def _serve(pipe: Connection, prepare: Prepare, perform: Perform, hopeless: tuple[type[Exception], ...]) -> None:
    """What a process does until its parent ends it."""
    # Ctrl-C reaches the whole process group; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare()
    while True:
        try:
            perform(pipe.recv(), lambda content: pipe.send(("sent", content)))
            pipe.send(("done", None))
        except Exception as error:
            # As text: to unpickle an exception, the parent might have to load TensorFlow.
            cause = f"{type(error).__name__}: {error}"
            with contextlib.suppress(OSError):
                pipe.send(("failed", (cause, traceback.format_exc(), isinstance(error, hopeless))))
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
