"""One recording as every extractor hears it: mono, at one level and with one polarity, in memory or on disk.

This is the only place where level is taken out.  Detectors have constants that count on the level of the music they
were made for (floors, logarithms of one plus a magnitude), so without it a soft recording would have another melody.
What detectors do with level *within* a recording (frames far below the loudest are silent) is theirs.

>>> import torch
>>> tone = torch.sin(torch.arange(16_000) / 5)[None]
>>> soft, loud = (Recording.of(Audio(gain * tone, 16_000)) for gain in (-0.001, 10.0))
>>> bool(abs(soft.at(16_000)[:] - loud.at(16_000)[:]).max() < 1e-6)
True
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from feature_extractors.rows import Rows, Scaled, blocks, gathered, peak
from flowmusic import audio as audio_io
from flowmusic.audio import Audio
from flowmusic.audio_files import AudioError, OneChannel, opened

LEVEL_DB = -18.0
"""RMS of the loudest second, dBFS, that recordings are brought to: the median of the corpus."""
SILENT_DB = -95.0
"""A loudest second below this is silence; dither alone, half a step of 16 bits, has -96 dBFS."""
HISS_DB = -40.0
"""A loudest second below this is silence if it is noise and nothing else: see :func:`is_noise`."""
_NOISE = -1.0
"""Of :func:`is_noise`; white to brown noise has -0.58 to -0.74, 308 clips of the corpus -1.4 and less."""
_SOFTEST = 0.1
"""Own level, relative to the common one, that a file of 16 bits is still good for: 20 dB below it."""


class Recording:
    """Mono samples of one recording.

    Args:
        rows: ``[N]`` float32.
        rate: Hz.
        level: what brings the rows to the common level and polarity; 0 is silence.
        own: what brings the rows to the level of the file.
        notices: what a person should know of the file.
        scratch: folder for what does not fit in memory; None is the system's own.
    """

    def __init__(
        self,
        rows: Rows,
        rate: int,
        level: float = 1.0,
        own: float = 1.0,
        notices: tuple[str, ...] = (),
        scratch: Path | None = None,
    ) -> None:
        self.rate, self.level, self.own, self.notices, self.scratch = rate, level, own, notices, scratch
        self.rows = rows
        self._at: dict[int, Rows] = {}

    @property
    def seconds(self) -> float:
        return len(self.rows) / self.rate

    @property
    def silent(self) -> bool:
        return self.level == 0.0

    @staticmethod
    def of(sound: Audio | Recording, within: Audio | Recording | None = None) -> Recording:
        """A recording in memory, or itself.

        Args:
            sound: ``[*, C, N]``, where every leading dimension is 1.
            within: what it is a part of, whose level and polarity count; None is itself.

        Raises: ValueError for a batch, or for samples that are not finite.
        """
        if isinstance(sound, Recording):
            return sound
        samples = sound.samples
        if samples.shape[:-2].numel() != 1:
            raise ValueError(
                f"extractors take one recording at a time, got samples of shape {tuple(samples.shape)}; "
                "loop over the batch"
            )
        one = audio_io.mono(Audio(samples.detach().float().cpu().reshape(samples.shape[-2:]), sound.rate))
        rows = one.samples[0].numpy()
        if not np.isfinite(rows).all():
            raise ValueError("audio holds NaN or infinite samples; repair or export it again")
        level = level_of(rows, sound.rate) if within is None else Recording.of(within).level
        return Recording(rows, sound.rate, level)

    @staticmethod
    def read(path: str | Path, scratch: Path | None = None) -> Recording:
        """A file of any length, decoded once, block by block; of one that breaks off, what is there.

        Raises: AudioError if it is not usable audio; OSError if there is no room for its samples.
        """
        with opened(path) as file:
            one = OneChannel(file)
            rows = gathered(chain([np.zeros(0, np.float32)], (block[0] for block in one)), scratch)
        if not len(rows):
            raise AudioError(f"audio file holds no samples: {path}")
        seconds = len(rows) / file.rate
        if seconds < audio_io.MIN_SECONDS:
            raise AudioError(
                f"audio is too short: {path} lasts {seconds:.3f} s, at least {audio_io.MIN_SECONDS} s is needed"
            )
        return Recording(rows, file.rate, level_of(rows, file.rate), notices=one.notices(), scratch=scratch)

    def part(self, rows: Rows) -> Recording:
        """A part of it, such as its drums, from rows that are at the common level."""
        own = self.own / self.level if self.level else 0.0
        return Recording(rows, self.rate, 1.0 if self.level else 0.0, own, scratch=self.scratch)

    def at(self, rate: int) -> Rows:
        """Samples at the common level and a rate, made once for all who ask for it.  Shape: ``[N]``."""
        if rate not in self._at:
            rows: Rows = Scaled(self.rows, self.level)
            if isinstance(self.rows, np.ndarray):
                rows = rows[:]
            self._at[rate] = resampled(rows, self.rate, rate, self.scratch)
        return self._at[rate]

    def audio(self) -> Audio:
        """All of it at its own level, ``[1, N]``."""
        return Audio(torch.from_numpy(Scaled(self.rows, self.own)[:])[None], self.rate)

    def write(self, path: str | Path) -> Path:
        """Write 16-bit PCM, see :func:`flowmusic.audio.write`, at its own level.

        One that is so soft that 16 bits would turn it into noise is written at the common level.
        """
        factor = self.own
        if abs(self.own) < _SOFTEST * abs(self.level):
            factor = float(np.copysign(self.level, self.own))
        rows = Scaled(self.rows, factor)
        if (highest := peak(rows)) > 1.0:
            rows = Scaled(self.rows, factor / highest)
        return audio_io.write_blocks((block[:, None] for block in blocks(rows)), self.rate, 1, path)


def levelled(sound: Audio | Recording, rate: int, within: Audio | Recording | None = None) -> Rows:
    """What an extractor hears: mono, at the common level; zeros for silence.  Shape: ``[N * rate / sound.rate]``.

    ``within`` is the recording that the sound is a part of, whose level counts.
    Raises: ValueError for a batch, or for samples that are not finite.
    """
    return Recording.of(sound, within).at(rate)


def resampled(rows: Rows, rate: int, wanted: int, scratch: Path | None = None) -> Rows:
    """Band-limited resampling; of what lies on disk, block by block.  Shape: ``[N] -> [about N * wanted / rate]``."""
    if rate == wanted or not len(rows):
        return rows
    if isinstance(rows, np.ndarray):
        return audio_io.resample(Audio(torch.from_numpy(rows)[None], rate), wanted).samples[0].numpy()
    return gathered(resampled_blocks(blocks(rows), rate, wanted), scratch)


def resampled_blocks(parts: Iterator[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    """The same for samples that come block by block."""
    if rate == wanted:
        yield from parts
        return
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32")
    for part in parts:
        yield stream.resample_chunk(np.ascontiguousarray(part))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def level_of(rows: Rows, rate: int) -> float:
    """What a recording is multiplied by: its loudest second comes to :data:`LEVEL_DB`, its largest sample above zero.

    0 for silence: below :data:`SILENT_DB`, or soft and nothing but noise.
    """
    loudest, where, largest = 0.0, 0, 0.0
    for number, second in enumerate(blocks(rows, rate)):
        if not len(second):
            continue
        # About their mean, which a recording with an offset has.  A remainder of a few samples is no second: it counts
        # by how much of one it fills.
        power = float(second.astype(np.float64).var()) * (min(1.0, len(second) / rate) if number else 1.0)
        if power > loudest:
            loudest, where = power, number
        highest = float(second[np.abs(second).argmax()])
        largest = highest if abs(highest) > abs(largest) else largest
    decibels = 10.0 * np.log10(max(loudest, 1e-30))
    if decibels < SILENT_DB:
        return 0.0
    if decibels < HISS_DB and is_noise(rows[max(0, (where - 4) * rate) : (where + 6) * rate], rate):
        return 0.0
    return float(np.copysign(10.0 ** (LEVEL_DB / 20.0) / np.sqrt(loudest), largest))


def is_noise(samples: np.ndarray, rate: int) -> bool:
    """Whether this is steady noise of any colour and nothing else, whatever its level.

    In every bin of a spectrogram of Gaussian noise power is exponentially distributed about a mean that hardly changes
    from frame to frame and from bin to bin, so that E log P - log E P is minus Euler's constant, -0.577; tones and
    beginnings of notes put the power into few bins and frames and make it less.  It is averaged over bands of a third
    of an octave, by their energy.

    Shape: ``[N]``.
    """
    size = min(2048, 1 << max(6, (len(samples) // 4).bit_length() - 1))
    if len(samples) < size:
        return False
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), size)[:: size // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)) ** 2
    # From 100 Hz, above the hum of the mains; below the filters that end many recordings.
    edges = np.geomspace(100.0, min(16_000.0, 0.45 * rate), 23) * size / rate
    total = energy = 0.0
    first = round(edges[0])
    for edge in edges[1:]:
        if edge - first < 8:
            continue  # too few bins to tell
        last = round(edge)
        mean = power[:, first:last].mean()
        if mean > 0.0:
            weight = mean * (last - first)
            total += weight * (np.log(power[:, first:last] + 1e-12 * mean).mean() - np.log(mean))
            energy += weight
        first = last
    return bool(energy > 0.0 and total / energy > _NOISE)
