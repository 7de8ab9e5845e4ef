"""Chord training data: features of a corpus on disk, computed once, and varied crops of them.

A cache folder holds two files for each corpus and split: ``NAME.npy``, half-precision magnitudes of all its recordings
one after the other, read through memory mapping, and ``NAME.json``, which says where each begins and what sounds in it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feature_extractors import signals
from feature_extractors.networks import chord_features, chord_labels, corpus_labels
from flowmusic import plain
from flowmusic.audio import Audio
from flowmusic.files import replacing

VERSION = "1"
"""Of the features and of the layout; part of the cached files' names."""
SCALE = 64.0
"""Magnitudes are multiplied by this, so that half precision keeps the faint ones."""
NO_DRUMS_EVERY = 3
"""Of every so many clips with a drum stem there is a second recording without the drums, for training."""


@dataclass(frozen=True)
class Recordings:
    """Features of many recordings and their labels.

    magnitudes: ``[frames, 252]`` float16, times :data:`SCALE`.
    spans: first frame and number of frames of each recording.
    changes: the chords of each.
    """

    magnitudes: np.ndarray
    spans: tuple[tuple[int, int], ...]
    changes: tuple[tuple[tuple[float, float, str], ...], ...]

    def features(self, index: int, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Magnitudes of some frames of a recording.  Shape: ``[F, 252]`` float32."""
        first, frames = self.spans[index]
        last = first + (frames if stop is None else min(stop, frames))
        return torch.from_numpy(self.magnitudes[first + start : last].astype(np.float32) / SCALE)

    def targets(self, index: int) -> torch.Tensor:
        """Shape: ``[F, 193]``: which share of each frame's tenth of a second each class holds."""
        return chord_labels.targets(self.changes[index], self.spans[index][1])


def recordings(corpus: Path, split: str, cache: Path, limit: int | None = None) -> Recordings:
    """Features of a split of a corpus, from the cache or computed into it.

    Raises: ValueError if the split holds no clips.
    """
    paths = corpus_labels.paths(corpus, split, limit)
    names = "\n".join([str(corpus.resolve()), split, *(path.name for path in paths)])
    key = f"{corpus.name}-{split}-v{VERSION}-{hashlib.sha256(names.encode()).hexdigest()[:12]}"
    array, index = cache / f"{key}.npy", cache / f"{key}.json"
    if not index.exists():
        cache.mkdir(parents=True, exist_ok=True)
        _compute(paths, split == "train", array, index)
    entries = plain.read_json(index)
    return Recordings(
        np.load(array, mmap_mode="r", allow_pickle=False),
        tuple((entry["first"], entry["frames"]) for entry in entries),
        tuple(tuple((float(s), float(e), str(label)) for s, e, label in entry["chords"]) for entry in entries),
    )


def _compute(paths: Sequence[Path], training: bool, array: Path, index: Path) -> None:
    parts: list[np.ndarray] = []
    entries: list[dict[str, Any]] = []
    first = 0
    for n, path in enumerate(paths):
        chords = corpus_labels.read(path, "chords")["chords"]
        mix = _samples(path.with_suffix(".flac"))
        heard = [mix]
        stem = path.with_name(f"{path.stem}.drums.flac")
        if training and n % NO_DRUMS_EVERY == 0 and stem.exists():
            heard.append(mix - _samples(stem)[: len(mix)])
        for samples in heard:
            found = chord_features.magnitude(torch.from_numpy(chord_features.scaled(samples)))
            parts.append((found * SCALE).half().numpy())
            entries.append({"clip": path.stem, "first": first, "frames": len(found), "chords": chords})
            first += len(found)
        if (n + 1) % 200 == 0:
            print(f"features of {n + 1} of {len(paths)} clips", file=sys.stderr, flush=True)
    for path, write in (
        (array, lambda file: np.save(file, np.concatenate(parts))),
        # Last, because it says that all is there.
        (index, lambda file: file.write(json.dumps(entries).encode())),
    ):
        with replacing(path) as temporary, temporary.open("wb") as file:
            write(file)


def _samples(path: Path) -> np.ndarray:
    return signals.samples_of(Audio.read(path), chord_features.RATE)
