"""Record the workspace's results in MLflow from their files: `python -m pipeline.sync`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from pipeline.lineage import complete_stages, params_of_results, project_root
from pipeline.params import Params, ParamsError, load
from pipeline.runtime import ENVIRONMENT
from pipeline.tracking import TrackingError, record_missing


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the MLflow store complete for the workspace's results; say what was recorded.

    Returns:
        0 when the store holds the results, 1 when there are none or the store cannot be reached.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.sync",
        description="Record in MLflow what it does not hold yet of the results in this workspace, from their files: "
        "after training without a tracker, with a new store, or with results that DVC brought from elsewhere. "
        "A second call finds nothing to do.",
        epilog="The store is MLFLOW_TRACKING_URI if set, else mlflow.db in the project's folder.",
    )
    parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    project = project_root()
    results = project / "results"
    lock = _read_lock(project / "dvc.lock")
    stages = complete_stages(results, lock)
    if not stages:
        print(f"sync: expected the results of at least the stage train in {results}, found none", file=sys.stderr)
        return 1
    try:
        params = params_of_results(load(project / "params.yaml").model_dump(mode="json"), lock)
        recorded = record_missing(Params.model_validate(params).model_dump(mode="json"), results, stages)
    except (ParamsError, ValidationError, TrackingError) as error:
        print(f"sync: {error}", file=sys.stderr)
        return 1
    for stage, run in recorded:
        print(f"{stage}: recorded in run {run}")
    if not recorded:
        print(f"nothing was missing: {', '.join(stages)}")
    return 0


def _read_lock(file: Path) -> dict[str, Any]:
    contents: dict[str, Any] = YAML(typ="safe", pure=True).load(file) if file.is_file() else {}
    return contents


if __name__ == "__main__":
    sys.exit(main())
