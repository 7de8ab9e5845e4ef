"""Varied training crops for the chord network: other keys, tempi, mastering, rooms and recordings' faults.

All of it happens on magnitudes, so that a crop costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from feature_extractors.networks import chord_features, chord_labels
from feature_extractors.networks.chord_data import Recordings

CROP = 120
BATCH = 12
_PER = chord_features.BINS_PER_SEMITONE


def crops(
    sources: Sequence[Recordings], generator: torch.Generator, batch: int = BATCH, crop: int = CROP
) -> tuple[Tensor, Tensor]:
    """A batch for the network.  Shape: compressed ``[batch, crop, 252]`` and targets ``[batch, crop, 193]``."""
    sizes = torch.tensor([float(sum(frames for _, frames in source.spans)) for source in sources])
    magnitudes, targets = [], []
    for _ in range(batch):
        source = sources[int(torch.multinomial(sizes, 1, generator=generator))]
        index = int(torch.randint(len(source.spans), (), generator=generator))
        magnitude, target = stretched(source, index, crop, generator)
        semitones = int(torch.randint(-6, 6, (), generator=generator))
        cents = 100.0 * (torch.rand((), generator=generator).item() - 0.5) * (2.0 / _PER)
        magnitudes.append(shifted(magnitude, _PER * (semitones + cents / 100.0)))
        targets.append(transposed(target, semitones))
    varied, wanted = silenced(torch.stack(magnitudes), torch.stack(targets), generator)
    return chord_features.compress(mastered(varied, generator)), wanted


def stretched(source: Recordings, index: int, crop: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A crop of a recording, in half of the cases played up to twice as fast or a third slower.

    What lies behind the recording is silence.  Shape: ``[crop, 252]`` and ``[crop, 193]``.
    """
    faster = 1.0
    if torch.rand((), generator=generator) < 0.5:
        faster = float(2.0 ** (torch.rand((), generator=generator) * 1.6 - 0.6))
    frames = source.spans[index][1]
    needed = int((crop - 1) * faster) + 2
    start = int(torch.randint(max(1, frames - needed + 1), (), generator=generator))
    stop = min(frames, start + needed)
    magnitude = source.features(index, start, stop)
    target = source.targets(index)[start:stop]
    short = needed - len(magnitude)
    silence = F.one_hot(torch.full((short,), chord_labels.NONE), chord_labels.CLASSES).float()
    magnitude, target = F.pad(magnitude, (0, 0, 0, short)), torch.cat([target, silence])
    if faster == 1.0:
        return magnitude[:crop], target[:crop]
    at = torch.arange(crop) * faster
    below = at.long()
    share = (at - below)[:, None]
    return tuple((1.0 - share) * x[below] + share * x[below + 1] for x in (magnitude, target))  # type: ignore[return-value]


def shifted(magnitude: Tensor, bins: float) -> Tensor:
    """Moved up by a number of bins, by linear interpolation; nothing comes in from the ends.  Shape: ``[F, 252]``."""
    at = torch.arange(chord_features.BINS) - bins
    below = at.floor().long()
    share = at - below
    padded = F.pad(magnitude, (1, 1))
    low, high = ((below + n + 1).clamp(0, chord_features.BINS + 1) for n in (0, 1))
    return (1.0 - share) * padded[:, low] + share * padded[:, high]


def transposed(target: Tensor, semitones: int) -> Tensor:
    """Targets of the same music, higher.  Shape: ``[..., 193]``."""
    roots = target[..., : chord_labels.NONE].unflatten(-1, (12, -1)).roll(semitones, -2)
    return torch.cat([roots.flatten(-2), target[..., chord_labels.NONE :]], -1)


def silenced(magnitude: Tensor, target: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A pause of up to 3 s in one of seven crops, which is no chord.  Shape: ``[B, F, 252]`` and ``[B, F, 193]``."""
    batch, frames = magnitude.shape[:2]
    length = torch.rand(batch, 1, generator=generator) * 3.0 * chord_features.FPS
    start = torch.rand(batch, 1, generator=generator) * (frames + length) - length
    at = torch.arange(frames)
    quiet = (at >= start) & (at < start + length) & (torch.rand(batch, 1, generator=generator) < 1 / 7)
    none = F.one_hot(torch.tensor(chord_labels.NONE), chord_labels.CLASSES).float()
    return magnitude.masked_fill(quiet[..., None], 0.0), torch.where(quiet[..., None], none, target)


def mastered(magnitude: Tensor, generator: torch.Generator) -> Tensor:
    """Reverberation, smear, equaliser, band limits, level and noise.  Shape: ``[B, F, 252]``."""
    batch = len(magnitude)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, 1, 1, generator=generator)

    def some(share: float) -> Tensor:
        return (torch.rand(batch, 1, 1, generator=generator) < share).float()

    decay = uniform(0.1, 0.65) * some(0.3)
    wet = magnitude.clone()
    for n in range(1, 5):
        wet[:, n:] += decay**n * magnitude[:, :-n]
    smear = 0.25 * some(0.25)
    wet = (1.0 - 2.0 * smear) * wet + smear * (F.pad(wet, (0, 0, 1, 0))[:, :-1] + F.pad(wet, (0, 0, 0, 1))[:, 1:])
    smear = 0.25 * some(0.2)
    wet = (1.0 - 2.0 * smear) * wet + smear * (F.pad(wet, (1, 0))[..., :-1] + F.pad(wet, (0, 1))[..., 1:])
    pitch = torch.linspace(0.0, 1.0, chord_features.BINS)
    gain_db = uniform(-10.0, 10.0) + uniform(-12.0, 12.0) * (pitch - 0.5)
    for ripples in (2.0, 5.0):
        gain_db = gain_db + uniform(0.0, 4.0) * torch.cos(torch.pi * ripples * pitch + uniform(0.0, 6.3))
    edge = chord_features.BINS * uniform(0.55, 1.0)
    gain_db = gain_db - 60.0 * some(0.25) * (torch.arange(chord_features.BINS) > edge).float()
    edge = chord_features.BINS * uniform(0.0, 0.25)
    gain_db = gain_db - 40.0 * some(0.1) * (torch.arange(chord_features.BINS) < edge).float()
    gain_db = gain_db + uniform(0.0, 2.0) * torch.randn(magnitude.shape, generator=generator)
    colour = 10.0 ** (uniform(-1.0, 1.0) * (pitch - 0.5))
    noise = some(0.5) * 10.0 ** uniform(-4.5, -2.5) * colour * torch.rand(magnitude.shape, generator=generator)
    return wet * 10.0 ** (gain_db / 20.0) + noise
