import re

import pytest

from pipeline import results
from pipeline.stages import SUMMARIZED
from pipeline.summary import main, summarize

OF_POLICIES = {
    "return_iqm": 97.123,
    "return_iqm_low": 96.5,
    "return_iqm_high": 97.9,
    "return_worst_seed": 95.04,
    "solved_share": 1.0,
}
METRICS = {
    "median_seed": 3,
    "best": OF_POLICIES,
    "final": OF_POLICIES | {"solved_share": 0.8},
    "episodes_to_solve_median": 15.0,
    "environment_steps_to_solve_median": 7400.0,
}


def test_says_what_was_found():
    best, final, solved = summarize(METRICS)
    assert best == (
        "Best policies: return 97.12 [96.50, 97.90] (interquartile mean over seeds), "
        "worst seed 95.04, solved by 100% of the seeds"
    )
    assert "80%" in final
    assert solved == "Median to solve: episode 15, 7,400 environment steps"


def test_says_where_to_look(repository, capsys):
    """The committed result is recorded nowhere, and has no films."""
    assert main([]) == 0
    printed = capsys.readouterr().out
    head = repository.run("git", "rev-parse", "--short=7", "HEAD").strip()
    assert f"Against {head}:  the same scores" in printed
    assert f"sqlite:///{repository.folder}/mlflow.db" in printed
    assert "name a remote, without which `dvc push` fails" in printed
    assert "git commit" not in printed
    assert SUMMARIZED.exists()


def test_names_the_difference_and_the_next_command(repository, capsys):
    seeds = repository.folder / "prepared/0.01/evaluate/seeds.csv"
    seeds.write_text(seeds.read_text().replace(",9", ",8"))
    repository.set_params(0.01)
    repository.repro()
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"Against \w{7}:  lr_actor 0\.01, return -10\.00 \[.*workspace is worse", printed), printed
    assert "git add . && git commit --message 'lr_actor 0.01'" in printed
    repository.run("dvc", "remote", "add", "--default", "shared", "/tmp/nowhere")
    main([])
    assert "name a remote" not in capsys.readouterr().out


def test_a_damaged_result_of_head_costs_no_summary(repository, capsys):
    (repository.results / "evaluate/seeds.csv").write_text("damaged")
    repository.commit("Damage")
    repository.set_params(0.01)
    repository.repro()
    assert main([]) == 0
    assert "not compared: HEAD: " in capsys.readouterr().out.replace(
        repository.run("git", "rev-parse", "--short=7", "HEAD"), "HEAD"
    )


def test_an_experiment_is_not_to_be_committed(repository, capsys, monkeypatch):
    repository.set_params(0.01)
    repository.repro()
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    main([])
    assert "git commit" not in capsys.readouterr().out


def test_leaves_out_what_an_environment_without_threshold_lacks():
    of_policies = {name: value for name, value in OF_POLICIES.items() if name != "solved_share"} | {"return_iqm": None}
    text = "\n".join(summarize({"median_seed": 3, "best": of_policies, "final": of_policies}))
    assert "solve" not in text
    assert "return – [" in text
    assert "Median to solve" not in "\n".join(summarize(METRICS | {"episodes_to_solve_median": None}))


@pytest.mark.parametrize(
    ("contents", "status", "words"),
    [
        (METRICS, 0, ""),
        (None, 1, "expected from the evaluate stage"),
        (METRICS | {"best": None}, 1, "summary: results/evaluate/metrics.json: best: "),
    ],
)
def test_missing_or_invalid_metrics_are_status_1_and_one_line(contents, status, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if contents:
        results.EVALUATE.mkdir(parents=True)
        results.write_json(results.EVALUATE / "metrics.json", contents)
    assert main([]) == status
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == status
    assert (printed.out == "") == bool(status)
