"""Chord training data: features of a corpus on disk in half precision, and varied crops of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feature_extractors import signals
from feature_extractors.networks import chord_features, chord_labels, corpus_labels
from feature_extractors.networks.feature_cache import cached
from flowmusic.audio import Audio

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

    def features(number: int, path: Path) -> Iterator[tuple[np.ndarray, Mapping[str, Any]]]:
        labels = {"chords": corpus_labels.read(path, "chords")["chords"]}
        mix = _samples(path.with_suffix(".flac"))
        heard = [mix]
        stem = path.with_name(f"{path.stem}.drums.flac")
        if split == "train" and number % NO_DRUMS_EVERY == 0 and stem.exists():
            heard.append(mix - _samples(stem)[: len(mix)])
        for samples in heard:
            found = chord_features.magnitude(torch.from_numpy(chord_features.scaled(samples)))
            yield (found * SCALE).half().numpy(), labels

    array, entries = cached(corpus, split, paths, cache, f"v{VERSION}", features, told_every=200)
    return Recordings(
        array,
        tuple((entry["first"], entry["frames"]) for entry in entries),
        tuple(tuple((float(s), float(e), str(label)) for s, e, label in entry["chords"]) for entry in entries),
    )


def _samples(path: Path) -> np.ndarray:
    return signals.samples_of(Audio.read(path), chord_features.RATE)
