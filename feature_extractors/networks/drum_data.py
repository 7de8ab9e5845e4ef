"""Drum training data: mel magnitudes and targets of a corpus, kept in memory, and varied crops of them.

Each crop gets a random level, tilt, band limit, roughness and smear, so that the network does not lean on one mastering
or on what codecs lose first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from feature_extractors import signals
from feature_extractors.networks import corpus_labels, drum_net
from flowmusic.audio import Audio

CROP = 400
BATCH = 16


@dataclass(frozen=True)
class Example:
    """Mel magnitudes ``[F, 64]`` in half precision, targets ``[F, 4]`` of ``drum_net.OUTPUTS`` in 0..1, hits [s]."""

    magnitude: Tensor
    target: Tensor
    hits: Mapping[str, Sequence[float]]


def examples(folder: Path, split: str, limit: int | None = None, parts: bool = True) -> Iterator[Example]:
    """The first clips of a split; of every fourth the drums alone as well, of another fourth the mix without them.

    Args:
        parts: False leaves the latter two out.

    Raises: ValueError if there are no clips.
    """
    for n, path in enumerate(corpus_labels.paths(folder, split, limit)):
        hits = hits_of(corpus_labels.read(path))
        mix = _samples(path.with_suffix(".flac"))
        yield example(mix, hits)
        stem = path.with_name(f"{path.stem}.drums.flac")
        if not (parts and hits["any"] and stem.exists()):
            continue
        if n % 4 == 0:
            yield example(_samples(stem), hits)
        elif n % 4 == 2:
            yield example(mix - _samples(stem)[: len(mix)], {})


def hits_of(labels: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    """Onset times by output of the network; empty for what is not played."""
    drums = labels.get("drums") or {}
    classes = drums.get("classes") or {}
    return {"any": drums.get("onsets") or (), **{name: classes.get(name) or () for name in drum_net.CLASSES}}


def _samples(path: Path) -> Tensor:
    return torch.from_numpy(signals.samples_of(Audio.read(path), drum_net.RATE))


def example(samples: Tensor, hits: Mapping[str, Sequence[float]]) -> Example:
    """Features and targets of ``[N]`` samples at the network's rate."""
    scaled = samples * (drum_net.LEVEL / samples.pow(2).mean().sqrt().clamp(min=1e-6))
    magnitude = drum_net.mel_magnitude(scaled)
    targets = [target(hits.get(name, ()), len(magnitude)) for name in drum_net.OUTPUTS]
    return Example(magnitude.half(), torch.stack(targets, 1), hits)


def target(onsets: Sequence[float], frames: int) -> Tensor:
    """1 in the frame of an onset and 0.5 beside it, because an attack is no instant.  Shape: ``[F]``."""
    out = torch.zeros(frames)
    for onset in onsets:
        centre = round(onset * drum_net.FPS)
        for n, value in ((centre - 1, 0.5), (centre, 1.0), (centre + 1, 0.5)):
            if 0 <= n < frames:
                out[n] = max(float(out[n]), value)
    return out


def crops(
    found: Sequence[Example], generator: torch.Generator, batch: int = BATCH, crop: int = CROP
) -> tuple[Tensor, Tensor]:
    """A batch of varied crops.  Shape: log-mel ``[batch, crop, 64]`` and targets ``[batch, crop, 4]``."""
    drawn = (found[int(torch.randint(len(found), (), generator=generator))] for _ in range(batch))
    magnitudes, targets = zip(*(_varied(example, generator, crop) for example in drawn), strict=True)
    return drum_net.compress(torch.stack(magnitudes)), torch.stack(targets)


def _varied(example: Example, generator: torch.Generator, crop: int) -> tuple[Tensor, Tensor]:
    """A crop of a recording as another mastering has it.  Shape: ``[crop, 64]`` and ``[crop, 4]``."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    start = int(torch.randint(max(1, len(example.target) - crop), (), generator=generator))
    magnitude, wanted = example.magnitude[start : start + crop].float(), example.target[start : start + crop]
    # A level and a tilt of 6 dB from the middle to either end, then a band limit, each in decibels by band.
    octaves = torch.linspace(-1.0, 1.0, drum_net.BANDS)
    gain_db = uniform(-4.0, 4.0) + uniform(-6.0, 6.0) * octaves
    if uniform(0.0, 1.0) < 0.3:
        gain_db = gain_db - 60.0 * (torch.arange(drum_net.BANDS) > uniform(40.0, drum_net.BANDS)).float()
    if uniform(0.0, 1.0) < 0.3:  # a codec smears attacks
        before, after = magnitude[:1], magnitude[-1:]
        around = torch.cat([before, magnitude[:-1]]) + torch.cat([magnitude[1:], after])
        magnitude = 0.5 * magnitude + 0.25 * around
    if uniform(0.0, 1.0) < 0.2:  # recordings begin on a hit, out of silence, and end in the middle of a note
        first, last = int(uniform(0.0, 60.0)), len(magnitude) - int(uniform(0.0, 60.0))
        inside = (torch.arange(len(magnitude)) >= first) & (torch.arange(len(magnitude)) < last)
        magnitude, wanted = magnitude * inside[:, None], wanted * inside[:, None]
    gain_db = gain_db + uniform(0.0, 2.0) * torch.randn(magnitude.shape, generator=generator)
    noise = uniform(0.0, 0.02) * torch.rand(magnitude.shape, generator=generator)
    short = crop - len(magnitude)
    return F.pad(magnitude * 10.0 ** (gain_db / 20.0) + noise, (0, 0, 0, short)), F.pad(wanted, (0, 0, 0, short))
