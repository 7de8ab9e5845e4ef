"""How sharp hits are: the rise time of those that nothing else sounds into."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio

RATE = 32_000
WINDOW_SECONDS = 0.002
"""The envelope is the root mean square over this."""
BEFORE_SECONDS, AFTER_SECONDS = 0.1, 0.06
"""Where the rise is looked for around an onset."""
ALONE_SECONDS = 0.15
"""A hit is isolated if no other is nearer."""
LOW, HIGH = 0.1, 0.9
"""The rise goes from and to these shares of the peak."""
STILL = 0.05
"""What rings before a hit may have at most this share of its peak."""


def rise_seconds(audio: Audio, onsets: Sequence[float]) -> list[float]:
    """Rise time (10 % to 90 % of the peak of the envelope, IEEE 181) of every isolated hit, in seconds.

    A hit into what still rings (more than 5 % of its peak a tenth of a second before) is left out.

    Args: a drum part ``[C, N]`` at any rate; ``onsets`` of it in seconds.
    """
    samples = audio_tools.mono(audio_tools.resample(audio, RATE)).samples.reshape(-1).double().cpu().numpy()
    width = round(WINDOW_SECONDS * RATE)
    power = np.convolve(samples**2, np.full(width, 1.0 / width), mode="same")
    envelope = np.sqrt(power.clip(min=0.0))
    times = sorted(float(onset) for onset in onsets)
    found = []
    for place, onset in enumerate(times):
        near = [abs(onset - times[other]) for other in (place - 1, place + 1) if 0 <= other < len(times)]
        if near and min(near) < ALONE_SECONDS:
            continue
        first, last = round((onset - BEFORE_SECONDS) * RATE), round((onset + AFTER_SECONDS) * RATE)
        if first < 0 or last > len(envelope):
            continue
        rise = _rise(envelope[first:last], width)
        if rise is not None:
            found.append(rise)
    return found


def _rise(envelope: np.ndarray, width: int) -> float | None:
    """Seconds between the last time below the low mark before the peak and the first time at the high mark after it."""
    peak = int(envelope.argmax())
    top = float(envelope[peak])
    if top <= 0.0 or envelope[:width].mean() > STILL * top:
        return None
    below = np.flatnonzero(envelope[: peak + 1] < LOW * top)
    if not len(below):
        return None
    start = int(below[-1])
    high = start + int(np.flatnonzero(envelope[start : peak + 1] >= HIGH * top)[0])
    return (high - start) / RATE


def rise_milliseconds(audio: Audio, onsets: Sequence[float]) -> float:
    """Median rise time of the isolated hits in milliseconds; nan if there is none.

    >>> import torch
    >>> ramp = torch.linspace(0.0, 1.0, 320)  # 10 ms at 32 kHz
    >>> burst = torch.cat([torch.zeros(6400), ramp, torch.ones(6400)]) * torch.sin(torch.arange(13_120.0))
    >>> round(rise_milliseconds(Audio(burst[None], 32_000), [0.2]))
    8
    """
    found = rise_seconds(audio, onsets)
    return 1000.0 * float(np.median(found)) if found else math.nan
