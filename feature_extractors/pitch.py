"""Pitch salience and its decoding: pure functions, shared by all melody extractors.

Pitch lies on CREPE's 360 bins of 20 cents (31.7 Hz to 2 kHz); time on frames centred at ``n * hop``.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from feature_extractors import signals
from feature_extractors.rows import Rows, blocks
from feature_extractors.survivors import Survivors
from flowmusic.units import hz_to_midi

RATE = 16_000
BINS = 360
_CENTS_PER_BIN = 20.0
_FIRST_CENTS = 1997.3794084376191
"""Cents of bin 0 above 10 Hz (Kim et al. 2018, arXiv 1802.06182, section 2.1)."""

BIN_HZ = 10.0 * 2.0 ** ((_FIRST_CENTS + _CENTS_PER_BIN * np.arange(BINS)) / 1200.0)
BIN_MIDI = np.array([hz_to_midi(float(hz)) for hz in BIN_HZ])

_VITERBI_FRAMES, _LEVEL_FRAMES = 1000, 30_000
"""Frames that are gone through at once."""

Note = tuple[float, float, int]
"""(start [s], end [s], MIDI number)."""


def range_mask(fmin_hz: float, fmax_hz: float) -> np.ndarray:
    """Which bins lie in a range.  Shape: ``[360]`` bool.

    Raises: ValueError if the range holds no bin.
    """
    mask = (fmin_hz <= BIN_HZ) & (fmax_hz >= BIN_HZ)
    if not mask.any():
        raise ValueError(
            f"no pitch bin lies between fmin_hz={fmin_hz} and fmax_hz={fmax_hz}; "
            f"choose a range within {BIN_HZ[0]:.0f} to {BIN_HZ[-1]:.0f} Hz"
        )
    return np.asarray(mask)


def frames_of(samples: Rows, hop: int, size: int, first: int, last: int) -> Tensor:
    """Frames ``first`` to ``last - 1`` centred at ``n * hop``, zero past the ends.  Shape: ``[last - first, size]``."""
    start, stop = first * hop - size // 2, (last - 1) * hop + size // 2
    inside = samples[max(0, start) : max(0, min(stop, len(samples)))]
    padded = np.pad(inside, (max(0, -start), max(0, stop - max(start, 0) - len(inside))))[: stop - start]
    return torch.from_numpy(np.ascontiguousarray(padded, np.float32)).unfold(0, size, hop)


def harmonic_salience(frames: Tensor, num_harmonics: int = 8, decay: float = 0.84) -> Tensor:
    """Salience of each pitch as a decaying sum over its harmonics (Salamon & Gomez 2012, IEEE TASLP 20(6)).

    The spectrum is whitened by a moving average over frequency first, so that a loud bass does not win by level.

    Args:
        frames: ``[F, 2048]`` at 16 kHz.
        num_harmonics, decay: partial h counts with ``decay ** (h - 1)``.

    Returns: ``[F, 360]`` non-negative, on no fixed scale.
    """
    size = frames.shape[-1]
    padded = 4 * size
    magnitude = torch.fft.rfft(frames * torch.hann_window(size), n=padded).abs()
    smooth = torch.nn.functional.avg_pool1d(magnitude[:, None], 255, stride=1, padding=127, count_include_pad=False)[
        :, 0
    ]
    # Over the mean around it, a partial counts by how far it stands out; the floor keeps what is almost silent small.
    floor = 1e-4 * size + 0.3 * smooth.mean(1, keepdim=True)
    white = torch.log1p(magnitude / (smooth + floor))
    total = torch.zeros(len(frames), BINS)
    for harmonic in range(1, num_harmonics + 1):
        # Padding has put the spectrum's bins 2 Hz apart, between which a straight line is near enough.
        position = torch.from_numpy(BIN_HZ * harmonic * padded / RATE)
        inside = position < white.shape[1] - 2
        low = position.clamp(max=white.shape[1] - 2).floor().long()
        fraction = (position - low).float().clamp(0.0, 1.0)
        total += decay ** (harmonic - 1) * inside * torch.lerp(white[:, low], white[:, low + 1], fraction)
    return total


def viterbi(salience: Rows, reach: int = 12, jump: float = 1e-3, sharpness: float = 1.0) -> np.ndarray:
    """The most likely pitch path.

    Moves of up to ``reach`` bins cost by a triangle, as in CREPE; any farther leap costs ``log(jump)`` at once,
    because a melody leaps between notes.  All rows are normalised alike, so no edge bin attracts the path (the
    library's own decoder, with per-row normalisation, sends a polyphonic signal to its top bin).

    Args:
        salience: ``[F, S]`` non-negative.
        reach: bins.
        jump: weight of a leap relative to staying.
        sharpness: exponent of the evidence.

    Returns: bin of every frame, ``[F]`` int64.
    """
    if len(salience) == 0:
        return np.zeros(0, np.int64)
    steps = np.arange(-reach, reach + 1)
    cost = np.log(np.maximum(1.0 - np.abs(steps) / (reach + 1), 1e-12))
    survivors = Survivors()
    score: np.ndarray | None = None
    for block in blocks(salience, _VITERBI_FRAMES):
        for evidence in sharpness * np.log(block + 1e-3):
            if score is None:
                score = evidence.astype(np.float64)
                here = np.arange(len(score))
                continue
            padded = np.pad(score, reach, constant_values=-np.inf)
            near = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1) + cost
            step = near.argmax(1)
            best = near[here, step]
            origin = here + steps[step]
            top = int(score.argmax())
            # All leaps cost the same, so only the best state of all can be worth leaping from: S comparisons, not S^2.
            leap = score[top] + math.log(jump)
            survivors.add(np.where(leap > best, top, origin))
            score = np.maximum(best, leap) + evidence
    assert score is not None
    return survivors.path(int(score.argmax()))


def level_db(samples: Rows, hop: int, size: int = 1024) -> np.ndarray:
    """RMS level of frames centred at ``n * hop``.  Shape: ``[N] -> [1 + N // hop]``, dBFS, at least -120."""
    side, parts = size // 2, []
    for _, _, block in signals.windows(1 + len(samples) // hop, _LEVEL_FRAMES, 0):
        centres = hop * np.arange(block.start, block.stop)
        first, last = np.maximum(centres - side, 0), np.minimum(centres + side, len(samples))
        near = samples[int(first[0]) : int(last[-1])].astype(np.float64)
        # Running sums: the energy of any frame is a difference of two.
        power = np.concatenate([[0.0], np.cumsum(near**2)])
        mean = (power[last - first[0]] - power[first - first[0]]) / np.maximum(last - first, 1)
        parts.append(10.0 * np.log10(np.maximum(mean, 1e-12)))
    return np.concatenate(parts)


def tuning(midi: np.ndarray) -> float:
    """How far a recording lies from equal temperament at 440 Hz: circular mean, in -0.5..0.5 semitones."""
    if midi.size == 0:
        return 0.0
    # A semitone is one turn, so that +0.49 and -0.49 are neighbours and do not average to 0.
    turn = np.exp(2j * np.pi * midi).mean()
    return float(np.angle(turn) / (2 * np.pi))


def notes_of(midi: np.ndarray, hop_s: float, seconds: float, min_s: float = 0.06) -> tuple[Note, ...]:
    """Runs of equal pitch as notes.

    Args:
        midi: ``[F]`` rounded MIDI number per frame, -1 where unvoiced.
        hop_s: seconds per frame; frame n covers ``(n - 1/2 .. n + 1/2) * hop_s``.
        seconds: length of the recording.
        min_s: shorter runs are dropped.
    """
    smooth = _fill_blips(midi)
    edges = np.flatnonzero(np.diff(smooth)) + 1
    notes = []
    for first, last in zip([0, *edges], [*edges, len(smooth)], strict=True):
        if last == first or smooth[first] < 0:
            continue
        start, end = max(0.0, (first - 0.5) * hop_s), min(seconds, (last - 0.5) * hop_s)
        if end - start >= min_s - 1e-9:
            notes.append((round(float(start), 4), round(float(end), 4), int(smooth[first])))
    return tuple(notes)


def _fill_blips(midi: np.ndarray) -> np.ndarray:
    """A frame or two between equal neighbours (vibrato, a dropped frame) take the neighbours' value."""
    out = midi.copy()
    for width in (1, 2):
        for n in range(1, len(out) - width):
            if out[n - 1] == out[n + width] and out[n] != out[n - 1]:
                out[n : n + width] = out[n - 1]
    return out
