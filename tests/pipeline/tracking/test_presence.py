import platform
import subprocess
import sys

import pytest

from pipeline.tracking.presence import forget, gone, is_working, working
from tests.pipeline.laboratory import REPOSITORY


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def test_work_is_seen_until_it_ends():
    with working() as name:
        assert is_working(name) is True
        assert gone() == []
    assert is_working(name) is None
    assert gone() == []


def test_a_killed_process_is_gone(monkeypatch):
    program = (
        "import time\nfrom pipeline.tracking.presence import working\n"
        "with working() as name:\n    print(name, flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        name = process.stdout.readline().strip()
        assert is_working(name) is True
        process.kill()
    assert is_working(name) is False
    with monkeypatch.context() as patch:
        patch.setattr(platform, "node", lambda: "elsewhere")
        assert is_working(name) is None
        assert gone() == []
    assert gone() == [name]
    forget(name)
    assert gone() == []


def test_work_that_fails_is_gone():
    with pytest.raises(ZeroDivisionError), working() as name:
        _ = 1 / 0
    assert gone() == [name]
