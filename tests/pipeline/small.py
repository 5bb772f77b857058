"""A real experiment that takes seconds: parameters and a project folder."""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.params import Params

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")

CHANGES = {
    "seeds": [2, 3],
    "agent": {
        "replay_batch_size": 16,
        "learning_starts": 16,
        "successes_before_learning": 0,
        "hidden_layer_sizes_actor": [8],
        "hidden_layer_sizes_critic": [[8], [8]],
    },
    "train": {"n_episodes": 3, "action_repeat": 60, "n_validation_episodes": 2, "gen_q_a_frames_every_n_steps": 10},
    "evaluate": {"n_episodes": 3, "n_bootstrap_samples": 50},
    "animate": {"every_n_steps": 10, "rollout_episodes": 1, "gif_frames": 4},
}


def document(**changes):
    """Contents of params.yaml; changes are given by section, as in `CHANGES`."""
    return merged(merged(DEFAULTS, CHANGES), changes)


def merged(contents, changes):
    """The contents with these changes, given by section."""
    contents = copy.deepcopy(contents)
    for section, values in changes.items():
        if isinstance(values, dict):
            contents[section] |= values
        else:
            contents[section] = values
    return contents


def params(**changes):
    return Params.model_validate(document(**changes))


def write_params(folder, **changes):
    with (folder / "params.yaml").open("w") as file:
        YAML(pure=True).dump(document(**changes), file)


def copy_project(folder):
    """The files of a clone, without history, results or environment."""
    for name in ("ddpg", "pipeline", "environments", ".dvc", "results"):
        ignored = shutil.ignore_patterns("__pycache__", "cache", "tmp", "seeds", "*.mp4", "*.npz", "*.csv", "*.json")
        shutil.copytree(ROOT / name, folder / name, ignore=None if name == "ddpg" else ignored)
    for name in ("dvc.yaml", "requirements.lock", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    write_params(folder)


def new_project(folder, migrated_store):
    """A project with one commit and no results, whose MLflow store is empty."""
    folder.mkdir()
    copy_project(folder)
    shutil.copy(migrated_store, folder / "mlflow.db")
    for command in ("git init --quiet -b main", "git config user.name test", "git config user.email test@localhost"):
        run(folder, *command.split())
    commit(folder, "Begin")
    return folder


def commit(folder, message):
    run(folder, "git", "add", ".")
    run(folder, "git", "commit", "--quiet", "--message", message)
    return run(folder, "git", "rev-parse", "HEAD").strip()


def run(folder, *command, **options):
    """Runs a command in a project; returns what it prints, unless options of `subprocess.run` say otherwise."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout
