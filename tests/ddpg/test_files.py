import errno
import os
import resource
import signal
import subprocess
import sys

import pytest

from ddpg.files import replacing, require_parent


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_appears_whole(tmp_path):
    file = tmp_path / "a.weights.h5"
    with replacing(file) as temporary:
        assert temporary.name.endswith(".a.weights.h5")
        temporary.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"
    assert names(tmp_path) == ["a.weights.h5"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    file = tmp_path / "a.csv"
    file.write_text("old")

    def fail():
        with replacing(file) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert file.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_an_error_of_the_system_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.csv'"), replacing(tmp_path / "a.csv"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


WRITERS = {
    "table.csv": "from pipeline.results import write_table; import pandas as pd; "
    "write_table(path, pd.DataFrame({'a': range(100_000)}))",
    "metrics.json": "from pipeline.results import write_json; write_json(path, {'a': 'b' * 100_000})",
    "history.npz": "from ddpg.arrays import save_arrays; import numpy as np; "
    "save_arrays(path, {'a': np.random.default_rng(0).random(100_000)})",
    "film.mp4": "from ddpg.visualizations import write_mp4; import numpy as np; rng = np.random.default_rng(0); "
    "write_mp4([rng.integers(255, size=(64, 64, 3), dtype=np.uint8) for _ in range(100)], path, 10)",
    "film.gif": "from ddpg.visualizations.video import shrink, write_gif; import numpy as np; "
    "rng = np.random.default_rng(0); "
    "images = [shrink(rng.integers(255, size=(64, 64, 3), dtype=np.uint8), 64) for _ in range(100)]; "
    "write_gif(images, range(101), path, 10)",
    "actor.weights.h5": "from ddpg.config import AgentConfig; from ddpg.algorithm.learner import Learner; "
    "import numpy as np; "
    "Learner(2, 1, AgentConfig(), np.random.default_rng(0)).save_weights(path.parent)",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_is_full_leaves_no_half_file(tmp_path, name):
    """A limit on the size of files stands in for it: both fail in the middle of writing."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    (tmp_path / name).write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", f"from pathlib import Path; path = Path({str(tmp_path / name)!r}); {WRITERS[name]}"],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"MPLCONFIGDIR": str(tmp_path.parent)},
    )
    assert done.returncode == 1, done.stderr  # a crash would be negative
    assert "File too large" in done.stderr
    assert name in done.stderr.splitlines()[-1]
    assert (tmp_path / name).read_bytes() == b"old"
    assert names(tmp_path) == [name]


def test_a_path_where_nothing_can_be_made_is_refused_before_any_work(tmp_path):
    require_parent(tmp_path / "new/folder/file")
    assert names(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"expected a path in a folder, but .*file is a file"):
        require_parent(tmp_path / "file/a/b")
    with pytest.raises(OSError, match="name too long"):
        require_parent(tmp_path / ("a" * 300) / "b")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="expected a folder that may be written"):
        require_parent(tmp_path / "a/b")
