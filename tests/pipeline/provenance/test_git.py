"""What git knows of the project's code."""

import subprocess
from pathlib import Path

import pytest

from pipeline.errors import GitError
from pipeline.provenance.git import (
    GitState,
    dvc_context,
    git_state,
    origin_of,
    project_root,
    run_git,
    without_credentials,
)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_git_state_outside_a_repository_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) == GitState()


def test_git_state_before_the_first_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "new.py").touch()
    state = git_state(tmp_path)
    assert (state.commit, state.branch, state.remote, state.dirty) == (None, "main", None, True)


def test_git_state_of_changed_files(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    for name in ("code.py", "dvc.lock"):
        (tmp_path / name).write_text("old\n")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "metrics.json").write_text("{}")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    assert git_state(tmp_path) == GitState(commit=git(tmp_path, "rev-parse", "HEAD"), branch="main")
    # A running pipeline rewrites these; the code is unchanged.
    (tmp_path / "dvc.lock").write_text("new\n")
    (tmp_path / "results" / "metrics.json").unlink()
    assert not git_state(tmp_path).dirty
    (tmp_path / "code.py").write_text("new\n")
    (tmp_path / "secret.env").write_text("content of an untracked file")
    state = git_state(tmp_path)
    assert state.dirty
    assert "-old\n+new" in state.diff
    assert "# untracked: secret.env" in state.diff
    assert "content of" not in state.diff


def test_a_repository_that_git_cannot_read_is_an_error_with_gits_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tmp_path, "init", "-q")
    assert run_git(tmp_path, "rev-parse", "--verify", "--quiet", "HEAD") is None
    with monkeypatch.context() as patch:
        patch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        with pytest.raises(GitError, match=r"^git: fatal: detected dubious ownership"):
            git_state(tmp_path)
        assert origin_of(tmp_path).git == GitState()
        assert "warning: the result is recorded without its commit: git: fatal" in capsys.readouterr().err
    (tmp_path / ".git" / "config").write_text("[broken")
    with pytest.raises(GitError, match=r"^git: fatal: bad config"):
        run_git(tmp_path, "rev-parse", "--verify", "--quiet", "HEAD")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://user:pass@example.org/a/b.git?token=x", "https://example.org/a/b.git"),
        ("https://token@example.org:8443/a", "https://example.org:8443/a"),
        ("https://user:p@ss@example.org/a", "https://example.org/a"),
        ("git@example.org:a/b.git", "example.org:a/b.git"),
        ("ssh://git@example.org/a", "ssh://example.org/a"),
        ("/home/someone/repository", None),
        ("file:///home/someone/repository", None),
        ("", None),
    ],
)
def test_remotes_lose_their_credentials(address: str, expected: str | None) -> None:
    assert without_credentials(address) == expected


def test_the_project_is_dvcs_root_or_the_packages_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert project_root() == tmp_path
    monkeypatch.delenv("DVC_ROOT")
    assert (project_root() / "pipeline" / "stages.py").is_file()


def test_the_dvc_context_holds_only_the_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    monkeypatch.setenv("DVC_SECRET", "x")
    assert dvc_context() == {"dvc.experiment": "puffy-daks"}


def test_a_diff_applies_to_its_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    file = tmp_path / "code.py"
    file.write_text("first\n\nlast\n\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "x")
    file.write_text("changed\n\nlast\n\n")
    (tmp_path / "new.py").write_text("")
    (tmp_path / "git.diff").write_text(git_state(tmp_path).diff)
    git(tmp_path, "checkout", "--quiet", "code.py")
    git(tmp_path, "apply", "git.diff")
    assert file.read_text() == "changed\n\nlast\n\n"


def test_a_diff_applies_whatever_the_user_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "color.ui": "always",
        "core.abbrev": "4",
        "diff.external": "false",
        "diff.mnemonicPrefix": "true",
        "diff.noprefix": "true",
        "diff.orderFile": "/nowhere",
        "diff.relative": "true",
        "diff.shout.textconv": "tr a-z A-Z <",
        "log.showSignature": "true",
    }
    for name, value in settings.items():
        git(tmp_path, "config", "--file", "config", name, value)
    (tmp_path / "attributes").write_text("*.py diff=shout\n")
    git(tmp_path, "config", "--file", "config", "core.attributesFile", str(tmp_path / "attributes"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    repository, project = tmp_path / "repository", tmp_path / "repository/project"
    project.mkdir(parents=True)
    git(repository, "init", "-q", "-b", "main")
    (project / "größe.py").write_text("a = 1\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first", "--no-gpg-sign")
    (project / "größe.py").write_text("a = 2\n")
    diff = git_state(project).diff
    git(project, "checkout", "-q", ".")
    subprocess.run(["git", "apply"], cwd=repository, input=diff.encode(), check=True)
    assert (project / "größe.py").read_text() == "a = 2\n"


@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_a_hook_of_another_repository_does_not_change_whose_state_it_is(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "code.py").touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    state = git_state(tmp_path)
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    assert git_state(tmp_path) == state


def test_changes_that_git_cannot_tell_are_an_error_and_not_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("old\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    old = git(tmp_path, "rev-parse", "HEAD:code.py")
    (tmp_path / ".git/objects" / old[:2] / old[2:]).unlink()
    (tmp_path / "code.py").write_text("new\n")
    with pytest.raises(GitError, match=old):
        git_state(tmp_path)
