"""Where a recording ends: the frequency above which its long-term spectrum holds next to nothing."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowmusic.enhance.bands import LEAST_HZ, MOST_HZ, RATE

SIZE = 2048
HOP = 1024
DROP_DB = 15.0
"""Fall from below the cut to above it.  Music falls by 3 to 9 dB an octave, a filter of the fourth order by 24."""
HELD_DB = 12.0
"""What lies above stays this far below for the rest of the spectrum, or it is a gap."""
EDGE_DB = 6.0
"""How far below what is under it the edge of the spectrum is."""
_SILENT = 1e-9
"""Mean power of a bin that rounding to 16 bits leaves is 6e-8 (Hann window, not normalised); this lies below it."""


class LongTerm:
    """Mean power spectrum and level of a recording that comes in blocks at :data:`RATE`."""

    def __init__(self) -> None:
        self._left: np.ndarray | None = None
        self._power = np.zeros(SIZE // 2 + 1)
        self._frames = self.samples = 0
        self._square = 0.0

    def add(self, block: np.ndarray) -> None:
        """Shape: ``[n, C]``."""
        self._square += float(np.square(block, dtype=np.float64).sum())
        self.samples += block.size
        left = block if self._left is None else np.concatenate([self._left, block])
        count = max(0, (len(left) - SIZE) // HOP + 1)
        if count:
            self._take(left[: (count - 1) * HOP + SIZE])
        self._left = left[count * HOP :]

    def _take(self, samples: np.ndarray) -> None:
        frames = torch.from_numpy(np.ascontiguousarray(samples.T)).unfold(-1, SIZE, HOP) * torch.hann_window(SIZE)
        self._power += torch.fft.rfft(frames).abs().double().square().mean(0).sum(0).numpy()
        self._frames += frames.shape[1]

    @property
    def spectrum(self) -> np.ndarray:
        """Mean power of each bin.  Shape: ``[SIZE / 2 + 1]``."""
        if not self._frames and self._left is not None and len(self._left):
            self._take(np.pad(self._left, ((0, SIZE - len(self._left)), (0, 0))))
        return self._power / max(1, self._frames)

    @property
    def level(self) -> float:
        """RMS of all samples."""
        return float(np.sqrt(self._square / max(1, self.samples)))


def find_cut(spectrum: np.ndarray | Tensor) -> float | None:
    """Hz above which a long-term spectrum holds next to nothing; None where it goes on to the end.

    Candidates are the frequencies about which the mean level falls most, from the fifth of an octave below to the
    third above.  The cut is the highest bin under the steepest that is still within 6 dB of what lies below: where a
    filter's attenuation begins to matter, however steep it is.

    Shape: ``[SIZE / 2 + 1]`` mean powers at :data:`RATE`.
    """
    power = np.asarray(spectrum, np.float64)
    bins = len(power)
    if power[8:].max() < _SILENT:
        return None
    # Single lines of a sparse recording are no edge: powers are averaged over 300 Hz first.
    smooth = np.convolve(power, np.ones(19) / 19, "same")
    level = 10.0 * np.log10(np.maximum(smooth, 1e-12 * smooth.max()))
    hz = np.arange(bins) * RATE / 2 / (bins - 1)
    best, steepest = DROP_DB, None
    for middle in range(round(LEAST_HZ / hz[1]), round(15_000.0 / hz[1])):
        below = level[round(0.84 * middle) : round(0.96 * middle)].mean()
        # Not the last bins, which a resampler of a file at the common rate has ended itself.
        above = level[round(1.04 * middle) + 10 : min(round(1.25 * middle) + 10, bins - 16)]
        rest = level[round(1.04 * middle) + 10 : bins - 16]
        if not len(above):
            break
        fall = below - above.mean()
        if fall > best and rest.max() < below - HELD_DB:
            best, steepest = fall, middle
    if steepest is None:
        return None
    finer = np.convolve(power, np.ones(5) / 5, "same")
    raw = 10.0 * np.log10(np.maximum(finer, 1e-12 * smooth.max()))
    # Against the median below; twice, for under a gentle filter what lies below its steepest place is attenuated too.
    found = steepest
    for _ in range(2):
        reference = float(np.median(level[round(0.6 * found) : round(0.8 * found)]))
        held = float(np.clip(level[round(0.9 * found)], reference - EDGE_DB, reference))  # music falls by itself too
        within = np.flatnonzero(raw[: round(1.1 * found)] >= held - EDGE_DB)
        found = int(within[-1]) if len(within) else found
    cut = float(np.clip(hz[found], LEAST_HZ, None))
    return cut if cut <= MOST_HZ else None
