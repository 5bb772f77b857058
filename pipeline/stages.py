"""The stages in their order: what each writes, which parameters it reads and where MLflow keeps its files.

This is the only such table. DVC needs its own in dvc.yaml; a test holds the two against each other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A stage; its module, its section in params.yaml and its folder in `results/` have its name."""

    name: str
    params: tuple[str, ...]
    """Parameters on which its result depends, as dotted paths: a section stands for all that is in it."""
    tables: tuple[str, ...]
    """Files in its folder that git tracks: small, and readable in any commit."""
    outputs: tuple[str, ...]
    """Files and folders in its folder that DVC caches."""
    artifact_folder: str
    """Where in an MLflow run its files are."""

    @property
    def written(self) -> frozenset[str]:
        """All it writes into its folder."""
        return frozenset((*self.tables, *self.outputs))

    def select_params(self, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Those of its parameters that a document has, as dotted paths of single values."""
        for name, value in flatten(params, "."):
            if any(name == path or name.startswith(f"{path}.") for path in self.params):
                yield name, value


TRAIN = Stage(
    name="train",
    params=(
        "seeds",
        "environment",
        "agent",
        # All of `train` but `workers` and `checkpoint_every`, on which no result depends.
        "train.n_episodes",
        "train.eps",
        "train.eps_decay",
        "train.eps_min",
        "train.action_repeat",
        "train.n_random_episodes",
        "train.run_tests",
        "train.n_validation_episodes",
        "train.gen_q_a_frames_every_n_steps",
        "train.grid",
    ),
    tables=("episodes.csv", "metrics.json"),
    outputs=("seeds",),
    artifact_folder="train",
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
        "learning_curves.png",
        "phase_portrait.png",
    ),
    artifact_folder="videos",
)
STAGES = {stage.name: stage for stage in (TRAIN, EVALUATE, ANIMATE)}


def up_to(stage: str) -> list[str]:
    """The names of the stages before this one, and its own."""
    names = list(STAGES)
    return names[: names.index(stage) + 1]


def flatten(nested: Mapping[str, Any], separator: str) -> Iterator[tuple[str, Any]]:
    """The values of a nested mapping with their joined names: `("a.b", 1)` of `{"a": {"b": 1}}`."""
    for name, value in nested.items():
        if isinstance(value, Mapping) and value:
            for inner, leaf in flatten(value, separator):
                yield f"{name}{separator}{inner}", leaf
        else:
            yield str(name), value
