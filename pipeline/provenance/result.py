"""What a comparison reads of a revision."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from ddpg.history import TrainingHistory
from pipeline.provenance.git import project_root, run_git
from pipeline.provenance.revisions import Revision, RevisionError, RevisionResults
from pipeline.results import median_seed, read_table

TABLES = (
    "results/train/episodes.csv",
    *(f"results/evaluate/{name}" for name in ("episodes.csv", "seeds.csv", "metrics.json")),
)
"""What is read where no pictures are asked for: git has it, whatever DVC's cache lacks."""

CONFIDENCE_LEVEL = 0.95
"""Of a difference and a probability of improvement; a value's own interval has that of its parameters."""

_SHORT_HASH = 10
_RETURNS = ("training_return", "test_return", "validation_return")


@dataclass(frozen=True)
class Result:
    """An evaluated revision. Its folder vanishes with the context manager that opened it."""

    revision: Revision
    folder: Path
    """Holds `results/`."""
    params: dict[str, Any]
    stages: tuple[str, ...]

    @classmethod
    def of(cls, opened: RevisionResults) -> "Result":
        """The result in an opened revision.

        Raises:
            RevisionError: It was not evaluated.
        """
        if "evaluate" not in opened.stages:
            name, found = opened.revision.name, ", ".join(opened.stages) or "none"
            raise RevisionError(
                f"{name}: expected the results of the stages train and evaluate, as dvc.lock describes them, "
                f"found {found}; run `dvc repro`"
            )
        return cls(opened.revision, opened.folder, opened.params, opened.stages)

    @property
    def name(self) -> str:
        """As people called it, but a hash is shortened."""
        name = self.revision.name
        is_hash = self.revision.kind == "run" or (self.revision.commit or "").startswith(name)
        return name[:_SHORT_HASH] if is_hash else name

    @cached_property
    def origin(self) -> str:
        """The commit with its date and subject, or where else the results are."""
        if self.revision.commit is None and self.revision.kind != "workspace":
            return f"MLflow run {self.revision.name}"
        commit = self.revision.commit or "HEAD"
        described = run_git(project_root(), "show", "-s", "--format=%h, %cs: %s", commit, "--") or commit
        return described if self.revision.commit else f"files on top of {described}"

    @property
    def is_edited(self) -> bool:
        """Whether params.yaml holds other values than those that made the results."""
        file = self.folder / "params.yaml"
        return file.is_file() and YAML(typ="safe", pure=True).load(file) != self.params

    @property
    def confidence_level(self) -> float:
        """Of the intervals of this result's values; old parameters may not state it."""
        return float(self.params.get("evaluate", {}).get("confidence_level", CONFIDENCE_LEVEL))

    @cached_property
    def training(self) -> pd.DataFrame:
        """A row per seed and training episode."""
        return read_table(self.folder / "results/train/episodes.csv", ["seed", "episode"], ["is_best"], _RETURNS)

    @cached_property
    def evaluation(self) -> pd.DataFrame:
        """A row per seed, policy and evaluation episode."""
        return read_table(self.folder / "results/evaluate/episodes.csv", ["seed", "policy", "episode"], ["return"])

    @cached_property
    def seeds(self) -> pd.DataFrame:
        """A row per seed, in their order."""
        returns, steps = ["best_return", "final_return"], ["episodes_to_solve", "environment_steps_to_solve"]
        table = read_table(self.folder / "results/evaluate/seeds.csv", ["seed"], returns, steps)
        return table.sort_values("seed", ignore_index=True)

    @cached_property
    def history(self) -> TrainingHistory | None:
        """Of the median seed; `None` where the revision holds none, as MLflow's runs do."""
        file = self.folder / f"results/train/seeds/{self.median_seed}/history.npz"
        return TrainingHistory.load(file) if file.is_file() else None

    def film(self, name: str) -> Path | None:
        """A video of the animate stage, if there is one."""
        file = self.folder / "results/animate" / f"{name}.mp4"
        return file if "animate" in self.stages and file.is_file() else None

    def pace(self, film: str) -> float:
        """Steps shown per second by a video of the animate stage: the environment's in a rollout, else the agent's."""
        settings = self.params.get("animate", {})
        if film == "rollout":
            return float(settings.get("rollout_fps", 1))
        # There are no frames between snapshots.
        snapshots = self.params.get("train", {}).get("gen_q_a_frames_every_n_steps", 1)
        every = max(settings.get("every_n_steps", 1), snapshots)
        return float(settings.get("fps", 1) * every)

    @property
    def median_seed(self) -> int:
        """The seed whose pictures are shown."""
        return median_seed(self.folder / "results/evaluate/metrics.json")
