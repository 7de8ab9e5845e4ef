"""Equaliser, levels and the mix; pure functions on sample arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowmusic.corpus.piece import Band, Part, Room

HIGH_PASS_HZ = 25.0
_FRAME_S = 0.05


def biquad(band: Band, rate: int) -> list[float]:
    """Second-order section (b0 b1 b2 1 a1 a2) of a shelf or peak, after the usual cookbook."""
    amp = 10 ** (band.db / 40)
    w = 2 * math.pi * min(band.hz, 0.45 * rate) / rate
    cos, alpha = math.cos(w), math.sin(w) / (2 * 0.8)
    if band.kind == "peak":
        b = (1 + alpha * amp, -2 * cos, 1 - alpha * amp)
        a = (1 + alpha / amp, -2 * cos, 1 - alpha / amp)
    else:
        sign = 1 if band.kind == "low" else -1
        root = 2 * math.sqrt(amp) * alpha
        b = (
            amp * ((amp + 1) - sign * (amp - 1) * cos + root),
            sign * 2 * amp * ((amp - 1) - sign * (amp + 1) * cos),
            amp * ((amp + 1) - sign * (amp - 1) * cos - root),
        )
        a = (
            (amp + 1) + sign * (amp - 1) * cos + root,
            -sign * 2 * ((amp - 1) + sign * (amp + 1) * cos),
            (amp + 1) + sign * (amp - 1) * cos - root,
        )
    return [x / a[0] for x in (*b, *a)]


def equalise(samples: NDArray[np.float32], bands: tuple[Band, ...], rate: int) -> NDArray[np.float64]:
    """Apply the bands and a high-pass, which removes the offset that low shelves can bring."""
    import numpy as np
    from scipy.signal import butter, sosfilt

    sections = [*butter(2, HIGH_PASS_HZ, "highpass", fs=rate, output="sos").tolist()]
    sections += [biquad(band, rate) for band in bands]
    filtered: NDArray[np.float64] = sosfilt(np.array(sections), samples.astype(np.float64))
    return filtered


def active_rms(samples: NDArray[np.float64], rate: int) -> float:
    """RMS over the frames that sound: within 30 dB of the loudest 50 ms frame."""
    import numpy as np

    frame = max(1, round(_FRAME_S * rate))
    count = len(samples) // frame
    if count == 0:
        return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
    power = np.mean(samples[: count * frame].reshape(count, frame) ** 2, axis=1)
    top = power.max()
    return float(np.sqrt(power[power >= top * 1e-3].mean())) if top > 0 else 0.0


def mix(
    raw: Mapping[str, NDArray[np.float32]], parts: Mapping[str, Part], room: Room, rate: int
) -> tuple[dict[str, NDArray[np.int16]], NDArray[np.int16], dict[str, float]]:
    """Stems [N], their exact integer sum [N], and each stem's active RMS in dBFS.

    One gain serves all stems: the wanted loudness, unless the wanted peak is reached first.
    """
    import numpy as np

    stems = {}
    for name, samples in raw.items():
        shaped = equalise(samples, parts[name].eq, rate)
        level = active_rms(shaped, rate)
        if level > 0:
            shaped *= 10 ** (parts[name].level_db / 20) / level
        stems[name] = shaped
    length = len(next(iter(stems.values())))
    total = np.sum(list(stems.values()), axis=0) if stems else np.zeros(length)
    peak, loudness = float(np.abs(total).max()), active_rms(total, rate)
    gain = min(room.peak / peak, 10 ** (room.loudness_db / 20) / loudness) if peak > 0 else 0.0
    # Stems may each peak above their sum where they cancel, so 16 bits must hold them too.
    tallest = max(float(np.abs(stem).max()) for stem in stems.values())
    gain = min(gain, 0.99 / tallest) if tallest > 0 else gain
    rounded = {n: np.round(s * (gain * 32767)).astype(np.int16) for n, s in stems.items()}
    whole = np.sum([s.astype(np.int32) for s in rounded.values()], axis=0).astype(np.int16)
    rms = {name: round(20 * math.log10(max(1e-6, active_rms(s / 32768.0, rate))), 2) for name, s in rounded.items()}
    return rounded, whole, rms
