import functools
import importlib.metadata
import sys
import textwrap

import gymnasium
import pytest
from ruamel.yaml import YAML

from ddpg.numerics.lazy_imports import lazily
from pipeline.execution import inputs
from pipeline.execution.inputs import inputs_of
from tests.pipeline.small import copy_project, params


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Packages that are installed do not change during a test."""
    search = importlib.metadata.packages_distributions
    monkeypatch.setattr(importlib.metadata, "packages_distributions", functools.cache(search))


def key_of(**changes):
    return inputs_of(params(**changes)).key()


def test_the_key_covers_the_parameters_that_determine_a_seeds_training():
    same = (
        {},
        {"seeds": [9]},
        {"train": {"workers": 1, "checkpoint_every": 3}},
        {"evaluate": {"n_episodes": 7}, "tracking": {"pictures_every_n_episodes": 0}},
    )
    others = (
        {"agent": {"lr_actor": 0.5}},
        {"train": {"n_episodes": 9}},
        {"environment": {"kwargs": {"goal_velocity": 0.01}}},
    )
    assert len({key_of(**changes) for changes in same}) == 1
    assert len({key_of(**changes) for changes in ({}, *others)}) == 4


OWN_ENVIRONMENT = """
import gymnasium
from own_reward import FACTOR
from tests.probes import Counter

class Shaped(gymnasium.RewardWrapper):
    def reward(self, reward):
        return reward * FACTOR

def make(**kwargs):
    return Shaped(Counter())

gymnasium.register("Own-v0", make)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of an environment of one's own."""
    (tmp_path / "own_env.py").write_text(OWN_ENVIRONMENT)
    (tmp_path / "own_reward.py").write_text("FACTOR = 2")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("own_env", "own_reward", "own_lazy", "own_eager", "adapter", "adapted", "imported"):
        sys.modules.pop(name, None)
    for name in ("Own-v0", "Adapter-v0"):
        gymnasium.registry.pop(name, None)


def own_key(**kwargs):
    return key_of(environment={"id": "own_env:Own-v0", "kwargs": kwargs})


def test_different_arguments_have_different_keys(own):
    infinity = float("inf")
    values = {}, {"a": {}}, {"a.b": 1}, {"a": {"b": 1}}, {"a": infinity}, {"a": float("nan")}, {"a": None}
    values += {"a": 1}, {"a": "1"}, {"a": True}, {"a": {1: 2}}, {"a": {"1": 2}}, {"a": {1: 2, "b": 3}}
    assert len({own_key(**kwargs) for kwargs in values}) == len(values)
    assert own_key(a=1, b=2) == own_key(b=2, a=1)


@pytest.mark.parametrize("file", ["own_env.py", "own_reward.py"])
def test_the_key_covers_wrappers_factories_and_the_modules_they_import(own, file):
    key = own_key()
    assert own_key() == key
    with (own / file).open("a") as stream:
        stream.write("\n# changed\n")
    assert own_key() != key


def test_the_key_covers_files_that_arguments_name(own):
    (own / "model.xml").write_text("<mujoco/>")
    arguments = {"assets": [{"xml_file": "model.xml"}], "text": "x" * 5000}
    key = own_key(**arguments)
    assert own_key(**arguments) == key
    (own / "model.xml").write_text("<mujoco></mujoco>")
    assert own_key(**arguments) != key


def test_lazy_modules_stay_unloaded_and_what_is_no_module_is_ignored(own, monkeypatch):
    for name in ("own_lazy", "own_eager"):
        (own / f"{name}.py").write_text("raise AssertionError" if name == "own_lazy" else "import own_lazy")
    with lazily("own_lazy"):
        import own_eager  # noqa: F401
    monkeypatch.setitem(sys.modules, "own_object", object())
    assert inputs_of(params()).files["module own_lazy"] == own / "own_lazy.py"


@pytest.mark.parametrize("package", ["tensorflow", "keras", "numpy", "gymnasium", "adapter", "adapted", "imported"])
def test_the_key_covers_the_versions_of_libraries_and_of_the_packages_behind_an_environment(own, monkeypatch, package):
    site = own / "site-packages"
    for name, source in {
        "imported": "",
        "adapted": "class Simulation: pass",
        "adapter": """
            import gymnasium
            import imported
            from tests.probes import Counter
            class Adapter(Counter):
                def __init__(self):
                    import adapted
                    super().__init__()
                    self.simulation = adapted.Simulation()
            gymnasium.register("Adapter-v0", Adapter)
        """,
    }.items():
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text(textwrap.dedent(source))
        information = site / f"{name}_of_gym-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-of-gym\nVersion: 1.0\n")
        (information / "top_level.txt").write_text(name)
    monkeypatch.syspath_prepend(site)
    environment = {"id": "adapter:Adapter-v0"}
    key = key_of(environment=environment)
    assert key_of(environment=environment) == key
    version, changed = importlib.metadata.version, (package, f"{package}-of-gym")
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "9" if name in changed else version(name))
    assert key_of(environment=environment) != key


def test_the_key_covers_python_and_what_makes_numbers_differ(monkeypatch):
    keys = {key_of()}
    monkeypatch.setattr("platform.python_version", lambda: "3.99")
    keys.add(key_of())
    monkeypatch.setattr(inputs, "obstacles", lambda: ["another processor"])
    assert len({*keys, key_of()}) == 3


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    copy_project(folder)
    monkeypatch.setattr(inputs, "_CODE", folder)
    return folder


def test_the_key_covers_the_code_of_the_stage_but_not_its_compiled_files(project):
    key = key_of()
    (project / "ddpg/numerics/__pycache__").mkdir(exist_ok=True)
    (project / "ddpg/numerics/__pycache__/dense.cpython-311.pyc").write_bytes(b"compiled")
    (project / "pipeline/ui.py").write_text("changed")
    assert key_of() == key
    with (project / "ddpg/numerics/dense.py").open("a") as file:
        file.write("# changed\n")
    assert key_of() != key


@pytest.mark.parametrize("form", [str, lambda path: {str(path): {"hash": "md5"}}])
def test_the_key_covers_dependencies_in_every_form_that_dvc_allows(project, tmp_path, form):
    data = tmp_path / "data/inner"
    data.mkdir(parents=True)
    (data / "file").write_text("old")
    yaml, file = YAML(typ="safe", pure=True), project / "dvc.yaml"
    dvc = yaml.load(file)
    dvc["stages"]["train"]["deps"].append(form(tmp_path / "data"))
    yaml.dump(dvc, file)
    key = key_of()
    (data / "file").write_text("new")
    assert key_of() != key
