import os
import subprocess
import sys
import time

import pytest

from pipeline.execution import checkpoints
from pipeline.execution.checkpoints import is_training, kept, training_key
from tests.pipeline.small import params


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path / ".checkpoints"


def test_the_key_is_of_what_determines_the_result():
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


@pytest.mark.parametrize("what", ["content_digest", "version"])
def test_the_key_changes_with_code_and_libraries(monkeypatch, what):
    key = training_key(params())
    monkeypatch.setattr(checkpoints, what, lambda name: "another")
    assert training_key(params()) != key


def test_a_training_that_ends_leaves_nothing_and_one_that_fails_leaves_its_checkpoints(folder):
    def interrupted():
        with kept("key") as own:
            (own / "5").mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (folder / "key" / "5").is_dir()
    with kept("key") as own:
        assert own == folder / "key"
        assert (own / "5").is_dir()
    assert not folder.exists()


def test_the_same_training_in_another_process_goes_without(folder, capsys):
    script = (
        "import sys\nfrom pipeline.execution.checkpoints import kept\n"
        "with kept('key') as folder:\n    print(folder, flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline().strip() == str(folder / "key")
        with kept("key") as own:
            assert own is None
        with kept("another") as own:
            assert own == folder / "another"
        other.kill()  # and leaves its lock file
    assert "another process trains the same" in capsys.readouterr().err
    with kept("key") as own:
        assert own == folder / "key"


def test_where_nothing_can_be_written_training_goes_without(folder, capsys):
    folder.write_text("not a folder")
    with kept("key") as own:
        assert own is None
    assert "warning: this training keeps no checkpoints (" in capsys.readouterr().err


def test_a_few_trainings_that_were_given_up_are_kept(folder):
    for age in range(6):
        (folder / str(age)).mkdir(parents=True)
        os.utime(folder / str(age), (time.time() - 100 * age - 100,) * 2)
    with kept("4") as own, kept("5"):
        assert own.exists()
        with kept("new"):
            assert sorted(path.name for path in folder.iterdir()) == ["0", "4", "5", "new"]


def test_what_cannot_be_tidied_up_ends_no_training(folder, monkeypatch):
    def vanish(present):
        raise FileNotFoundError

    monkeypatch.setattr(checkpoints, "_remove_leftovers", vanish)
    with kept("key") as own:
        assert own == folder / "key"


def test_a_key_from_a_store_leads_nowhere_else(folder, tmp_path):
    for key in ("..", "../elsewhere", str(tmp_path)):
        assert not is_training(key)
    with kept("0123456789abcdef") as own:
        assert own is not None
        assert not (tmp_path / "lock").exists()
