"""The project's own MLflow server, as a test starts and ends it."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

START_SECONDS = 60
END_SECONDS = 20


class Server:
    """`python -m pipeline.ui` in a project's folder."""

    def __init__(self, project):
        self.port = free_port()
        self._log = project / "ui.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
        with self._log.open("w") as log:
            # A session of its own: all its processes are one group, of which a signal reaches the first only.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.ui", "--port", str(self.port)],
                cwd=project,
                env=environment | {"DVC_ROOT": str(project)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    @property
    def address(self):
        """The one it prints."""
        return re.search(r"http://\S+", self._log.read_text())[0]

    @property
    def is_alive(self):
        """Whether any of its processes is."""
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def end(self, by):
        """Its exit status after a signal."""
        self._process.send_signal(by)
        return self._process.wait(END_SECONDS)

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5):
                return
            time.sleep(0.2)
        self.kill()
        raise AssertionError(f"pipeline.ui does not answer:\n{self._log.read_text()}")


@contextmanager
def served(project):
    """A server that is gone afterwards, whatever happens."""
    server = Server(project)
    try:
        yield server
    finally:
        server.kill()


def free_port():
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]
