"""The audit of the lock, by pip-audit itself, against a database of the tests' own."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LOCK = f"first==1.0 --hash=sha256:{'0' * 64}\nsecond==2.0 --hash=sha256:{'1' * 64}\n"
VULNERABLE = {
    "vulns": [
        {
            "id": "EXAMPLE-1",
            "summary": "An example",
            "affected": [
                {
                    "package": {"name": "second", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]}],
                }
            ],
        }
    ]
}


@contextmanager
def database(vulnerable: bool = False, status: int = 200, delay: float = 0) -> Iterator[tuple[str, list[str]]]:
    """Answers as osv.dev does; gives its address and the packages that it was asked about."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(query["package"]["name"])
            time.sleep(delay)
            answer = json.dumps(VULNERABLE if vulnerable and asked[-1] == "second" else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()


def audit(folder: Path, address: str, *options: str, lock: str = LOCK) -> tuple[int, str]:
    file = folder / "requirements.lock"
    file.write_text(lock, encoding="utf-8")
    command = [sys.executable, ROOT / ".ci/audit.py", file, "--osv-url", address, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_every_dependency_is_audited(tmp_path: Path) -> None:
    with database() as (address, asked):
        status, text = audit(tmp_path, address)
    assert (status, text) == (0, "audit: no known vulnerability in 2 dependencies\n")
    assert sorted(asked) == ["first", "second"]


def test_a_vulnerability_fails_by_name_with_the_version_that_mends_it(tmp_path: Path) -> None:
    with database(vulnerable=True) as (address, _):
        status, text = audit(tmp_path, address)
    assert status == 1
    assert "second 2.0: EXAMPLE-1, mended in: 2.1\n" in text


def test_a_database_out_of_reach_is_said_and_fails_nothing(tmp_path: Path) -> None:
    with database() as (address, _):
        pass
    status, text = audit(tmp_path, address)
    assert status == 0
    assert text.startswith("audit: not audited: the database of vulnerabilities cannot be reached (")
    assert text.count("\n") == 1


def test_a_database_that_fails_is_no_clean_bill(tmp_path: Path) -> None:
    with database(status=503) as (address, _):
        status, text = audit(tmp_path, address)
    assert status == 0
    assert "not audited" in text
    assert "no known vulnerability" not in text


def test_a_database_that_hangs_is_left(tmp_path: Path) -> None:
    with database(delay=8) as (address, _):
        status, text = audit(tmp_path, address, "--seconds", "4")
    assert (status, text) == (0, "audit: not audited: the database of vulnerabilities took more than 4 s\n")


@pytest.mark.parametrize("lock", ["first==1.0\n", "first>=1.0\n", "first == \n"])
def test_a_lock_without_hashes_or_versions_is_refused(tmp_path: Path, lock: str) -> None:
    with database() as (address, asked):
        status, text = audit(tmp_path, address, lock=lock)
    assert status == 2
    assert "expected a lock that pip-audit can read" in text
    assert not asked
