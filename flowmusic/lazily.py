"""Libraries that another library imports but that nobody may need: loaded when they are first used."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one package as the other finders do, to be executed at the first look at what it holds."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextmanager
def loaded(name: str) -> Iterator[None]:
    """Around imports of libraries that import the package ``name`` and hardly use it.

    >>> with loaded("turtledemo"):
    ...     import turtledemo
    >>> turtledemo.__name__  # loaded now
    'turtledemo'
    """
    finder = _Finder(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
