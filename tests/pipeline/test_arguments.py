"""Any arguments of a command end in a status and a message, never in a traceback."""

import importlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pipeline.test_params_properties import N_EXAMPLES

pytestmark = pytest.mark.slow

OPTIONS = {
    "compare": ["--fail-on-regression", "best_return:1", "best_return:-1", "HEAD", "main", "workspace", "--out"],
    "preset": ["--show", "--force", "Pendulum", "mountain-car-seed"],
    "log": ["--limit", "1", "0", "--json", "--csv", "--all"],
    "show": ["--out", "HEAD", "main", "workspace", "HEAD~9"],
    "sync": ["HEAD", "workspace", "--experiments", "main..HEAD"],
}
# A command line holds no NUL.
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


def arguments(command):
    return st.lists(st.one_of(st.sampled_from(OPTIONS[command]), words), max_size=4)


@pytest.mark.parametrize("command", OPTIONS)
def test_any_arguments(command, repository, migrated_store, monkeypatch, capsys):
    main = importlib.import_module(f"pipeline.{command}").main
    monkeypatch.setattr("webbrowser.open", lambda _: True)
    monkeypatch.chdir(repository.folder)
    environment = dict(os.environ)

    @settings(
        max_examples=max(10, N_EXAMPLES // 10),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(arguments(command))
    def any_arguments(given_arguments):
        try:
            status = main(given_arguments)
        except SystemExit as exit:
            status = exit.code
        printed = capsys.readouterr()
        assert status in (0, 1, 2)
        assert status == 0 or printed.err or printed.out
        assert "Traceback" not in printed.err

    try:
        any_arguments()
    finally:
        os.environ.clear()
        os.environ.update(environment)


@pytest.mark.parametrize("port", ["-1", "x", "65536", ""])
def test_an_invalid_port_is_an_error(port, capsys):
    from pipeline.ui import main

    with pytest.raises(SystemExit) as error:
        main(["--port", port])
    assert error.value.code == 2
    assert "expected a port" in capsys.readouterr().err
