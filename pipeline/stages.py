"""The stages in order: what each writes, which parameters it reads and where MLflow keeps its files.

Everything else reads this table. DVC needs the same facts in dvc.yaml; a test keeps the two in agreement.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PARAMS, LOCK, PIPELINE = "params.yaml", "dvc.lock", "dvc.yaml"
"""The project's files that describe its results."""

RESULTS = Path("results")

SUMMARIZED = RESULTS / "summary" / "said.txt"
"""Exists once the results were summarized; every stage that runs deletes it, so that the summary follows."""


@dataclass(frozen=True)
class Stage:
    """A stage; its module, its section in params.yaml and its folder in `results/` share its name."""

    name: str
    params: tuple[str, ...]
    """Sections and parameters that it reads, as dotted paths."""
    tables: tuple[str, ...]
    """Files in its folder that git tracks: small, and readable at any commit."""
    outputs: tuple[str, ...]
    """Files and folders in its folder that DVC caches."""
    artifact_folder: str
    """Folder of its files in an MLflow run."""
    without_effect: tuple[str, ...] = ()
    """Parameters of its sections that change nothing in its results."""

    @property
    def folder(self) -> Path:
        """Its folder, relative to the project's."""
        return RESULTS / self.name

    @property
    def written(self) -> frozenset[str]:
        """Everything it writes into its folder."""
        return frozenset((*self.tables, *self.outputs))

    def select_params(self, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The parameters in `params` on which its results depend, as dotted paths of single values."""
        for name, value in flatten(params, "."):
            if is_in(name, self.params) and not is_in(name, self.without_effect):
                yield name, value


TRAIN = Stage(
    name="train",
    params=("seeds", "environment", "agent", "train"),
    tables=("episodes.csv", "metrics.json"),
    outputs=("seeds",),
    artifact_folder="train",
    without_effect=("train.workers", "train.checkpoint_every"),
)
EVALUATE = Stage(
    name="evaluate",
    params=("seeds", "environment", "train.action_repeat", "evaluate"),
    tables=("episodes.csv", "seeds.csv", "metrics.json"),
    outputs=("policy", "trajectories.npz"),
    artifact_folder="evaluate",
)
ANIMATE = Stage(
    name="animate",
    params=("environment", "train.action_repeat", "evaluate.seed", "animate"),
    tables=(),
    outputs=(
        "training.mp4",
        "training.gif",
        "rollout.mp4",
        "poster.png",
        "explorer.html",
        "learning_curves.png",
        "phase_portrait.png",
    ),
    artifact_folder="videos",
)
STAGES = {stage.name: stage for stage in (TRAIN, EVALUATE, ANIMATE)}


def up_to(stage: str) -> list[str]:
    """Names of the stages up to and including this one."""
    names = list(STAGES)
    return names[: names.index(stage) + 1]


def flatten(nested: Mapping[str, Any], separator: str) -> Iterator[tuple[str, Any]]:
    """Values of a nested mapping with their joined names: `("a.b", 1)` for `{"a": {"b": 1}}`."""
    for name, value in nested.items():
        if isinstance(value, Mapping):
            for inner, leaf in flatten(value, separator):
                yield f"{name}{separator}{inner}", leaf
        else:
            yield str(name), value


def is_in(name: str, paths: tuple[str, ...]) -> bool:
    """Whether a dotted path is one of these, or lies in one."""
    return any(name == path or name.startswith(f"{path}.") for path in paths)
