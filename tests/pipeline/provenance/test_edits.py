import subprocess

import pytest

from pipeline.provenance.edits import edits_since, title

LOCK = """
stages:
  train:
    outs: [{path: results/train/seeds, md5: a}]
    params:
      params.yaml:
        seeds: [1, 2]
        agent: {tau_actor: 0.3, noise: gaussian}
"""


@pytest.fixture
def commit(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "dvc.lock").write_text(LOCK)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()


def params(tau, workers=1):
    return {"seeds": [1, 2], "agent": {"tau_actor": tau, "noise": "gaussian"}, "train": {"workers": workers}}


def test_edits_are_of_parameters_that_made_the_commits_results(commit):
    assert edits_since(commit, params(0.1, workers=7)) == {"agent.tau_actor": (0.3, 0.1)}
    assert edits_since(commit, params(0.3)) == {}


def test_without_a_result_to_compare_with_nothing_was_edited(commit):
    assert edits_since(None, params(0.1)) == {}
    assert edits_since("HEAD~1", params(0.1)) == {}


def test_a_title_names_new_values_and_counts_the_rest():
    edits = {f"agent.p{i}": (0, i) for i in range(5)}
    assert title({"agent.tau_actor": (0.3, 0.1), "seeds": ([1], [1, 2])}) == "tau_actor 0.1, seeds [1, 2]"
    assert title(edits) == "p0 0, p1 1, p2 2 and 2 more"
    assert title({}) == ""
