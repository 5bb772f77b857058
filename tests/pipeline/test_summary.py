from pipeline import results
from pipeline.summary import main, summarize

OF_POLICIES = {
    "return_iqm": 97.123,
    "return_iqm_low": 96.5,
    "return_iqm_high": 97.9,
    "return_worst_seed": 95.04,
    "solved_share": 1.0,
}


def metrics(**changes):
    return {
        "median_seed": 3,
        "best": OF_POLICIES,
        "final": OF_POLICIES | {"solved_share": 0.8},
        "episodes_to_solve_median": 15.0,
        "environment_steps_to_solve_median": 7400.0,
    } | changes


def test_says_what_came_out_and_where_to_look(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@tracker:5000")
    text = "\n".join(summarize(metrics()))
    assert "Best policies: return 97.12 [96.50, 97.90] (interquartile mean over seeds), worst seed 95.04" in text
    assert "solved by 100% of the seeds" in text
    assert "Median to solve: episode 15, 7,400 environment steps" in text
    assert "seed 3, the median" in text
    assert "secret" not in text
    assert "tracker:5000" in text


def test_leaves_out_what_an_environment_without_threshold_has_not():
    without = {name: value for name, value in OF_POLICIES.items() if name != "solved_share"}
    text = "\n".join(summarize({"median_seed": 3, "best": without, "final": without}))
    assert "solve" not in text


def test_shows_what_is_no_number_as_such():
    assert "return nan" in "\n".join(summarize(metrics(best=OF_POLICIES | {"return_iqm": None})))


def test_nothing_evaluated_is_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 1
    assert "expected from the evaluate stage" in capsys.readouterr().err
    results.EVALUATE.mkdir(parents=True)
    results.write_json(results.EVALUATE / "metrics.json", metrics())
    assert main([]) == 0


def test_damaged_metrics_are_status_1_and_named_in_a_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    results.EVALUATE.mkdir(parents=True)
    for damage in ({"best": None}, {"final": {}}, {"median_seed": "x"}, {"episodes_to_solve_median": [1]}):
        results.write_json(results.EVALUATE / "metrics.json", metrics(**damage))
        assert main([]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("summary: results/evaluate/metrics.json: ")
        assert printed.err.count("\n") == 1


def test_a_step_without_its_episode_is_left_out():
    of_steps = {name: value for name, value in metrics().items() if name != "episodes_to_solve_median"}
    assert "Median to solve" not in "\n".join(summarize(of_steps))
