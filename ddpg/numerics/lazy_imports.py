"""Imports that put off what takes long to load until it is used."""

import contextlib
import gc
import importlib.util
import sys
from collections.abc import Collection, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


@contextlib.contextmanager
def lazily(*modules: str) -> Iterator[None]:
    """Within it, the first import of one of these modules only names it; it loads when anything looks into it.

    Garbage collection pauses too: there is next to nothing to find while modules load.

    Args:
        modules: Their full names. One that is loaded already stays so. None that several threads may be the first to
            use: Python 3.11.7, for one, shows it to the second half loaded.
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
