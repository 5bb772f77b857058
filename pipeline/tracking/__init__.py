"""Experiment tracking with MLflow: live while training, and from the result files; it can fail but never hurt."""

from pipeline.tracking.faults import TrackingError
from pipeline.tracking.live import LiveTraining
from pipeline.tracking.location import tracking_uri
from pipeline.tracking.recording import record, record_missing

__all__ = ["LiveTraining", "TrackingError", "record", "record_missing", "tracking_uri"]
