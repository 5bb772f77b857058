import itertools
import math
import re

import pytest

from pipeline.execution.progress import SeedProgress


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A second passes from each look at the clock to the next."""
    ticks = itertools.count()
    monkeypatch.setattr("pipeline.execution.progress.time.monotonic", lambda: next(ticks))


def show(capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with SeedProgress(12) as progress:
        for episode in range(1, 13):
            for seed in (4, 7):
                validation = math.nan if episode < 3 else 2.0
                record = {"episode": episode, "test_return": 1.0, "validation_return": validation}
                record |= {"environment_steps": 10 * episode, "updates": 1, "reached_goal": False}
                progress.advance(seed, record)
    return capsys.readouterr().err


def test_without_a_terminal_a_few_plain_lines_per_seed(capsys, monkeypatch):
    lines = show(capsys, monkeypatch, terminal=False).splitlines()
    assert re.fullmatch(r"seed 4: episode 2/12, test return 1\.0, \d\d:\d\d left", lines[0])
    assert lines[-1] == "seed 7: episode 12/12, test return 1.0, validation return 2.0"
    assert len(lines) == 12


def test_on_a_terminal_a_bar_per_seed(capsys, monkeypatch):
    shown = show(capsys, monkeypatch, terminal=True)
    for seed in (4, 7):
        assert f"seed {seed}" in shown
    assert "12/12" in shown
    assert "episode 2/12" not in shown


def show_steps(capsys, monkeypatch, terminal):
    """Of a training with a budget of 100 steps; that of seed 7 ends early."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with SeedProgress(1000, 100) as progress:
        for seed, n_episodes in ((4, 9), (7, 3)):
            for episode in range(1, n_episodes + 1):
                record = {"episode": episode, "test_return": math.nan, "validation_return": math.nan}
                record |= {"environment_steps": 12 * episode, "updates": 1, "reached_goal": False}
                progress.advance(seed, record)
    return capsys.readouterr().err


def test_a_budget_of_steps_is_shown_in_steps_and_an_early_end_too(capsys, monkeypatch):
    lines = show_steps(capsys, monkeypatch, terminal=False).splitlines()
    assert [re.sub(r", \d\d:\d\d left$", "", line) for line in lines] == [
        "seed 4: episode 2, 24 of 100 steps",
        "seed 4: episode 4, 48 of 100 steps",
        "seed 4: episode 5, 60 of 100 steps",
        "seed 4: episode 7, 84 of 100 steps",
        "seed 4: episode 9, 108 of 100 steps",
        "seed 7: episode 2, 24 of 100 steps",
        "seed 7: episode 3, 36 of 100 steps",
    ]


def test_a_bar_of_steps_ends_at_the_budget(capsys, monkeypatch):
    shown = show_steps(capsys, monkeypatch, terminal=True)
    assert "100/100" in shown
    assert "36/100" in shown


def test_a_seed_says_what_it_waits_for(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    with SeedProgress(5, n_successes=2) as progress:
        for episode, (reached_goal, updates) in enumerate([(True, 0), (False, 0), (True, 0), (True, 4)], start=1):
            record = {"episode": episode, "test_return": math.nan, "validation_return": math.nan}
            record |= {"environment_steps": episode, "updates": updates, "reached_goal": reached_goal}
            progress.advance(7, record)
    assert capsys.readouterr().err.splitlines() == [
        "seed 7: episode 1/5, waiting for successes 1/2",
        "seed 7: episode 2/5, waiting for successes 1/2, 00:03 left",
        "seed 7: episode 3/5, not learning yet, 00:02 left",
        "seed 7: episode 4/5, 00:01 left",
    ]
