"""The last gain of a mix: compressor, loudness, limiter, all as one curve that serves every stem alike.

Since the stems are multiplied by the same curve as their sum, they still add up to the mix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOP = 32
"""Samples between two points of the gain curve, a power of two: 1 ms at 32 kHz."""
CEILING = 10 ** (-1 / 20)
RATIO, ATTACK_S, RELEASE_S = 2.0, 0.010, 0.120
_LOOK_S = 0.005
_BLOCK_S, _STEP_S = 0.4, 0.1


@dataclass(frozen=True)
class Bus:
    """Threshold of the compressor in dB above the mean power of the mix, and the loudness wanted, in LUFS."""

    threshold_db: float
    lufs: float


def k_weighting(rate: int) -> list[list[float]]:
    """The two sections of BS.1770-4, annex 1, for any rate: its analogue filters by the bilinear transform."""
    gain, q, hz = 10 ** (3.999843853973347 / 20), 0.7071752369554196, 1681.974450955533
    k = math.tan(math.pi * hz / rate)
    middle = gain**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (gain + middle * k / q + k * k) / a0, 2 * (k * k - gain) / a0, (gain - middle * k / q + k * k) / a0,
        1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0,
    ]  # fmt: skip
    q, hz = 0.5003270373238773, 38.13547087602444
    k = math.tan(math.pi * hz / rate)
    a0 = 1 + k / q + k * k
    return [shelf, [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]]


def _in_hops(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """[C, N] to [C, hops, HOP], the last hop filled with zeros."""
    import numpy as np

    count = -(-samples.shape[1] // HOP)
    if count * HOP > samples.shape[1]:
        samples = np.pad(samples, ((0, 0), (0, count * HOP - samples.shape[1])))
    return samples.reshape(samples.shape[0], count, HOP)


def peaks(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Greatest magnitude in each hop of [C, N], over the channels."""
    import numpy as np

    tallest = np.abs(_in_hops(samples)).max(axis=0)
    # Halving is several times faster than a reduction over so short an axis.
    while tallest.shape[1] > 1:
        half = tallest.shape[1] // 2
        tallest = np.maximum(tallest[:, :half], tallest[:, half:])
    return tallest[:, 0].astype(np.float64)


def powers(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean square in each hop of [C, N], summed over the channels."""
    import numpy as np

    shaped = _in_hops(samples)
    return np.einsum("cnh,cnh->n", shaped, shaped).astype(np.float64) / HOP


def weighted_power(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """K-weighted power of each hop of [C, N], summed over the channels."""
    import numpy as np
    from scipy.signal import sosfilt

    return powers(sosfilt(np.array(k_weighting(rate)), samples, axis=1))


def loudness(power: NDArray[np.float64], rate: int) -> float:
    """Integrated loudness in LUFS of K-weighted powers by hop, gated as in BS.1770-4; minus infinity for silence."""
    import numpy as np

    step = round(_STEP_S * rate / HOP)
    width = round(_BLOCK_S * rate / HOP)
    total = np.concatenate([[0.0], np.cumsum(power)])
    starts = np.arange(0, max(1, len(power) - width + 1), step)
    blocks = (total[np.minimum(starts + width, len(power))] - total[starts]) / min(width, len(power))
    blocks = blocks[blocks > 10 ** ((-70 + 0.691) / 10)]
    if not len(blocks):
        return -math.inf
    blocks = blocks[blocks > 0.1 * blocks.mean()]
    return float(-0.691 + 10 * np.log10(blocks.mean()))


def loudness_as_heard(samples: NDArray[np.float32], rate: int) -> float:
    """Integrated loudness in LUFS of [C, N]; a single channel comes from both loudspeakers, and so counts twice."""
    both = samples if len(samples) > 1 else samples.repeat(2, axis=0)
    return loudness(weighted_power(both, rate), rate)


def compression(power: NDArray[np.float64], threshold_db: float, rate: int) -> NDArray[np.float64]:
    """Gains [hops] of a feed-forward compressor on powers by hop.

    The reduction above the threshold, in dB, is smoothed with the attack while it grows, else with the release
    (Giannoulis et al., JAES 60(6), 2012).
    """
    import numpy as np

    mean = float(power.mean())
    if mean <= 0:
        return np.ones(len(power))
    over = 10 * np.log10(np.maximum(power, 1e-12) / mean) - threshold_db
    wanted = (np.maximum(over, 0.0) * (1 - 1 / RATIO)).tolist()
    attack, release = (math.exp(-HOP / (rate * t)) for t in (ATTACK_S, RELEASE_S))
    reduction, value = [], 0.0
    for target in wanted:
        keep = attack if target > value else release
        value = target + keep * (value - target)
        reduction.append(value)
    return np.asarray(10 ** (-np.array(reduction) / 20))


def limiting(peaks: NDArray[np.float64], curve: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Gains [hops + 1] that keep what has these peaks by hop, played with `curve` [hops + 1], below the ceiling.

    Between two points the gain is a line, so both ends of a hop must satisfy it. The least gain wanted within the look
    is held and then averaged over the same time, which never exceeds it at its place.
    """
    import numpy as np
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    tallest = peaks * np.maximum(curve[:-1], curve[1:])
    needed = np.minimum(1.0, CEILING / np.maximum(tallest, 1e-9))
    at_points = np.minimum(np.append(needed, 1.0), np.insert(needed, 0, 1.0))
    half = round(_LOOK_S * rate / HOP)
    held = minimum_filter1d(at_points, 2 * half + 1, mode="nearest")
    # The mean is a running sum, whose rounding must not lift a gain above what is needed.
    return np.minimum(uniform_filter1d(held, 2 * half + 1, mode="nearest"), at_points)


def gain_curve(
    mix: NDArray[np.float32], tallest: NDArray[np.float64], bus: Bus, rate: int
) -> tuple[NDArray[np.float32], float]:
    """Gain [N] for the mix [2, N] and its stems, whose peaks by hop are `tallest`; and the LUFS reached.

    The loudness is that of the K-weighted mix with the curve put on afterwards, within 0.1 LU of measuring again.
    """
    import numpy as np

    power = weighted_power(mix, rate)
    pressed = compression(powers(mix), bus.threshold_db, rate)
    before = loudness(power * pressed**2, rate)
    makeup = 10 ** ((bus.lufs - before) / 20) if math.isfinite(before) else 0.0
    curve = np.append(pressed, pressed[-1]) * makeup
    curve *= limiting(np.maximum(tallest, peaks(mix)), curve, rate)
    middle = (curve[:-1] + curve[1:]) / 2
    places = np.arange(mix.shape[1], dtype=np.float64) / HOP
    return np.interp(places, np.arange(len(curve)), curve).astype(np.float32), loudness(power * middle**2, rate)
