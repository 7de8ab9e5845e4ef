"""Time signatures and tempi, and which note a beat is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flowmusic import limits

MIN_BPM, MAX_BPM = limits.limit("bpm").low, limits.limit("bpm").high
MOST_COUNT, UNITS = int(limits.limit("meter_beats").high), (2, 4, 8, 16)
"""Of a time signature."""
_NOTES = {1: "whole", 2: "half", 4: "quarter", 8: "eighth", 16: "sixteenth"}


@dataclass(frozen=True)
class Meter:
    """A time signature, and the beats that its bar is felt in.

    6/8, 9/8 and 12/8 are felt in dotted quarters, and every other one in its own unit: 6/4 has six quarters.

    Attributes:
        name: as it is written, ``6/8``.
        beats_per_bar: how many beats a bar has.
        beat_quarters: how many quarter notes a beat lasts.
    """

    name: str
    beats_per_bar: int
    beat_quarters: float = 1.0

    @staticmethod
    def of(count: int, unit: int) -> Meter:
        """The meter of ``count`` notes of a ``unit``-th each."""
        compound = unit >= 8 and count > 3 and count % 3 == 0
        in_beat = 3 if compound else 1
        return Meter(f"{count}/{unit}", count // in_beat, 4.0 * in_beat / unit)

    @property
    def beat(self) -> str:
        """The note that a beat is, and that ``bpm`` counts: ``quarter``, ``dotted quarter``."""
        for unit, name in _NOTES.items():
            for dots, factor in (("", 1.0), ("dotted ", 1.5)):
                if self.beat_quarters == 4.0 * factor / unit:
                    return dots + name
        return f"1/{4.0 / self.beat_quarters:g}"

    @property
    def compound(self) -> bool:
        """Whether a beat divides into three."""
        return self.beat.startswith("dotted")

    def bar_seconds(self, bpm: float) -> float:
        return self.beats_per_bar * 60.0 / bpm


def parse_meter(text: str) -> Meter:
    """Read a time signature such as ``4/4``, ``3/4`` or ``6/8``.

    Raises: ValueError naming what was given and what is allowed.

    >>> meter = parse_meter("6/8")
    >>> meter.beats_per_bar, meter.beat, meter.bar_seconds(bpm=60)
    (2, 'dotted quarter', 2.0)
    """
    match = re.fullmatch(r"(\d{1,2})/(\d{1,2})", text.strip())
    count, unit = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1 <= count <= MOST_COUNT and unit in UNITS):
        raise ValueError(
            f"meter {text[:20]!r} is not a time signature; write 1-16 over 2, 4, 8 or 16, such as 4/4 or 6/8"
        )
    return Meter.of(count, unit)


def check_bpm(bpm: float) -> float:
    """The tempo, if it is one.  Raises: ValueError outside 20-400 beats a minute."""
    return limits.number("bpm", bpm, "bpm")
