"""Fixtures of the tests with faults."""

from tests.pipeline.conftest import migrated_store  # noqa: F401
