"""Digests of revisions in a real git and DVC project."""

import pytest

from pipeline.errors import RevisionError
from pipeline.revisions.digests import digests_by_commit
from pipeline.revisions.names import commits, resolve
from tests.pipeline.laboratory import Repository

pytestmark = pytest.mark.slow


def test_commits_with_the_same_results_share_digests_and_an_invalid_lock_has_none(repository: Repository) -> None:
    (repository.folder / "dvc.lock").write_text("<<<<<<< ours")
    broken = repository.commit("Half a merge")
    digests = list(digests_by_commit(commits()).values())
    assert digests[0] == {}
    assert digests[1] != digests[2] == digests[3]
    with pytest.raises(RevisionError, match=r"dvc\.lock: expected"):
        resolve(broken)
