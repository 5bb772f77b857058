"""The benchmark of the tasks and its page, without the peers."""

import importlib
import json
import math
import sys

import pytest

from pipeline.preset import presets, values_of
from tests.pipeline.small import ROOT


@pytest.fixture(scope="module")
def modules():
    """`tasks` and `tasks_page`, which import each other by these names."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    before = set(sys.modules)
    yield importlib.import_module("tasks"), importlib.import_module("tasks_page")
    sys.path.remove(str(ROOT / "benchmarks"))
    for name in set(sys.modules) - before & {"tasks", "tasks_page", "common"}:
        sys.modules.pop(name)


@pytest.fixture
def tasks(modules, monkeypatch):
    monkeypatch.setattr(modules[0].common, "circumstances", lambda packages: CIRCUMSTANCES)
    return modules[0]


@pytest.fixture
def page(modules):
    return modules[1]


CIRCUMSTANCES = {
    "machine": {"processor": "A processor", "cores": 2, "system": "Linux"},
    "versions": {"python": "3.11.7", "torch": "2.13.0"},
}


def run(agent, seed, best, validations=(), environment="Pendulum-v1", settings="a"):
    return {
        "environment": environment,
        "agent": agent,
        "seed": seed,
        "settings": settings,
        "commit": "abc",
        "environment_steps": 10_000,
        "seconds": 30.0,
        "validations": list(validations),
        "best_return": best,
        "final_return": best - 10,
    }


def cells(text, name):
    """The cells of a table's line."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_committed_page_is_that_of_the_committed_runs(tasks, page):
    """After a change: benchmarks/.venv/bin/python benchmarks/tasks.py --render"""
    assert page.FILE.read_text() == page.document(tasks.read(tasks.RESULTS))


def test_the_page_tells_of_every_agent(page):
    runs = [
        run("Pendulum", 1, -150.0, [(5000, 3.0, -250.0), (6000, 4.0, -160.0), (7000, 5.0, -150.0)]),
        run("Pendulum", 2, -140.0, [(8000, 6.0, -140.0)]),
        run("Pendulum", 3, -230.0, [(8000, 6.0, -230.0)]),
        run("Stable-Baselines3 TD3", 1, -160.0),
        run("Stable-Baselines3 TD3", 2, -150.0),
        run("Stable-Baselines3 TD3", 3, -140.0),
    ]
    text = page.document({**CIRCUMSTANCES, "runs": runs})
    assert "Threshold: −200.0." in text
    name, steps, seeds, best, worst, solved, steps_to, seconds_to, final, behind = cells(text, "Pendulum")
    assert (name, steps, seeds, worst, solved, steps_to, seconds_to) == (
        "Pendulum", "10,000", "3", "−230.0", "2 of 3", "8,000", "6.0",
    )  # fmt: skip
    assert best.startswith("−173.3 [")
    assert final.startswith("−183.3 [")
    assert behind == ""
    peer = cells(text, "Stable-Baselines3 TD3")
    assert peer[5:8] == ["3 of 3", "∞", "∞"]
    assert peer[9].startswith("−23.3 [")
    assert "DDPG −152.1 ± 94.3" in text
    assert text.endswith("Measured with python 3.11.7, torch 2.13.0, on A processor, 2 cores, Linux.\n")


def test_runs_are_added_one_by_one_and_replaced(tasks, tmp_path):
    path = tmp_path / "tasks.json"
    added = [run("Pendulum", 2, -1.0), run("Pendulum", 1, -2.0), run("Pendulum", 2, -3.0, settings="b")]
    for each in added:
        tasks.add(path, each)
    results = json.loads(path.read_text())
    assert results == {**CIRCUMSTANCES, "runs": [added[1], added[2]]}


def test_a_run_that_the_results_hold_is_not_measured_again(tasks, tmp_path, monkeypatch):
    measured = []

    def measure(script, *arguments, environment):
        measured.append(arguments)
        return {"best_return": 0.0}

    monkeypatch.setattr(tasks.common, "measure", measure)
    path = tmp_path / "tasks.json"
    agent = tasks.Agent("ours", "mountain-car-seed")
    for seed in (1, 1, 2):
        tasks.measure_and_add(path, agent, seed, None)
    assert [arguments[2] for arguments in measured] == [1, 2]
    tasks.measure_and_add(path, agent, 2, 500)  # other settings
    assert len(measured) == 3
    assert [each["seed"] for each in tasks.read(path)["runs"]] == [1, 2]


def test_a_run_that_fails_stops_no_other(tasks, tmp_path, monkeypatch, capsys):
    def measure(script, library, preset, seed, steps, environment):
        if seed == 1:
            raise RuntimeError("failed")
        return {"best_return": 0.0}

    monkeypatch.setattr(tasks.common, "measure", measure)
    path = tmp_path / "tasks.json"
    agent = tasks.Agent("ours", "mountain-car-seed")
    assert tasks.measure_all(path, [(agent, 1), (agent, 2)], None, 1) == 1
    assert [each["seed"] for each in tasks.read(path)["runs"]] == [2]
    assert "failed" in capsys.readouterr().err


def test_peers_are_measured_once_in_each_environment(tasks):
    agents = list(tasks.planned(["Pendulum", "pendulum-paper", "MountainCarContinuous"], ["ours", "TD3"]))
    assert [agent.name for agent in agents] == [
        "Pendulum", "Stable-Baselines3 TD3", "pendulum-paper", "MountainCarContinuous", "Stable-Baselines3 TD3",
    ]  # fmt: skip


def test_settings_that_are_off_do_not_make_other_runs(tasks, monkeypatch):
    """So that a setting that is added later, and off, makes no measured run out of date."""
    agent = tasks.Agent("ours", "mountain-car-seed")
    settings = tasks.settings_of(agent, None)
    values = values_of("mountain-car-seed")
    monkeypatch.setattr("pipeline.preset.values_of", lambda name: values)
    del values["agent"]["n_critics"]
    assert tasks.settings_of(agent, None) == settings
    values["agent"]["n_critics"] = 2
    assert tasks.settings_of(agent, None) != settings
    assert tasks.settings_of(agent, 100) != settings


def test_seconds_are_counted_but_for_what_stops_the_clock(tasks, monkeypatch):
    times = iter([0.0, 3.0, 5.0, 6.0])
    monkeypatch.setattr(tasks.time, "perf_counter", lambda: next(times))
    clock = tasks.Clock()
    assert clock.without(lambda x: x + 1)(1) == 2
    assert clock.seconds == 6.0 - 2.0


@pytest.mark.slow
def test_a_preset_is_measured(tasks):
    measured = tasks.measure("ours", "mountain-car-seed", 1, 1000)
    assert measured["environment_steps"] >= 1000
    assert measured["validations"] == []  # nothing was learned yet
    assert math.isfinite(measured["best_return"])
    assert measured["best_return"] == measured["final_return"]


def test_every_environment_has_a_threshold_or_none(page):
    thresholds = {name: page.threshold_of(values_of(name)["environment"]["id"]) for name in presets()}
    assert thresholds["MountainCarContinuous"] == 90
    assert thresholds["Pendulum"] == -200
    assert all(not math.isnan(threshold) for threshold in thresholds.values())
