import pytest

from tests.pipeline.reports.made import Repository


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty git repository that is the project's folder."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(folder))
    return Repository(folder)
