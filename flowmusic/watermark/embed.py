"""Put a mark into sound, block by block: a filter whose gains follow the pattern and stay under the sound.

Each cell of the short-time spectrum ``X`` is multiplied by ``exp(c a)``, where ``c`` is the sign of its chip.  How far,
``a``, is decided frame by frame:

- at most :data:`MOST`, and more only in cells that lie below their surroundings, which hide them;
- the energy of what is added stays :data:`FRAME_SNR_DB` below that of the frame.  Within that, detection is best where
  the sum of all ``a`` is largest for a given sum of ``a^2 |X|^2``, hence (by Lagrange) ``a`` falls as ``1 / |X|^2``.

Every channel is given the same gains, so that a stereo image stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flowmusic.watermark.pattern import BAND_HZ, BANDS, CHIP_SECONDS, CHIPS, HALF_SECONDS, KEY, LOW_HZ, pattern

Samples = NDArray[np.float64]

FRAME_SNR_DB = 33.4
"""Overlapping frames average what is added to each, which gains about two dB more."""
MOST = 0.25
"""Natural logarithm of a gain: 2.2 dB."""
_HIDDEN, _MOST_HIDDEN = 0.2, 0.7
"""What is added may be so large beside its surroundings (root mean square), where the cell itself is below them."""
_NEAR_HZ = 94.0
"""How far surroundings reach to each side."""
_EDGE_SECONDS = 0.005
"""Over which a mark begins and ends: a loop has no step at its seam."""
_OVERLAP = 4
_FRAMES = 256
"""Frames that are in memory at once."""


class Marker:
    """Marks a sound that comes in blocks.

    Args:
        rate: Hz.
        ident: 0..65535.
        key: of the pattern.
        start: samples into the pattern where the sound begins.
    """

    def __init__(self, rate: int, ident: int, key: str = KEY, start: int = 0) -> None:
        self.rate, self._start = rate, start
        self._hop = max(1, round(HALF_SECONDS * rate / _OVERLAP))
        size = self._size = _OVERLAP * self._hop
        self._window = np.hanning(size + 1)[:-1]
        self._signs = pattern(key).of(ident).astype(np.float64)
        hz = np.arange(size // 2 + 1) * rate / size
        bands = np.floor((hz - LOW_HZ) / BAND_HZ).astype(int)
        self._in = np.flatnonzero((bands >= 0) & (bands < BANDS))
        self._bands = bands[self._in]
        self._near = 2 * max(1, round(_NEAR_HZ * size / rate)) + 1
        self._place = self._hop - size
        """Of the first sample that is held, in the sound."""
        self._held = self._added = np.zeros((1, size - self._hop))
        self._given = self._taken = 0

    def push(self, samples: NDArray[np.floating]) -> Samples:
        """The next samples ``[C, n]``; returns those that are done, ``[C, m]``: 48 ms are held back."""
        self._taken += samples.shape[1]
        held = self._held.repeat(len(samples), 0) if len(self._held) < len(samples) else self._held
        if len(self._added) < len(samples):
            self._added = self._added.repeat(len(samples), 0)
        self._held = np.concatenate([held, samples.astype(np.float64)], 1)
        parts = [np.zeros((len(samples), 0))]
        while self._held.shape[1] >= self._size:
            parts.append(self._done())
        return np.concatenate(parts, 1)

    def rest(self) -> Samples:
        """The samples that were held back, once there are no more."""
        missing, total = self._taken - self._given, self._taken
        parts, channels = [np.zeros((len(self._held), 0))], len(self._held)
        self._held = np.concatenate([self._held, np.zeros((channels, 2 * self._size))], 1)
        plain = self._held[:, self._given - self._place :][:, :missing].copy()
        while self._given < total:
            parts.append(self._done())
        marked = np.concatenate(parts, 1)[:, :missing]
        edge = max(1, round(_EDGE_SECONDS * self.rate))
        fall = np.clip(np.arange(missing, 0, -1) / edge, 0.0, 1.0)
        return plain + (marked - plain) * fall

    def _done(self) -> Samples:
        """Mark the frames that are complete, and give what no later frame reaches."""
        count = min(_FRAMES, (self._held.shape[1] - self._size) // self._hop + 1)
        views = np.lib.stride_tricks.sliding_window_view(self._held, self._size, 1)[:, :: self._hop][:, :count]
        spectra = np.fft.rfft(views * self._window)
        made = np.fft.irfft(spectra * self._gains(spectra), self._size) * self._window
        # Frames lie over each other in steps of a hop: piece k of a frame belongs to hop t + k.
        pieces = made.reshape(len(made), count, _OVERLAP, self._hop)
        sums = np.zeros((len(made), count + _OVERLAP - 1, self._hop))
        for k in range(_OVERLAP):
            sums[:, k : k + count] += pieces[:, :, k]
        # The squares of four Hann windows that overlap add up to 3/2.
        added = sums.reshape(len(made), -1) / 1.5
        added[:, : self._added.shape[1]] += self._added
        ready = count * self._hop
        edge = max(1, round(_EDGE_SECONDS * self.rate))
        rise = np.clip((np.arange(self._place, self._place + ready) + 1) / edge, 0.0, 1.0)
        out = self._held[:, :ready] + rise * added[:, :ready]
        out = out[:, max(0, -self._place) :]
        self._held, self._added = self._held[:, ready:], added[:, ready:]
        self._place += ready
        self._given += out.shape[1]
        return out

    def _gains(self, spectra: NDArray[np.complex128]) -> Samples:
        """What each cell is multiplied by, less 1.  Shape: ``[C, T, F] -> [T, F]``."""
        power = (spectra.real**2 + spectra.imag**2).sum(0)
        share = (power + 1e-20) / (power.sum(1, keepdims=True) + 1e-15)
        around = _around(share, self._near)[:, self._in] + 1e-12
        share = share[:, self._in]
        most = np.clip(_HIDDEN * np.sqrt(around / share), MOST, _MOST_HIDDEN)
        budget = 10.0 ** (-FRAME_SNR_DB / 10.0)
        low, high = np.full(len(share), -40.0), np.full(len(share), 10.0)
        for _ in range(24):
            middle = 0.5 * (low + high)
            amount = np.minimum(most, np.exp(middle)[:, None] / around)
            over = (share * amount**2).sum(1) > budget
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        amount = np.minimum(most, np.exp(low)[:, None] / around)
        # The chip at the middle of a frame.
        first = 2 * (self._start + self._place) + self._size
        chips = (first + 2 * self._hop * np.arange(len(share))) / (2 * self.rate * CHIP_SECONDS)
        whole = np.floor(chips).astype(int)
        halves = np.where(chips - whole < 0.5, 1.0, -1.0)
        signs = self._signs[whole % CHIPS][:, self._bands] * halves[:, None]
        gains = np.zeros(spectra.shape[1:])
        gains[:, self._in] = np.expm1(signs * amount)
        return gains


def _around(values: Samples, width: int) -> Samples:
    """The mean over ``width`` bins around each, mirrored at the ends.  Shape: ``[T, F] -> [T, F]``."""
    # By a running sum, whose differences may fall below nothing by its rounding.
    before = width // 2
    padded = np.pad(values, ((0, 0), (before + 1, width - 1 - before)), mode="symmetric")
    padded[:, 0] = 0.0
    total = padded.cumsum(1)
    return np.maximum(total[:, width:] - total[:, :-width], 0.0) / width


def embed(samples: NDArray[np.floating], rate: int, ident: int, key: str = KEY, start: int = 0) -> Samples:
    """Samples ``[C, N]`` with a mark; arguments as of :class:`Marker`."""
    marker = Marker(rate, ident, key, start)
    return np.concatenate([marker.push(samples), marker.rest()], 1)
