"""The extractors as the listeners that ``flowmusic.metrics.adherence`` asks for.

``flowmusic.metrics`` knows no extractor and this package does not import ``flowmusic.metrics``; they meet in their
caller: ``Listeners(**default_listeners())``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_extractors import madmom_compat
from feature_extractors.beats import Beats
from feature_extractors.chords import Chords
from feature_extractors.melody import Melody
from feature_extractors.onsets import Onsets
from feature_extractors.stems import HarmonicPercussive, Separator, Stems
from flowmusic.types import Audio


@dataclass(frozen=True)
class PitchLine:
    """times ``[F]`` s, midi ``[F]`` fractional MIDI number, -1 where nothing sounds."""

    times: np.ndarray
    midi: np.ndarray


def default_listeners(
    separator: Separator | None = None, onsets: Onsets | None = None, melody: Melody | None = None
) -> dict[str, Callable[[Audio], Any] | None]:
    """Listeners by control: ``chords`` (None without madmom), ``onsets``, ``melody``, ``beats``.

    A recording is separated once: onsets are heard on its drum stem, the melody on the rest, chords and beats on the
    whole.

    Args:
        separator: None takes :class:`HarmonicPercussive`, so that numbers do not depend on what is installed.
        onsets, melody: None takes the defaults.
    """
    split = _Once(HarmonicPercussive() if separator is None else separator)
    onset, pitch, chord, beat = onsets or Onsets(), melody or Melody(), Chords(), Beats()

    def hear_melody(audio: Audio) -> PitchLine:
        found = pitch.analyse(split(audio).rest)
        return PitchLine(found.times, found.pitch)

    return {
        "chords": (lambda audio: chord.analyse(audio).changes) if madmom_compat.available() else None,
        "onsets": lambda audio: onset.analyse(split(audio).drums).times,
        "melody": hear_melody,
        "beats": lambda audio: beat.analyse(audio).beats,
    }


def describe(
    separator: Separator | None = None, onsets: Onsets | None = None, melody: Melody | None = None
) -> dict[str, str]:
    """What :func:`default_listeners` with the same arguments listens with, in words for a report."""
    stems = type(HarmonicPercussive() if separator is None else separator).__name__
    pitch = melody or Melody()
    return {
        "chords": "madmom CNN + CRF" if madmom_compat.available() else "none (madmom is not installed)",
        "onsets": f"{(onsets or Onsets()).resolved()} onsets on the drum stem ({stems}), 50 ms",
        "melody": f"{pitch.model} salience, {pitch.fmin_hz:g}-{pitch.fmax_hz:g} Hz, without drums ({stems})",
        "beats": f"{Beats().resolved()} beats, 70 ms",
    }


@dataclass
class _Once:
    """Separates a recording once though several listeners ask for it; holds the last one only."""

    separator: Separator
    audio: Audio | None = None
    stems: Stems | None = None

    def __call__(self, audio: Audio) -> Stems:
        if self.stems is None or self.audio is not audio:
            self.audio, self.stems = audio, self.separator.analyse(audio)
        return self.stems
