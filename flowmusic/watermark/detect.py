"""Find a mark in a recording: sums of its magnitudes with the signs of the key, over places and speeds.

What is heard of a cell is the logarithm of its power: its level in the first half of a chip less that in the second,
less the same of its neighbours in frequency, and limited, as a beat or a new note changes more than any mark.  Sums
over bands and over the repetitions of the pattern give a value ``R`` per chip, and

    score = sum(s R) / sqrt(sum(R^2))

over all chips with their signs ``s``.  In a recording that is not marked the signs of the key have nothing to do with
``R``.  Then, whatever the music is, P(score >= z) <= 3.18 P(N >= z) for a normal N: Bentkus and Dzindzalieta, A tight
Gaussian bound for weighted sums of Rademacher random variables (Bernoulli 21, 2015).  The false-alarm probability that
is told is this bound times the number of all places, speeds and ids that were tried.

``R`` may be weighted by anything that does not know the key: cells that hardly rise above the noise floor, which tell
nothing of the mark, count less.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, special

from flowmusic.audio_files import AudioError, Damaged, opened, shortfall
from flowmusic.watermark.pattern import (
    BAND_HZ,
    BANDS,
    CHIPS,
    CODE_BITS,
    HALF_SECONDS,
    IDS,
    KEY,
    LOW_HZ,
    Pattern,
    codebook,
    pattern,
)

FALSE_ALARM = 1e-4
"""A mark is found where the false-alarm probability of a whole file is at most this."""
MIN_SECONDS = 2.0
"""Shorter recordings hold too little of a mark for a decision."""
SPEEDS = tuple(1.0 + 0.0025 * step for step in range(-10, 11))
"""How much faster a recording may be played than it was marked."""
RATE = 16_000
_HOP = 256
_SIZE = round(HALF_SECONDS * RATE)
_HALF = _SIZE // _HOP
"""Hops of half a chip."""
_CHIP = 2 * _HALF
_PERIOD = CHIPS * _CHIP
_WINDOW = 2 * _PERIOD * _HOP + _SIZE
"""Samples that are judged at once: two repetitions of the pattern, which drift little at a speed between two tried."""
_STRIDE = _PERIOD * _HOP
_NEIGHBOURS = 24
_LEVEL_HOPS = 81
_FLOOR_BINS = 29
"""Frequencies, some 600 Hz, over which the floor of noise is looked for: music has gaps among them."""
_TIGHT = 0.25 / special.ndtr(-math.sqrt(2.0))
"""The constant of Bentkus and Dzindzalieta."""
_CANDIDATES = 4
"""Places and speeds whose id is read, those with the best score of the chips that carry no bit."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Found:
    """The best match in a part of a recording: start and end in seconds, and how much faster it is than when marked."""

    start: float
    end: float
    ident: int
    score: float
    speed: float


@dataclass(frozen=True)
class Detection:
    """What was found in a recording.

    Attributes:
        best: the best match.
        false_alarm: upper bound of the probability of such a match anywhere in a recording without the mark.
        threshold: the score from which a mark counts as found.
        marks: what is found, by id: its best match and where, in seconds; the id of the best match of all first.
        seconds: how long the recording is.
        notices: what is odd about the file.
    """

    best: Found
    false_alarm: float
    threshold: float
    marks: Mapping[int, tuple[Found, tuple[tuple[float, float], ...]]]
    seconds: float
    notices: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        return bool(self.marks)


def detect(path: str | Path, key: str = KEY) -> Detection:
    """Look for a mark in an audio file, which is read block by block.

    Raises: AudioError for what is no usable audio, and for a file of less than :data:`MIN_SECONDS`.
    """
    path = Path(path)
    notices: list[str] = []

    def blocks(file: object) -> Iterator[Floats]:
        try:
            for block in source.blocks():
                if not np.isfinite(block).all():
                    raise AudioError(f"audio file holds NaN or infinite samples: {path}; export it again")
                yield block
        except Damaged as error:
            notices.append(f"{path.name}: {error}; what comes before is judged")

    with opened(path) as source:
        found = of_blocks(blocks(source), source.rate, source.channels, key, str(path))
    short = shortfall(path)
    if short is not None and not notices:
        notices.append(f"{path.name}: {short}")
    return replace(found, notices=tuple(notices))


def of_samples(samples: NDArray[np.floating], rate: int, key: str = KEY) -> Detection:
    """Look for a mark in samples ``[C, N]``.  Raises: AudioError for less than :data:`MIN_SECONDS`."""
    return of_blocks([samples.T.astype(np.float32)], rate, len(samples), key)


def of_blocks(blocks: Iterable[Floats], rate: int, channels: int, key: str = KEY, name: str = "the sound") -> Detection:
    """Look for a mark in blocks ``[n, C]``; ``name`` is what messages call it.  Raises: as :func:`detect`."""
    matches, seconds = [], 0.0
    for start, samples in _windows(_at_our_rate(blocks, rate, channels), channels):
        seconds = start + len(samples) / RATE
        if len(samples) >= MIN_SECONDS * RATE:
            matches.append(_match(samples, start, key))
    if not matches:
        raise AudioError(
            f"{name} lasts {seconds:.2f} s, which is too short to decide whether it is marked; give at least "
            f"{MIN_SECONDS:g} s"
        )
    best = max(matches, key=lambda match: match.score)
    least = threshold(len(matches))
    marks: dict[int, tuple[Found, list[tuple[float, float]]]] = {}
    for match in (each for each in matches if each.score >= least):
        first, parts = marks.get(match.ident, (match, []))
        joined = bool(parts) and match.start <= parts[-1][1]
        parts = [*parts[:-1], (parts[-1][0], match.end)] if joined else [*parts, (match.start, match.end)]
        marks[match.ident] = (max(first, match, key=lambda each: each.score), parts)
    ranked = sorted(marks.items(), key=lambda item: -item[1][0].score)
    found = {ident: (first, tuple(parts)) for ident, (first, parts) in ranked}
    return Detection(best, bound(best.score, len(matches)), least, found, seconds)


def bound(score: float, windows: int) -> float:
    """Upper bound of the probability that a recording of so many windows without a mark has such a score anywhere.

    >>> bound(5.0, 1), f"{bound(9.0, 1):.0e}"
    (1.0, '2e-10')
    """
    tried = windows * len(SPEEDS) * _PERIOD * IDS
    return math.exp(min(0.0, math.log(_TIGHT * tried) + float(special.log_ndtr(-score))))


def threshold(windows: int = 1) -> float:
    """The score from which a mark is found in a recording of so many windows.

    >>> round(threshold(), 2), round(threshold(700), 2)
    (7.4, 8.22)
    """
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if bound(middle, windows) > FALSE_ALARM else (low, middle)
    return high


def _at_our_rate(blocks: Iterable[Floats], rate: int, channels: int) -> Iterator[Floats]:
    import soxr

    resampler = soxr.ResampleStream(rate, RATE, channels, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(np.ascontiguousarray(block, np.float32)).reshape(-1, channels)
    yield resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True).reshape(-1, channels)


def _windows(blocks: Iterable[Floats], channels: int) -> Iterator[tuple[float, Floats]]:
    """Overlapping windows ``[n, C]`` and their start in seconds; the last one ends where the sound does."""
    held, start, given = np.zeros((0, channels), np.float32), 0, 0
    for block in blocks:
        held = np.concatenate([held, block])
        while len(held) >= _WINDOW:
            given = start + _WINDOW
            yield start / RATE, held[:_WINDOW]
            held, start = held[_STRIDE:], start + _STRIDE
    end = start + len(held)
    # What is left was in the last window up to `given`; a scrap beyond it decides nothing.
    if not given or end - given > _STRIDE // 4:
        yield start / RATE, held


def _match(samples: Floats, start: float, key: str) -> Found:
    """The best place, speed and id of a window ``[n, C]``."""
    marks = pattern(key)
    plain = marks.bits < 0
    candidates: list[tuple[float, float, int, Floats]] = []
    for speed, values, scores in _tried(samples, marks):
        chip, hop = divmod(int(scores.argmax()), scores.shape[1])
        candidates.append((float(scores[chip, hop]), speed, int(chip), values[:, hop]))
    candidates.sort(key=lambda candidate: -candidate[0])
    found = []
    for _, speed, chip, values in candidates[:_CANDIDATES]:
        aligned = np.roll(values, -chip, 0)
        power = float((aligned**2).sum())
        signed = aligned * marks.signs
        soft = np.bincount(marks.bits[~plain], signed[~plain], CODE_BITS).astype(np.float32)
        words = _words() @ soft
        ident = int(words.argmax())
        score = (float(signed[plain].sum()) + float(words[ident])) / math.sqrt(max(power, 1e-6))
        found.append((score, ident, speed))
    score, ident, speed = max(found)
    return Found(start, start + len(samples) / RATE, ident, score, speed)


def _tried(samples: Floats, marks: Pattern) -> Iterator[tuple[float, Floats, Floats]]:
    """For each speed: values ``[CHIPS, hops of a chip, BANDS]``, and scores of the chips without a bit at each of them.

    At each place within a chip the pattern is looked for at every chip.
    """
    heard, plain = _heard(samples), marks.bits < 0
    sums_of = np.concatenate([np.zeros((len(heard), 1)), np.cumsum(heard, 1, dtype=np.float64)], 1)
    signs = np.conj(fft.rfft(marks.signs * plain, axis=0))[:, None]
    mask = np.conj(fft.rfft(plain.astype(np.float32), axis=0))[:, None]
    for speed in SPEEDS:
        values = _folded(_in_bands(sums_of, speed), speed).reshape(CHIPS, _CHIP, BANDS)
        sums = fft.irfft((fft.rfft(values, axis=0) * signs).sum(2), CHIPS, axis=0)
        power = fft.irfft((fft.rfft(values**2, axis=0) * mask).sum(2), CHIPS, axis=0)
        yield speed, values, sums / np.sqrt(np.maximum(power, 1e-6))


def trials(samples: Floats, key: str = KEY) -> Floats:
    """The scores of every place and speed, by the chips that carry no bit: how they lie is the false-alarm probability.

    Args:
        samples: ``[n, C]`` at :data:`RATE`.
    """
    return np.concatenate([scores.ravel() for _, _, scores in _tried(samples, pattern(key))])


@functools.cache
def _words() -> Floats:
    return codebook().astype(np.float32)


def _heard(samples: Floats) -> Floats:
    """How far each cell speaks for a chip that begins there.  Shape: ``[n, C] -> [T, F]``."""
    window = np.hanning(_SIZE + 1)[:-1].astype(np.float32)
    power = sum(
        np.abs(fft.rfft(np.lib.stride_tricks.sliding_window_view(channel, _SIZE)[::_HOP] * window)) ** 2
        for channel in np.ascontiguousarray(samples.T)
    )
    levels = np.log(power + (1e-9 * np.max(power) + 1e-14))
    change = _means(levels, 0, _HALF) - _means(levels, _HALF, _CHIP)
    change = np.tanh(change / 1.5)
    change -= ndimage.uniform_filter1d(change, 2 * _NEIGHBOURS + 1, axis=1, mode="nearest")
    scale = np.sqrt(np.maximum(ndimage.uniform_filter1d(change**2, _LEVEL_HOPS, axis=0, mode="nearest"), 0.0))
    scale += 0.3 * scale.mean() + 1e-6
    return np.tanh(change / (1.5 * scale)) * _above_the_floor(_means(power, 0, _CHIP))


def _means(values: Floats, first: int, last: int) -> Floats:
    """Means over hops ``t + first .. t + last - 1`` of each chip that begins at a hop ``t``."""
    sums = np.cumsum(np.concatenate([np.zeros_like(values[:1]), values]), 0, dtype=np.float64)
    count = len(values) - _CHIP + 1
    return ((sums[last : last + count] - sums[first : first + count]) / (last - first)).astype(np.float32)


def _above_the_floor(power: Floats) -> Floats:
    """The share of a cell's power that is no steady noise.  Shape: ``[T, F] -> [T, F]``.

    The floor is what lies between the partials of music in its quieter moments.
    """
    quiet = np.quantile(power[::_HALF], 0.1, axis=0)
    floor = ndimage.uniform_filter1d(ndimage.percentile_filter(quiet, 20, size=_FLOOR_BINS), _FLOOR_BINS)
    return np.maximum(power - floor, 0.0) / np.maximum(power, 1e-14)  # type: ignore[no-any-return]


def _in_bands(sums: NDArray[np.float64], speed: float) -> Floats:
    """Sums over the bands, as they lie at a speed, of running sums.  Shape: ``[T, F + 1] -> [T, BANDS]``."""
    edges = (LOW_HZ + BAND_HZ * np.arange(BANDS + 1)) * speed * _SIZE / RATE + 0.5
    edges = np.minimum(edges, sums.shape[1] - 1 - 1e-3)
    whole = np.floor(edges).astype(int)
    part = edges - whole
    at = sums[:, whole] * (1.0 - part) + sums[:, whole + 1] * part
    return np.diff(at, axis=1).astype(np.float32)


def _folded(values: Floats, speed: float) -> Floats:
    """Sums over the repetitions of the pattern, in the time of when it was marked.  Shape: ``[T, B] -> [_PERIOD, B]``.

    What was marked at hop ``i`` is heard at ``i / speed``.
    """
    repetitions = math.ceil(len(values) * speed / _PERIOD)
    places = np.round(np.arange(repetitions * _PERIOD) / speed).astype(int)
    there = places < len(values)
    taken = values[np.minimum(places, len(values) - 1)] * there[:, None]
    return taken.reshape(repetitions, _PERIOD, -1).sum(0)
