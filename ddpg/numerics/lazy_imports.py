"""Lazy imports of modules that take long to load and may never be used."""

import contextlib
import gc
import importlib.util
import sys
from collections.abc import Collection, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


@contextlib.contextmanager
def lazily(*modules: str) -> Iterator[None]:
    """Makes imports of these modules in its block lazy: they load at the first access to an attribute.

    Garbage collection is paused too: there is hardly anything to collect while modules load.

    Args:
        modules: Full names. A module that is already loaded is left alone. Do not name a module that several threads
            may access first: Python 3.11.7, for one, lets the second see it partially loaded.
    """
    finder = _LazyFinder(modules)
    collects = gc.isenabled()
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if collects:
            gc.enable()


class _LazyFinder:
    def __init__(self, modules: Collection[str]) -> None:
        self.modules = modules

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self.modules else None
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec
