"""``Annotations``: what is written about a recording, in seconds, whoever wrote it.

A lead sheet, a MIDI file, the labels of a data set, a ``controls.json`` and what an extractor recognised are all of
this one type, as JAMS files are for corpora (Humphrey et al., ISMIR 2014), so they can be drawn, compared and turned
into tracks (:mod:`flowmusic.annotations.tracks`) by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowmusic.controls import TRACKS

DRUM_CLASSES = ("kick", "snare", "hat")
"""The classes that a drum hit may be of."""
EARLY_S = 1e-3
"""Times this little before the beginning of a part belong to it, and so little before its end to what follows."""

Chord = tuple[float, float, str]
"""Start and end in seconds, and a label."""
Note = tuple[float, float, int]
"""Start and end in seconds, and a MIDI number."""
Section = tuple[float, float, str, str]
"""Start and end in seconds, a name such as ``verse``, and words for it, which may be empty."""


@dataclass(frozen=True)
class DrumHits:
    """Onset times of drums in seconds, ascending.

    ``classes`` tells the times by class of drum (:data:`DRUM_CLASSES`), where they are known: a hit of kick and hat
    together is one onset, and in both classes; an onset of another drum is in none.
    """

    onsets: tuple[float, ...]
    classes: Mapping[str, tuple[float, ...]] | None = None


@dataclass(frozen=True)
class Annotations:
    """What is known about one recording.  Times are seconds from its start; None is not known, () is known to be none.

    Attributes:
        seconds: how long the recording lasts.
        text: a description in words.
        bpm, meter, key: of the whole, as ``96.0``, ``6/8`` and ``A minor``.
        beats, downbeats: ascending times; downbeats begin the bars.
        chords: ascending ``(start, end, label)``.
        melody: ``(start, end, midi)`` of one voice.
        drums: onsets of the drums.
        sections: ``(start, end, name, text)``.
        confidence: how sure whoever recognised a control, or ``bpm``, is of it on the whole, in 0..1; without an entry,
            not told.

    >>> song = Annotations(seconds=8.0, chords=((0.0, 4.0, "C"), (4.0, 8.0, "Am")), beats=(0.0, 2.0, 4.0, 6.0))
    >>> song.names()
    ('chords', 'beats')
    >>> song.only("chords").part(3.0, 2.0)
    Annotations(seconds=2.0, chords=((0.0, 1.0, 'C'), (1.0, 2.0, 'Am')))
    """

    seconds: float | None = None
    text: str | None = None
    bpm: float | None = None
    meter: str | None = None
    key: str | None = None
    beats: tuple[float, ...] | None = None
    downbeats: tuple[float, ...] | None = None
    chords: tuple[Chord, ...] | None = None
    melody: tuple[Note, ...] | None = None
    drums: DrumHits | None = None
    sections: tuple[Section, ...] | None = None
    confidence: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        """What is known alone."""
        known = ((name, getattr(self, name)) for name in self.__dataclass_fields__)
        return f"Annotations({', '.join(f'{n}={v!r}' for n, v in known if v is not None and v != {})})"

    def events(self, control: str) -> tuple[Any, ...] | None:
        """The chords, notes, drum onsets or beats by the control's name; None where they are not known.

        Raises: ValueError for another name.
        """
        if control not in TRACKS:
            raise ValueError(f"{control!r} is not a control; choose from {', '.join(TRACKS)}")
        if control == "drums":
            return None if self.drums is None else self.drums.onsets
        found: tuple[Any, ...] | None = getattr(self, control)
        return found

    def names(self) -> tuple[str, ...]:
        """The controls that are known, also where there is none to hear, in the order of ``TRACKS``."""
        return tuple(name for name in TRACKS if self.events(name) is not None)

    def only(self, *names: str) -> Annotations:
        """These controls, and what is said of the whole; tempo, meter and downbeats belong to ``beats``."""
        lost: dict[str, Any] = {name: None for name in TRACKS if name not in names}
        if "beats" in lost:
            lost.update(downbeats=None, bpm=None, meter=None)
        of_beats = {"bpm"} if "beats" in names else set()
        kept = {name: value for name, value in self.confidence.items() if name in of_beats.union(names)}
        return replace(self, **lost, confidence=kept)

    def part(self, start: float, seconds: float) -> Annotations:
        """A part of the recording, with times from the part's beginning.

        The result lasts as long as the recording covers the part, and spans are cut at its ends.  A time up to a
        millisecond early counts as its beginning, and one as little before the end is left to the part that follows.
        """
        length = seconds if self.seconds is None else max(0.0, min(seconds, self.seconds - start))

        def moved(times: Iterable[float]) -> tuple[float, ...]:
            shifted = (time - start for time in times)
            return tuple(max(0.0, time) for time in shifted if -EARLY_S <= time < length - EARLY_S)

        def cut(spans: Iterable[Sequence[Any]]) -> tuple[Any, ...]:
            shifted = ((begin - start, end - start, *what) for begin, end, *what in spans)
            return tuple((max(0.0, s), min(e, length), *w) for s, e, *w in shifted if e > 0.0 and s < length)

        drums = None
        if self.drums is not None:
            classes = self.drums.classes
            drums = DrumHits(
                moved(self.drums.onsets),
                None if classes is None else {name: moved(times) for name, times in classes.items()},
            )
        return replace(
            self,
            seconds=length,
            beats=None if self.beats is None else moved(self.beats),
            downbeats=None if self.downbeats is None else moved(self.downbeats),
            chords=None if self.chords is None else cut(self.chords),
            melody=None if self.melody is None else cut(self.melody),
            drums=drums,
            sections=None if self.sections is None else cut(self.sections),
        )
