"""Where people run the project: other paths, working directories, locales, time zones and machines."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.pipeline.small import new_project, run

STAGES = ("train", "evaluate", "animate")
CAN_MOUNT = shutil.which("unshare") and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
PLACES = {
    "other letters": (
        "Übungen und größere Räume 山 'a'",
        {"LC_ALL": "C", "LANG": "de_DE.UTF-8", "TZ": "Asia/Kathmandu"},
    ),
    # Without UTF-8 at all DVC takes no path with other letters than ASCII.
    "no UTF-8": ("two words", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
}


def in_project(folder: Path, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs this environment's Python in a project, whatever its status."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=cwd or folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def project(tmp_path: Path, migrated_store: Path) -> Path:
    return new_project(tmp_path / "project", migrated_store)


@pytest.fixture
def one_core() -> Iterator[None]:
    """Processes that are started have one core."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield
    os.sched_setaffinity(0, cores)


def outputs(project: Path) -> dict[str, str]:
    """Hashes of all results."""
    stages = YAML(typ="safe", pure=True).load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {output["path"]: output["md5"] for stage in stages.values() for output in stage.get("outs", ())}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, migrated_store: Path) -> dict[str, str]:
    """Hashes of the results where people usually are."""
    project = new_project(tmp_path_factory.mktemp("usual") / "project", migrated_store)
    run(project, "dvc", "repro")
    return outputs(project)


@pytest.mark.minutes
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("place", PLACES)
def test_results_are_the_same_bytes_on_one_core_in_other_places(
    reference: dict[str, str], place: str, tmp_path: Path, migrated_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, variables = PLACES[place]
    other = new_project(tmp_path / name, migrated_store)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    run(other, "dvc", "repro")
    assert len(reference) > len(STAGES)
    assert outputs(other) == reference


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_in_another_folder_says_what_it_misses_there(project: Path, stage: str) -> None:
    done = in_project(project, sys.executable, "-m", f"pipeline.{stage}", cwd=project / "ddpg")
    assert done.returncode == 2
    assert done.stderr == f"params.yaml: expected in {project / 'ddpg'}, found no file\n"
    assert not (project / "ddpg/results").exists()


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'


@pytest.mark.slow
@pytest.mark.skipif(not CAN_MOUNT, reason="needs the right to mount")
def test_a_read_only_checkout_serves_the_library(project: Path, tmp_path: Path) -> None:
    script = (
        "import gymnasium, ddpg; from pathlib import Path; "
        "from ddpg import DDPG; agent = DDPG(gymnasium.make('MountainCarContinuous-v0')); "
        f"agent.save(Path({str(tmp_path / 'agent')!r}))"
    )
    done = in_project(
        project, "unshare", "--mount", "sh", "-c", READ_ONLY, str(project), sys.executable, "-c", script, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "agent/config.json").is_file()


@pytest.mark.slow
@pytest.mark.skipif(not CAN_MOUNT, reason="needs the right to mount")
def test_a_stage_in_a_read_only_checkout_says_what_it_cannot_write(project: Path, tmp_path: Path) -> None:
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(project), sys.executable, "-m", "pipeline.train"]
    done = in_project(project, *command, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Read-only file system: 'results/summary/said.txt'" in done.stderr.splitlines()[-1]
