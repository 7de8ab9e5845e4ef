"""The only door to madmom 0.16.1: restores what it needs on a current Python and numpy, before importing it.

madmom was released for Python 3.9 and numpy 1.23.  It expects ``collections.MutableSequence``, ``np.float``,
``np.int`` and setuptools' ``pkg_resources``, and turns a ragged list into an array while
tracking downbeats.  All of that is mended here; nothing else in the project imports madmom.

Convention: madmom is always fed mono float32 at :data:`RATE` Hz, because it starts ffmpeg for any other rate.
Licence: madmom's code is BSD; its trained models are CC BY-NC-SA 4.0.  That is said once per process in the log.
"""

from __future__ import annotations

import collections
import collections.abc
import functools
import importlib
import importlib.metadata
import importlib.util
import logging
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

RATE = 44_100
"""Hz, the only rate of madmom's models."""

_LOG = logging.getLogger(__name__)
_LICENCE = (
    "using madmom's trained models, which are licensed CC BY-NC-SA 4.0 (non-commercial, share alike): "
    "fine for research and evaluation; choose the licence-free detectors for anything else"
)
_ABSENT = (
    "{what} needs the optional package madmom, which is not installed. "
    "Install it with `uv pip install '.[madmom]'` in the project folder (plain pip cannot build it; it needs a C "
    "compiler), or {instead}."
)


class MissingMadmom(ImportError):
    """madmom is not installed; the message tells what to do."""


def available() -> bool:
    """Whether madmom is installed.  Costs no import."""
    return importlib.util.find_spec("madmom") is not None


def require(what: str, instead: str = "choose another extractor") -> None:
    """Raise MissingMadmom unless madmom is installed.

    Args:
        what: who needs it, at the start of the message.
        instead: what a person could do without it, at its end.
    """
    if not available():
        raise MissingMadmom(_ABSENT.format(what=what, instead=instead))


@functools.cache
def module(name: str) -> Any:
    """Import ``madmom.<name>``, for instance ``features.onsets``, with everything mended.

    Raises: MissingMadmom if it is not installed.
    """
    require(f"madmom.{name}")
    _load()
    return importlib.import_module(f"madmom.{name}")


def signal(samples: np.ndarray) -> Any:
    """Mono samples at :data:`RATE` as madmom's own signal type.  Shape: ``[N]``, N at least 1."""
    return module("audio.signal").Signal(samples, sample_rate=RATE, num_channels=1)


@functools.cache
def _load() -> None:
    _LOG.warning(_LICENCE)
    for name in ("MutableSequence", "MutableMapping", "Mapping", "Sequence", "Iterable"):
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    for name, builtin in (("float", float), ("int", int), ("object", object), ("complex", complex)):
        if name not in np.__dict__:
            setattr(np, name, builtin)
    with _PackageResources():
        downbeats: Any = importlib.import_module("madmom.features.downbeats")
    downbeats._process_dbn = _as_object_row(downbeats._process_dbn)


class _PackageResources:
    """Lends madmom a ``pkg_resources`` while it is imported; recent setuptools no longer carry one.

    It asks that module for its own version and nothing else.
    """

    def __enter__(self) -> None:
        self.before = sys.modules.get("pkg_resources")
        stand_in = types.ModuleType("pkg_resources")
        stand_in.get_distribution = importlib.metadata.distribution  # type: ignore[attr-defined]
        sys.modules["pkg_resources"] = stand_in

    def __exit__(self, *_: object) -> None:
        if self.before is None:
            del sys.modules["pkg_resources"]
        else:
            sys.modules["pkg_resources"] = self.before


def _as_object_row(decode: Callable[[Any], tuple[np.ndarray, float]]) -> Callable[[Any], np.ndarray]:
    """Return (path, log probability) as an object array, so that madmom's ``np.asarray`` of several is not ragged."""

    @functools.wraps(decode)
    def wrapped(task: Any) -> np.ndarray:
        row = np.empty(2, dtype=object)
        row[0], row[1] = decode(task)
        return row

    return wrapped
