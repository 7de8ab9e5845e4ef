"""Source separation: drums against the rest, offline by default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, overload, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from feature_extractors import signals
from feature_extractors.recording import Recording
from feature_extractors.rows import Gathering
from flowmusic.audio import Audio

Piece = tuple[np.ndarray, np.ndarray]
"""Drums and rest of a stretch of a recording, ``[n]`` each."""
PARTS = ("drums", "rest")
WINDOW_S, CONTEXT_S = 60, 5
"""How long recordings are cut for separators that know of no pieces."""


@dataclass(frozen=True)
class Stems:
    """Parts of a recording by name, all of its length, rate and channels; ``drums`` is always among them."""

    parts: Mapping[str, Audio]

    @property
    def drums(self) -> Audio:
        return self.parts["drums"]

    @property
    def rest(self) -> Audio:
        """Everything but the drums."""
        others = [part for name, part in self.parts.items() if name != "drums"]
        total = torch.stack([part.samples for part in others]).sum(0)
        return replace(others[0], samples=total)


@runtime_checkable
class Separator(Protocol):
    """Audio to stems."""

    name: ClassVar[str]
    version: ClassVar[str]

    def analyse(self, audio: Audio) -> Stems: ...


@dataclass(frozen=True)
class RecordingStems:
    """Drums and rest of a recording, as far as they were asked for."""

    parts: Mapping[str, Recording]

    @property
    def drums(self) -> Recording:
        return self.parts["drums"]

    @property
    def rest(self) -> Recording:
        return self.parts["rest"]


@overload
def separated(separator: Separator, sound: Audio, wanted: Sequence[str] = PARTS) -> Stems: ...
@overload
def separated(separator: Separator, sound: Recording, wanted: Sequence[str] = PARTS) -> RecordingStems: ...
def separated(separator: Separator, sound: Audio | Recording, wanted: Sequence[str] = PARTS) -> Stems | RecordingStems:
    """A recording's parts; of one that does not fit in memory they are made piece by piece.

    Args:
        wanted: those of :data:`PARTS` that are kept; an :class:`Audio` has all of them.
    """
    if isinstance(sound, Audio):
        return separator.analyse(sound)
    rows = sound.at(sound.rate)
    if isinstance(rows, np.ndarray):
        stems = separator.analyse(Audio(torch.from_numpy(rows)[None], sound.rate))
        return RecordingStems({name: sound.part(getattr(stems, name).samples[0].numpy()) for name in wanted})
    pieces = getattr(separator, "pieces", None)
    gathering = {name: Gathering(sound.scratch) for name in wanted}
    for piece in _pieces(separator, sound) if pieces is None else pieces(sound):
        for name, part in zip(PARTS, piece, strict=True):
            if name in gathering:
                gathering[name].add(part)
    return RecordingStems({name: sound.part(parts.rows()) for name, parts in gathering.items()})


def _pieces(separator: Separator, recording: Recording) -> Iterator[Piece]:
    """By any separator, in windows that overlap."""
    rows, rate = recording.at(recording.rate), recording.rate
    for read, keep, _ in signals.windows(len(rows), WINDOW_S * rate, CONTEXT_S * rate):
        stems = separator.analyse(Audio(torch.from_numpy(rows[read])[None], rate))
        yield stems.drums.samples[0, keep].numpy(), stems.rest.samples[0, keep].numpy()


@dataclass(frozen=True)
class HarmonicPercussive:
    """Median-filter separation (Fitzgerald 2010; margin as in Driedger et al. 2014): no weights, any length.

    The drum stem holds the attacks of other instruments too.

    Args:
        time_s: length of the median over time, which finds what sustains.
        band_hz: length of the median over frequency, which finds what is broad.
        power: of the soft mask; 2 is a Wiener mask.
        margin: how much stronger the percussive part must be, as a factor.
        size: samples of the transform at 32 kHz; other rates scale it.
    """

    time_s: float = 0.15
    band_hz: float = 500.0
    power: float = 2.0
    margin: float = 2.0
    size: int = 1024
    leaks: ClassVar[bool] = True
    """The attacks of other instruments are in the drum stem."""
    name: ClassVar[str] = "stems-hpss"
    version: ClassVar[str] = "1"

    def __post_init__(self) -> None:
        if min(self.time_s, self.band_hz, self.power, self.margin) <= 0 or self.size < 16:
            raise ValueError(f"all settings of HarmonicPercussive must be positive and size at least 16, got {self}")

    def analyse(self, audio: Audio) -> Stems:
        """Stems ``drums`` and ``rest``, which sum to the input.  Shape: samples keep their shape."""
        samples = audio.samples.detach().float().cpu()
        lengths = self._lengths(audio.rate)
        drums = torch.zeros_like(samples)
        for read, keep, place in _windows(samples.shape[-1], *lengths):
            drums[..., place] = self._percussive(samples[..., read], *lengths)[..., keep]
        return Stems({"drums": Audio(drums, audio.rate), "rest": Audio(samples - drums, audio.rate)})

    def pieces(self, recording: Recording) -> Iterator[Piece]:
        """The same of a recording that does not fit in memory."""
        rows, lengths = recording.at(recording.rate), self._lengths(recording.rate)
        for read, keep, _ in _windows(len(rows), *lengths):
            mix = torch.from_numpy(rows[read])
            drums = self._percussive(mix[None], *lengths)[0, keep]
            yield drums.numpy(), (mix[keep] - drums).numpy()

    def _lengths(self, rate: int) -> tuple[int, int, int, int]:
        """Samples of a transform and between two, frames of one median and bins of the other."""
        size = 1 << max(4, round(self.size * rate / 32_000) - 1).bit_length()
        return size, size // 4, _odd(self.time_s * rate / (size // 4)), _odd(self.band_hz * size / rate)

    def _percussive(self, samples: Tensor, size: int, hop: int, time: int, band: int) -> Tensor:
        flat = samples.reshape(-1, samples.shape[-1])
        window = torch.hann_window(size)
        spectrum = torch.stft(flat, size, hop, window=window, return_complex=True, pad_mode="constant")
        magnitude = spectrum.abs().mean(0)  # one mask for all channels keeps the stereo image
        sustained = _median(magnitude, time, axis=1) * self.margin
        broad = _median(magnitude, band, axis=0)
        top = torch.maximum(sustained, broad).clamp(min=1e-9)
        mask = (broad / top) ** self.power / ((broad / top) ** self.power + (sustained / top) ** self.power + 1e-9)
        out = torch.istft(spectrum * mask, size, hop, window=window, length=flat.shape[-1])
        return out.reshape(samples.shape)


def _windows(length: int, size: int, hop: int, time: int, band: int) -> Iterator[tuple[slice, slice, slice]]:
    # A window reads past its edges by all that a sample can depend on, so the cuts leave no trace.
    return signals.windows(length, 64 * size, (time // 2 + 8) * hop)


def _odd(length: float) -> int:
    return max(3, 2 * round((length - 1) / 2) + 1)


def _median(x: Tensor, length: int, axis: int) -> Tensor:
    """Running median of ``[bins, frames]`` along an axis.

    Silence lies before and after a recording (a hit at its very start is no sustained tone); bands are repeated.
    """
    from scipy.ndimage import median_filter

    size, mode = ((length, 1), "nearest") if axis == 0 else ((1, length), "constant")
    return torch.from_numpy(median_filter(x.numpy(), size=size, mode=mode))
