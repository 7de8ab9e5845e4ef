"""Features of a corpus' recordings on disk, computed once.

A cache folder holds two files for each corpus, split and kind of features: ``NAME.npy``, those of all recordings one
after the other, read through memory mapping, and ``NAME.json``, which says where each begins and what sounds in it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flowmusic import plain
from flowmusic.files import replacing

Features = Callable[[int, Path], Iterable[tuple[np.ndarray, Mapping[str, Any]]]]
"""By number and labels file of a clip: the features ``[F, ...]`` of each recording made of it, and its labels."""


def cached(
    corpus: Path, split: str, paths: Sequence[Path], cache: Path, kind: str, features: Features, told_every: int
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The features of all recordings, and an entry for each: ``clip``, ``first`` frame, ``frames``, and its labels.

    Args:
        kind: of features, with their version: part of the files' names.
        features: computes what the cache does not hold.
        told_every: clips between two lines about how far that is.
    """
    names = "\n".join([str(corpus.resolve()), split, *(path.name for path in paths)])
    key = f"{corpus.name}-{split}-{kind}-{hashlib.sha256(names.encode()).hexdigest()[:12]}"
    array, index = cache / f"{key}.npy", cache / f"{key}.json"
    if not index.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _compute(paths, features, told_every, array, index)
    return np.load(array, mmap_mode="r", allow_pickle=False), plain.read_json(index)


def _compute(paths: Sequence[Path], features: Features, told_every: int, array: Path, index: Path) -> None:
    parts: list[np.ndarray] = []
    entries: list[dict[str, Any]] = []
    first = 0
    for n, path in enumerate(paths):
        for found, labels in features(n, path):
            parts.append(found)
            entries.append({"clip": path.stem, "first": first, "frames": len(found), **labels})
            first += len(found)
        if (n + 1) % told_every == 0:
            print(f"features of {n + 1} of {len(paths)} clips", file=sys.stderr, flush=True)
    for path, write in (
        (array, lambda file: np.save(file, np.concatenate(parts))),
        # Last, because it says that all is there.
        (index, lambda file: file.write(json.dumps(entries).encode())),
    ):
        with replacing(path) as temporary, temporary.open("wb") as file:
            write(file)
