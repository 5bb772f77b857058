"""Fixtures of the tests with faults."""

from tests.pipeline.conftest import laboratory, migrated_store, store  # noqa: F401
