import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from pipeline.errors import ParamsError
from pipeline.params import load
from tests.pipeline.small import DEFAULTS, ROOT, write_params
from tests.probes import Counter


def problems(folder, **changes):
    write_params(folder, **changes)
    with pytest.raises(ParamsError) as error:
        load(folder / "params.yaml")
    return str(error.value).splitlines()


def test_the_projects_own_file_is_valid_and_read_completely():
    params = load(ROOT / "params.yaml")
    assert params.model_dump(mode="json") == DEFAULTS


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"agent": {"tau_actor": "abc"}}, "agent.tau_actor: expected a number in (0, 1], received 'abc'"),
        ({"agent": {"tau_actor": "0.1"}}, "agent.tau_actor: expected a number in (0, 1], received '0.1'"),
        ({"agent": {"discount_factor": 2}}, "agent.discount_factor: expected a number in [0, 1], received 2"),
        ({"agent": {"ou_mu": True}}, "agent.ou_mu: expected a number, received True"),
        ({"agent": {"lr": 0.1}}, "agent.lr: unknown; expected 'lr_actor'?"),
        (
            {"agent": {"actor_gradient": "both"}},
            "agent.actor_gradient: expected one of policy, replay, received 'both'",
        ),
        (
            {"agent": {"hidden_layer_sizes_actor": [16, 2.5]}},
            "agent.hidden_layer_sizes_actor[1]: expected a whole number of at least 1, received 2.5",
        ),
        ({"train": {"n_episodes": 0}}, "train.n_episodes: expected a whole number of at least 1, received 0"),
        (
            {"train": {"gen_q_a_frames_every_n_steps": 0}},
            "train.gen_q_a_frames_every_n_steps: expected a whole number of at least 1, received 0",
        ),
        ({"evaluate": {"confidence_level": 1}}, "evaluate.confidence_level: expected a number in (0, 1), received 1"),
        ({"seeds": []}, "seeds: expected a list, not empty, each a whole number of at least 0, received []"),
        ({"seeds": [1, 1]}, "seeds: expected seeds that differ, received [1, 1]"),
        (
            {"agent": {"hidden_layer_sizes_critic": [[4], [5]]}},
            "agent.hidden_layer_sizes_critic: expected two paths that end in the same number of units, "
            "received 4 and 5",
        ),
        (
            {"train": {"grid": DEFAULTS["train"]["grid"] | {"x_dimension": 7}}},
            "train.grid.x_dimension: expected a number in [0, 1], received 7",
        ),
        (
            {"agent": {"hidden_layer_sizes_critic": [[16, 32]]}},
            "agent.hidden_layer_sizes_critic[1]: expected a list, each a whole number of at least 1, found nothing",
        ),
        (
            {"agent": {"hidden_layer_sizes_joint": 64}},
            "agent.hidden_layer_sizes_joint: expected a list, each a whole number of at least 1, received 64",
        ),
        (
            {"environment": {"id": "Pendulum-v1"}, "train": {"stop_after_n_solved": 3}},
            "train.validation_target: expected a number, as the environment has no reward_threshold and "
            "stop_after_n_solved is 3, received None",
        ),
        ({"agent": {1: 2}}, "agent[1]: expected a name as key, received 1"),
        ({"environment": {"kwargs": {1: 2}}}, "environment.kwargs[1]: expected a name as key, received 1"),
        ({"animate": {"gif_frames": 1}}, "animate.gif_frames: expected a whole number of at least 2, received 1"),
        (
            {"train": {"grid": DEFAULTS["train"]["grid"] | {"x_limits": [0.0, float("inf")]}}},
            "train.grid.x_limits[1]: expected a number, received inf",
        ),
        ({"train": {"grid": {}}}, "train.grid.n_cells: expected a whole number of at least 2, found nothing"),
    ],
)
def test_an_invalid_value_is_reported_with_its_path_and_what_was_expected(tmp_path, changes, expected):
    assert f"params.yaml: {expected}" in problems(tmp_path, **changes)


def test_all_problems_are_listed(tmp_path):
    lines = problems(tmp_path, agent={"tau_actor": 2, "lr_critic": -1, "foo": 1}, evaluate={"seed": "x"})
    assert len(lines) == 4


def test_a_missing_key_has_no_default(tmp_path):
    write_params(tmp_path)
    file = tmp_path / "params.yaml"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if "lr_actor" not in line))
    with pytest.raises(ParamsError, match=r"agent\.lr_actor: expected a number of at least 0, found nothing"):
        load(file)


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("NoSuch-v0", "expected an environment that Gymnasium can make, received 'NoSuch-v0'"),
        ("CartPole-v1", "'CartPole-v1' does not suit DDPG: action space: expected a Box"),
    ],
)
def test_an_unknown_or_unsuitable_environment_is_reported(tmp_path, identifier, reason):
    (line,) = problems(tmp_path, environment={"id": identifier})
    assert reason in line


@pytest.mark.parametrize("text", ["", "- 1", "seeds: [", "seeds: 1\nseeds: 2", "\x00"])
def test_a_file_must_hold_a_mapping(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml: expected"):
        load(tmp_path / "params.yaml")


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    write_params(tmp_path)
    file = tmp_path / "params.yaml"
    file.write_text(file.read_text().replace("lr_actor: 0.0001", "lr_actor: 1e-4"))
    assert load(file).agent.lr_actor == 0.0001


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["train", "evaluate", "animate"])
def test_a_stage_with_invalid_parameters_ends_with_status_2_before_any_work(tmp_path, stage):
    write_params(tmp_path, agent={"tau_actor": "abc"})
    done = subprocess.run(
        [sys.executable, "-m", f"pipeline.{stage}"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "params.yaml: agent.tau_actor: expected a number in (0, 1], received 'abc'\n"
    assert {path.name for path in Path(tmp_path).iterdir()} == {"params.yaml"}


class Undisciplined(Counter):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def _observation(self):
        return np.random.uniform(0, 100, self.size).astype(np.float32)


def test_what_breaks_the_environments_contract_is_reported_before_any_work(tmp_path, monkeypatch):
    spec = gymnasium.envs.registration.EnvSpec("Undisciplined-v0", entry_point=Undisciplined)
    monkeypatch.setitem(gymnasium.registry, "Undisciplined-v0", spec)
    (problem,) = problems(tmp_path, environment={"id": "Undisciplined-v0"})
    assert "it draws from numpy.random" in problem


class Drawn(Counter):
    def _observation(self):
        self.__dict__.setdefault("start", np.random.default_rng().random())
        return np.full(self.size, self.start, np.float32)


def test_an_environment_that_each_stage_would_make_differently_is_reported(tmp_path, monkeypatch):
    spec = gymnasium.envs.registration.EnvSpec("Drawn-v0", entry_point=Drawn)
    monkeypatch.setitem(gymnasium.registry, "Drawn-v0", spec)
    (problem,) = problems(tmp_path, environment={"id": "Drawn-v0"})
    assert "every stage makes its own" in problem


@pytest.mark.parametrize("identifier", ["tests.wrapped_env:Normalized-v0", "tests.wrapped_env:Unseen-v0"])
def test_running_statistics_and_missing_pictures_are_accepted(tmp_path, identifier):
    write_params(tmp_path, environment={"id": identifier})
    assert load(tmp_path / "params.yaml").environment.id == identifier


def test_a_seed_is_a_number_that_tables_can_hold(tmp_path):
    (problem,) = problems(tmp_path, seeds=[1, 2**63])
    assert problem.startswith("params.yaml: seeds: expected seeds below 2^63")
