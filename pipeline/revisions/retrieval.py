"""Results of a revision as files: the workspace's own, or temporary copies from git, DVC and MLflow."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from pipeline.errors import RevisionError
from pipeline.provenance.digests import complete_stages, content_digest, locked_digests
from pipeline.provenance.documents import params_in
from pipeline.provenance.git import project_root, run_git
from pipeline.provenance.result import TABLES, Result
from pipeline.provenance.revision import WORKSPACE, Revision, lock_of, naming, params_of, text_of
from pipeline.stages import LOCK, PARAMS, PIPELINE, RESULTS
from pipeline.tracking import TrackingError, download
from pipeline.tracking.faults import reason


@contextmanager
def results_of(revision: Revision, paths: Sequence[str] | None = None) -> Iterator[Result]:
    """A revision's results; copies are deleted at the end, and the user's files never change.

    Args:
        revision: From `resolve`.
        paths: Files or folders below `results` to copy; `None`: all. Those of incomplete stages are left out.

    Raises:
        RevisionError: Files are missing or invalid.
    """
    if revision.kind == WORKSPACE:
        folder = project_root()
        stages = complete_stages(folder / RESULTS, lock_of(revision))
        yield Result(revision, folder, params_of(revision), stages)
        return
    with TemporaryDirectory(prefix="revision-") as temporary:
        folder = Path(temporary)
        if revision.commit is None:
            yield _download(revision, folder)
        else:
            yield _copy(revision, paths or [RESULTS.as_posix()], folder)


@contextmanager
def results_or_tables_of(revision: Revision, note: Callable[[str], object]) -> Iterator[Result]:
    """As `results_of`; of a commit whose files DVC lacks, as in a fresh clone, the tables that git has.

    Args:
        revision: From `resolve`.
        note: Reports what is left out.

    Raises:
        RevisionError: Tables are missing or invalid, or the files of a revision that is no commit.
    """
    with ExitStack() as stack:
        try:
            result = stack.enter_context(results_of(revision))
        except RevisionError as error:
            if revision.commit is None or not locked_digests(lock_of(revision)):
                raise
            result = stack.enter_context(results_of(revision, TABLES))
            note(f"{error}\nThe page shows what git has of {result.name}: numbers and curves, no films.")
        yield result


def _copy(revision: Revision, paths: Sequence[str], folder: Path) -> Result:
    from dvc.exceptions import DvcException

    params = params_of(revision)
    for name in (PARAMS, LOCK, PIPELINE):
        text = text_of(revision, name)
        if text is not None:
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
    lock = lock_of(revision)
    stages = tuple(locked_digests(lock))
    outputs = {output["path"]: output.get("md5") for stage in stages for output in lock["stages"][stage]["outs"]}
    try:
        with _files_at(str(revision.commit)) as files:
            for output, path in ((output, _overlap(output, asked)) for output in outputs for asked in paths):
                if path is not None:
                    _copy_output(files, path, folder, revision)
                    _check(folder / path, outputs[output] if path == output else None, revision, path)
    except DvcException as error:
        raise RevisionError(f"{revision.name}: expected what DVC can read, received {error}") from None
    return Result(revision, folder, params, stages)


@contextmanager
def _files_at(commit: str) -> Iterator[Any]:
    """A `DVCFileSystem` of a commit, whose paths are relative to the project's folder.

    DVC's own constructor takes a path below the root of a git repository for that root.
    """
    from dvc.config import Config
    from dvc.fs import GitFileSystem
    from dvc.repo import Repo
    from dvc.scm import Git

    project = project_root()
    # The current cache and remotes: an old commit may not know them.
    config = dict(Config(str(project / ".dvc"), validate=False))
    config["cache"] = {"dir": str(project / ".dvc/cache")} | config.get("cache", {})
    root = f"/{run_git(project, 'rev-parse', '--show-prefix') or ''}"
    with closing(Git(str(project), search_parent_directories=True)) as scm:
        tree = GitFileSystem(scm=scm, rev=commit)
        with Repo(root, fs=tree, scm=scm, config=config, uninitialized=True) as repo:
            yield repo.dvcfs


def _overlap(output: str, asked: str) -> str | None:
    """The part of an output that was asked for: all of it, something inside, or nothing."""
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
    except Exception as error:  # DVC and its remotes raise anything
        raise _nowhere(revision, path, f" ({reason(error)})") from None


def _check(copy: Path, md5: str | None, revision: Revision, path: str) -> None:
    if not copy.exists() or (md5 and content_digest(copy) != md5):
        raise _nowhere(revision, path)


def _inside(folder: Path, path: str) -> Path:
    """A path in a folder; a forged cache or store may name one outside."""
    target = folder / path
    if not target.resolve().is_relative_to(folder.resolve()):
        raise RevisionError(f"{path}: expected a path in the project's folder, received one that leaves it")
    return target


def _nowhere(revision: Revision, path: str, why: str = "") -> RevisionError:
    return RevisionError(
        f"{revision.name}: {path}: expected what dvc.lock describes, found it neither in git nor in DVC's cache or "
        f"remote{why}; run `dvc push` where it was made, or `dvc repro` at {str(revision.commit)[:10]}"
    )


def _download(revision: Revision, folder: Path) -> Result:
    """The tables, pictures and videos that MLflow has of a run; it lacks the seeds' policies and histories."""
    try:
        stages = download(revision.name, lambda path: _inside(folder, path))
    except TrackingError as error:
        raise RevisionError(f"{revision.name}: expected the files of an MLflow run, received {error}") from None
    with naming(revision):
        params = params_in((folder / PARAMS).read_text(encoding="utf-8", errors="replace"))
    return Result(revision, folder, params, stages)
