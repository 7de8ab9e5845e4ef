"""Read, write, resample and level audio, and make one channel of several.

Anything that libsndfile reads is read directly; the rest is decoded by ffmpeg where it is installed.
Rates are Hz, samples are float32 ``[C, N]``, levels are dB relative to full scale.

>>> tone = Audio(0.5 * torch.sin(0.3 * torch.arange(8000))[None], rate=8000)
>>> resample(tone, 32_000).samples.shape, fit(tone, 100).samples.shape
(torch.Size([1, 32000]), torch.Size([1, 100]))
>>> round(rms_db(tone.samples), 1)
-9.0
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowmusic import disk
from flowmusic.audio_files import (
    BLOCK,
    JUDGED_SECONDS,
    AudioError,
    Damaged,
    Downmix,
    OneChannel,
    length_of,
    opened,
    products,
)
from flowmusic.files import replacing, temporary_folder

MIN_SECONDS = 0.05
"""Shorter input cannot carry a beat, a note or a chord."""
STRETCHES, STRETCH_SECONDS = 10, 30.0


@dataclass(frozen=True)
class Audio:
    """A waveform.

    Shape: samples ``[*, C, N]`` float in [-1, 1]; ``rate`` in Hz.
    """

    samples: Tensor
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim < 2:
            raise ValueError(
                f"Audio.samples must be [*, channels, samples], got shape {tuple(self.samples.shape)}; "
                "use samples[None] for a mono waveform"
            )
        if self.rate <= 0:
            raise ValueError(f"Audio.rate must be a positive number of Hz, got {self.rate}")

    @property
    def seconds(self) -> float:
        return self.samples.shape[-1] / self.rate

    @staticmethod
    def read(path: str | Path, rate: int | None = None) -> Audio:
        """Read a file; see :func:`flowmusic.audio.read`."""
        return read(path, rate=rate)

    def write(self, path: str | Path) -> Path:
        """Write a 16-bit file, whole or not at all; see :func:`flowmusic.audio.write`."""
        return write(self, path)


@dataclass(frozen=True)
class Reading:
    """One recording as one channel, ``[1, N]``, and what a person should know of its file, which is not named."""

    audio: Audio
    notices: tuple[str, ...] = ()


def read(
    path: str | Path,
    rate: int | None = None,
    min_seconds: float = MIN_SECONDS,
    start: float = 0.0,
    seconds: float | None = None,
) -> Audio:
    """Read an audio file, or a part of it.

    Args:
        path: any format of libsndfile, or of ffmpeg where it is installed.
        rate: resample to this rate; None keeps the file's.
        min_seconds: what is shorter is refused.
        start, seconds: the part that is meant, of which the file may hold less; only that is decoded where the format
            can seek.  None is all that follows.

    Returns: Audio with samples ``[C, N]``.
    Raises: AudioError if the file is missing, unreadable, empty, too short or holds NaN or infinity.
    """
    path = Path(path)
    with opened(path, start, seconds) as file:
        try:
            parts = [torch.from_numpy(block.T) for block in file.blocks()]
        except Damaged as error:
            raise AudioError(f"cannot read {path}: {error}; get a whole copy of it") from None
    samples = torch.cat(parts, 1) if parts else torch.zeros(file.channels, 0)
    return _judged(Audio(samples, file.rate), path, rate, min_seconds)


def read_mono(
    path: str | Path,
    rate: int | None = None,
    min_seconds: float = MIN_SECONDS,
    start: float = 0.0,
    seconds: float | None = None,
) -> Reading:
    """As :func:`read`, as one channel by the rule of :class:`~flowmusic.audio_files.Downmix`.

    The same channels are used for every part of a file.  Of one that breaks off, what is there is read.
    """
    with opened(path, start, seconds) as file:
        one = OneChannel(file)
        samples = torch.cat([torch.zeros(1, 0), *(torch.from_numpy(block) for block in one)], 1)
    return Reading(_judged(Audio(samples, file.rate), Path(path), rate, min_seconds), one.notices())


def read_stretches(path: str | Path, min_seconds: float = MIN_SECONDS) -> list[tuple[float, Reading]]:
    """A taste of a recording: the whole of a short one, else stretches that are spread evenly, and where they begin.

    Of a long file no more than :data:`STRETCHES` of :data:`STRETCH_SECONDS` each are decoded (its beginning where only
    decoding can tell its length).  All of them have the same notices.

    Raises: AudioError as :func:`read_mono`.
    """
    limit, length = STRETCHES * STRETCH_SECONDS, length_of(path)
    if length is None or length <= limit:
        return [(0.0, read_mono(path, min_seconds=min_seconds, seconds=limit))]
    found = []
    for number in range(STRETCHES):
        start = number * (length - STRETCH_SECONDS) / (STRETCHES - 1)
        try:
            found.append((start, read_mono(path, min_seconds=min_seconds, start=start, seconds=STRETCH_SECONDS)))
        except AudioError:
            if not found:
                raise
            break  # it is shorter than its header promises, as the notices of the others say
    return found


def _judged(audio: Audio, path: Path, rate: int | None, min_seconds: float) -> Audio:
    if audio.samples.shape[-1] == 0:
        raise AudioError(f"audio file holds no samples: {path}")
    if not torch.isfinite(audio.samples).all():
        raise AudioError(f"audio file holds NaN or infinite samples: {path}; export it again")
    if audio.seconds < min_seconds:
        raise AudioError(f"audio is too short: {path} lasts {audio.seconds:.3f} s, at least {min_seconds} s is needed")
    return audio if rate is None else resample(audio, rate)


def write(audio: Audio, path: str | Path) -> Path:
    """Write 16-bit PCM (format by suffix: .wav, .flac, .ogg), to a temporary name first.

    Samples beyond full scale are scaled down as a whole, never clipped.
    Raises: AudioError if the folder does not exist or the suffix is unknown.
    """
    samples = audio.samples.detach().cpu().float()
    if samples.ndim != 2:
        raise AudioError(f"can only write audio of shape [channels, samples], got {tuple(samples.shape)}")
    peak = float(samples.abs().max()) if samples.numel() else 0.0
    if peak > 1.0:
        samples = samples / peak
    return write_blocks([samples.T.numpy()], audio.rate, len(samples), path)


def write_blocks(blocks: Iterable[np.ndarray], rate: int, channels: int, path: str | Path, bits: int = 16) -> Path:
    """As :func:`write`, for samples within full scale that come in blocks ``[n, C]``; with 16 or 24 bits."""
    import soundfile

    path = Path(path)
    subtype = _format(path, bits)
    with (
        replacing(path) as temporary,
        soundfile.SoundFile(os.fsencode(temporary), "w", rate, channels, subtype=subtype) as file,
    ):
        for block in blocks:
            # Its Vorbis encoder ends the process where it is handed some minutes at once.
            for start in range(0, len(block), BLOCK):
                file.write(block[start : start + BLOCK])
    return path


def write_scaled(blocks: Iterable[Tensor], rate: int, channels: int, path: str | Path) -> Path:
    """As :func:`write`, for samples ``[C, n]`` that come in blocks, of which one is in memory.

    They lie on the disk, beside the target, until the loudest of them is known: four bytes each, or three times as much
    as the WAV file.
    """
    path = Path(path)
    _format(path)
    with temporary_folder(path) as folder:
        raw, peak = folder / "samples.f32", 0.0
        with disk.naming(path, raw), raw.open("wb") as file:
            for block in blocks:
                samples = block.detach().cpu().float()
                peak = max(peak, float(samples.abs().max())) if samples.numel() else peak
                file.write(samples.T.contiguous().numpy().tobytes())

        def scaled() -> Iterator[np.ndarray]:
            with raw.open("rb") as file:
                while data := file.read(4 * channels * BLOCK):
                    samples = np.frombuffer(data, dtype=np.float32).reshape(-1, channels)
                    yield samples / np.float32(peak) if peak > 1.0 else samples

        return write_blocks(scaled(), rate, channels, path)


def _format(path: Path, bits: int = 16) -> str:
    """The subtype of a name.  Raises: AudioError if its folder does not exist or its suffix is unknown."""
    if not path.parent.is_dir():
        raise AudioError(f"output folder does not exist: {path.parent}; create it first")
    suffix = path.suffix.lower().lstrip(".")
    formats = {"wav": f"PCM_{bits}", "flac": f"PCM_{bits}", "ogg": "VORBIS"}
    if suffix not in formats:
        raise AudioError(
            f"cannot write {path.name!r}: the name must end in one of {', '.join('.' + f for f in formats)}"
        )
    return formats[suffix]


def resample(audio: Audio, rate: int) -> Audio:
    """Band-limited resampling (soxr, high quality).  Shape: ``[*, C, N] -> [*, C, about N * rate / audio.rate]``."""
    if audio.rate == rate:
        return audio
    import soxr

    flat = audio.samples.reshape(-1, audio.samples.shape[-1]).detach().cpu().float()
    out = torch.from_numpy(soxr.resample(flat.T.numpy(), audio.rate, rate).T.copy())
    return Audio(out.reshape(*audio.samples.shape[:-1], -1).to(audio.samples.device), rate)


def mono(audio: Audio) -> Audio:
    """One channel of several by the rule of :class:`Downmix`, for each.  Shape: ``[*, C, N] -> [*, 1, N]``."""
    if audio.samples.shape[-2] == 1:
        return audio
    items = audio.samples.reshape(-1, *audio.samples.shape[-2:])
    judged = items[..., : round(JUDGED_SECONDS * audio.rate)].detach().float().cpu().numpy()
    mixed = torch.stack([Downmix.of(products(part))(item) for part, item in zip(judged, items, strict=True)])
    return replace(audio, samples=mixed.reshape(*audio.samples.shape[:-2], 1, -1))


def fit(audio: Audio, num_samples: int) -> Audio:
    """Cut, or pad with silence at the end, to exactly ``num_samples``."""
    have = audio.samples.shape[-1]
    if have >= num_samples:
        return replace(audio, samples=audio.samples[..., :num_samples])
    return replace(audio, samples=torch.nn.functional.pad(audio.samples, (0, num_samples - have)))


def rms_db(samples: Tensor) -> float:
    """Level of all samples together, dBFS; silence is -120."""
    power = float(samples.float().pow(2).mean()) if samples.numel() else 0.0
    return float(10.0 * torch.log10(torch.tensor(max(power, 1e-12))))


def loudest(audio: Audio, seconds: float) -> tuple[Audio, float]:
    """The loudest stretch of one recording, in steps of a quarter of a second, and where it begins in seconds.

    A recording that is shorter is given back whole.  Shape: ``[C, N] -> [C, n]``.
    """
    size, step = min(round(seconds * audio.rate), audio.samples.shape[-1]), audio.rate // 4
    levels = [rms_db(part) for part in audio.samples.unfold(-1, size, step).unbind(-2)]
    first = step * max(range(len(levels)), key=levels.__getitem__)
    return Audio(audio.samples[..., first : first + size], audio.rate), first / audio.rate
