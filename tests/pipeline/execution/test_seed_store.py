import errno
import math
import os
import shutil
import subprocess
import sys
import threading

import pytest
from filelock import FileLock

from pipeline.execution import seed_store
from pipeline.execution.seed_store import SeedStore, checkpoint_directory, restore, store
from tests.pipeline.small import params

EPISODES = [{"episode": 1, "training_return": 0.1 + 0.2}, {"episode": 2, "training_return": -math.inf}]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path / ".seeds"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def add(seeds, seed, size=1):
    """Stores a seed with results of some bytes, as a worker does."""
    directory = seeds.directory(seed)
    written = directory.parent.parent.parent / f"written-{seed}"
    (written / "best").mkdir(parents=True, exist_ok=True)
    (written / "best/weights").write_bytes(b"w" * size)
    (written / "history.npz").write_text(f"seed {seed}")
    store(directory, written, EPISODES)
    return contents(written)


def test_a_trained_seed_is_restored_with_the_same_bytes_and_numbers(folder, tmp_path):
    with SeedStore(params(seeds=[5, 6])) as seeds:
        checkpoints = checkpoint_directory(seeds.directory(5))
        checkpoints.mkdir()
        written = add(seeds, 5)
        assert not checkpoints.exists()
        assert seeds.restore(6, tmp_path / "6") is None
        assert not (tmp_path / "6").exists()
    with SeedStore(params(seeds=[5])) as seeds:
        assert seeds.restore(5, tmp_path / "5") == EPISODES
    assert contents(tmp_path / "5") == written


def test_checkpoints_outlive_an_interruption(folder):
    def interrupted():
        with SeedStore(params(seeds=[5])) as seeds:
            checkpoint_directory(seeds.directory(5)).mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with SeedStore(params(seeds=[5])) as seeds:
        assert checkpoint_directory(seeds.directory(5)).is_dir()


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_a_damaged_entry_is_removed_with_a_warning(folder, tmp_path, capsys, damage):
    with SeedStore(params(seeds=[5])) as seeds:
        add(seeds, 5)
        (trained,) = seeds.directory(5).iterdir()
        if damage == "missing":
            (trained / "history.npz").unlink()
        else:
            (trained / ("history.npz" if damage == "changed" else "other")).write_text("else")
        assert seeds.restore(5, tmp_path / "5") is None
        assert not trained.exists()
    assert not (tmp_path / "5").exists()
    assert "warning: seed 5: its stored results are damaged" in capsys.readouterr().err


HOLD_LOCK = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def stored(folder):
    """A store that holds seed 5 and is not open."""
    with SeedStore(params(seeds=[5])) as seeds:
        add(seeds, 5)
    return seeds.folder / "5"


@pytest.fixture
def elsewhere(stored):
    """Another process that trains seed 5."""
    command = [sys.executable, "-c", HOLD_LOCK, str(stored.with_suffix(".lock"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


def test_a_seed_that_another_process_uses_can_be_restored_but_not_written(stored, elsewhere, tmp_path, capsys):
    key = stored.parent.name
    with SeedStore(params(seeds=[5, 6])) as seeds:
        assert seeds.directory(5) is None
        assert seeds.directory(6)
        assert seeds.key is None
        assert seeds.restore(5, tmp_path / "5") == EPISODES
    assert (
        "seeds 5: trained without checkpoints and not stored for reuse (in use by another process)"
        in capsys.readouterr().err
    )
    elsewhere.kill()  # which leaves its lock file
    elsewhere.wait()
    with SeedStore(params(seeds=[5, 6])) as seeds:
        assert seeds.key == key


def test_an_entry_that_another_process_may_be_changing_is_neither_called_damaged_nor_removed(
    stored, elsewhere, tmp_path, capsys
):
    (trained,) = stored.iterdir()
    (trained / "history.npz").unlink()
    with SeedStore(params(seeds=[5])) as seeds:
        assert seeds.restore(5, tmp_path / "5") is None
    assert trained.exists()
    error = capsys.readouterr().err
    assert "could not be copied" in error
    assert "damaged" not in error


def test_an_intact_entry_survives_a_target_that_cannot_be_written(stored, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert restore(stored, tmp_path / "file/5") is None
    error = capsys.readouterr().err
    assert "seed 5: its stored results could not be copied" in error
    assert "damaged" not in error
    assert restore(stored, tmp_path / "5") == EPISODES


def test_an_earlier_folder_is_replaced_by_the_stored_results(stored, tmp_path):
    (tmp_path / "5").mkdir()
    (tmp_path / "5/incomplete").touch()
    assert restore(stored, tmp_path / "5") == EPISODES
    assert sorted(contents(tmp_path / "5")) == ["best/weights", "history.npz"]


def test_a_seed_is_stored_again_over_what_an_interruption_left(stored):
    before = contents(stored)
    checkpoint_directory(stored).mkdir()
    (stored / "incomplete").mkdir()
    (stored / "incomplete/other").touch()
    with SeedStore(params(seeds=[5])) as seeds:
        add(seeds, 5)
    assert contents(stored) == before
    assert [path.name[:8] for path in stored.iterdir()] == ["trained-"]


def test_a_full_disk_leaves_no_incomplete_entry(folder, tmp_path, monkeypatch):
    def fill(source, target):
        target.mkdir()
        (target / "part").touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", fill)
    with SeedStore(params(seeds=[5])) as seeds:
        checkpoint_directory(seeds.directory(5)).mkdir()
        with pytest.raises(OSError, match="No space left"):
            add(seeds, 5)
        assert [path.name for path in seeds.directory(5).iterdir()] == ["checkpoints"]


def test_a_lock_that_another_process_holds_for_a_moment_is_waited_for(stored):
    asked = FileLock(stored.with_suffix(".lock"), thread_local=False)
    seeds = SeedStore(params(seeds=[5]))
    asked.acquire()
    threading.Timer(0.2, asked.release).start()
    with seeds:
        assert seeds.key == stored.parent.name


def test_without_a_writable_folder_nothing_is_stored(folder, tmp_path, capsys):
    folder.write_text("not a folder")
    with SeedStore(params(seeds=[5, 6])) as seeds:
        assert seeds.directory(5) is seeds.key is seeds.restore(5, tmp_path / "5") is None
    assert (
        "seeds 5, 6: trained without checkpoints and not stored for reuse (Not a directory)" in capsys.readouterr().err
    )


def test_beyond_the_limit_the_least_recently_used_seeds_of_other_trainings_are_removed(folder, monkeypatch):
    used, first, second, present = (params(seeds=[5], agent={"lr_actor": rate}) for rate in (0.1, 0.2, 0.3, 0.4))
    for age, each in ((3, used), (2, first), (1, second)):
        with SeedStore(each) as seeds:
            add(seeds, 5, size=1000)
            os.utime(seeds.directory(5), (1e9 - age,) * 2)
    with SeedStore(first):
        pass  # which is now newer than the second
    monkeypatch.setattr(seed_store, "MAX_BYTES", 4300)
    with SeedStore(used):
        os.utime(folder / SeedStore(used).folder.name / "5", (1e9, 1e9))
        with SeedStore(present) as seeds:
            add(seeds, 5, size=1500)
    assert {path.name for path in folder.iterdir()} == {SeedStore(each).folder.name for each in (used, first, present)}
    # The present training's seeds stay even if they alone exceed the limit.
    monkeypatch.setattr(seed_store, "MAX_BYTES", 100)
    with SeedStore(present):
        pass
    assert [path.name for path in folder.iterdir()] == [SeedStore(present).folder.name]
