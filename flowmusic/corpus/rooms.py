"""Impulse responses of rooms that were never built: image sources, then noise that dies away band by band.

Early reflections are those of a box (Allen and Berkley, JASA 65(4), 1979) up to the second order, heard by a coincident
pair; the tail is Gaussian noise whose octave bands decay exponentially (Moorer, Computer Music Journal 3(2), 1979).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SOUND_M_S = 343.0
_ORDER = 2
_BANDS_HZ = (125, 250, 500, 1000, 2000, 4000, 8000)
# The tail ends where it is 50 dB down.
_DEPTH_DB = 50.0


@dataclass(frozen=True)
class Hall:
    """A box of `size` (width, depth, height in metres), RT60 in seconds, `damping` of its highs, pre-delay, level.

    `damping` 0-1 shortens the decay at 8 kHz to between all and a third of the RT60; `level_db` is the reverberation
    of a fully sent part, relative to its direct sound.
    """

    size: tuple[float, float, float]
    rt60_s: float
    damping: float
    predelay_s: float
    level_db: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data, rounded."""
        return {
            "size_m": [round(side, 2) for side in self.size],
            "rt60_s": round(self.rt60_s, 3),
            "damping": round(self.damping, 3),
            "predelay_ms": round(self.predelay_s * 1000, 1),
            "level_db": round(self.level_db, 2),
        }


def draw_hall(rng: Random) -> Hall:
    """From a small dry studio to a large hall: RT60 0.2-2 s, evenly in its logarithm."""
    place = rng.random()
    rt60 = 0.2 * 10**place
    scale = 3.0 * 5 ** (0.8 * place + 0.2 * rng.random())
    size = (scale * rng.uniform(0.8, 1.3), scale * rng.uniform(1.0, 1.6), 2.4 + 0.35 * scale * rng.uniform(0.6, 1.0))
    return Hall(size, rt60, rng.random(), rng.uniform(0.0, 0.03), rng.uniform(-16.0, -5.0))


def tail(hall: Hall, rate: int, seed: int) -> NDArray[np.float32]:
    """The late part [2, L], of unit energy in each channel."""
    import numpy as np
    import scipy.fft

    length = scipy.fft.next_fast_len(round(hall.rt60_s * _DEPTH_DB / 60 * rate), True)
    noise = np.random.default_rng(seed).standard_normal((2, length), np.float32)
    spectrum = scipy.fft.rfft(noise, axis=1)
    octave = np.log2(np.maximum(np.fft.rfftfreq(length, 1 / rate), 1.0) / _BANDS_HZ[0])
    time = np.arange(length, dtype=np.float32) / rate
    late = np.zeros((2, length), np.float32)
    for index, centre in enumerate(_BANDS_HZ):
        # Raised cosines an octave apart, which sum to one; the outermost bands keep all beyond them.
        inside = np.clip(octave, 0, len(_BANDS_HZ) - 1) - index
        mask = np.where(np.abs(inside) < 1, 0.5 + 0.5 * np.cos(np.pi * inside), 0.0).astype(np.float32)
        shorter = 1.0 - hall.damping * (2 / 3) * (centre / _BANDS_HZ[-1]) ** 0.7
        decay = np.exp(-math.log(1000.0) / (hall.rt60_s * shorter) * time)
        late += scipy.fft.irfft(spectrum * mask, length, axis=1) * decay
    # What reaches both ears alike is stronger in the lows; a fifth of the noise is common to both channels.
    late = 0.9 * late + 0.1 * late[::-1]
    rise = min(length, round(0.01 * rate))
    late[:, :rise] *= np.linspace(0.0, 1.0, rise, dtype=np.float32)
    normal: NDArray[np.float32] = (late / np.sqrt(np.mean(np.sum(late**2, axis=1)))).astype(np.float32)
    return normal


def reflections(hall: Hall, place: float, rate: int) -> tuple[list[int], NDArray[np.float32]]:
    """Delays (samples, after the direct sound) and gains [2, n] of the images of a source at `place`, -1 left to 1."""
    import numpy as np

    width, depth, height = hall.size
    volume, surface = width * depth * height, 2 * (width * depth + width * height + depth * height)
    # Sabine: RT60 = 0.161 V / (S a).
    absorbed = min(0.9, max(0.02, 0.161 * volume / (surface * hall.rt60_s)))
    bounce = math.sqrt(1.0 - absorbed)
    source = (width * (0.5 + 0.3 * place), depth * 0.7, 1.3)
    ear = (width * 0.5, depth * 0.25, 1.5)
    direct = math.dist(source, ear)
    delays, gains = [], []
    for images in product(range(-_ORDER, _ORDER + 1), repeat=3):
        order = sum(map(abs, images))
        if not 1 <= order <= _ORDER:
            continue
        at = [n * side + (side - x if n % 2 else x) for n, side, x in zip(images, hall.size, source, strict=True)]
        distance = math.dist(at, ear)
        delays.append(round((distance - direct) / SOUND_M_S * rate))
        angle = math.pi / 4 * (1 + 0.9 * (at[0] - ear[0]) / distance)
        gain = bounce**order * direct / distance * math.sqrt(2)
        gains.append((gain * math.cos(angle), gain * math.sin(angle)))
    return delays, np.array(gains, np.float32).T


def response(hall: Hall, late: NDArray[np.float32], place: float, rate: int) -> NDArray[np.float32]:
    """Reverberation [2, L] of a source at `place`, without its direct sound, at the level of the hall."""
    import numpy as np

    delays, gains = reflections(hall, place, rate)
    before = round(hall.predelay_s * rate)
    mixing = min(min(delays) + round(0.01 * rate), round(0.03 * rate))
    whole = np.zeros((2, before + max(max(delays) + 1, mixing + late.shape[1])), np.float32)
    for delay, gain in zip(delays, gains.T, strict=True):
        whole[:, before + delay] += gain
    # Reflections carry the less of the energy, the longer the room rings.
    early = math.sqrt(float(np.mean(np.sum(whole**2, axis=1))))
    whole *= 0.6 / max(early, 1e-6)
    whole[:, before + mixing : before + mixing + late.shape[1]] += 0.8 * late
    return whole * np.float32(10 ** (hall.level_db / 20))
