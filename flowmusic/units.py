"""Conversions between seconds, samples, frames, Hz and MIDI: pure, total, and the only place that does them.

Frame n of a grid covers [n, n + 1) / frame_rate seconds; an event at s lies in frame floor(s * frame_rate).

>>> seconds_to_frame(0.3, Fraction(25)), first_frame_at_or_after(0.3, Fraction(25))
(7, 8)
>>> hz_to_midi(880.0), round(midi_to_hz(60), 2)
(81.0, 261.63)
"""

from __future__ import annotations

import math
from fractions import Fraction

A4_HZ = 440.0
A4_MIDI = 69
_ROUNDING = 1e-9
"""Guard in frames: 0.28 s at 25 Hz is frame 7, though 0.28 * 25 is 7.000000000000001 or 6.999..."""


def seconds_to_samples(seconds: float, rate_hz: int) -> int:
    """Nearest sample."""
    return round(seconds * rate_hz)


def samples_to_seconds(samples: int, rate_hz: int) -> float:
    return samples / rate_hz


def seconds_to_frame(seconds: float, frame_rate: Fraction) -> int:
    """The frame that contains the instant."""
    return math.floor(seconds * float(frame_rate) + _ROUNDING)


def first_frame_at_or_after(seconds: float, frame_rate: Fraction) -> int:
    """The first frame whose start n / frame_rate is not before the instant (the chord rule of JASCO)."""
    return math.ceil(seconds * float(frame_rate) - _ROUNDING)


def frame_to_seconds(frame: int, frame_rate: Fraction) -> float:
    """Start of the frame."""
    return float(frame / frame_rate)


def frames_in(seconds: float, frame_rate: Fraction) -> int:
    """Frames needed to cover a duration."""
    return math.ceil(seconds * float(frame_rate) - _ROUNDING)


def hz_to_midi(hz: float) -> float:
    """Fractional MIDI number; hz must be positive."""
    if not hz > 0:
        raise ValueError(f"frequency must be positive, got {hz} Hz")
    return A4_MIDI + 12.0 * math.log2(hz / A4_HZ)


def midi_to_hz(midi: float) -> float:
    return float(A4_HZ * 2.0 ** ((midi - A4_MIDI) / 12.0))
