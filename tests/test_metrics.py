"""docs/METRICS.md against what runs log."""

import re
from pathlib import Path

from pipeline.tracking.contents import points_over_seeds, seed_summaries, stage_metrics, summarize, training_points

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


def documented(run):
    """Metrics of the runs of results, or of those of seeds."""
    text = (ROOT / "docs" / "METRICS.md").read_text()
    cells = re.findall(rf"^\| (`.*?`) \| {run} \| .*? \| .*? \|$", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall("`(.*?)`", cell)}


STALE = "a metric is documented or recorded, but not both; after a new one, `dvc repro` has to write results/ first"


def names(points):
    return {point.metric for point in points}


def test_the_metrics_of_a_result_are_documented_and_no_others():
    over_seeds = points_over_seeds(training_points(RESULTS))
    once = [summarize(stage, stage_metrics(stage, RESULTS)).points for stage in ("train", "evaluate")]
    assert names(over_seeds).union(*map(names, once)) == documented("result") - {"time/train_seconds"}, STALE


def test_the_metrics_of_a_seed_are_documented_and_no_others():
    curves, once = training_points(RESULTS), seed_summaries("evaluate", RESULTS)
    seed = min(curves)
    assert names(curves[seed]) | names(once[seed].points) == documented("seed"), STALE
