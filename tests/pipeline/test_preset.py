import re
import shutil

import gymnasium
import pytest

from ddpg.config import AgentConfig
from pipeline.params import Params, validate
from pipeline.preset import DEFAULT, KEPT, main, presets, values_of
from pipeline.provenance.documents import yaml_in
from pipeline.reports.formats import show_value
from pipeline.stages import flatten, is_in
from tests.pipeline.laboratory import Repository
from tests.pipeline.small import DEFAULTS, ROOT

KEPT_VALUES = {path: value for path, value in flatten(DEFAULTS, ".") if is_in(path, KEPT)}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository that holds the presets and params.yaml."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    repository = Repository(tmp_path)
    for command in ("git init --quiet", "git config user.name A", "git config user.email a@b.c"):
        repository.run(*command.split())
    repository.commit("Begin")
    return repository


def params_file(project):
    return project.folder / "params.yaml"


def edit(project, old, new):
    text = params_file(project).read_text()
    assert old in text
    params_file(project).write_text(text.replace(old, new))


def comments(text):
    return re.findall("#.*", text)


def complete(name):
    """A preset with what it keeps of params.yaml, as a document."""
    document = values_of(name) | {"seeds": DEFAULTS["seeds"], "tracking": DEFAULTS["tracking"]}
    document["train"] |= {path.removeprefix("train."): value for path, value in KEPT_VALUES.items() if "train." in path}
    return document


def test_the_default_is_what_params_yaml_holds():
    """After a change of one of them, change the other."""
    assert complete(DEFAULT) == DEFAULTS


def test_presets_have_names_of_their_own_and_begin_with_their_origin():
    files = list((ROOT / "presets").rglob("*.yaml"))
    assert len(files) == len(presets())
    for file in files:
        assert re.match(r"# \w.*\n", file.read_text()), file


@pytest.mark.parametrize("name", presets())
def test_a_preset_holds_valid_values_and_only_such_as_differ_from_its_base(name):
    Params.model_validate(complete(name))
    if name != DEFAULT:
        stated = yaml_in(presets()[name].read_text(), name)
        of_base = dict(flatten(values_of(stated.get("base", DEFAULT)), "."))
        assert [path for path, value in flatten(stated, ".") if of_base.get(path, {}) == value] == []


@pytest.mark.parametrize("name", presets())
def test_a_preset_suits_its_environment(name):
    try:
        gymnasium.make(values_of(name)["environment"]["id"]).close()
    except gymnasium.error.DependencyNotInstalled:
        pytest.skip("the environment is not installed")
    validate(complete(name), name)


RELU_ALONE = {
    "relu_alpha_actor": 0,
    "relu_alpha_critic": 0,
    "l2_reg_actor": 0,
    "l2_reg_critic": 0,
    "bn_momentum_critic": 0,
    "reward_normalization": "none",
}
"""Networks and rewards without what only this project has."""
PUBLISHED = {
    "mountain-car-seed": {"actor_gradient": "replay", "bootstrap_on_truncation": False},
    "pendulum-udacity": {
        **RELU_ALONE,
        "actor_gradient": "replay",
        "bootstrap_on_truncation": False,
        "discount_factor": 0.99,
        "replay_buffer_size": 100_000,
        "replay_batch_size": 64,
        "lr_actor": 0.001,
        "lr_critic": 0.001,
        "tau_actor": 0.01,
        "tau_critic": 0.01,
        "hidden_layer_sizes_actor": [32, 64, 32],
        "hidden_layer_sizes_critic": [[32, 64], [32, 64]],
        "activation_fn_actor": "sigmoid",
        "ou_theta": 0.15,
        "ou_sigma": 0.2 / 4,
    },
    "pendulum-paper": {
        **RELU_ALONE,
        "discount_factor": 0.99,
        "replay_buffer_size": 1_000_000,
        "replay_batch_size": 64,
        "lr_actor": 0.0001,
        "lr_critic": 0.001,
        "tau_actor": 0.001,
        "tau_critic": 0.001,
        "hidden_layer_sizes_actor": [400, 300],
        "hidden_layer_sizes_critic": [[400], []],
        "hidden_layer_sizes_joint": [300],
        "join_critic": "concatenate",
        "bn_momentum_actor": 0.99,
        "bn_momentum_critic": 0.99,
        "bn_observations": True,
        "initializer": "fan_in",
        "output_init_range": 0.003,
        "weight_decay_critic": 0.01,
        "ou_theta": 0.15,
        "ou_sigma": 0.2 / 2,
    },
    "HalfCheetah": {
        **RELU_ALONE,
        "discount_factor": 0.99,
        "replay_buffer_size": 1_000_000,
        "replay_batch_size": 100,
        "learning_starts": 10_000,
        "lr_actor": 0.001,
        "lr_critic": 0.001,
        "tau_actor": 0.005,
        "tau_critic": 0.005,
        "hidden_layer_sizes_actor": [400, 300],
        "hidden_layer_sizes_critic": [[], []],
        "hidden_layer_sizes_joint": [400, 300],
        "join_critic": "concatenate",
        "initializer": "fan_in",
        "n_critics": 2,
        "policy_delay": 2,
        "target_noise_sigma": 0.2 / 2,
        "target_noise_clip": 0.5 / 2,
        "noise": "gaussian",
        "gaussian_sigma": 0.1 / 2,
    },
}
"""Settings that a source states; it has nothing of what it does not state."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_agent_has_what_its_source_states_and_no_more(name):
    assert AgentConfig(**values_of(name)["agent"]) == AgentConfig(**PUBLISHED[name])


def test_a_preset_sets_values_and_keeps_comments_layout_and_what_is_the_users(project, capsys):
    edit(project, "seeds: [1, 2, 3, 4, 5]", "seeds: [7]")
    edit(project, "workers: null", "workers: 3")
    edit(project, "tau_actor: 0.3 #", "tau_actor: 0.3      #")
    project.commit("Have seeds and an aligned comment of one's own")
    before = params_file(project).read_text()
    assert main(["mountain-car-seed"]) == 0
    default, seed = (dict(flatten(values_of(name), ".")) for name in (DEFAULT, "mountain-car-seed"))
    changed = [path for path in default if default[path] != seed[path]]
    assert changed
    expected = before
    for path in changed:
        name = path.rpartition(".")[2]
        old, new = (f"  {name}: {show_value(values[path])} #" for values in (default, seed))
        assert old in expected
        expected = expected.replace(old, new, 1)
    assert params_file(project).read_text() == expected
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "params.yaml holds the preset mountain-car-seed:"
    assert [line.partition(":")[0].strip() for line in printed[1:]] == changed
    first = changed[0]
    assert printed[1] == f"  {first}: {show_value(default[first])} → {show_value(seed[first])}"
    assert main([DEFAULT]) == 0
    assert params_file(project).read_text() == before


def test_presets_do_not_mix(project):
    (project.folder / "presets/Other.yaml").write_text(
        "environment:\n  kwargs: {goal_velocity: 0.01}\nagent:\n  hidden_layer_sizes_critic: [[8, 4], [4]]\n"
    )
    assert main(["Other"]) == 0
    text = params_file(project).read_text()
    assert "  kwargs: {goal_velocity: 0.01} # arguments" in text
    assert "  hidden_layer_sizes_critic: [[8, 4], [4]] # units" in text
    assert main(["mountain-car-seed"]) == 0
    text = params_file(project).read_text()
    assert "  kwargs: {} # arguments" in text
    assert comments(text) == comments((ROOT / "params.yaml").read_text())
    assert main(["mountain-car-seed"]) == 0
    assert params_file(project).read_text() == text


def test_values_that_a_newer_version_added_are_added(project):
    edit(project, "  tau_actor: 0.3 #", "  # tau_actor: 0.3 #")
    assert main([DEFAULT]) == 2
    assert main([DEFAULT, "--force"]) == 0
    assert "\n  tau_actor: 0.3\n" in params_file(project).read_text()


def test_a_misspelt_name_is_corrected_where_it_stands_and_keeps_its_comment(project):
    text = params_file(project).read_text()
    edit(project, "  tau_actor: 0.3 #", "  tau_acotr: 0.3 #")
    assert main([DEFAULT, "--force"]) == 0
    assert params_file(project).read_text() == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pendulum", "pendulum: unknown; expected 'Pendulum'?"),
        ("mountaincarcontinuos", f"mountaincarcontinuos: unknown; expected '{DEFAULT}'?"),
        ("zzz", f"zzz: unknown; expected one of {DEFAULT}, "),
        ("../params", "../params: unknown; "),
    ],
)
@pytest.mark.parametrize("options", [[], ["--show"], ["--force"]])
def test_an_unknown_preset_is_refused_with_a_suggestion(project, name, expected, options, capsys):
    assert main([name, *options]) == 2
    assert capsys.readouterr().err.startswith(f"preset: {expected}")
    assert params_file(project).read_text() == (ROOT / "params.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agent:\n  tau_actor: 2", "params.yaml with the preset Bad: agent.tau_actor: expected a number in (0, 1]"),
        ("agent:\n  tau: 0.5", "params.yaml with the preset Bad: agent.tau: unknown; expected 'tau_actor'?"),
        ("environment:\n  id: Bad-v0", "params.yaml with the preset Bad: environment: expected an environment that"),
        ("seeds: [1]", "presets/Bad.yaml: seeds: expected no value, as no preset sets it, received one"),
        ("train:\n  workers: 1", "presets/Bad.yaml: train.workers: expected no value"),
        ("agent: [", "presets/Bad.yaml: expected YAML, received something else"),
        ("base: Bad", "presets/Bad.yaml: base: expected a preset that is not based on this one, received 'Bad'"),
        ("base: Worse", "presets/Worse.yaml: base: expected a preset that is not based on this one, received 'Bad'"),
        ("base: Pendul", "Pendul: unknown; expected 'Pendulum'?"),
        ("base: [1]", "presets/Bad.yaml: base: expected the name of a preset, received [1]"),
    ],
)
def test_an_invalid_preset_is_refused_before_anything_is_written(project, text, expected, capsys):
    (project.folder / "presets/Bad.yaml").write_text(text)
    (project.folder / "presets/Worse.yaml").write_text("base: Bad" if "Worse" in text else "")
    assert main(["Bad", "--force"]) == 2
    assert capsys.readouterr().err.startswith(f"preset: {expected}")
    assert params_file(project).read_text() == (ROOT / "params.yaml").read_text()


def test_edits_that_nothing_else_holds_are_overwritten_only_on_demand(project, capsys):
    assert main(["mountain-car-seed"]) == 0
    edit(project, "lr_actor: 0.0001", "lr_actor: 0.0002")
    edit(project, "n_bootstrap_samples: 2000", "n_bootstrap_samples: 100")
    edited = params_file(project).read_text()
    capsys.readouterr()
    assert main([DEFAULT]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"preset: params.yaml has edits that {DEFAULT} would overwrite, and that no commit and no preset holds:",
        "  agent.lr_actor: 0.0001 → 0.0002",
        "  evaluate.n_bootstrap_samples: 2000 → 100",
        "Commit them, or overwrite them with --force.",
    ]
    assert params_file(project).read_text() == edited
    project.commit("Save the edits")
    assert main([DEFAULT]) == 0
    params_file(project).write_text(edited.replace("lr_actor: 0.0002", "lr_actor: 0.0003"))
    assert main([DEFAULT, "--force"]) == 0
    assert "  agent.lr_actor: 0.0003 → 0.0001" in capsys.readouterr().out


def test_a_missing_or_damaged_file_is_reported(project, capsys):
    params_file(project).write_text("agent: [")
    assert main([DEFAULT]) == 2
    assert "preset: params.yaml: expected YAML, received something else" in capsys.readouterr().err
    params_file(project).unlink()
    assert main([DEFAULT]) == 2
    assert "params.yaml" in capsys.readouterr().err


def test_presets_are_listed_and_shown(project, capsys):
    assert main([]) == 0
    header, first, *others = capsys.readouterr().out.splitlines()
    assert header.split() == ["preset", "environment", "origin"]
    assert first.split()[:2] == [DEFAULT, "MountainCarContinuous-v0"]
    assert {line.split()[0] for line in others} == presets().keys() - {DEFAULT}
    assert main(["--show", "mountain-car-seed"]) == 0
    assert capsys.readouterr().out == (ROOT / "presets/mountain-car-seed.yaml").read_text()
    with pytest.raises(SystemExit):
        main(["--show"])
    assert "expected the name of a preset" in capsys.readouterr().err
