import hashlib
import importlib.metadata
import json

import gymnasium
import pytest

from pipeline.provenance.digests import content_digest
from pipeline.provenance.revision import WORKSPACE_REVISION
from pipeline.provenance.software import COMPUTING, packages_of, tags_here, tags_of

INSTALLED = "MountainCarContinuous-v0"
OWN = "environments.point_mass:PointMass-v0"
LOCK = "numpy==1.2.3 \\\n    --hash=sha256:aa\ngymnasium==4.5.6\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with an environment of its own, a requirements.lock and the dvc.lock of a training with both."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/point_mass.py").write_text("REWARD = 1\n")
    (tmp_path / "requirements.lock").write_text(LOCK)
    md5 = hashlib.md5(LOCK.encode()).hexdigest()
    deps = [
        {"path": "environments", "md5": content_digest(tmp_path / "environments")},
        {"path": "requirements.lock", "md5": md5},
    ]
    (tmp_path / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": {"train": {"deps": deps}}}))
    return tmp_path


def test_what_computes_here_is_what_is_installed(project):
    installed = {f"version.{name}": importlib.metadata.version(name) for name in COMPUTING}
    assert tags_here(INSTALLED) == installed
    assert tags_here("an-environment-nobody-knows-v0") == installed


def test_an_edit_of_an_environment_changes_its_tag_and_its_compiled_file_does_not(project):
    before = tags_here(OWN)["environment.code"]
    (project / "environments/__pycache__").mkdir()
    (project / "environments/__pycache__/point_mass.pyc").touch()
    assert tags_here(OWN)["environment.code"] == before
    (project / "environments/point_mass.py").write_text("REWARD = -5\n")
    assert tags_here(OWN)["environment.code"] != before


def test_a_result_says_what_its_training_depended_on(project):
    here = tags_here(OWN)
    (project / "environments/point_mass.py").write_text("REWARD = -5\n")
    expected = {"version.numpy": "1.2.3", "version.gymnasium": "4.5.6"}
    assert tags_of(WORKSPACE_REVISION, OWN) == expected | {"environment.code": here["environment.code"]}
    assert tags_of(WORKSPACE_REVISION, INSTALLED) == expected
    (project / "requirements.lock").write_text(LOCK.replace("1.2.3", "9.9.9"))
    assert packages_of(WORKSPACE_REVISION) == {}


def test_an_environment_made_by_a_function_belongs_to_its_package(project, monkeypatch):
    spec = gymnasium.envs.registration.EnvSpec("Made-v0", entry_point=pytest.importorskip)
    monkeypatch.setitem(gymnasium.registry, "Made-v0", spec)
    assert tags_here("Made-v0")["version.pytest"] == importlib.metadata.version("pytest")
