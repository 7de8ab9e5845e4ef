"""Notes of a recording, by part: bass, lead and chords by a network of ours, drums by class.

>>> import numpy as np
>>> from feature_extractors.notes import transcribe
>>> transcribe(np.zeros(32_000, np.float32), 32_000)
Notes(notes=(), seconds=1.0)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_extractors import signals
from feature_extractors.drums import RATE as DRUM_RATE
from feature_extractors.networks import note_decode, note_net
from feature_extractors.networks.note_net import PARTS as PITCHED
from feature_extractors.onsets import Onsets
from feature_extractors.recording import Recording, levelled
from flowmusic.audio import Audio
from flowmusic.controls.drum_onsets import STRENGTH_RATE, onset_strength
from flowmusic.controls.drums import BAND_OF_CLASS

DRUM_PITCHES = {"kick": 36, "snare": 38, "hihat": 42}
"""Drums by class, and their notes in General MIDI."""
PARTS = (*PITCHED, *DRUM_PITCHES)
"""Bass, lead, chords (every pitched part beside those two), then the drums."""
HIT_S = 0.05
"""How long a hit of the drums is said to last."""
_HEARD_AS = {"kick": "kick", "snare": "snare", "hihat": "hat"}
"""What the drum network and the drum control call it."""
_NEAR_S, _SOFTEST = 0.03, 30


class Note(NamedTuple):
    """A note of a part, one of :data:`PARTS`: seconds from the start of the recording, MIDI number, velocity 1-127.

    A drum's ``pitch`` is General MIDI's (:data:`DRUM_PITCHES`) and its ``end`` only says that it is over.
    """

    start: float
    end: float
    pitch: int
    velocity: int
    part: str


@dataclass(frozen=True)
class Notes:
    """What is played in a recording of so many ``seconds``, in order of start and pitch.

    Two notes of one part and pitch never overlap; parts may double each other.
    """

    notes: tuple[Note, ...]
    seconds: float

    def part(self, name: str) -> tuple[Note, ...]:
        """The notes of one of :data:`PARTS`.  Raises: ValueError for another name."""
        if name not in PARTS:
            raise ValueError(f"unknown part {name!r}; choose one of {', '.join(PARTS)}")
        return tuple(note for note in self.notes if note.part == name)


@dataclass(frozen=True)
class Transcriber:
    """Which notes sound when, and who plays them.

    Args:
        drums: whether kick, snare and hi-hat are listened for too.
        onset, frame: thresholds in 0..1 of a note's beginning and of its duration; the higher, the fewer notes, and the
            shorter.  None takes those that were best on validation clips.
        weights: a file of ``flowmusic train experiment=note_net``; None takes the one that comes with the package.
    """

    drums: bool = True
    onset: float | None = None
    frame: float | None = None
    weights: Path | None = None
    name: ClassVar[str] = "notes"
    version: ClassVar[str] = "1"

    def __post_init__(self) -> None:
        for name, value in (("onset", self.onset), ("frame", self.frame)):
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} must be a probability from 0 to 1, got {value}")

    def analyse(self, audio: Audio | Recording) -> Notes:
        """Transcribe a recording of any length.  Silence has no notes.

        Raises: ValueError for a batch, for samples that are not finite, or if there is no such weights file.
        """
        recording = Recording.of(audio)
        samples = levelled(recording, note_net.RATE)
        if signals.is_silent(samples):
            return Notes((), recording.seconds)
        found = note_net.probabilities(samples, note_net.load(self.weights or note_net.WEIGHTS))
        onset = note_decode.ONSET if self.onset is None else self.onset
        frame = note_decode.FRAME if self.frame is None else self.frame
        heard = [Note(*note) for note in note_decode.notes(found, recording.seconds, onset, frame)]
        if self.drums:
            heard += _drums(recording)
        return Notes(tuple(sorted(heard)), recording.seconds)


def transcribe(
    audio: np.ndarray | Tensor, sample_rate: int, *, drums: bool = True, onset: float | None = None
) -> Notes:
    """The notes of a recording in memory.

    Args:
        audio: samples ``[N]`` or ``[C, N]``, of any level.
        sample_rate: Hz.
        drums, onset: of :class:`Transcriber`.

    Raises: ValueError for other shapes, and for samples that are not finite.
    """
    samples = torch.as_tensor(audio)
    if not 1 <= samples.ndim <= 2:
        raise ValueError(f"audio must be samples [N] or [channels, N], got shape {tuple(samples.shape)}")
    whole = samples[None] if samples.ndim == 1 else samples
    return Transcriber(drums, onset).analyse(Audio(whole, sample_rate))


def _drums(recording: Recording) -> Iterator[Note]:
    """Hits by class, as loud as their band rises there, relative to the strongest hit in it."""
    classes = Onsets("drums").analyse(recording).classes or {}
    if not any(classes.values()):
        return
    strength = onset_strength(levelled(recording, DRUM_RATE), DRUM_RATE).numpy()
    reach = round(_NEAR_S * STRENGTH_RATE)
    for name, called in _HEARD_AS.items():
        for time in classes.get(called, ()):
            middle = int(time * STRENGTH_RATE)
            rise = float(strength[BAND_OF_CLASS[called], max(0, middle - reach) : middle + reach + 1].max(initial=0.0))
            velocity = round(_SOFTEST + (127 - _SOFTEST) * min(1.0, rise))
            end = min(time + HIT_S, recording.seconds)
            if time < end:
                yield Note(time, end, DRUM_PITCHES[name], velocity, name)
