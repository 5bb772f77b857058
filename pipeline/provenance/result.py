"""A result: what stages wrote, in the working directory or copied from a revision, as stages and reports read it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpg.history import TrainingHistory
from pipeline.errors import MissingResultError, RevisionError
from pipeline.provenance.documents import metrics_in, yaml_in
from pipeline.provenance.git import project_root, run_git
from pipeline.provenance.revision import WORKSPACE, WORKSPACE_REVISION, Revision
from pipeline.results import read_table
from pipeline.stages import ANIMATE, EVALUATE, PARAMS, STAGES, TRAIN, Stage

if TYPE_CHECKING:
    import pandas as pd

TABLES = tuple((stage.folder / name).as_posix() for stage in STAGES.values() for name in stage.tables)
"""Files that git tracks, so that DVC's cache may lack them: all that a report without pictures reads."""

CONFIDENCE_LEVEL = 0.95
"""Of a difference and a probability of improvement; a value's own interval has that of its parameters."""

_SHORT_HASH = 10
_RETURNS = ("training_return", "test_return", "validation_return")


@dataclass(frozen=True)
class Result:
    """A revision's result; without arguments, that of the working directory as far as its stages have run.

    Properties raise `MissingResultError` if their file is missing, and `DamagedFileError` if it is invalid.
    """

    revision: Revision = WORKSPACE_REVISION
    folder: Path = Path()
    """A folder like the project's, with `results/`; a copy vanishes with the context manager that opened it."""
    params: dict[str, Any] = field(default_factory=dict)
    """The parameters that made it, as plain values; those of an old revision may be invalid today."""
    stages: tuple[str, ...] = ()
    """The stages with complete results."""

    def require(self, stage: str) -> "Result":
        """This result.

        Raises:
            RevisionError: The stage's results are incomplete.
        """
        if stage not in self.stages:
            found = ", ".join(self.stages) or "none"
            raise RevisionError(
                f"{self.revision.name}: expected results of the {stage} stage, as dvc.lock describes them, "
                f"found {found}; run `dvc repro`"
            )
        return self

    def path(self, stage: Stage, name: str) -> Path:
        """A file or folder of a stage.

        Raises:
            MissingResultError: It does not exist.
        """
        path = self.folder / stage.folder / name
        if not path.exists():
            raise MissingResultError(
                f"{path}: expected from the {stage.name} stage, found nothing; run `dvc repro {stage.name}`"
            )
        return path

    @property
    def name(self) -> str:
        """The revision's name; a hash is shortened."""
        name = self.revision.name
        is_hash = self.revision.kind == "run" or (self.revision.commit or "").startswith(name)
        return name[:_SHORT_HASH] if is_hash else name

    @cached_property
    def origin(self) -> str:
        """The commit with its date and subject, or where else the results are."""
        if self.revision.commit is None and self.revision.kind != WORKSPACE:
            return f"MLflow run {self.revision.name}"
        commit = self.revision.commit or "HEAD"
        described = run_git(project_root(), "show", "-s", "--format=%h, %cs: %s", commit, "--") or commit
        return described if self.revision.commit else f"files on top of {described}"

    @property
    def is_edited(self) -> bool:
        """Whether params.yaml holds other values than those that made the results."""
        file = self.folder / PARAMS
        return file.is_file() and yaml_in(file.read_text(encoding="utf-8", errors="replace"), PARAMS) != self.params

    @property
    def confidence_level(self) -> float:
        """Of the intervals of this result's values; old parameters may lack it."""
        return float(self.params.get("evaluate", {}).get("confidence_level", CONFIDENCE_LEVEL))

    @cached_property
    def training(self) -> "pd.DataFrame":
        """A row per seed and training episode."""
        return self.read_training(["is_best"], _RETURNS)

    def read_training(self, numbers: Sequence[str], optional: Sequence[str] = ()) -> "pd.DataFrame":
        """`training` with these columns of numbers at least."""
        return read_table(self.path(TRAIN, "episodes.csv"), ["seed", "episode"], numbers, optional)

    @cached_property
    def evaluation(self) -> "pd.DataFrame":
        """A row per seed, policy and evaluation episode."""
        return read_table(self.path(EVALUATE, "episodes.csv"), ["seed", "policy", "episode"], ["return"])

    @cached_property
    def seeds(self) -> "pd.DataFrame":
        """A row per seed, in ascending order."""
        returns, steps = ["best_return", "final_return"], ["episodes_to_solve", "environment_steps_to_solve"]
        table = read_table(self.path(EVALUATE, "seeds.csv"), ["seed"], returns, steps)
        return table.sort_values("seed", ignore_index=True)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Contents of evaluate's metrics.json."""
        file = self.path(EVALUATE, "metrics.json")
        return metrics_in(file.read_bytes(), str(file))

    @property
    def median_seed(self) -> int:
        """The seed whose pictures are shown."""
        return int(self.metrics["median_seed"])

    @cached_property
    def history(self) -> TrainingHistory | None:
        """Training history of the median seed; `None` without one, as in MLflow's runs."""
        file = self.folder / TRAIN.folder / f"seeds/{self.median_seed}/history.npz"
        return TrainingHistory.load(file) if file.is_file() else None

    @cached_property
    def reward_threshold(self) -> float | None:
        """Mean return from which the environment counts as solved; `None` if it is unknown."""
        history = next(iter((self.folder / TRAIN.folder / "seeds").glob("*/history.npz")), None)
        return TrainingHistory.load(history).reward_threshold if history else None

    def picture(self, name: str) -> Path | None:
        """A video or picture of the animate stage, if there is one."""
        file = self.folder / ANIMATE.folder / name
        return file if ANIMATE.name in self.stages and file.is_file() else None

    def film(self, kind: str) -> Path | None:
        """The video `training` or `rollout`, if there is one."""
        return self.picture(f"{kind}.mp4")

    def pace(self, film: str) -> float:
        """Steps per second in a video of the animate stage: the environment's in a rollout, else the agent's."""
        settings = self.params.get("animate", {})
        if film == "rollout":
            return float(settings.get("rollout_fps", 1))
        # There are no frames between snapshots.
        snapshots = self.params.get("train", {}).get("gen_q_a_frames_every_n_steps", 1)
        every = max(settings.get("every_n_steps", 1), snapshots)
        return float(settings.get("fps", 1) * every)
