"""The tempo of a drum loop near a given one, and whether the given one fits it as well.

A loop of a bar or two has too few beats for a tracker.  What is known about it helps: its hits lie on beats and their
divisions, and it lasts a whole number of bars.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feature_extractors.tempo import LEAST_BEATS, LEAST_SECONDS
from flowmusic.controls.drum_onsets import STRENGTH_RATE
from flowmusic.controls.meter import Meter

DIFFERENT = 0.01
"""Tempi that are nearer than this are the same: in a loop of 8 beats a hit is then early by less than 0.1 beat."""
CLEAR = 0.15
"""A tempo contradicts another one if its fit is better by this; docs/rhythm.md tells how often that is right."""
LEAST_FIT = 0.3
_BARS = 2.0 ** np.arange(8)
_EXPECTED_ALLOWANCE, _BAR_ALLOWANCE, _BEAT_ALLOWANCE = 0.3, 0.1, 0.05
"""How much better another tempo must fit before a loop does not last 1, 2, 4, ... bars of the given one, such a number
of bars of its own, or a number of beats."""
_STEP = 0.001
_LONGEST_S = 20.0
"""More is not looked at: over this time a step moves a quarter of a beat at 200 bpm by a quarter of itself."""


@dataclass(frozen=True)
class LoopTempo:
    """Beats a minute, within half an octave of what was given; how well it fits, and what was given does, 0..1."""

    bpm: float
    fit: float
    fit_given: float
    given: float

    @property
    def contradicts(self) -> bool:
        """Whether the loop is clearly not at the given tempo."""
        return (
            abs(self.bpm / self.given - 1.0) > DIFFERENT
            and self.fit >= LEAST_FIT
            and self.fit - self.fit_given >= CLEAR
        )


def loop_tempo(strength: np.ndarray, seconds: float, given: float, meter: Meter) -> LoopTempo | None:
    """Find the tempo of a loop.

    Args:
        strength: onset strength ``[3, S]`` at 100 Hz.
        seconds: how long the loop lasts.
        given: beats a minute of the grid that it is to be played on; half and double time are the same to it.
        meter: of the grid.

    Returns: None for a loop that is too short or has too few hits to tell.
    """
    heard = strength[:, : round(_LONGEST_S * STRENGTH_RATE)]
    times, weights = hits(heard)
    if len(times) < LEAST_BEATS or min(seconds, _LONGEST_S) < LEAST_SECONDS:
        return None

    def fits(bpm: np.ndarray | float) -> np.ndarray:
        return fit(times, weights, np.atleast_1d(np.asarray(bpm, float)), meter)

    any_tempo = given * 2.0 ** np.arange(-0.5, 0.5, _STEP)
    scores = fits(any_tempo)
    best, score = float(any_tempo[scores.argmax()]), float(scores.max())
    # Of 1, 2, 4, ... bars exactly one number is within the octave.
    (bars,) = _within(60.0 * meter.beats_per_bar * _BARS / seconds, given) or (0.0,)
    beats = _within(60.0 * np.arange(1, 1000) / seconds, given)
    expected = abs(bars / given - 1.0) <= DIFFERENT
    if bars and fits(bars)[0] >= score - (_EXPECTED_ALLOWANCE if expected else _BAR_ALLOWANCE):
        best = bars
    elif beats and (by_beats := fits(np.array(beats))).max() >= score - _BEAT_ALLOWANCE:
        best = beats[int(by_beats.argmax())]
    return LoopTempo(best, float(fits(best)[0]), float(fits(given)[0]), given)


def _within(bpm: np.ndarray, given: float) -> list[float]:
    """Those from half an octave below to half an octave above."""
    return [float(each) for each in bpm if given / 2**0.5 <= each < given * 2**0.5]


def hits(strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times [s] of the hundredths of a second where something is struck, and how strongly over all bands."""
    struck = np.flatnonzero(strength.max(0, initial=0.0) > 0.0)
    return (struck + 0.5) / STRENGTH_RATE, strength[:, struck].sum(0)


def fit(times: np.ndarray, weights: np.ndarray, bpm: np.ndarray, meter: Meter) -> np.ndarray:
    """How well hits keep to the beat, its divisions and theirs, whatever their phase: the mean of three in 0..1.

    Each is ``|sum w exp(2 pi i f t)| / sum w`` for f times a second: 1 where all hits have one phase, as those of a
    clock of that frequency have.

    Shape: times, weights ``[H]``, bpm ``[B]`` -> ``[B]``.
    """
    divided = (1, 3, 6) if meter.compound else (1, 2, 4)
    turns = np.outer(bpm / 60.0, times)
    each = [np.abs(np.exp(2j * np.pi * division * turns) @ weights) for division in divided]
    return np.asarray(sum(each) / (len(divided) * weights.sum()))
