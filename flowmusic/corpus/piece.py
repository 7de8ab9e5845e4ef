"""The value types of a composed clip. Times are seconds from the start of the clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

PARTS = ("drums", "bass", "chords", "pad", "melody")


class Note(NamedTuple):
    """A note; `start` may lie before 0, since the renderer starts early to catch held notes."""

    start: float
    end: float
    pitch: int
    velocity: int


class ChordSpan(NamedTuple):
    """A chord label (or "N") from `start` to `end`."""

    start: float
    end: float
    label: str


class Band(NamedTuple):
    """One equaliser band: `kind` is low, peak or high; `hz` its frequency; `db` its gain."""

    kind: str
    hz: float
    db: float


@dataclass(frozen=True)
class Part:
    """A part: its notes, its General-MIDI program and how it is mixed.

    `level_db` is relative to the other parts; `reverb`, `chorus` are sends from 0 to 127.
    """

    name: str
    program: int
    notes: tuple[Note, ...]
    level_db: float = 0.0
    reverb: int = 0
    chorus: int = 0
    eq: tuple[Band, ...] = ()


@dataclass(frozen=True)
class Room:
    """Reverb of a whole clip, in the units of FluidSynth, and the target loudness and peak."""

    size: float
    damping: float
    width: float
    level: float
    loudness_db: float
    peak: float


@dataclass(frozen=True)
class Piece:
    """Everything that is known about a clip before it is rendered."""

    seed: int
    split: str
    seconds: float
    bpm: float
    meter: str
    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    key: str
    mode: str
    chords: tuple[ChordSpan, ...]
    parts: tuple[Part, ...]
    room: Room
    tags: Mapping[str, object]
    captions: tuple[str, ...]
    material: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def part(self, name: str) -> Part | None:
        """The part called `name`, or None where it does not play."""
        return next((part for part in self.parts if part.name == name), None)
