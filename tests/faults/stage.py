"""The train stage as a process of its own, with real signals."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Stage:
    """`python -m pipeline.train` in a project, in a process group of its own as a shell starts it."""

    def __init__(self, project, prepare=None):
        self.project = project
        self.log = project / "stderr.txt"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_", "PYTHONPATH"))
        }
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.train"],
                cwd=project,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                # A shell may have started the tests with interrupts ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @property
    def errors(self):
        return self.log.read_text()

    def workers(self):
        """Processes that train, TensorFlow's or not yet, that are alive."""
        return [pid for pid, command in self.group().items() if "spawn_main" in command]

    def group(self):
        """Commands of all living processes of the stage, by their id."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    status = (folder / "stat").read_text().rpartition(")")[2].split()
                    command = (folder / "cmdline").read_text().replace("\0", " ")
                except OSError:  # it ended meanwhile
                    continue
                if int(status[2]) == self.process.pid and status[0] != "Z":
                    found[int(folder.name)] = command
        return found

    def wait_for(self, holds, seconds=60):
        """Waits until this holds; returns how long it took."""
        started = time.monotonic()
        while not holds():
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"nothing for {seconds} s; the stage said:\n{self.errors}")
            time.sleep(0.02)
        return time.monotonic() - started

    def end(self, number, *, whole_group=False):
        if whole_group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
