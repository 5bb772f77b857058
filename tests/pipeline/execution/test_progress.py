import math

from pipeline.execution.progress import SeedProgress


def show(capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    with SeedProgress(12) as progress:
        for episode in range(1, 13):
            for seed in (4, 7):
                validation = math.nan if episode < 3 else 2.0
                record = {"episode": episode, "test_return": 1.0, "validation_return": validation}
                progress.advance(seed, record)
    return capsys.readouterr().err


def test_without_a_terminal_a_few_plain_lines_per_seed(capsys, monkeypatch):
    lines = show(capsys, monkeypatch, terminal=False).splitlines()
    assert lines[0] == "seed 4: episode 2/12, test return 1.0"
    assert lines[-1] == "seed 7: episode 12/12, test return 1.0, validation return 2.0"
    assert len(lines) == 12


def test_on_a_terminal_a_bar_per_seed(capsys, monkeypatch):
    shown = show(capsys, monkeypatch, terminal=True)
    for seed in (4, 7):
        assert f"seed {seed}" in shown
    assert "12/12" in shown
    assert "episode 2/12" not in shown
