"""How MLflow's UI shows the results: a saved view of the experiment, with the score's columns and charts first.

MLflow keeps such a view, which its "Views" menu offers, in a tag of the experiment. The format is private; seen in
MLflow 3.17.2.
"""

import json
import time
from typing import TYPE_CHECKING, Any

from pipeline.tracking.faults import costs_a_warning

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

CLASSIC = "workflowType=machine_learning"
"""Part of an address: without it, MLflow shows its pages for language models."""
VIEW = "results"
"""Its key, for `viewStateShareKey=` in an address."""
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"

SCORES = (
    "evaluate/best/return_iqm",
    "evaluate/best/solved_share",
    "evaluate/final/return_iqm",
    "evaluate/environment_steps_to_solve_median",
)
TAGS = ("changed", "git.commit", "seeds")
CURVES = ("test/return_median", "validation/return_median", "train/return_median")

_FIXED_COLUMNS = ("attributes.`Run Name`", "runDateAndNestInfo", "duration")
_COLUMN_WIDTH = 250  # pixels


def offer_view(client: "MlflowClient", experiment: "Experiment") -> None:
    """Give an experiment the view, unless it has one, which its user may have changed; a failure costs a warning."""
    with costs_a_warning("the saved view"):
        if VIEW_TAG not in experiment.tags:
            client.set_experiment_tag(experiment.experiment_id, VIEW_TAG, saved_view(int(time.time() * 1000)))


def saved_view(created: int) -> str:
    """The value of the tag.

    Args:
        created: Time of creation, in milliseconds since 1970.
    """
    columns = [*(f"tags.`{tag}`" for tag in TAGS), *(f"metrics.`{metric}`" for metric in SCORES)]
    # MLflow's own sections, one for each prefix of the metrics' names, come after these.
    sections = {
        "Returns by episode (median)": [_curve(metric) for metric in CURVES],
        "Scores": [_card("BAR", metric) for metric in SCORES],
    }
    state = {
        "selectedColumns": columns,
        "columnOrder": [*_FIXED_COLUMNS, *columns],
        "columnWidths": dict.fromkeys(columns, _COLUMN_WIDTH),
        "isAccordionReordered": True,  # else MLflow sorts the sections by name
        "compareRunSections": [{"uuid": name, "name": name, "display": True} for name in sections],
        "compareRunCharts": [{**card, "metricSectionId": name} for name, cards in sections.items() for card in cards],
    }
    return json.dumps({"name": "Results", "createdAt": created, "updatedAt": created, "state": json.dumps(state)})


def _card(kind: str, metric: str) -> dict[str, Any]:
    return {"uuid": metric, "type": kind, "metricKey": metric, "runsCountToCompare": 10}


def _curve(metric: str) -> dict[str, Any]:
    return {
        **_card("LINE", metric),
        "selectedMetricKeys": [metric],
        "yAxisKey": "metric",
        "scaleType": "linear",
        "xAxisKey": "step",
        # With MLflow's default smoothing, a return that is lost again looks like one that lasts.
        "lineSmoothness": 0,
    }
