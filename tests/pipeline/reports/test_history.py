import shutil

import pytest

from pipeline.reports.history import Entry, entries_of, mark_best, table_of
from tests.pipeline.laboratory import REPOSITORY


def entry(environment, iqm=None, **values):
    return Entry("a", (), (), "", "", environment, {}, 1, None, iqm, None, None, **values)


def test_each_environment_has_its_best():
    entries = [entry("A", 1.0), entry("A", 2.0), entry("B", -5.0), entry("B"), entry("C")]
    assert [each.best for each in mark_best(entries)] == [False, True, True, False, False]


def test_a_run_links_to_its_page_in_a_terminal():
    entries = [entry("A", run_name="run", run_link="http://tracker/run"), entry("B")]
    assert "\033]8;;http://tracker/run\033\\run\033]8;;\033\\" in table_of(entries, 100, links=True)
    assert "tracker" not in table_of(entries, 100, links=False)


def test_results_without_a_lock_have_the_parameters_of_params_yaml(laboratory):
    shutil.copy(REPOSITORY / "params.yaml", laboratory.folder)
    (found,) = entries_of(["workspace"], pytest.fail)
    assert (found.seeds, found.environment) == (5, "MountainCarContinuous-v0")
    (laboratory.folder / "params.yaml").unlink()
    (found,) = entries_of(["workspace"], pytest.fail)
    assert (found.seeds, found.environment, found.return_iqm) == (0, "", 93.91234567)


def test_a_malformed_address_costs_the_runs_only(laboratory, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://[::1")
    notes = []
    assert len(entries_of(["workspace"], notes.append)) == 1
    assert len(notes) == 1
    assert "no answer" not in notes[0]
