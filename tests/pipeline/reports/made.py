"""Made-up results of two revisions."""

import copy
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from ddpg.history import GridAxes, Snapshot, TrainingHistory
from ddpg.visualizations.video import write_mp4
from pipeline import results
from pipeline.provenance.git import run_git
from pipeline.provenance.result import Result
from pipeline.provenance.revision import Revision
from tests.pipeline.small import DEFAULTS

SEEDS = (1, 2, 3, 4, 5)
N_EPISODES = 4
OF_POLICIES = {"return_iqm": 1.0, "return_iqm_low": 0.0, "return_iqm_high": 2.0, "return_worst_seed": 0.0}
METRICS = {"best": OF_POLICIES, "final": OF_POLICIES}


def params(seeds=SEEDS, **changes):
    """Those of params.yaml; changes are given by section, as `agent={"tau_actor": 0.1}`."""
    made = copy.deepcopy(DEFAULTS) | {"seeds": list(seeds)}
    made["evaluate"] |= {"n_episodes": N_EPISODES}
    for section, values in changes.items():
        made[section] |= values
    return made


def opened(folder, name, best, *, seeds=SEEDS, final=None, episodes_to_solve=None, commit=None, **changes):
    """A revision as `results_of` opens it, whose seeds have these returns."""
    solved = np.arange(10.0, 10 + len(seeds)) if episodes_to_solve is None else np.array(episodes_to_solve)
    returns = {"best": best, "final": best if final is None else final}
    table = pd.DataFrame({"seed": seeds, **{f"{policy}_return": scores for policy, scores in returns.items()}})
    table = table.assign(episodes_to_solve=solved, environment_steps_to_solve=500 * solved, best_diagnosis="solved")
    episodes = [
        {"seed": seed, "policy": policy, "episode": i, "return": score + offset}
        for policy, scores in returns.items()
        for seed, score in zip(seeds, scores, strict=True)
        for i, offset in enumerate(np.linspace(-1, 1, N_EPISODES))
    ]
    training = pd.DataFrame(product(seeds, range(1, 7)), columns=["seed", "episode"])
    training["training_return"] = training["test_return"] = np.repeat(best, 6) * training["episode"] / 6
    training["validation_return"] = training["test_return"].where(training["episode"] > 2)
    training["is_best"] = training["episode"] == 6
    for stage, file, rows in (
        ("evaluate", "seeds", table),
        ("evaluate", "episodes", pd.DataFrame(episodes)),
        ("train", "episodes", training),
    ):
        (folder / "results" / stage).mkdir(parents=True, exist_ok=True)
        results.write_table(folder / f"results/{stage}/{file}.csv", rows)
    results.write_json(folder / "results/evaluate/metrics.json", METRICS | {"median_seed": seeds[len(seeds) // 2]})
    kind = "workspace" if name == "workspace" else "commit"
    return Result(Revision(name, commit, kind), folder, params(seeds, **changes), ("train", "evaluate"))


def result(folder, name, best, **options):
    return opened(folder / name, name, best, **options)


def pictured(folder, name, best, *, q=1.0, n_frames=3, **options):
    """A result with videos, and with its median seed's history, whose greatest Q is constant."""
    made = opened(folder / name, name, best, **options)
    seed = made.median_seed
    history = TrainingHistory(("position", "velocity"), ("force",), np.array([-1.0]), np.array([1.0]), 90.0)
    history.grid = GridAxes(np.linspace(-1, 1, 3), np.linspace(-2, 2, 4), 0, 1, 0)
    plane = np.full((4, 3), q)
    history.snapshots = [Snapshot(10, 1, plane, plane, plane, plane[..., None], plane[..., None] / 10)]
    (made.folder / f"results/train/seeds/{seed}").mkdir(parents=True)
    history.save(made.folder / f"results/train/seeds/{seed}/history.npz")
    (made.folder / "results/animate").mkdir()
    for film in ("training", "rollout"):
        frames = [np.full((72, 128, 3), 240 * i // n_frames, np.uint8) for i in range(n_frames)]
        write_mp4(frames, made.folder / f"results/animate/{film}.mp4", 10)
    return replace(made, stages=("train", "evaluate", "animate"))


class Repository:
    """A git repository to compare commits of."""

    def __init__(self, folder):
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments):
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        return run_git(self.folder, *identity, *arguments)

    def commit(self, message, **files):
        """Writes the files, `requirements` is the lock and others are code, and returns the hash."""
        for name, text in files.items():
            (self.folder / ("requirements.lock" if name == "requirements" else f"{name}.py")).write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")
