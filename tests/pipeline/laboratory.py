"""Small projects with made-up results, and access to their MLflow stores."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from ddpg.records import EpisodeRecord
from pipeline.params import load
from pipeline.provenance.digests import content_digest
from pipeline.stages import ANIMATE, EVALUATE, STAGES, TRAIN

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Laboratory:
    """A project folder with made-up results of any stage."""

    folder: Path
    seeds: tuple[int, ...] = (1, 2, 3)
    n_episodes: int = 6

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def params(self) -> dict[str, Any]:
        params = load(REPOSITORY / "params.yaml").model_dump(mode="json")
        params["train"]["n_episodes"] = self.n_episodes
        return params | {"seeds": list(self.seeds)}

    def with_seeds(self, *seeds: int) -> "Laboratory":
        return replace(self, seeds=seeds)

    def records(self, seed: int) -> Iterator[dict[str, Any]]:
        """A seed's training episodes as the train stage holds them in memory."""
        rng = np.random.default_rng(seed)
        for episode in range(1, self.n_episodes + 1):
            learning = episode > 2
            progress = episode / self.n_episodes
            record = {
                "episode": episode,
                "epsilon": 1 - progress,
                "training_return": float(rng.normal(90 * progress, 5)),
                "test_return": float(rng.normal(93 * progress, 2)),
                "validation_return": float(rng.normal(94 * progress, 1)) if learning else float("nan"),
                "validation_episodes": 20 if learning else 0,
                "agent_steps": 200 * episode,
                "environment_steps": 999 * episode,
                "updates": 200 * max(0, episode - 2),
                "replay_buffer_size": 200 * episode,
                "critic_loss": float(rng.exponential(1 - progress + 0.01)) if learning else float("nan"),
                "actor_loss": float(-rng.exponential(progress)) if learning else None,
                "mean_q": float(rng.normal(50 * progress, 1)) if learning else None,
                "reached_goal": episode > 1,
                "is_best": learning,
            }
            assert record.keys() == set(EpisodeRecord._fields)
            yield record

    def train(self) -> None:
        rows = [{"seed": seed, **record} for seed in self.seeds for record in self.records(seed)]
        self._write_table("train", "episodes", rows)
        self._write("train", "metrics.json", json.dumps({"goal_reached_share": 0.8, "nested": {"iqm": 93.5}}))
        for seed in self.seeds:
            self._write(f"train/seeds/{seed}/best", "config.json", json.dumps({"seed": seed}))

    def evaluate(self, iqm: float = 93.91234567) -> None:
        policies = [(seed, policy) for seed in self.seeds for policy in ("best", "final")]
        self._write_table(
            "evaluate", "episodes", [{"seed": s, "policy": p, "episode": 0, "return": 90 + s} for s, p in policies]
        )
        table = [
            {"seed": s, "best_return": 90 + s, "final_return": 90 + s, "episodes_to_solve": "", "diagnosis": "solved"}
            for s in self.seeds
        ]
        self._write_table("evaluate", "seeds", table)
        best = {"return_iqm": iqm, "return_iqm_low": 93.0, "return_iqm_high": 94.5, "return_worst_seed": 91.0}
        best |= {"solved_share": 1.0}
        metrics = {"best": best, "final": best, "median_seed": 2, "steps_to_solve_median": None}
        self._write("evaluate", "metrics.json", json.dumps(metrics))
        self._write("evaluate/policy", "config.json", "{}")
        self._write("evaluate", "trajectories.npz", "")

    def animate(self) -> None:
        for name in ANIMATE.outputs:
            self._write("animate", name, name)

    def lock(self) -> dict[str, Any]:
        """Contents of dvc.lock as DVC would write it for the present results."""
        stages: dict[str, Any] = {}
        for stage in STAGES:
            if (self.results / stage).is_dir():
                outputs = sorted(self.results.glob(f"{stage}/[!.]*"))
                hashes = [{"path": f"results/{stage}/{path.name}", "md5": content_digest(path)} for path in outputs]
                upstream = [out for entry in stages.values() for out in entry["outs"]]
                stages[stage] = {"cmd": "true", "deps": [dict(out) for out in upstream], "outs": hashes}
        return {"schema": "2.0", "stages": stages}

    def write_lock(self, **params: Any) -> None:
        """Writes dvc.lock with these parameters of the train stage."""
        lock = self.lock()
        lock["stages"]["train"]["params"] = {"params.yaml": params}
        with (self.folder / "dvc.lock").open("w") as file:
            YAML(pure=True).dump(lock, file)

    def recorded_points(self, seed: int) -> set[tuple[str, float, int]]:
        """The metric points of a seed's child run, read from episodes.csv independently of the tracker."""
        names = {
            "training_return": "train/return",
            "test_return": "test/return",
            "validation_return": "validation/return",
            "is_best": "validation/is_best",
            "validation_episodes": "validation/episodes",
        }
        with (self.results / "train/episodes.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if int(row["seed"]) == seed]
        return {
            (names.get(name, f"train/{name}"), float({"True": 1, "False": 0}.get(value, value)), int(row["episode"]))
            for row in rows
            for name, value in row.items()
            if name not in ("seed", "episode") and value != ""
        }

    def _write_table(self, stage: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        cells = [[_cell(value) for value in row.values()] for row in rows]
        lines = [",".join(line) for line in [list(rows[0]), *cells]]
        self._write(stage, f"{name}.csv", "\n".join(lines) + "\n")

    def _write(self, stage: str, name: str, text: str) -> None:
        (self.results / stage).mkdir(parents=True, exist_ok=True)
        (self.results / stage / name).write_text(text)


def _cell(value: Any) -> str:
    if value is None or str(value) == "nan":
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


DEPENDENCIES = {TRAIN: [], EVALUATE: ["results/train/seeds"], ANIMATE: ["results/evaluate/metrics.json"]}
PARAMETERS = {TRAIN: ["seeds", "environment", "agent"], EVALUATE: ["evaluate"], ANIMATE: ["animate"]}
PIPELINE = {
    "stages": {
        stage.name: {
            "cmd": f"mkdir -p {stage.folder} && cp -r prepared/${{agent.lr_actor}}/{stage.name}/. {stage.folder}",
            "deps": DEPENDENCIES[stage],
            "params": PARAMETERS[stage],
            "outs": [
                *(f"{stage.folder}/{name}" for name in stage.outputs),
                *({f"{stage.folder}/{name}": {"cache": False}} for name in stage.tables),
            ],
        }
        for stage in STAGES.values()
    }
}
"""Contents of the dvc.yaml of a `Repository`."""


@dataclass(frozen=True)
class Repository:
    """A git and DVC project whose stages copy results prepared for the actor's step size."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def prepare(self, lr_actor: float, **metrics: Any) -> None:
        """Prepares the results of a step size."""
        laboratory = Laboratory(self.folder / "prepared", n_episodes=3)
        laboratory.train()
        (laboratory.results / "train/seeds/1/best/config.json").write_text(json.dumps({"lr_actor": lr_actor}))
        laboratory.evaluate(**metrics)
        laboratory.animate()
        laboratory.results.rename(self.folder / "prepared" / str(lr_actor))

    def set_params(self, lr_actor: float) -> None:
        params = Laboratory(self.folder).params
        params["agent"]["lr_actor"] = lr_actor
        with (self.folder / "params.yaml").open("w") as file:
            YAML(pure=True).dump(params, file)

    def repro(self) -> None:
        self.run("dvc", "repro")

    def commit(self, message: str) -> str:
        self.run("git", "add", ".")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", message)
        return self.run("git", "rev-parse", "HEAD")

    def run(self, *command: str) -> str:
        """Runs a command in the project; returns its output."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


class Store:
    """Read access to an MLflow store."""

    def __init__(self, file: Path) -> None:
        from mlflow import MlflowClient

        self.file = file
        self.client = MlflowClient(f"sqlite:///{file}", registry_uri=f"sqlite:///{file}")

    def runs(self) -> list[Any]:
        found = self.client.get_experiment_by_name("MountainCarContinuous-v0")
        return list(self.client.search_runs([found.experiment_id])) if found else []

    def parents(self) -> list[Any]:
        """The runs of results, newest first."""
        return [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]

    def children(self, parent: Any) -> dict[int, Any]:
        of_parent = [run for run in self.runs() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        return {int(run.data.tags["seed"]): run for run in of_parent}

    def points(self, run: Any) -> list[tuple[str, float, int]]:
        """All metric points of a run, including any recorded twice."""
        run_id = run.info.run_id
        histories = [self.client.get_metric_history(run_id, name) for name in run.data.metrics]
        return [(point.key, point.value, point.step) for history in histories for point in history]

    def artifacts(self, run: Any, folder: str | None = None) -> set[str]:
        return {item.path for item in self.client.list_artifacts(run.info.run_id, folder)}
