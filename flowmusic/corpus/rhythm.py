"""Meter, tempo and swing: from steps (sixteenths) to seconds; random rhythms."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Meter:
    """A meter: `beats` felt beats a bar, each of `division` sixteenth steps.

    In 6/8 the beat is the dotted quarter, so a bar has two beats of six steps.
    """

    name: str
    beats: int
    division: int

    @property
    def steps(self) -> int:
        """Steps in a bar."""
        return self.beats * self.division


METERS = {"4/4": Meter("4/4", 4, 4), "3/4": Meter("3/4", 3, 4), "6/8": Meter("6/8", 2, 6)}


@dataclass(frozen=True)
class Clock:
    """Places steps in time. `origin` is the second of bar 0; swing 0.5 is straight.

    `swing` is the share of a pair of `swing_unit` steps (1 or 2) that its first half takes.
    """

    meter: Meter
    bpm: float
    origin: float
    swing: float = 0.5
    swing_unit: int = 2

    @property
    def step_s(self) -> float:
        """Seconds of a straight step."""
        return 60.0 / self.bpm / self.meter.division

    @property
    def bar_s(self) -> float:
        """Seconds of a bar."""
        return self.step_s * self.meter.steps

    def time(self, step: float) -> float:
        """Second of a position in steps; fractions are allowed."""
        pair = 2 * self.swing_unit
        whole, rest = divmod(step, pair)
        half = self.swing_unit
        if rest < half:
            rest = rest * 2 * self.swing
        else:
            rest = pair * self.swing + (rest - half) * 2 * (1 - self.swing)
        return self.origin + (whole * pair + rest) * self.step_s


def draw_rhythm(rng: Random, meter: Meter, density: float, syncopation: float) -> list[int]:
    """Onset steps of one bar. `density` 0-1 is roughly the share of eighths that are struck."""
    unit = 2 if rng.random() > density * 0.35 else 1
    onsets = []
    for step in range(0, meter.steps, unit):
        in_beat = step % meter.division
        if in_beat == 0:
            chance = density * 1.3 * (1 - syncopation) + 0.1
        elif in_beat % 2 == 0:
            chance = density * (0.55 + 0.6 * syncopation)
        else:
            chance = density * (0.3 + 0.4 * syncopation)
        if rng.random() < chance:
            onsets.append(step)
    return onsets or [rng.choice((0, meter.division))]


def euclid(hits: int, steps: int, rotation: int) -> list[int]:
    """`hits` onsets spread as evenly as possible over `steps`, then rotated."""
    return sorted({(k * steps // hits + rotation) % steps for k in range(hits)}) if hits else []
