"""Known data sets, as they lie on disk, by name: one file each."""

from __future__ import annotations

import difflib

from flowmusic.datasets.sets import audiocraft, corpus, jamendo, maestro, midi, musdb, musiccaps, nsynth, slakh
from flowmusic.datasets.sets.base import DataSet

SETS: dict[str, DataSet] = {
    module.SET.name: module.SET
    for module in (corpus, audiocraft, musiccaps, maestro, slakh, midi, nsynth, musdb, jamendo)
}


def find(name: str) -> DataSet:
    """A data set by its name.  Raises: ValueError listing the names."""
    if name not in SETS:
        near = difflib.get_close_matches(name, SETS, 1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"unknown data set {name!r}{meant}; known: {', '.join(SETS)}")
    return SETS[name]
