"""Which parameters a result changed, compared with the result of the commit that it is based on."""

from collections.abc import Mapping
from typing import Any

from pipeline.errors import RevisionError
from pipeline.provenance.digests import params_of_results
from pipeline.provenance.revision import Revision, lock_of
from pipeline.stages import flatten

_MOST_NAMED = 3

Edits = dict[str, tuple[Any, Any]]
"""By a parameter's path: its value before and after; `None` where it is absent."""


def edits_since(commit: str | None, params: Mapping[str, Any]) -> Edits:
    """Return what differs between the parameters that made a commit's results and these.

    Only parameters that stages read count. Without a commit, or results in it, nothing differs.
    """
    try:
        lock = lock_of(Revision(commit, commit, "commit")) if commit else {}
    except RevisionError:  # as of a merge committed with its conflicts
        lock = {}
    before, after = dict(flatten(params_of_results({}, lock), ".")), dict(flatten(params, "."))
    pairs = {name: (old, after.get(name)) for name, old in before.items()}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}


def title(edits: Edits) -> str:
    """Name edits in a few words, such as `tau_actor 0.1`: the new values, and how many more there are."""
    named = [f"{name.rpartition('.')[2]} {'none' if new is None else new}" for name, (_, new) in edits.items()]
    more = len(named) - _MOST_NAMED
    return ", ".join(named[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
