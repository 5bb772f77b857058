"""A result's stages in MLflow, from their files."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.execution.seed_store import is_training
from pipeline.provenance.digests import stage_digest
from pipeline.provenance.git import Origin, origin_of
from pipeline.stages import up_to
from pipeline.tracking.faults import RECORD_SECONDS, Patience, TrackingError, reason, warn
from pipeline.tracking.location import one_recording_at_a_time
from pipeline.tracking.store import Store, held

_FROM_FILES = "from files"
"""In place of a training's key, so that the run of a recording that was cut short can be found."""


def record(stage: str, params: Mapping[str, Any], results: Path, timings: Mapping[str, float] | None = None) -> None:
    """Record a stage that has written its files; a tracker that fails costs a warning on stderr and a bounded time.

    Args:
        stage: `train`, `evaluate` or `animate`.
        params: Contents of params.yaml.
        results: The folder of result files, in the project's folder.
        timings: Wall times and rates, which only MLflow keeps.
    """
    try:
        patience = Patience()
        patience.end_in(RECORD_SECONDS)
        with one_recording_at_a_time(RECORD_SECONDS):
            _record(Store(params, patience), stage, results, origin_of(results.parent), timings or {})
    except Exception as error:
        warn(f"the stage {stage}", error)


def record_missing(
    params: Mapping[str, Any], results: Path, stages: Iterable[str], origin: Origin | None = None
) -> list[tuple[str, str]]:
    """Record those of the stages that the store does not hold yet; several processes may do so at once.

    Args:
        params: The parameters that made the results.
        results: The folder of result files, in a folder like the project's.
        stages: The stages whose files are complete, in the order of the pipeline.
        origin: Where the results come from; `None`: from the code in the folder.

    Returns:
        Each stage that was recorded, with the name of the run that now holds it.

    Raises:
        TrackingError: The store could not be read or written.
    """
    try:
        with one_recording_at_a_time():
            store = Store(params, Patience(), origin is None or origin.is_current)
            return [
                (done, store.name(run))
                for stage in stages
                for run, dones in [_record(store, stage, results, origin or origin_of(results.parent), {})]
                for done in dones
            ]
    except Exception as error:
        raise TrackingError(reason(error)) from None


def _record(
    store: Store, stage: str, results: Path, origin: Origin, timings: Mapping[str, float]
) -> tuple[str, tuple[str, ...]]:
    """Record a stage, and those before it that are missing, in the run of the same files, or in a new one.

    Returns:
        The run, and the stages that were recorded.
    """
    digests = {name: stage_digest(name, results) for name in up_to(stage)}
    run = store.find(digests)
    missing = tuple(name for name in digests if run is None or name not in held(run))
    if run is not None and not missing:
        return run.info.run_id, ()
    run_id = run.info.run_id if run else store.find_unfinished(results, is_alive=is_training)
    run_id = run_id or store.open_parent(origin, key=_FROM_FILES)
    try:
        for name in missing:
            store.record_stage(run_id, name, results, timings if name == stage else {})
    except BaseException as error:
        with contextlib.suppress(Exception):  # the first error says more
            store.close(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    return run_id, missing
