"""The code of others that a result depends on: the environment's modules, and the packages that compute."""

import hashlib
import importlib.metadata
import re
from collections.abc import Mapping

from pipeline.provenance.digests import content_digest
from pipeline.provenance.git import project_root
from pipeline.provenance.revision import Revision, lock_of, text_of
from pipeline.stages import TRAIN

ENVIRONMENTS, PACKAGES = "environments", "requirements.lock"
"""Where the project keeps environments of its own, and the versions of its packages; dependencies in dvc.yaml."""
COMPUTING = ("gymnasium", "keras", "numpy", "tensorflow")
_REQUIREMENT = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)


def packages_in(text: str | None) -> dict[str, str]:
    """The version of each package in the text of a requirements file; several if they depend on the platform."""
    found: dict[str, list[str]] = {}
    for name, version in _REQUIREMENT.findall(text or ""):
        found.setdefault(name, []).append(version)
    return {name: " or ".join(several) for name, several in found.items()}


def dependencies_of(revision: Revision) -> dict[str, str]:
    """The MD5 hash of every file and folder that a revision's training depended on, from its dvc.lock.

    Raises:
        RevisionError: Its dvc.lock is invalid.
    """
    entry = lock_of(revision).get("stages", {}).get(TRAIN.name, {})
    return {item["path"]: item["md5"] for item in entry.get("deps", ()) if item.get("md5")}


def packages_of(revision: Revision) -> dict[str, str]:
    """The packages that made a revision's results; empty if its requirements.lock was edited since, or is missing.

    Raises:
        RevisionError: Its dvc.lock is invalid.
    """
    text, md5 = text_of(revision, PACKAGES), dependencies_of(revision).get(PACKAGES)
    if text is None or (md5 and hashlib.md5(f"{text.rstrip()}\n".encode(), usedforsecurity=False).hexdigest() != md5):
        return {}
    return packages_in(text)


def tags_here(environment: str) -> dict[str, str]:
    """Tags with the versions that compute here, and with the digest of an environment of the project's own.

    Args:
        environment: Its id.
    """
    module = _package_of(environment)
    places = (project_root() / module, project_root() / f"{module}.py") if module else ()
    own = next((path for path in places if path.exists()), None)
    names = {*COMPUTING, *importlib.metadata.packages_distributions().get(module, ())}
    return _tags({name: _version(name) for name in names}, f"{module} {content_digest(own)}" if own else None)


def tags_of(revision: Revision, environment: str) -> dict[str, str]:
    """What `tags_here` returned where a revision's results were made, as far as its files tell.

    Raises:
        RevisionError: Its dvc.lock is invalid.
    """
    packages, module = packages_of(revision), _package_of(environment)
    names = {*COMPUTING, *importlib.metadata.packages_distributions().get(module, ())}
    md5 = dependencies_of(revision).get(ENVIRONMENTS) if module == ENVIRONMENTS else None
    return _tags({name: packages.get(name) for name in names}, f"{module} {md5}" if md5 else None)


def _tags(versions: Mapping[str, str | None], code: str | None) -> dict[str, str]:
    tags = {f"version.{name}": version for name, version in sorted(versions.items()) if version}
    return tags | ({"environment.code": code} if code else {})


def _package_of(environment: str) -> str:
    """The name of the package or module that defines an environment; empty if Gymnasium does not know it."""
    module, colon, _ = environment.rpartition(":")
    if not colon:
        import gymnasium  # takes a quarter of a second

        spec = gymnasium.registry.get(environment)
        entry = spec.entry_point if spec else ""
        module = entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")
    return module.partition(".")[0]


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
