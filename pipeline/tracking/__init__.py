"""Experiment tracking with MLflow: live while training, and from the result files; it may fail, but no result does."""

from pipeline.tracking.faults import TrackingError
from pipeline.tracking.live import LiveTraining
from pipeline.tracking.location import tracking_uri
from pipeline.tracking.matching import close_abandoned
from pipeline.tracking.model import without_model
from pipeline.tracking.recording import record, record_missing
from pipeline.tracking.runs import RecordedRun, digests_of, download, recorded_runs, tag, without_seeds

__all__ = [
    "LiveTraining",
    "RecordedRun",
    "TrackingError",
    "close_abandoned",
    "digests_of",
    "download",
    "record",
    "record_missing",
    "recorded_runs",
    "tag",
    "tracking_uri",
    "without_model",
    "without_seeds",
]
