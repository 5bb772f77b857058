"""Revisions of the project, by any name that people call them, and the results each of them holds."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Literal

from ddpg.files import DamagedFileError
from pipeline import tracking
from pipeline.provenance.digests import complete_stages, content_digest, locked_digests, stage_digest
from pipeline.provenance.documents import LOCK, PARAMS, lock_in, params_in
from pipeline.provenance.git import project_root, run_git
from pipeline.tracking import TrackingError, download
from pipeline.tracking.faults import reason

WORKSPACE = "workspace"
_PROJECT_FILES = (PARAMS, LOCK, "dvc.yaml")


class RevisionError(Exception):
    """A revision is unknown, or its results are nowhere; the message says what to do."""


@dataclass(frozen=True)
class Revision:
    """A state of the project."""

    name: str
    """As people call it: `workspace`, `HEAD~1`, `main`, a DVC experiment's name, an MLflow run's id."""

    commit: str | None
    """Hash of the commit that holds it; `None` for the workspace, and for a run whose results no commit holds."""

    kind: Literal["workspace", "commit", "experiment", "run"]
    """What it is."""


@dataclass(frozen=True)
class RevisionResults:
    """What a revision holds, as files."""

    revision: Revision
    """Whose results these are."""

    folder: Path
    """A folder like the project's, with params.yaml, dvc.lock, dvc.yaml and results/."""

    params: dict[str, Any]
    """The parameters that made the results, as plain values: today's model may refuse those of an old revision."""

    stages: tuple[str, ...]
    """The stages whose results are complete."""


def resolve(name: str) -> Revision:
    """The revision of this name.

    Args:
        name: `workspace`, or anything that git takes for a commit, or a DVC experiment, or the id of an MLflow run.

    Raises:
        RevisionError: There is none, there are several, or it has no results.
    """
    revision = Revision(name, None, "workspace") if name == WORKSPACE else _find(name)
    if revision.commit and not digests_of(revision):
        raise RevisionError(
            f"{name}: expected a revision with results, found none in the dvc.lock of {revision.commit[:10]}"
        )
    return revision


def commits(limit: int | None = None) -> list[Revision]:
    """The commits with a dvc.lock that HEAD, a branch or a tag reaches, newest first, by their short hashes.

    Args:
        limit: So many at most.
    """
    listed = run_git(project_root(), "log", "--date-order", "--format=%H %h", *_references(), "--")
    names = dict(line.split() for line in (listed or "").splitlines())
    return [Revision(names[commit], commit, "commit") for commit in _lock_objects(list(names))][:limit]


def experiments() -> list[Revision]:
    """DVC's experiments that were run and have a dvc.lock, newest first, by their names."""
    # Most projects have none, and the import takes a second.
    if not run_git(project_root(), "for-each-ref", "--count=1", "refs/exps"):
        return []
    from dvc.repo.experiments.utils import exp_refs
    from dvc.scm import Git

    with closing(Git(project_root(), search_parent_directories=True)) as scm:
        names = {scm.get_ref(str(ref)): ref.name for ref in exp_refs(scm)}
    if not names:
        return []
    newest_first = run_git(project_root(), "rev-list", "--no-walk", "--date-order", *names) or ""
    return [Revision(names[commit], commit, "experiment") for commit in _lock_objects(newest_first.splitlines())]


def digests_of(revision: Revision) -> dict[str, str]:
    """By complete stage: the digest of a revision's results, which are not copied for it.

    Raises:
        RevisionError: It cannot be read.
    """
    if revision.commit:
        return locked_digests(lock_of(revision))
    if revision.kind == WORKSPACE:
        results = project_root() / "results"
        return {stage: stage_digest(stage, results) for stage in complete_stages(results, lock_of(revision))}
    try:
        return tracking.digests_of(revision.name)
    except TrackingError as error:
        raise RevisionError(f"{revision.name}: expected an MLflow run, found none: {error}") from None


def all_digests(revisions: Sequence[Revision]) -> list[tuple[Revision, dict[str, str]]]:
    """Every revision with its digests, as `digests_of` gives them; a commit whose dvc.lock cannot be read has none."""
    of_commits = digests_by_commit(revisions)
    return [(each, of_commits.get(each.commit, {}) if each.commit else digests_of(each)) for each in revisions]


def digests_by_commit(revisions: Iterable[Revision]) -> dict[str, dict[str, str]]:
    """What `digests.locked_digests` gives for each commit's dvc.lock, in the order of the revisions.

    A commit whose dvc.lock cannot be read, as in the middle of a merge, has none.
    """
    objects = _lock_objects([revision.commit for revision in revisions if revision.commit])
    # Many commits share a lock.
    digests = {name: _digests_of_object(name) for name in dict.fromkeys(objects.values())}
    return {commit: digests[name] for commit, name in objects.items()}


def parent_of(revision: Revision) -> Revision | None:
    """The commit that a revision was made from: HEAD for the workspace, the baseline for an experiment."""
    name = f"{revision.commit}^" if revision.commit else "HEAD"
    commit = run_git(project_root(), "rev-parse", "--verify", "--quiet", name)
    return Revision(commit[:7], commit, "commit") if commit else None


def references(relation: Literal["--contains", "--points-at"], holding: Sequence[str], *below: str) -> list[str]:
    """Branches and tags that contain one of these commits, or point at it.

    Args:
        relation: Which.
        holding: Hashes of the commits.
        below: Kinds of references such as `refs/heads`; none: branches and tags.
    """
    if not holding:
        return []
    options = [f"{relation}={commit}" for commit in holding]
    kinds = below or ("refs/heads", "refs/tags", "refs/remotes")
    listed = run_git(project_root(), "for-each-ref", "--format=%(refname:short) %(symref)", *options, *kinds) or ""
    # origin/HEAD only repeats a branch.
    return [name for name, _, target in (line.partition(" ") for line in listed.splitlines()) if not target]


def lock_of(revision: Revision) -> Mapping[str, Any]:
    """Contents of a revision's dvc.lock; empty if it has none.

    Raises:
        RevisionError: It is damaged.
    """
    with _naming(revision):
        return lock_in(text_of(revision, LOCK) or "")


def params_of(revision: Revision) -> dict[str, Any]:
    """The parameters that made a revision's results, as plain values.

    Raises:
        RevisionError: It has no params.yaml, or a damaged one.
    """
    text = text_of(revision, PARAMS)
    if text is None:
        raise RevisionError(f"{revision.name}: expected a file {PARAMS}, found none")
    lock = lock_of(revision)
    with _naming(revision):
        return params_in(text, lock)


def text_of(revision: Revision, path: str) -> str | None:
    """A file that git tracks at a revision, such as a table; `None` if there is none. What is no UTF-8 becomes U+FFFD.

    Args:
        revision: A commit, or the workspace, where git need not track the file.
        path: Its path in the project's folder.
    """
    if revision.commit:
        return run_git(project_root(), "cat-file", "blob", f"{revision.commit}:./{path}")
    file = project_root() / path
    # An MLflow run of no commit has no file here.
    if revision.kind != WORKSPACE or not file.is_file():
        return None
    return file.read_text(encoding="utf-8", errors="replace")


@contextmanager
def results_of(revision: Revision, paths: Sequence[str] | None = None) -> Iterator[RevisionResults]:
    """A revision's results as files: the workspace's own, else copies from git and DVC's cache or remote.

    The user's files stay as they are; copies vanish at the end.

    Args:
        revision: What `resolve` returned.
        paths: Files or folders below `results` that are needed, to copy no more; `None`: all. Those of a stage that
            is not complete are left out.

    Raises:
        RevisionError: Some of it is nowhere.
    """
    if revision.kind == WORKSPACE:
        folder = project_root()
        stages = complete_stages(folder / "results", lock_of(revision))
        yield RevisionResults(revision, folder, params_of(revision), stages)
        return
    with TemporaryDirectory(prefix="revision-") as temporary:
        folder = Path(temporary)
        if revision.commit is None:
            yield _download(revision, folder)
        else:
            yield _copy(revision, paths or ["results"], folder)


def _find(name: str) -> Revision:
    commit = run_git(project_root(), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit:
        return Revision(name, commit, "commit")
    found = [experiment for experiment in experiments() if experiment.name == name]
    if len(found) > 1:
        listed = ", ".join(str(experiment.commit)[:10] for experiment in found)
        raise RevisionError(f"{name}: expected one DVC experiment, found {len(found)}; name a commit: {listed}")
    if found:
        return found[0]
    if re.fullmatch("[0-9a-f]{32}", name):
        return _find_run(name)
    raise RevisionError(
        f"{name}: expected {WORKSPACE!r} or the name of a commit, branch, tag, DVC experiment or MLflow run, found none"
    )


def _find_run(run: str) -> Revision:
    """Where a run's results are: in the newest commit or experiment that holds them, in the workspace, or in MLflow."""
    recorded = digests_of(Revision(run, None, "run"))
    if not recorded:
        raise RevisionError(f"{run}: expected a run with results, found none recorded in it")
    for commit, digests in digests_by_commit([*commits(), *experiments()]).items():
        if recorded.items() <= digests.items():
            return Revision(run, commit, "run")
    here = recorded.items() <= digests_of(Revision(WORKSPACE, None, "workspace")).items()
    return Revision(run, None, "workspace" if here else "run")


def _references() -> tuple[str, ...]:
    head = run_git(project_root(), "rev-parse", "--verify", "--quiet", "HEAD")
    return ("--branches", "--tags", "--remotes", *([head] if head else []))


def _lock_objects(candidates: Sequence[str]) -> dict[str, str]:
    """Those of the commits that have a dvc.lock, with the name of git's object for it."""
    asked = "".join(f"{commit}:./dvc.lock\n" for commit in candidates)
    answers = run_git(project_root(), "cat-file", "--batch-check=%(objecttype) %(objectname)", text=asked)
    pairs = zip(candidates, (answers or "").splitlines(), strict=False)
    return {commit: answer.split()[1] for commit, answer in pairs if answer.startswith("blob ")}


def _digests_of_object(name: str) -> dict[str, str]:
    try:
        return locked_digests(lock_in(run_git(project_root(), "cat-file", "blob", name) or ""))
    except DamagedFileError:
        return {}


@contextmanager
def _naming(revision: Revision) -> Iterator[None]:
    """Says whose file is damaged."""
    try:
        yield
    except DamagedFileError as error:
        raise RevisionError(f"{revision.name}: {error}") from None


def _copy(revision: Revision, paths: Sequence[str], folder: Path) -> RevisionResults:
    from dvc.api import DVCFileSystem
    from dvc.config import Config
    from dvc.exceptions import DvcException

    params = params_of(revision)
    for name in _PROJECT_FILES:
        text = text_of(revision, name)
        if text is not None:
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
    lock = lock_of(revision)
    stages = tuple(locked_digests(lock))
    outputs = {output["path"]: output.get("md5") for stage in stages for output in lock["stages"][stage]["outs"]}
    try:
        # The present cache and remotes: an old commit may not know of them.
        config = dict(Config(str(project_root() / ".dvc"), validate=False))
        with closing(DVCFileSystem(str(project_root()), rev=revision.commit, config=config)) as files:
            for output, path in ((output, _overlap(output, asked)) for output in outputs for asked in paths):
                if path is not None:
                    _copy_output(files, path, folder, revision)
                    _check(folder / path, outputs[output] if path == output else None, revision, path)
    except DvcException as error:
        raise RevisionError(f"{revision.name}: expected what DVC can read, received {error}") from None
    return RevisionResults(revision, folder, params, stages)


def _overlap(output: str, asked: str) -> str | None:
    """What of an output was asked for: all of it, something inside, or nothing."""
    if PurePosixPath(output).is_relative_to(asked):
        return output
    return asked if PurePosixPath(asked).is_relative_to(output) else None


def _copy_output(files: Any, path: str, folder: Path, revision: Revision) -> None:
    try:
        for source in files.find(path):
            target = _inside(folder, source)
            target.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(source, str(target))
    except RevisionError:
        raise
    except Exception as error:  # whatever DVC and its remotes raise
        raise _nowhere(revision, path, f" ({reason(error)})") from None


def _check(copy: Path, md5: str | None, revision: Revision, path: str) -> None:
    if not copy.exists() or (md5 and content_digest(copy) != md5):
        raise _nowhere(revision, path)


def _inside(folder: Path, path: str) -> Path:
    """A path in a folder; one that would leave it, as a forged cache or store may name, is refused."""
    target = folder / path
    if not target.resolve().is_relative_to(folder.resolve()):
        raise RevisionError(f"{path}: expected a path in the project's folder, received one that leaves it")
    return target


def _nowhere(revision: Revision, path: str, why: str = "") -> RevisionError:
    return RevisionError(
        f"{revision.name}: {path}: expected what dvc.lock describes, found it neither in git nor in DVC's cache or "
        f"remote{why}; run `dvc push` where it was made, or `dvc repro` at {str(revision.commit)[:10]}"
    )


def _download(revision: Revision, folder: Path) -> RevisionResults:
    """The tables and videos that MLflow keeps of a run; the seeds' policies and histories are not among them."""
    try:
        stages = download(revision.name, lambda path: _inside(folder, path))
    except TrackingError as error:
        raise RevisionError(f"{revision.name}: expected the files of an MLflow run, received {error}") from None
    with _naming(revision):
        params = params_in((folder / PARAMS).read_text(encoding="utf-8", errors="replace"))
    return RevisionResults(revision, folder, params, stages)
