from pathlib import Path

import pytest
import sqlalchemy

from pipeline.tracking import location


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:///my.db", "my.db"),
        ("sqlite:///my.db?timeout=60", "my.db"),
        ("sqlite+pysqlite:////stores/my.db?timeout=60&cache=shared", "/stores/my.db"),
        ("sqlite:////a%20b/p#1/my.db", "/a b/p#1/my.db"),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("postgresql://user:secret@host/sqlite:///my.db", None),
        ("https://host/sqlite:///my.db", None),
        ("http://[::1", None),
    ],
)
def test_the_file_of_an_address_is_parsed(address, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert location.sqlite_file(address) == (None if file is None else Path(tmp_path, file))


@pytest.mark.parametrize("name", ["p#1", "a b", "p%20q", "p?x"])
def test_the_store_is_in_the_project_whatever_its_name(name, tmp_path, monkeypatch):
    project = tmp_path / name
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert location.sqlite_file(location.tracking_uri()) == project / "mlflow.db"
    engine = sqlalchemy.create_engine(location.tracking_uri())
    engine.connect().close()
    engine.dispose()
    assert (project / "mlflow.db").is_file()
