"""A result's stages in MLflow, from their files: one run a result, found by digest, with one run a seed in it."""

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ddpg.files import DamagedFileError
from ddpg.history import TrainingHistory
from pipeline.provenance.digests import config_hash, stage_digest
from pipeline.provenance.edits import edits_since, title
from pipeline.provenance.git import Origin, origin_of
from pipeline.provenance.revision import WORKSPACE_REVISION
from pipeline.provenance.software import tags_here, tags_of
from pipeline.stages import STAGES, up_to
from pipeline.tracking.client import Experiment, RunStatus, close_children
from pipeline.tracking.contents import (
    Point,
    accepted_value,
    describe,
    points_over_seeds,
    run_name,
    seed_summaries,
    stage_files,
    stage_metrics,
    stage_params,
    summarize,
    training_points,
)
from pipeline.tracking.faults import RECORD_SECONDS, Patience, as_tracking_errors, costs_a_warning
from pipeline.tracking.location import one_recording_at_a_time
from pipeline.tracking.matching import FROM_FILES, find, find_unfinished, held, key_tags, seeds_in, seeds_tag
from pipeline.tracking.model import add_model
from pipeline.tracking.pictures import Painter, pictured_snapshots, pictures_every_n_episodes
from pipeline.tracking.presence import working


def record(stage: str, params: Mapping[str, Any], results: Path, timings: Mapping[str, float] | None = None) -> None:
    """Record a stage that has written its files; a tracker that fails costs a warning on stderr and a bounded time.

    Args:
        stage: `train`, `evaluate` or `animate`.
        params: Contents of params.yaml.
        results: The folder of result files, in the project's folder.
        timings: Wall times and rates, which only MLflow keeps.
    """
    with costs_a_warning(f"the stage {stage}"):
        patience = Patience()
        patience.end_in(RECORD_SECONDS)
        with one_recording_at_a_time(RECORD_SECONDS), working() as process:
            origin = origin_of(results.parent)
            recorder = Recorder(params, patience, process, is_current=origin.is_current)
            recorder.record(stage, results, origin, timings or {})


def record_missing(
    params: Mapping[str, Any], results: Path, stages: Sequence[str], origin: Origin | None = None
) -> list[tuple[str, str]]:
    """Record what the store lacks of these stages; several processes may do so at once.

    Args:
        params: The parameters that made the results.
        results: The folder of result files, in a folder like the project's.
        stages: The stages whose files are complete, from the first of the pipeline; at least one.
        origin: Where the results come from; `None`: from the code in the folder.

    Returns:
        Each stage that was recorded, and `model` for the registered model, with the name of the run that now holds it.

    Raises:
        TrackingError: The store could not be read or written.
    """
    with as_tracking_errors(), one_recording_at_a_time(), working() as process:
        if origin is None:
            software = tags_of(WORKSPACE_REVISION, params["environment"]["id"])
            origin = replace(origin_of(results.parent), software=software)
        recorder = Recorder(params, Patience(), process, is_current=origin.is_current)
        run, recorded = recorder.record(stages[-1], results, origin, {})
        return [(name, recorder.name(run)) for name in recorded]


class Recorder:
    """Writes results of these parameters into their environment's experiment.

    Args:
        params: Contents of params.yaml.
        patience: How long the store may take.
        process: The name of the work, see `presence.working`.
        is_current: Whether the model that is recorded becomes the newest.
    """

    def __init__(self, params: Mapping[str, Any], patience: Patience, process: str, *, is_current: bool = True) -> None:
        self._params = params
        self._process = process
        self._is_current = is_current
        self.experiment = Experiment(params["environment"]["id"], patience)

    def name(self, run: str) -> str:
        """Return a run's name."""
        return str(self.experiment.client.get_run(run).info.run_name)

    def open_parent(
        self, origin: Origin, key: str, start_time: int | None = None, interrupted: str | None = None
    ) -> str:
        """Open the run of a result, with what is known before any stage is recorded.

        Args:
            origin: The code that made the result.
            key: Names the training; see `find_interrupted`.
            start_time: When training started; `None` for a result that is recorded from its files.
            interrupted: The run to resume; `None`: a new one.
        """
        git = origin.git
        tags = {
            "config_hash": config_hash(self._params),
            "seeds": seeds_tag(self._params["seeds"]),
            "mlflow.source.name": "dvc repro",
            "mlflow.source.type": "LOCAL",
            **{f"git.{name}": value for name, value in vars(git).items() if name != "diff" and value},
            **({"git.dirty": str(git.dirty).lower(), "mlflow.source.git.commit": git.commit} if git.commit else {}),
            **(tags_here(self._params["environment"]["id"]) if origin.software is None else origin.software),
            **({"backfilled": "true"} if start_time is None else {}),
            **key_tags(key, self._process),
            **origin.experiment,
        }
        tags["mlflow.note.content"] = describe(self._params, tags, {})
        edits = edits_since(origin.base, self._params)
        if edits:
            tags["changed"] = accepted_value(", ".join(f"{name}: {old} → {new}" for name, (old, new) in edits.items()))
        what = title(edits) or ("other code" if git.dirty else "")
        name = tags.get("dvc.experiment") or run_name(what, git.commit)
        if interrupted:
            self.experiment.reopen(interrupted, tags, name)
        run = interrupted or self.experiment.create_run(tags, name, start_time)
        if git.diff:
            self.experiment.client.log_text(run, git.diff, "git.diff")
        self.experiment.add_params(run, stage_params("train", self._params))
        return run

    def open_child(self, parent: str, seed: int, start_time: int | None = None) -> str:
        """Open the run of one seed."""
        tags = {"mlflow.parentRunId": parent, "seed": str(seed), "config_hash": config_hash(self._params)}
        run = self.experiment.create_run(tags, f"seed {seed}", start_time)
        self.experiment.add_params(run, {"seed": str(seed)})
        return run

    def record(
        self, stage: str, results: Path, origin: Origin, timings: Mapping[str, float]
    ) -> tuple[str, tuple[str, ...]]:
        """Record a stage, and those before it that are missing, in the run of the same files, or in a new one.

        Returns:
            The run, and what was recorded.
        """
        digests = {name: stage_digest(name, results) for name in up_to(stage)}
        found = find(self.experiment, self._params, digests)
        if found is None:
            run = find_unfinished(self.experiment, self._params, results) or self.open_parent(origin, FROM_FILES)
            missing = list(digests)
        else:
            run = str(found.info.run_id)
            complete = self.experiment.children(run, " and attributes.status = 'FINISHED'")
            lacks_seeds = not complete.keys() >= seeds_in(found.data.tags)
            missing = [name for name in digests if lacks_seeds or name not in held(found)]
        try:
            for name in missing:
                self.record_stage(run, name, results, timings if name == stage else {})
        except BaseException as error:
            with contextlib.suppress(Exception):  # the first error says more
                status: RunStatus = "FAILED" if isinstance(error, Exception) else "KILLED"
                close_children(self.experiment.client, self.experiment.id, run, status)
                if found is None:  # one that holds a result stays finished
                    self.experiment.close(run, status)
            raise
        if "evaluate" in digests and self._add_model(run, results):
            missing = missing or ["model"]
        return run, tuple(missing)

    def record_stage(self, run: str, stage: str, results: Path, timings: Mapping[str, float]) -> None:
        """Record a stage from its files; its digest is set last, when everything else is there."""
        self.experiment.add_params(run, stage_params(stage, self._params))
        children = self.experiment.children(run)
        overall = summarize(stage, stage_metrics(stage, results))
        points = [*overall.points, *(Point(f"time/{name}", value) for name, value in timings.items())]
        if stage == "train":
            training = training_points(results)
            children |= {seed: self.open_child(run, seed) for seed in training.keys() - children.keys()}
            for seed, episodes in training.items():
                self._record_seed(children[seed], episodes, results / f"train/seeds/{seed}/history.npz")
            points += points_over_seeds(training)
            overall.tags["seeds"] = seeds_tag(training)
        self.experiment.add_missing_points(run, points)
        self._add_seed_summaries(children, stage, results)
        self._add_files(run, stage, results)
        present = self.experiment.client.get_run(run).data.tags
        if stage == "evaluate":
            overall.tags["mlflow.note.content"] = describe(self._params, present, stage_metrics(stage, results), run)
        self.experiment.add_tags(run, overall.tags)
        self.experiment.close(run, "FINISHED")
        recorded = [name for name in STAGES if name == stage or f"digest.{name}" in present]
        digest = stage_digest(stage, results)
        self.experiment.add_tags(run, {"stages": ", ".join(recorded), f"digest.{stage}": digest})

    def _record_seed(self, run: str, episodes: Iterable[Point], history: Path) -> None:
        self.experiment.add_missing_points(run, episodes)
        if history.is_file():
            self._add_missing_pictures(run, TrainingHistory.load(history))
        self.experiment.close(run, "FINISHED")

    def _add_missing_pictures(self, run: str, history: TrainingHistory) -> None:
        painter, present = Painter(), self.experiment.pictured_steps(run)
        for step, snapshot in pictured_snapshots(history, pictures_every_n_episodes(self._params)):
            if step not in present:
                self.experiment.add_picture(run, step, painter.draw(history, snapshot))

    def _add_seed_summaries(self, children: Mapping[int, str], stage: str, results: Path) -> None:
        summaries = seed_summaries(stage, results)
        for seed in summaries.keys() - children.keys():
            raise DamagedFileError(f"{results / 'train/episodes.csv'}: expected episodes of seed {seed}, found none")
        for seed, summary in summaries.items():
            self.experiment.add_missing_points(children[seed], summary.points)
            self.experiment.add_tags(children[seed], summary.tags)

    def _add_files(self, run: str, stage: str, results: Path) -> None:
        client = self.experiment.client
        stream = io.StringIO()
        YAML(pure=True).dump(self._params, stream)
        client.log_text(run, stream.getvalue(), "params.yaml")
        if (results.parent / "dvc.yaml").is_file():
            client.log_artifact(run, str(results.parent / "dvc.yaml"))
        for file in stage_files(stage, results):
            self.experiment.client.log_artifact(run, str(file), STAGES[stage].artifact_folder)

    def _add_model(self, run: str, results: Path) -> bool:
        """Add the model that the run lacks; say whether there is a new one."""
        with costs_a_warning("the model"):
            return add_model(self.experiment, run, results / "evaluate/policy", self._params, self._is_current)
        return False
