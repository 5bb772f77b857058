import math
import os
import subprocess
import sys

import pytest

from pipeline.execution import seed_store
from pipeline.execution.seed_store import SeedStore, checkpoint_directory, is_training, store, training_key
from tests.pipeline.small import copy_project, params

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


def test_the_key_covers_the_parameters_that_determine_a_seeds_training():
    key = training_key(params())
    same = (
        params(seeds=[9]),
        params(train={"workers": 1, "checkpoint_every": 3}),
        params(evaluate={"n_episodes": 7}, tracking={"pictures_every_n_episodes": 0}),
    )
    assert {training_key(each) for each in same} == {key}
    others = (
        params(agent={"lr_actor": 0.5}),
        params(train={"n_episodes": 9}),
        params(environment={"kwargs": {"goal_velocity": 0.01}}),
    )
    assert len({key, *(training_key(each) for each in others)}) == 4


def test_the_key_covers_the_code_of_the_stage_but_not_its_compiled_files(tmp_path, monkeypatch):
    copy_project(tmp_path)
    monkeypatch.setattr(seed_store, "_CODE", tmp_path)
    key = training_key(params())
    (tmp_path / "ddpg/numerics/__pycache__").mkdir(exist_ok=True)
    (tmp_path / "ddpg/numerics/__pycache__/dense.cpython-311.pyc").write_bytes(b"compiled")
    (tmp_path / "pipeline/ui.py").write_text("changed")
    assert training_key(params()) == key
    with (tmp_path / "ddpg/numerics/dense.py").open("a") as file:
        file.write("# changed\n")
    assert training_key(params()) != key


OWN_ENVIRONMENT = """
import gymnasium
from tests.probes import Counter
class Own(Counter):
    metadata = {"render_modes": []}
    def __init__(self):
        super().__init__()
gymnasium.register("Own-v0", Own)
"""


def test_the_key_covers_the_environments_module(tmp_path, monkeypatch):
    module = tmp_path / "own_env.py"
    module.write_text(OWN_ENVIRONMENT)
    monkeypatch.syspath_prepend(tmp_path)
    own = params(environment={"id": "own_env:Own-v0"})
    key = training_key(own)
    assert training_key(own) == key
    with module.open("a") as file:
        file.write("# changed\n")
    assert training_key(own) != key


@pytest.mark.parametrize(("name", "value"), [("_versions", {"numpy": "9"}), ("obstacles", ["another processor"])])
def test_the_key_covers_libraries_and_what_makes_numbers_differ(monkeypatch, name, value):
    key = training_key(params())
    monkeypatch.setattr(seed_store, name, lambda *_: value)
    assert training_key(params()) != key


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


OTHER_PROCESS = """
import sys
from pipeline.execution.seed_store import SeedStore
from tests.pipeline.small import params
with SeedStore(params(seeds=[5])) as seeds:
    print(seeds.key, flush=True)
    sys.stdin.read()
"""


def test_a_seed_that_another_process_uses_can_be_restored_but_not_written(folder, tmp_path, capsys):
    with SeedStore(params(seeds=[5])) as seeds:
        add(seeds, 5)
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        key = other.stdout.readline().strip()
        assert is_training(key)
        with SeedStore(params(seeds=[5, 6])) as seeds:
            assert seeds.directory(5) is None
            assert seeds.directory(6)
            assert seeds.key is None
            assert seeds.restore(5, tmp_path / "5") == EPISODES
        assert (
            "seeds 5: trained without checkpoints and not stored for reuse (in use by another process)"
            in capsys.readouterr().err
        )
        other.kill()  # which leaves its lock file
    assert not is_training(key)
    with SeedStore(params(seeds=[5, 6])) as seeds:
        assert seeds.key == key
        assert is_training(key)


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
        os.utime(folder / training_key(used) / "5", (1e9, 1e9))
        with SeedStore(present) as seeds:
            add(seeds, 5, size=1500)
    assert {path.name for path in folder.iterdir()} == {training_key(each) for each in (used, first, present)}
    # The present training's seeds stay even if they alone exceed the limit.
    monkeypatch.setattr(seed_store, "MAX_BYTES", 100)
    with SeedStore(present):
        pass
    assert [path.name for path in folder.iterdir()] == [training_key(present)]


def test_a_key_from_an_mlflow_store_leads_nowhere_else(folder, tmp_path):
    (tmp_path / "1.lock").touch()
    for key in ("..", "../elsewhere", str(tmp_path)):
        assert not is_training(key)
