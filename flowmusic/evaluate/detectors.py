"""The extractors as the listeners that ``flowmusic.metrics.adherence`` asks for.

``flowmusic.metrics`` knows no extractor and this package does not import ``flowmusic.metrics``; they meet in their
caller: ``Detectors(**default_listeners())``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_extractors.beats import Beats
from feature_extractors.chords import Chords
from feature_extractors.melody import Melody
from feature_extractors.onsets import Onsets
from feature_extractors.stems import HarmonicPercussive, Separator, Stems
from flowmusic.audio import Audio


@dataclass(frozen=True)
class PitchLine:
    """times ``[F]`` s, midi ``[F]`` fractional MIDI number, -1 where nothing sounds."""

    times: np.ndarray
    midi: np.ndarray


def default_listeners(
    separator: Separator | None = None,
    onsets: Onsets | None = None,
    melody: Melody | None = None,
    chords: Chords | None = None,
) -> dict[str, Callable[[Audio], Any] | None]:
    """Detectors by control: ``chords``, ``onsets``, ``melody``, ``beats``.

    Drum onsets are heard in the whole recording by a detector that tells drums from the rest, or by any other on the
    drum stem; the melody without the drums; chords and beats in the whole.

    Args:
        separator: None takes :class:`HarmonicPercussive`, so that numbers do not depend on what is installed; a melody
            is also heard best after it (docs/drums.md).
        onsets: None takes ``Onsets("drums")``; for madmom on the separated stem give ``Onsets("madmom")``.
        melody: None takes :class:`Melody`'s defaults.
        chords: None takes :class:`Chords`' defaults; madmom is ``Chords("madmom")``.
    """
    split = _Once(HarmonicPercussive() if separator is None else separator)
    onset, pitch, beat = onsets or Onsets("drums"), melody or Melody(), Beats()
    chord = chords or Chords()

    def hear_drums(audio: Audio) -> tuple[float, ...]:
        if onset.resolved() == "drums":
            return onset.analyse(audio).times
        return onset.analyse(split(audio).drums, within=audio).times

    def hear_melody(audio: Audio) -> PitchLine:
        found = pitch.analyse(split(audio).rest, within=audio)
        return PitchLine(found.times, found.pitch)

    return {
        "chords": lambda audio: chord.analyse(audio).changes,
        "onsets": hear_drums,
        "melody": hear_melody,
        "beats": lambda audio: beat.analyse(audio).beats,
    }


def describe(
    separator: Separator | None = None,
    onsets: Onsets | None = None,
    melody: Melody | None = None,
    chords: Chords | None = None,
) -> dict[str, str]:
    """What :func:`default_listeners` with the same arguments listens with, in words for a report."""
    stems = type(HarmonicPercussive() if separator is None else separator).__name__
    pitch, onset = melody or Melody(), onsets or Onsets("drums")
    heard = (
        "our drum-onset network on the mix" if onset.resolved() == "drums" else f"{onset.resolved()} onsets on {stems}"
    )
    return {
        "chords": "madmom CNN + CRF" if (chords or Chords()).resolved() == "madmom" else "our chord network, maj/min",
        "onsets": f"{heard}, 50 ms",
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
