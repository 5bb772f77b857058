from pathlib import Path

import pytest

from pipeline.tracking import location


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("sqlite:///my.db", "my.db"),
        ("sqlite:///my.db?timeout=60", "my.db"),
        ("sqlite+pysqlite:////stores/my.db?timeout=60&cache=shared", "/stores/my.db"),
        ("sqlite:////stores/a%20b.db", "/stores/a b.db"),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("postgresql://user:secret@host/sqlite:///my.db", None),
        ("https://host/sqlite:///my.db", None),
    ],
)
def test_the_file_of_an_address_is_parsed(address, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert location._sqlite_file(address) == (None if file is None else Path(tmp_path, file))
