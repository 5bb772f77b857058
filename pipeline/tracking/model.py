"""The actor as a registered Keras model: an entry of the run, and a version in the registry.

`mlflow.tensorflow.log_model` would put both into the process's default store and experiment, print to stderr, and send
a request for each of the run's metrics, which nothing bounds. So the entries are made by hand, as MLflow 3.17.2 does.
"""

import contextlib
import re
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ddpg.numerics.quiet import silent_stderr
from pipeline.tracking.client import PAGE, Experiment, connect
from pipeline.tracking.faults import costs_a_warning

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

NEWEST, BEST = "newest", "best"
"""Aliases of versions; MLflow reserves "latest"."""
_NOT_IN_NAMES = "[/:.%\"']"
SCORES = ("evaluate/best/return_iqm", "evaluate/best/return_worst_seed", "evaluate/best/solved_share")
"""Metrics of its run that a version shows as tags; the first decides which is the best."""


def add_model(experiment: Experiment, run: str, policy: Path, params: Mapping[str, Any], is_current: bool) -> bool:
    """Add the actor to a run and register it, if either is missing; say whether it was.

    Args:
        experiment: The run's.
        run: The run of an evaluated result.
        policy: The folder of the policy.
        params: Contents of params.yaml.
        is_current: Whether the version becomes the newest.
    """
    environment = params["environment"]["id"]
    name = f"ddpg-{re.sub(_NOT_IN_NAMES, '-', environment)}"
    if experiment.client.search_model_versions(f"name = '{name}' and run_id = '{run}'"):
        return False
    model = _logged(experiment, run) or _log(experiment, run, name, policy)
    _register(experiment, model, name, environment, is_current)
    return True


def without_model(runs: Sequence[str]) -> set[str]:
    """Return those of these runs without a registered model; all, with a warning, if the registry cannot be read."""
    if not runs:
        return set()
    with costs_a_warning("missing models"):
        client, registered, page = connect(), set(), None
        while True:
            found = client.search_model_versions(max_results=PAGE, page_token=page)
            registered |= {each.run_id for each in found}
            page = found.token
            if not page:
                return set(runs) - registered
    return set(runs)


def _logged(experiment: Experiment, run: str) -> "LoggedModel | None":
    """The run's model, if there is one: somebody may have deleted only its registration."""
    # MLflow's search cannot select by status: its database holds it as a number.
    models = experiment.client.search_logged_models([experiment.id], f"source_run_id = '{run}'")
    return next((model for model in models if model.status == "READY"), None)


def _log(experiment: Experiment, run: str, name: str, policy: Path) -> "LoggedModel":
    from mlflow.entities import LoggedModelOutput

    model = experiment.client.create_logged_model(experiment.id, name, source_run_id=run, model_type="policy")
    try:
        with tempfile.TemporaryDirectory() as folder:
            save_actor(policy, Path(folder) / "model", model, run)
            experiment.client.log_model_artifacts(model.model_id, str(Path(folder) / "model"))
        experiment.client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
        return experiment.client.finalize_logged_model(model.model_id, "READY")
    except BaseException:
        with contextlib.suppress(Exception):  # the first error says more
            experiment.client.finalize_logged_model(model.model_id, "FAILED")
        raise


def save_actor(policy: Path, folder: Path, model: "LoggedModel", run: str) -> None:
    """Write a policy as a Keras model in MLflow's format."""
    with silent_stderr():
        import mlflow.tensorflow
        from mlflow.models import Model, ModelSignature, infer_signature
        from mlflow.models.model import MLMODEL_FILE_NAME
        from mlflow.types import ColSpec, DataType, Schema

        from ddpg.agent import load_policy_model
        from ddpg.environments.running_statistics import FILE

    actor = load_policy_model(policy)
    observation = np.zeros((1, actor.input_shape[-1]), np.float32)
    with warnings.catch_warnings(action="ignore"):  # from MLflow and Keras about themselves
        mlflow.tensorflow.save_model(
            actor,
            folder,
            mlflow_model=Model(artifact_path=model.artifact_location, run_id=run, model_id=model.model_id),
            signature=infer_signature(observation, actor(observation).numpy()),
            # MLflow would find them by loading the model in a new process, which takes seconds.
            pip_requirements=[f"{package}=={version(package)}" for package in ("tensorflow", "keras", "numpy")],
        )
    # As columns, because MLflow takes neither lists nor other precisions for tensors; afterwards, because it saves only
    # signatures of tensors.
    observations, actions = (
        Schema([ColSpec(DataType.double) for _ in range(shape[-1])])
        for shape in (actor.input_shape, actor.output_shape)
    )
    saved = Model.load(folder)
    saved.signature = ModelSignature(observations, actions)
    saved.save(folder / MLMODEL_FILE_NAME)
    if (policy / FILE).exists():  # without which it cannot be used in the environment
        shutil.copy(policy / FILE, folder)


def _register(experiment: Experiment, model: "LoggedModel", name: str, environment: str, is_current: bool) -> None:
    client, run = experiment.client, str(model.source_run_id)
    found = client.search_registered_models(f"name = '{name}'")
    if not found:
        client.create_registered_model(name, description=_describe(environment))
    data = client.get_run(run).data
    scores = {metric: str(data.metrics[metric]) for metric in SCORES if metric in data.metrics}
    # A source of the form models:/ID would be looked up in the process's default store, not in this one.
    created = client.create_model_version(
        name,
        model.artifact_location,
        run,
        tags={"run": str(data.tags.get("mlflow.runName")), **scores},
        description=data.tags["mlflow.note.content"].replace("**", ""),
        model_id=model.model_id,
        await_creation_for=0,
    )
    aliases = found[0].aliases if found else {}
    if is_current or NEWEST not in aliases:
        client.set_registered_model_alias(name, NEWEST, created.version)
    best = client.get_model_version_by_alias(name, BEST).tags if BEST in aliases else {}
    if _score(scores) > _score(best):
        client.set_registered_model_alias(name, BEST, created.version)


def _score(tags: Mapping[str, str]) -> float:
    return float(tags.get(SCORES[0], "-inf"))


def _describe(environment: str) -> str:
    return (
        f"Actors that DDPG trained on **{environment}**: from observations (n, observation size) to actions "
        "(n, action size), both in the environment's units. Each version is the best policy of a result's median "
        f"seed; its description and tags say how good it is. The alias `{BEST}` is that of the greatest mean return, "
        f"`{NEWEST}` that of the last `dvc repro`; an experiment from a queue is never the newest."
    )
