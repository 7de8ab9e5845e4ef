"""Mixes for the separator to learn from: the drums of one clip of the corpus over the rest of another.

Every crop is made from its own seed alone, so a training that resumes sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feature_extractors.networks import corpus_labels
from feature_extractors.networks.separator_net import LEVEL, RATE
from flowmusic import plain

_OWN, _NO_DRUMS, _ONLY_DRUMS = 0.25, 0.1, 0.05
"""Shares of crops that keep a clip's own drums, have none, and have nothing else; the others are remixed."""


@dataclass(frozen=True)
class Recording:
    """A mix and its drum stem, files of the same ``length`` in samples; ``drums`` is None if nobody drums."""

    mix: Path
    drums: Path | None
    length: int


def recordings(folders: Sequence[Path], split: str, clips: int | None = None) -> list[Recording]:
    """The clips of a split that have a drum stem, or no drums at all; of every corpus the first ``clips``.

    Raises: ValueError if a corpus has none, has no clip with drums, or has another sample rate.
    """
    found: list[Recording] = []
    for folder in folders:
        here = []
        for path in corpus_labels.paths(folder, split, clips):
            labels = corpus_labels.read(path, "sample_rate", "seconds")
            if labels["sample_rate"] != RATE:
                raise ValueError(f"{path} has {labels['sample_rate']} samples a second; the separator takes {RATE}")
            stem = path.with_name(f"{path.stem}.drums.flac")
            struck = bool((labels.get("drums") or {}).get("onsets"))
            if stem.exists() or not struck:
                length = round(labels["seconds"] * RATE)
                here.append(Recording(path.with_suffix(".flac"), stem if struck else None, length))
        if not any(recording.drums for recording in here):
            raise ValueError(
                f"no drum stems in {folder / split}; make a corpus with `flowmusic corpus --stems drums --out {folder}`"
            )
        found += here
    return found


def read(recording: Recording, start: int, length: int) -> tuple[Tensor, Tensor]:
    """Drums and rest of a part, ``[length]`` each; silence follows a recording's end.

    Raises: ValueError for a file that is missing or no recording.
    """
    mix = _read(recording.mix, start, length)
    drums = torch.zeros(length) if recording.drums is None else _read(recording.drums, start, length)
    return drums, mix - drums


def _read(path: Path, start: int, length: int) -> Tensor:
    import soundfile

    try:
        samples, _ = soundfile.read(
            os.fsencode(path), frames=length, start=start, dtype="float32", always_2d=True, fill_value=0.0
        )
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{plain.shown(path)} cannot be read ({plain.reason(error)}); make the corpus again") from None
    return torch.from_numpy(np.ascontiguousarray(samples.mean(1)))


def batch(found: Sequence[Recording], size: int, length: int, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """The mixes and drums of a step, ``[size, length]`` each, at varied levels around :data:`LEVEL`."""
    made = [crop(found, length, np.random.default_rng((seed, step, n))) for n in range(size)]
    return torch.stack([mix for mix, _ in made]), torch.stack([drums for _, drums in made])


def crop(found: Sequence[Recording], length: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """One mix and its drums, ``[length]``: remixed, each part with its own gain, equaliser and speed."""
    kind = random.random()
    drummed = [recording for recording in found if recording.drums is not None]
    first = drummed[int(random.integers(len(drummed)))]
    drums, rest = _part(first, length, random)
    if kind >= _OWN:
        rest = _part(found[int(random.integers(len(found)))], length, random)[1]
    drums, rest = _vary(drums, length, 0.15, random), _vary(rest, length, 0.1, random)
    if kind >= 1.0 - _NO_DRUMS:
        drums = torch.zeros_like(drums)
    elif kind >= 1.0 - _NO_DRUMS - _ONLY_DRUMS:
        rest = torch.zeros_like(rest)
    mix = drums + rest
    level = LEVEL * 10.0 ** (random.uniform(-8.0, 5.0) / 20.0)
    scale = level / max(float(mix.square().mean().sqrt()), 1e-3)
    return mix * scale, drums * scale


def _part(recording: Recording, length: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random part, a quarter longer than asked so that a higher speed does not run out of it."""
    longer = length + length // 4
    return read(recording, int(random.integers(max(1, recording.length - longer))), longer)


def _vary(samples: Tensor, length: int, octaves: float, random: np.random.Generator) -> Tensor:
    """Speed (and pitch with it) by up to ``octaves`` to either side, gain and a smooth equaliser, in one transform."""
    speed = 2.0 ** random.uniform(-octaves, octaves) if random.random() < 0.5 else 1.0
    taken = min(len(samples), round(length * speed))
    spectrum = torch.fft.rfft(samples[:taken])
    bins = length // 2 + 1
    spectrum = torch.nn.functional.pad(spectrum[:bins], (0, max(0, bins - len(spectrum))))
    hz = np.fft.rfftfreq(length, 1.0 / RATE)
    knots = np.log2([30.0, 120.0, 480.0, 1920.0, 7680.0, 16_000.0])
    gain_db = random.uniform(-6.0, 6.0) + np.interp(np.log2(np.maximum(hz, 1.0)), knots, random.uniform(-5.0, 5.0, 6))
    if random.random() < 0.1:
        gain_db = gain_db - 60.0 * (hz > random.uniform(5_000.0, 16_000.0))
    gain = torch.from_numpy(10.0 ** (gain_db / 20.0)).float()
    return torch.fft.irfft(spectrum * gain, length) * (length / taken)
