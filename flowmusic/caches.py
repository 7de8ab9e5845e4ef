"""What libraries keep on disk to start faster: none of it may end a run, whatever is wrong with the place.

numba, behind librosa, refuses to import where it finds no folder for its compiled functions, and ends whatever runs
where that folder is full or damaged.  matplotlib looks for a folder for its list of fonts.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from flowmusic import disk

ROOM = 8 << 20
"""Bytes that a cache of these needs."""

_LOG = logging.getLogger(__name__)


@functools.cache
def settle() -> None:
    """Choose places that can be written for the caches of libraries, where nobody chose one and the usual ones cannot.

    Must come before these libraries are imported; they read their environment then.
    """
    if not _any(_numba_places()) and (chosen := _own_place("numba")) is not None:
        os.environ["NUMBA_CACHE_DIR"] = str(chosen)
    if not all(map(_can_write, _matplotlib_places())) and (chosen := _own_place("matplotlib")) is not None:
        os.environ["MPLCONFIGDIR"] = str(chosen)


def librosa() -> Any:
    """The package librosa, whose compiled functions need no cache.  The only door to it."""
    settle()
    _without_fail()
    import librosa as found

    return found


def _numba_places() -> list[Path]:
    """Where numba would keep the functions of librosa, in its order."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    spec = importlib.util.find_spec("librosa")
    beside = [] if spec is None or spec.origin is None else [Path(spec.origin).parent / "__pycache__"]
    return [*beside, *_in_home(".cache", "numba", "XDG_CACHE_HOME")]


def _matplotlib_places() -> list[Path]:
    chosen = os.environ.get("MPLCONFIGDIR")
    if chosen:
        return [Path(chosen)]
    places = (".config", "matplotlib", "XDG_CONFIG_HOME"), (".cache", "matplotlib", "XDG_CACHE_HOME")
    return [place for each in places for place in _in_home(*each)] or [Path(os.devnull)]


def _in_home(folder: str, name: str, variable: str) -> list[Path]:
    given = os.environ.get(variable)
    try:
        return [(Path(given) if given else Path.home() / folder) / name]
    except RuntimeError:  # a user without a home
        return []


def _any(places: list[Path]) -> bool:
    return any(map(_can_write, places))


def _can_write(place: Path) -> bool:
    try:
        disk.check(place / "probe", ROOM)
    except OSError:
        return False
    return True


def _own_place(name: str) -> Path | None:
    """A folder in the temporary one that belongs to this user alone, or None.

    Nobody else may write there: numba runs what it finds in its cache.  A folder that stays, as compiling takes a
    minute.
    """
    root = Path(tempfile.gettempdir()) / f"flowmusic-caches-{os.getuid()}"
    try:
        root.mkdir(mode=0o700, exist_ok=True)
        found = root.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            root = Path(tempfile.mkdtemp(prefix="flowmusic-caches-"))
        (root / name).mkdir(exist_ok=True)
        disk.check(root / name / "probe", ROOM)
    except OSError:
        return None
    return root / name


@functools.cache
def _without_fail() -> None:
    """Have numba go on where its cache fails: it compiles again what it cannot read, and keeps what it can write."""
    from numba.core import caching

    class Nowhere(caching.UserProvidedCacheLocator):  # type: ignore[misc]
        """The last of numba's locators: without any folder it would refuse to define a function."""

        @classmethod
        def from_function(cls, py_func: Any, py_file: str) -> Nowhere:
            return cls(py_func, py_file)

    load, save = caching.Cache.load_overload, caching.Cache.save_overload

    def load_overload(self: Any, *args: Any) -> Any:
        try:
            return load(self, *args)
        except Exception as error:  # whatever unpickling a damaged file raises
            _say(self.cache_path, "is damaged and made anew", error)
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self: Any, *args: Any) -> None:
        try:
            save(self, *args)
        except Exception as error:  # an index is read before it is written
            _say(self.cache_path, "cannot be written: free some space there, or set NUMBA_CACHE_DIR", error)

    setattr(caching.Cache, "load_overload", load_overload)  # noqa: B010 - or mypy objects
    setattr(caching.Cache, "save_overload", save_overload)  # noqa: B010
    caching.CacheImpl._locator_classes = [*caching.CacheImpl._locator_classes, Nowhere]


_said: set[str] = set()


def _say(place: str, what: str, error: Exception) -> None:
    """Once for each folder, not for each function."""
    folder = str(Path(place).parent)
    if folder not in _said:
        _said.add(folder)
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        _LOG.warning("numba's cache in %s %s (%s); compiling takes a minute", folder, what, reason)
