"""Tasks for `pipeline.execution.workers`, whose processes import them."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

from pipeline.execution.workers import PROCESS_NAME


def living():
    """Return the workers of this process, without others such as joblib's."""
    return [process for process in multiprocessing.active_children() if process.name == PROCESS_NAME]


def prepare():
    pass


def fail_to_prepare():
    raise ImportError("no such library")


def perform(task, send):
    """Perform a task: what to do, and the folder in which its attempts are counted."""
    what, folder = task
    folder = Path(folder)
    attempt = len(list(folder.iterdir()))
    (folder / f"{attempt}-{os.getpid()}").touch()
    send(os.getpid())
    if what == "sleep":
        time.sleep(60)
    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send("deaf")
        time.sleep(60)
    if what == "raise" or (what == "raise once" and attempt == 0):
        raise ZeroDivisionError("it broke")
    if what == "diverge":
        raise OverflowError("too large")
    if what == "die" or (what == "die once" and attempt == 0):
        send(b"x" * 10**6)
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(3)
    send("done")
