"""How conspicuous a seam is, beside the bar lines of the same music: onset strength, jump of the level, click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio

NEAR_SECONDS = 0.05
"""The onset at a bar line is looked for so far to either side of it."""
LEVEL_SECONDS = 0.1
"""Levels before and behind a line are over this."""


@dataclass(frozen=True)
class Seam:
    """Percentiles, 0 to 100, of a seam among the lines it is compared with; 50 is like any other.

    Attributes:
        flux: of the onset strength (spectral flux, :mod:`feature_extractors.flux`).
        level: of the jump in level, of which the raw value is ``level_db``.
        click: of the step from the last sample before to the first behind, among all steps of the music.
    """

    flux: float
    level: float
    click: float
    level_db: float


def percentile(value: float, others: Sequence[float]) -> float:
    """Share of ``others`` below a value, equal ones by half, in percent.

    >>> percentile(2.0, [1.0, 2.0, 3.0, 4.0])
    37.5
    """
    found = np.asarray(others, dtype=float)
    return float(100.0 * ((found < value).sum() + 0.5 * (found == value).sum()) / len(found))


def of_loop(loop: Audio, lines: Sequence[float]) -> Seam:
    """The seam of a loop that is played again, among its other bar lines (or beats) in seconds.

    Args: loop ``[C, N]``; ``lines`` within it, without its beginning.  Raises: ValueError for none.
    """
    return at(Audio(loop.samples.repeat(1, 3), loop.rate), 2 * loop.seconds, [loop.seconds + line for line in lines])


def at(sound: Audio, seam: float, lines: Sequence[float]) -> Seam:
    """A seam at a time of a sound ``[C, N]``, among other lines, all in seconds.  Raises: ValueError for no lines."""
    from feature_extractors import flux

    if not len(lines):
        raise ValueError("a seam is compared with other lines, and there is none; give at least two bars")
    mono = audio_tools.mono(sound)
    heard = audio_tools.resample(mono, flux.RATE).samples[0].numpy()
    strength = flux.strength(heard)
    near = round(NEAR_SECONDS * flux.FPS)

    def onset(time: float) -> float:
        centre = round(time * flux.FPS)
        return float(strength[max(0, centre - near) : centre + near + 1].max(initial=0.0))

    wave = mono.samples[0].numpy().astype(float)
    size = round(LEVEL_SECONDS * mono.rate)

    def jump(time: float) -> float:
        centre = round(time * mono.rate)
        before, behind = wave[max(0, centre - size) : centre], wave[centre : centre + size]
        return abs(10.0 * float(np.log10((np.square(behind).mean() + 1e-8) / (np.square(before).mean() + 1e-8))))

    steps, place = np.abs(np.diff(wave)), round(seam * mono.rate)
    return Seam(
        percentile(onset(seam), [onset(line) for line in lines]),
        percentile(jump(seam), [jump(line) for line in lines]),
        percentile(float(steps[place - 1]), steps.tolist()),
        jump(seam),
    )
