"""All that determines a seed's training except the seed itself, and the key that names it."""

import importlib.metadata
import os
import platform
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from pprint import pformat
from types import ModuleType
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from ddpg.environments.interface import levels_of, make
from ddpg.numerics import obstacles
from pipeline.params import EnvironmentConfig, Params
from pipeline.provenance.digests import content_digest
from pipeline.stages import RESULTS, TRAIN

_CODE = Path(__file__).resolve().parents[2]
_OWN = {"pipeline", "ddpg", "__main__", "__mp_main__"}
"""Of these, dvc.yaml names the modules that count."""
_LIBRARIES = {"tensorflow", "keras", "numpy", "gymnasium"}


class Inputs(NamedTuple):
    """What a training depends on."""

    settings: Mapping[str, Any]
    """The parameters that determine its results."""
    files: Mapping[str, Path]
    """By a name that is the same in every copy of the project."""
    distributions: frozenset[str]
    """Installed packages whose versions count."""
    obstacles: tuple[str, ...]
    """Why the numbers may differ from another machine's."""

    def key(self) -> str:
        """Return a hash of the parameters, the files' present contents and the present versions.

        Raises:
            OSError: A file cannot be read.
        """
        digests = {name: content_digest(path) for name, path in self.files.items()}
        versions = {name: _version(name) for name in self.distributions} | {"python": platform.python_version()}
        # Unlike JSON, this tells all values of YAML apart, such as infinity from NaN and 1 from "1".
        determinants = pformat([self.settings, digests, versions, self.obstacles])
        return sha256(determinants.encode()).hexdigest()[:16]


def inputs_of(params: Params) -> Inputs:
    """Return what a training with these parameters depends on.

    These are its settings; the dependencies of the train stage in dvc.yaml; all modules that were loaded from outside
    of the installed packages; files that the environment's arguments name; and the packages that the environment's
    modules use.
    """
    sections = set(TRAIN.params) - {"seeds"}
    without_effect = {TRAIN.name: {name.removeprefix(f"{TRAIN.name}.") for name in TRAIN.without_effect}}
    environment = _environment_modules(params.environment)
    local = {name: file for name, file in _module_files() if not _is_installed(file)}
    return Inputs(
        settings=params.model_dump(include=sections, exclude=without_effect),
        files={
            **dict(_dependencies()),
            **{f"module {name}": file for name, file in local.items()},
            **{f"argument {text}": Path(text) for text in _texts(params.environment.kwargs) if os.path.isfile(text)},  # noqa: PTH113 (which raises if the text is too long for a path)
        },
        distributions=frozenset(_LIBRARIES).union(_distributions(environment | local.keys())),
        obstacles=tuple(obstacles()),
    )


def _dependencies() -> Iterator[tuple[str, Path]]:
    """Files that the train stage depends on according to dvc.yaml."""
    dvc = YAML(typ="safe", pure=True).load(_CODE / "dvc.yaml")
    for entry in dvc["stages"][TRAIN.name]["deps"]:
        name = entry if isinstance(entry, str) else next(iter(entry))
        if Path(name).is_relative_to(RESULTS):  # which the check stage wrote
            continue
        path = _CODE / name
        for file in [path] if path.is_file() else path.rglob("*"):
            # Compiled files appear and change when a module is imported.
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{name} {file.relative_to(path).as_posix()}", file


def _environment_modules(config: EnvironmentConfig) -> set[str]:
    """Names of the modules that define the environment, its wrappers and the objects that these hold."""
    with make(config.id, config.kwargs) as env:
        parts = [part for level in levels_of(env) for part in (level, *_contents(level).values())]
        return {base.__module__ for part in parts for base in type(part).__mro__}


def _module_files() -> Iterator[tuple[str, Path]]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in _OWN:
            file = _contents(module).get("__file__")
            if isinstance(file, str) and Path(file).is_file():
                yield name, Path(file)


def _is_installed(file: Path) -> bool:
    """Whether a file belongs to Python or to a package whose version identifies it."""
    standard = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))
    return not {"site-packages", "dist-packages"}.isdisjoint(file.parts) or any(map(file.is_relative_to, standard))


def _distributions(modules: set[str]) -> Iterator[str]:
    """Installed packages that these modules belong to or import."""
    packages = {name.partition(".")[0] for name in modules}
    for name in modules & sys.modules.keys():
        for value in _contents(sys.modules[name]).values():
            source = (
                _contents(value).get("__name__") if isinstance(value, ModuleType) else getattr(value, "__module__", "")
            )
            packages.add(str(source).partition(".")[0])
    owners = importlib.metadata.packages_distributions()
    return (owner for package in packages - _OWN for owner in owners.get(package, ()))


def _contents(module: Any) -> Mapping[str, Any]:
    """What `vars` returns, without loading a lazy module; empty for an object that only takes a module's place."""
    try:
        contents: dict[str, Any] = object.__getattribute__(module, "__dict__")
        return contents
    except AttributeError:
        return {}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
