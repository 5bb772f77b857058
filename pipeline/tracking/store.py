"""Writes results into MLflow; the only module that imports it, and not before it is needed: that takes seconds."""

import hashlib
import io
import os
import platform
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ruamel.yaml import YAML

from ddpg.files import DamagedFileError
from ddpg.history import TrainingHistory
from pipeline.provenance.digests import config_hash, stage_digest
from pipeline.provenance.git import Origin, project_root
from pipeline.quiet import silent_stderr
from pipeline.stages import STAGES, TRAIN
from pipeline.tracking.contents import (
    MODEL_ALIAS,
    Point,
    describe,
    describe_model,
    points_over_seeds,
    seed_summaries,
    stage_files,
    stage_metrics,
    stage_params,
    summarize,
    training_points,
)
from pipeline.tracking.faults import REQUEST_SECONDS, Patience
from pipeline.tracking.location import artifact_location, guard_first_use, tracking_uri
from pipeline.tracking.pictures import Painter, pictured_snapshots, pictures_every_n_episodes
from pipeline.tracking.view import VIEW_TAG, saved_view

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Metric, Run

    from ddpg.visualizations.video import Frame

_METRICS_PER_BATCH = 1000  # MLflow's limits on a request
_PARAMS_OR_TAGS_PER_BATCH = 100
_PICTURES = "networks"
_TRAINING, _MACHINE = "training", "training.machine"
UNLOCKED = "unlocked "
"""Begins the key of a training of which nobody knows whether it still runs."""
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # its default keeps trying a dead server for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # it would print the address with its password
}

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


def open_client() -> "MlflowClient":
    """A client of the store, which does not wait for ever."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri(), registry_uri=tracking_uri())


class Store:
    """The experiment of one environment, reached through an `MlflowClient` of its own."""

    def __init__(self, params: Mapping[str, Any], patience: Patience, is_current: bool = True) -> None:
        """Reach the store and its experiment, which are created at their first use.

        Args:
            params: Contents of params.yaml.
            patience: How long the store may take.
            is_current: Whether the model that is recorded becomes the newest.
        """
        self._params = params
        self._patience = patience
        self._is_current = is_current
        with guard_first_use(tracking_uri()):
            self._client = open_client()
            self._open(params["environment"]["id"])

    def _open(self, experiment: str) -> None:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            try:
                self._experiment = self.client.create_experiment(
                    experiment, artifact_location(tracking_uri()), {VIEW_TAG: saved_view(now())}
                )
                return
            except MlflowException:  # another process was faster
                found = self.client.get_experiment_by_name(experiment)
                if found is None:
                    raise
        self._experiment = found.experiment_id
        if VIEW_TAG not in found.tags:
            self.client.set_experiment_tag(self._experiment, VIEW_TAG, saved_view(now()))

    @property
    def client(self) -> "MlflowClient":
        """The client, as long as there is time for one more request."""
        self._patience.check()
        return self._client

    @property
    def _seeds(self) -> str:
        return ", ".join(str(seed) for seed in self._params["seeds"])

    def name(self, run: str) -> str:
        """A run's name."""
        return str(self.client.get_run(run).info.run_name)

    def open_parent(self, origin: Origin, start_time: int | None = None, key: str | None = None) -> str:
        """Open the run of a result, with what is known before any stage is recorded.

        Args:
            origin: The code that made the result.
            start_time: When training started; `None` for a result that is recorded from its files.
            key: Names the training; see `find_interrupted`.
        """
        git = origin.git
        tags = {
            "config_hash": config_hash(self._params),
            "seeds": self._seeds,
            "mlflow.source.name": "dvc repro",
            "mlflow.source.type": "LOCAL",
            **{f"git.{name}": value for name, value in vars(git).items() if name != "diff" and value},
            **({"git.dirty": str(git.dirty).lower(), "mlflow.source.git.commit": git.commit} if git.commit else {}),
            **({"backfilled": "true"} if start_time is None else {}),
            **({_TRAINING: key, _MACHINE: _machine()} if key else {}),
            **origin.experiment,
        }
        tags["mlflow.note.content"] = describe(self._params, tags, {})
        run = self._create_run(tags, tags.get("dvc.experiment"), start_time)
        if git.diff:
            self.client.log_text(run, git.diff, "git.diff")
        self._add_params(run, stage_params("train", self._params))
        return run

    def open_child(self, parent: str, seed: int, start_time: int | None = None) -> str:
        """Open the run of one seed."""
        tags = {"mlflow.parentRunId": parent, "seed": str(seed), "config_hash": config_hash(self._params)}
        run = self._create_run(tags, f"seed {seed}", start_time)
        self._add_params(run, {"seed": str(seed)})
        return run

    def find(self, digests: Mapping[str, str]) -> "Run | None":
        """The newest run that holds the first of these stages, and of none of them another result.

        Args:
            digests: By stage: `digests.stage_digest`.
        """
        first = TRAIN.name
        condition = f"tags.`digest.{first}` = '{digests[first]}'"
        runs = self.client.search_runs([self._experiment], condition, order_by=["attributes.start_time DESC"])
        return next((run for run in runs if self._agrees(run, digests)), None)

    def _agrees(self, run: "Run", digests: Mapping[str, str]) -> bool:
        """Whether what a run lacks of these stages can be added to it."""
        recorded = held(run)
        if any(recorded.get(stage, digest) != digest for stage, digest in digests.items()):
            return False
        missing = {stage: stage_params(stage, self._params) for stage in digests if stage not in recorded}
        # An interrupted recording may have left parameters, which cannot change.
        return all(
            run.data.params.get(name, value) == value for params in missing.values() for name, value in params.items()
        )

    def find_interrupted(self, key: str) -> str | None:
        """The newest run of a training that did not end; nobody else may train by this key in this project now."""
        seeds = self._seeds
        return next((run.info.run_id for run in self._unfinished(key) if run.data.tags["seeds"] == seeds), None)

    def find_unfinished(self, results: Path, *, is_alive: Callable[[str], bool]) -> str | None:
        """The newest run of a training that has these results, but did not come to record them.

        Its parameters are the same, as far as they were delivered, and it has points, which are all the result's:
        training is deterministic, so that another training would hardly have them. One that still runs is left alone:
        it would send its points again.

        Args:
            results: The folder of result files.
            is_alive: Whether a training, of which the key is given, still runs in this project.
        """
        expected, params = training_points(results), stage_params("train", self._params)
        for run in self._unfinished():
            key = run.data.tags[_TRAINING]
            may_live = is_alive(key) or (key.startswith(UNLOCKED) and run.info.status == "RUNNING")
            if may_live or any(params.get(name, value) != value for name, value in run.data.params.items()):
                continue
            held = {seed: self.points(child) for seed, child in self.children(run.info.run_id).items()}
            if any(held.values()) and all(points <= set(expected.get(seed, ())) for seed, points in held.items()):
                return str(run.info.run_id)
        return None

    def _unfinished(self, key: str = "%") -> "Iterator[Run]":
        """Runs of trainings that recorded no result, the newest first; those of other machines have to have ended."""
        condition = f"tags.`{_TRAINING}` LIKE '{key}'"
        for run in self.client.search_runs([self._experiment], condition, order_by=["attributes.start_time DESC"]):
            is_ours = run.data.tags.get(_MACHINE) == _machine()
            if f"digest.{TRAIN.name}" not in run.data.tags and (is_ours or run.info.status != "RUNNING"):
                yield run

    def reopen(self, run: str) -> None:
        """Let a run that ended go on."""
        self.client.update_run(run, "RUNNING")

    def pictured_steps(self, run: str) -> set[int]:
        """The steps of the pictures that a run holds."""
        # MLflow names an image by its key, step, time and a random number.
        names = [Path(item.path).name for item in self.client.list_artifacts(run, "images")]
        return {int(step) for name in names for step in re.findall(rf"{_PICTURES}\Wstep\W(\d+)\W", name)}

    def points(self, run: str, metrics: Collection[str] | None = None) -> set[Point]:
        """All that a run holds, or its points of these metrics."""
        names = [name for name in self.client.get_run(run).data.metrics if metrics is None or name in metrics]
        histories = [self.client.get_metric_history(run, name) for name in names]
        return {Point(point.key, point.value, point.step) for history in histories for point in history}

    def record_stage(self, run: str, stage: str, results: Path, timings: Mapping[str, float]) -> None:
        """Record a stage from its files; its digest is set last, when everything else is there."""
        self._add_params(run, stage_params(stage, self._params))
        overall = summarize(stage, stage_metrics(stage, results))
        points = [*overall.points, *(Point(f"time/{name}", value) for name, value in timings.items())]
        children = self.children(run)
        if stage == "train":
            training = training_points(results)
            children |= {seed: self.open_child(run, seed) for seed in training.keys() - children.keys()}
            for seed, episodes in training.items():
                self._add_missing_points(children[seed], episodes)
                self._add_missing_pictures(children[seed], results / stage / "seeds" / str(seed) / "history.npz")
                self.close(children[seed], "FINISHED")
            points += points_over_seeds(training)
        self._add_missing_points(run, points)
        summaries = seed_summaries(stage, results)
        for seed in summaries.keys() - children.keys():
            raise DamagedFileError(f"{results / 'train/episodes.csv'}: expected episodes of seed {seed}, found none")
        for seed, summary in summaries.items():
            self._add_missing_points(children[seed], summary.points)
            self._add_tags(children[seed], summary.tags)
        self._add_workspace(run, results.parent)
        for file, folder in stage_files(stage, results):
            self.client.log_artifact(run, str(file), folder)
        self._mark(run, stage, results, overall.tags)

    def close(self, run: str, status: RunStatus) -> None:
        """End a run; one that has ended like this keeps its end time."""
        if self.client.get_run(run).info.status != status:
            self.client.set_terminated(run, status)

    def add_metrics(self, run: str, metrics: "Sequence[Metric]") -> None:
        """Deliver metric points."""
        for start in range(0, len(metrics), _METRICS_PER_BATCH):
            self.client.log_batch(run, metrics=metrics[start : start + _METRICS_PER_BATCH])

    def add_picture(self, run: str, step: int, picture: "Frame") -> None:
        """Deliver a picture of the networks; the UI has a slider over the steps, which are episodes."""
        self.client.log_image(run, picture, key=_PICTURES, step=step, synchronous=True)

    def _create_run(self, tags: dict[str, str], name: str | None, start_time: int | None) -> str:
        return str(self.client.create_run(self._experiment, start_time, tags, name).info.run_id)

    def _mark(self, run: str, stage: str, results: Path, tags: Mapping[str, str]) -> None:
        present = self.client.get_run(run).data.tags
        if stage == "evaluate":
            note = describe(self._params, present, stage_metrics(stage, results), run)
            self._add_model(run, results / stage / "policy", note.replace("**", ""))
            tags = {**tags, "mlflow.note.content": note}
        self._add_tags(run, tags)
        self.close(run, "FINISHED")
        recorded = [name for name in STAGES if name == stage or f"digest.{name}" in present]
        self._add_tags(run, {"stages": ", ".join(recorded), f"digest.{stage}": stage_digest(stage, results)})

    def _add_params(self, run: str, params: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        entries = [Param(name, value) for name, value in params.items()]
        for start in range(0, len(entries), _PARAMS_OR_TAGS_PER_BATCH):
            self.client.log_batch(run, params=entries[start : start + _PARAMS_OR_TAGS_PER_BATCH])

    def _add_tags(self, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        entries = [RunTag(name, value) for name, value in tags.items()]
        for start in range(0, len(entries), _PARAMS_OR_TAGS_PER_BATCH):
            self.client.log_batch(run, tags=entries[start : start + _PARAMS_OR_TAGS_PER_BATCH])

    def _add_missing_points(self, run: str, points: Iterable[Point]) -> None:
        """Deliver the points that the run does not hold yet."""
        points = list(points)
        present = self.points(run, {point.metric for point in points})
        self.add_metrics(run, make_metrics([point for point in points if point not in present], now()))

    def _add_missing_pictures(self, run: str, file: Path) -> None:
        if not file.is_file():
            return
        history, painter, present = TrainingHistory.load(file), Painter(), self.pictured_steps(run)
        for step, snapshot in pictured_snapshots(history, pictures_every_n_episodes(self._params)):
            if step not in present:
                self.add_picture(run, step, painter.draw(history, snapshot))

    def children(self, parent: str) -> dict[int, str]:
        """The runs of a result's seeds."""
        runs = self.client.search_runs([self._experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
        return {int(run.data.tags["seed"]): run.info.run_id for run in runs}

    def _add_workspace(self, run: str, project: Path) -> None:
        stream = io.StringIO()
        YAML(pure=True).dump(self._params, stream)
        self.client.log_text(run, stream.getvalue(), "params.yaml")
        if (project / "dvc.yaml").is_file():
            self.client.log_artifact(run, str(project / "dvc.yaml"))

    def _add_model(self, run: str, policy: Path, note: str) -> None:
        """Log the actor as a Keras model and register it; once, also if an interrupted recording is taken up."""
        from mlflow.entities import LoggedModelOutput

        name = f"ddpg-{re.sub('[/:]', '-', self._params['environment']['id'])}"
        if self.client.search_model_versions(f"name = '{name}' and run_id = '{run}'"):
            return
        model = self.client.create_logged_model(self._experiment, "actor", source_run_id=run, model_type="policy")
        with tempfile.TemporaryDirectory() as folder:
            with warnings.catch_warnings(action="ignore"):  # of MLflow and Keras about themselves
                _save_keras_model(policy, Path(folder) / "model", model, run)
            self.client.log_model_artifacts(model.model_id, str(Path(folder) / "model"))
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
        self._register(name, model, run, note)

    def _register(self, name: str, model: "LoggedModel", run: str, note: str) -> None:
        found = self.client.search_registered_models(f"name = '{name}'")
        if not found:
            self.client.create_registered_model(name, description=describe_model(self._params["environment"]["id"]))
        # A source of the form models:/ID would be looked up in the process's default store, not in this one.
        created = self.client.create_model_version(
            name, model.artifact_location, run, description=note, model_id=model.model_id
        )
        if self._is_current or not any(MODEL_ALIAS in registered.aliases for registered in found):
            self.client.set_registered_model_alias(name, MODEL_ALIAS, created.version)


def _machine() -> str:
    """This machine and the project's folder on it, where `pipeline.execution.seed_store` knows which trainings run."""
    folder = hashlib.sha256(str(project_root().resolve()).encode()).hexdigest()[:8]
    return f"{platform.node()}:{folder}"


def _save_keras_model(policy: Path, folder: Path, logged: "LoggedModel", run: str) -> None:
    with silent_stderr():
        import mlflow.tensorflow
        import numpy as np
        from mlflow.models import Model, infer_signature

        from ddpg.agent import load_policy_model

    actor = load_policy_model(policy)
    observation = np.zeros((1, *actor.input_shape[1:]), dtype=np.float32)
    mlflow.tensorflow.save_model(
        actor,
        folder,
        mlflow_model=Model(artifact_path=logged.artifact_location, run_id=run, model_id=logged.model_id),
        signature=infer_signature(observation, actor(observation).numpy()),
        input_example=observation,
        # MLflow would find them by loading the model in a new process, which takes seconds.
        pip_requirements=[f"{package}=={version(package)}" for package in ("tensorflow", "keras", "numpy")],
    )


def held(run: "Run") -> dict[str, str]:
    """By stage that a run recorded: its digest."""
    return {stage: run.data.tags[f"digest.{stage}"] for stage in STAGES if f"digest.{stage}" in run.data.tags}


def make_metrics(points: Iterable[Point], timestamp: int) -> "list[Metric]":
    """MLflow's entities for metric points."""
    from mlflow.entities import Metric

    return [Metric(name, value, timestamp, step) for name, value, step in points]


def now() -> int:
    """The time as MLflow counts it, in milliseconds."""
    return int(time.time() * 1000)
