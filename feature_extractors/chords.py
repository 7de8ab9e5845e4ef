"""Chords of a recording: our network (free, with sevenths and basses), or madmom's (24 triads)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from feature_extractors import signals
from feature_extractors.madmom import chords, compat
from feature_extractors.networks import chord_decode, chord_features, chord_net
from feature_extractors.recording import Recording, levelled
from flowmusic.annotations.annotation import Annotations
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.controls import vocabulary
from flowmusic.types import FrameGrid, Track

DETECTORS = ("ours", "madmom")
DETAILS = ("full", "triads")


@dataclass(frozen=True)
class ChordAnalysis:
    """Chords of a whole recording: ``(start [s], end [s], label)``, gapless and ascending.

    ``confidence [F]`` in 0..1, at 10 Hz with frame k centred at ``k / 10`` s, is the probability of the chosen label.
    """

    changes: tuple[tuple[float, float, str], ...]
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class Chords:
    """Which chord sounds when.

    Args:
        detector: ``ours`` (see :mod:`chord_net`; Apache-2.0, needs nothing beside torch) or ``madmom`` (Korzeniowski &
            Widmer 2016; an optional package, models CC BY-NC-SA 4.0; major and minor triads only); None is ours.
        detail: ``full`` gives every label of the vocabulary, with sevenths, sixths and basses; ``triads`` only major,
            minor, diminished and augmented ones.  madmom knows no more than triads anyway.
    """

    detector: str | None = None
    detail: str = "full"
    name: ClassVar[str] = "chords"
    version: ClassVar[str] = "4"

    def __post_init__(self) -> None:
        if self.detector not in (None, *DETECTORS):
            raise ValueError(f"unknown chord detector {self.detector!r}; choose one of {', '.join(DETECTORS)}")
        if self.detail not in DETAILS:
            raise ValueError(f"unknown detail of chords {self.detail!r}; choose one of {', '.join(DETAILS)}")

    def analyse(self, audio: Audio | Recording) -> ChordAnalysis:
        """Recognise the chords of a recording.  Silence is no chord; an empty recording has no entry.

        Raises: MissingMadmom if madmom was asked for and is not installed.
        """
        madmom = self.resolved() == "madmom"
        if madmom:
            compat.require("the chord detector 'madmom'", "choose detector='ours'")
        samples = levelled(audio, compat.RATE if madmom else chord_features.RATE)
        if len(samples) == 0:
            return ChordAnalysis(())
        if signals.is_silent(samples):
            sure = np.ones(int(np.ceil(audio.seconds * chord_features.FPS)), np.float32)
            return ChordAnalysis(((0.0, audio.seconds, vocabulary.NO_CHORD),), sure)
        if madmom:
            return ChordAnalysis(*chords.recognise(samples, audio.seconds))
        scores, types = chord_net.log_probabilities(samples), self.detail == "full"
        path = chord_decode.path(scores, audio.seconds, types)
        found = chord_decode.joined(path, audio.seconds)
        return ChordAnalysis(found, chord_decode.confidence(scores, path, types))

    def __call__(self, audio: Audio, grid: FrameGrid) -> Track:
        """Chord ids on a grid, unknown after the recording's end.  Shape: values ``[T]`` int64."""
        return to_tracks(Annotations(audio.seconds, chords=self.analyse(audio).changes), grid)["chords"]

    def resolved(self) -> str:
        """The detector that will run."""
        return self.detector or "ours"
