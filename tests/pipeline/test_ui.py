import shutil
import signal
import socket

import pytest

from pipeline import ui
from tests.pipeline.server import served


@pytest.mark.slow
def test_the_server_is_for_this_machine_only_and_ends_with_all_its_processes(tmp_path, migrated_store):
    shutil.copy(migrated_store, tmp_path / "mlflow.db")
    with served(tmp_path) as server:
        with pytest.raises(OSError, match=r"refused|assign"):
            socket.create_connection(("127.0.0.2", server.port), timeout=2)
        assert server.is_alive
        assert server.end(by=signal.SIGTERM) == 0
        assert not server.is_alive


def test_a_store_with_a_server_of_its_own_is_named_without_its_password(monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://reader:correct-horse@tracker.test/mlflow")
    ui.main([])
    assert capsys.readouterr().out == "The store has its own server: https://***@tracker.test/mlflow\n"
