"""Which run belongs to a result or a training."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.stages import STAGES, TRAIN
from pipeline.tracking.client import Experiment, all_experiments, close_family, connect, search
from pipeline.tracking.contents import stage_params, training_points
from pipeline.tracking.faults import as_tracking_errors
from pipeline.tracking.location import nothing_there
from pipeline.tracking.presence import forget, gone, is_working

if TYPE_CHECKING:
    from mlflow.entities import Run

FROM_FILES = "from files"
"""Replaces a training's key, so that the run of an interrupted recording can be found."""
_KEY, _PROCESS = "training", "training.process"


def key_tags(key: str, process: str) -> dict[str, str]:
    """Return the tags of a run of the training of this key, or `FROM_FILES`, on which a process works."""
    return {_KEY: key, _PROCESS: process}


def held(run: "Run") -> dict[str, str]:
    """Return the digest of each stage that a run recorded."""
    return {stage: run.data.tags[f"digest.{stage}"] for stage in STAGES if f"digest.{stage}" in run.data.tags}


def find(experiment: Experiment, params: Mapping[str, Any], digests: Mapping[str, str]) -> "Run | None":
    """Return the newest run that holds the first of these stages, and of none of them another result.

    Args:
        experiment: Where to search.
        params: Contents of params.yaml.
        digests: By stage: `digests.stage_digest`.
    """
    runs = experiment.search(f"tags.`digest.{TRAIN.name}` = '{digests[TRAIN.name]}'")
    return next((run for run in runs if _agrees(run, params, digests)), None)


def find_interrupted(experiment: Experiment, params: Mapping[str, Any], key: str, process: str) -> str | None:
    """Return the newest run of a training of this key that was interrupted, or that this process opened."""
    for run in _unfinished(experiment, key):
        is_free = run.data.tags.get(_PROCESS) == process or not _may_be_alive(run)
        if is_free and run.data.tags["seeds"] == seeds_tag(params["seeds"]):
            return str(run.info.run_id)
    return None


def find_unfinished(experiment: Experiment, params: Mapping[str, Any], results: Path) -> str | None:
    """Return the newest run of a training that has these results, but did not come to record them.

    Its parameters are the same, as far as they were delivered, and it has points, which are all the result's:
    training is deterministic, so that another training would hardly have them. A training that still runs is left
    alone: it would send its points again.
    """
    expected, expected_params = training_points(results), stage_params("train", params)
    for run in _unfinished(experiment):
        if _may_be_alive(run) or not _may_have(run, expected_params):
            continue
        points = {seed: experiment.points(child) for seed, child in experiment.children(run.info.run_id).items()}
        if any(points.values()) and all(found <= set(expected.get(seed, ())) for seed, found in points.items()):
            return str(run.info.run_id)
    return None


def close_abandoned() -> list[str]:
    """Close runs whose training or recording in this project died; return their names.

    Raises:
        TrackingError: The store could not be read or written.
    """
    closed: list[str] = []
    dead = gone()
    if not dead or nothing_there():
        return closed
    with as_tracking_errors():
        client = connect()
        condition = f"tags.`{_PROCESS}` LIKE '%' and attributes.status = 'RUNNING'"
        for run in list(search(client, all_experiments(client), condition)):
            if run.data.tags[_PROCESS] in dead:
                close_family(client, run.info.experiment_id, run.info.run_id, "KILLED")
                closed.append(str(run.info.run_name))
    for name in dead:
        forget(name)
    return closed


def seeds_tag(seeds: Iterable[int]) -> str:
    """Return the seeds as a run's tag names them."""
    return ", ".join(str(seed) for seed in seeds)


def seeds_in(tags: Mapping[str, str]) -> set[int]:
    """Return the seeds that a run's tags name."""
    return {int(seed) for seed in re.findall(r"\d+", tags.get("seeds", ""))}


def _agrees(run: "Run", params: Mapping[str, Any], digests: Mapping[str, str]) -> bool:
    """Whether what a run lacks of these stages can be added to it."""
    recorded = held(run)
    if any(recorded.get(stage, digest) != digest for stage, digest in digests.items()):
        return False
    # An interrupted recording may have left parameters, which cannot change.
    return all(_may_have(run, stage_params(stage, params)) for stage in digests if stage not in recorded)


def _may_have(run: "Run", params: Mapping[str, str]) -> bool:
    return all(run.data.params.get(name, value) == value for name, value in params.items())


def _unfinished(experiment: Experiment, key: str = "%") -> "Iterator[Run]":
    """Runs of trainings that recorded no result, newest first."""
    return (run for run in experiment.search(f"tags.`{_KEY}` LIKE '{key}'") if TRAIN.name not in held(run))


def _may_be_alive(run: "Run") -> bool:
    """Whether a process works on the run; of one on another machine only the run's status tells."""
    is_alive = is_working(run.data.tags.get(_PROCESS, ""))
    return run.info.status == "RUNNING" if is_alive is None else is_alive
