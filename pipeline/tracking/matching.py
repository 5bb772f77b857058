"""Which run belongs to a result or a training."""

import hashlib
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from pipeline.execution.seed_store import is_training
from pipeline.provenance.git import project_root
from pipeline.stages import STAGES, TRAIN
from pipeline.tracking.client import Experiment, all_experiments, close_family, connect, search
from pipeline.tracking.contents import stage_params, training_points
from pipeline.tracking.faults import as_tracking_errors
from pipeline.tracking.location import nothing_there, one_recording_at_a_time

if TYPE_CHECKING:
    from mlflow.entities import Run

FROM_FILES = "from files"
"""Replaces a training's key, so that the run of an interrupted recording can be found."""
UNLOCKED = "unlocked "
"""Prefix of the key of a training of which nobody knows whether it still runs."""
_KEY, _MACHINE = "training", "training.machine"


def key_tags(key: str) -> dict[str, str]:
    """Return the tags of a run that the training of this key, or `FROM_FILES`, opens here."""
    return {_KEY: key, _MACHINE: _machine()}


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


def find_interrupted(experiment: Experiment, params: Mapping[str, Any], key: str) -> str | None:
    """Return the newest run of an interrupted training; nobody else may train by its key in this project now."""
    seeds = seeds_tag(params)
    return next((run.info.run_id for run in _unfinished(experiment, key) if run.data.tags["seeds"] == seeds), None)


def find_unfinished(experiment: Experiment, params: Mapping[str, Any], results: Path) -> str | None:
    """Return the newest run of a training that has these results, but did not come to record them.

    Its parameters are the same, as far as they were delivered, and it has points, which are all the result's:
    training is deterministic, so that another training would hardly have them. A training that still runs is left
    alone: it would send its points again.
    """
    expected, expected_params = training_points(results), stage_params("train", params)
    for run in _unfinished(experiment):
        is_open = run.info.status == "RUNNING"
        if _is_alive(run, or_unknown=is_open) or not _may_have(run, expected_params):
            continue
        points = {seed: experiment.points(child) for seed, child in experiment.children(run.info.run_id).items()}
        if any(points.values()) and all(found <= set(expected.get(seed, ())) for seed, found in points.items()):
            return str(run.info.run_id)
    return None


def close_abandoned() -> list[str]:
    """Close runs that this project left open here, but whose training or recording is gone; return their names.

    Nothing is done while another process records.

    Raises:
        TrackingError: The store could not be read or written.
    """
    closed: list[str] = []
    if nothing_there():
        return closed
    with as_tracking_errors(), suppress(Timeout), one_recording_at_a_time(0):
        client = connect()
        condition = f"tags.`{_MACHINE}` = '{_machine()}' and attributes.status = 'RUNNING'"
        for run in list(search(client, all_experiments(client), condition)):
            if not _is_alive(run, or_unknown=True):
                close_family(client, run.info.experiment_id, run.info.run_id, "KILLED")
                closed.append(str(run.info.run_name))
    return closed


def seeds_tag(params: Mapping[str, Any]) -> str:
    """Return the seeds as a run's tag names them."""
    return ", ".join(str(seed) for seed in params["seeds"])


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
    """Runs of trainings that recorded no result, newest first; those of other machines must have ended."""
    for run in experiment.search(f"tags.`{_KEY}` LIKE '{key}'"):
        is_ours = run.data.tags.get(_MACHINE) == _machine()
        if TRAIN.name not in held(run) and (is_ours or run.info.status != "RUNNING"):
            yield run


def _is_alive(run: "Run", *, or_unknown: bool) -> bool:
    key = run.data.tags[_KEY]
    return (or_unknown and key.startswith(UNLOCKED)) or is_training(key)


def _machine() -> str:
    """This machine and the project's folder on it, where `is_training` knows which trainings run."""
    folder = hashlib.sha256(str(project_root().resolve()).encode()).hexdigest()[:8]
    return f"{platform.node()}:{folder}"
