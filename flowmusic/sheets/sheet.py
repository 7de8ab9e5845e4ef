"""A lead sheet: bars in beats, as they are played, and the way from it to seconds and back.

Readers write repeats out (:mod:`flowmusic.sheets.repeats`), so that a bar of a sheet is a bar of the music.  Places in
a bar are exact fractions of a beat; which note a beat is, the meter says (a dotted quarter in 6/8).
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from flowmusic.annotations.annotation import Annotations
from flowmusic.controls.meter import Meter, parse_meter
from flowmusic.controls.vocabulary import NO_CHORD

FOUR = Meter.of(4, 4)
DEFAULT_BPM = 120.0
FINEST = 24
"""Parts of a beat to which times in seconds are rounded: sixteenths, and triplets of them."""
SAME_TEMPO = 0.005
"""Tempi of bars that differ by less are one; times of annotations are rounded."""

Chord = tuple[Fraction, str]
"""Beat from the start of the bar, and a label; it holds to the next one, over bar lines too."""
Note = tuple[Fraction, Fraction, int]
"""Beat from the start of the bar, beats that it lasts, which may lead over the bar line, and a MIDI number."""


@dataclass(frozen=True)
class Bar:
    """One bar as it is played.

    Attributes:
        meter: its time signature.
        chords, notes: what begins in it.
        short: its length in beats where that is not the meter's: a pick-up, or the rest of one.
        bpm: tempo from here on, in beats a minute; None goes on as before: notes keep their lengths, also where a
            change of meter makes a beat of another note.
        key: ``A minor`` from here on; None goes on as before.
        section: name of the section that begins here; None goes on as before.
        words: what else the sheet says of that section, which may be nothing.
    """

    meter: Meter = FOUR
    chords: tuple[Chord, ...] = ()
    notes: tuple[Note, ...] = ()
    short: Fraction | None = None
    bpm: float | None = None
    key: str | None = None
    section: str | None = None
    words: str = ""

    @property
    def beats(self) -> Fraction:
        """How many beats it lasts."""
        return Fraction(self.meter.beats_per_bar) if self.short is None else self.short


@dataclass(frozen=True)
class Sheet:
    """A lead sheet.

    Attributes:
        bars: as they are played.
        title, composer: where they are known.
        melody: whether it says anything of a melody; without one, bars without notes are not silent but unknown.
        notices: what was reduced, skipped or guessed.

    >>> sheet = Sheet((Bar(chords=((Fraction(0), "C"), (Fraction(2), "F"))), Bar(chords=((Fraction(0), "G"),))))
    >>> sheet.annotations(bpm=60).chords
    ((0.0, 2.0, 'C'), (2.0, 4.0, 'F'), (4.0, 8.0, 'G'))
    """

    bars: tuple[Bar, ...]
    title: str | None = None
    composer: str | None = None
    melody: bool = False
    notices: tuple[str, ...] = field(default=(), compare=False)

    @property
    def bpm(self) -> float | None:
        """The tempo that it begins with; None where it says none."""
        return next((bar.bpm for bar in self.bars if bar.bpm is not None), None)

    def starts(self, bpm: float | None = None) -> list[float]:
        """Seconds at which each bar begins, and the end of the last.

        Args:
            bpm: tempo where the sheet says none (120); where it says one, all tempi are scaled so that it begins so.
        """
        own = self.bpm
        scale = 1.0 if bpm is None or own is None else bpm / own
        first = self.bars[0].meter.beat_quarters if self.bars else 1.0
        # What holds before the first tempo of a sheet is that tempo.
        quarters = (own * scale if own is not None else bpm or DEFAULT_BPM) * first
        at, found = 0.0, [0.0]
        for bar in self.bars:
            if bar.bpm is not None:
                quarters = bar.bpm * scale * bar.meter.beat_quarters
            at += float(bar.beats) * bar.meter.beat_quarters * 60.0 / quarters
            found.append(at)
        return found

    def annotations(self, bpm: float | None = None) -> Annotations:
        """The same in seconds; ``bpm`` as in :meth:`starts`.

        Chords hold until the next one.  A pick-up has no downbeat.
        """
        starts = self.starts(bpm)
        beats: list[float] = []
        downbeats: list[float] = []
        chords: list[tuple[float, float, str]] = []
        notes: list[tuple[float, float, int]] = []
        sections: list[tuple[float, float, str, str]] = []
        place = _Places(self.bars, starts)
        for number, bar in enumerate(self.bars):
            pickup = self._leads_in(number)
            if not pickup:
                downbeats.append(starts[number])
            # A pick-up's beats end with the bar line, so they are counted from there.
            first = bar.beats % 1 if pickup else Fraction(0)
            beats += [place.seconds(number, first + n) for n in range(int(-(-(bar.beats - first) // 1)))]
            for beat, label in bar.chords:
                time = place.seconds(number, beat)
                if chords:
                    chords[-1] = (chords[-1][0], time, chords[-1][2])
                chords.append((time, starts[-1], label))
            notes += [(place.seconds(number, b), place.seconds(number, b + long), midi) for b, long, midi in bar.notes]
            if bar.section is not None:
                if sections:
                    sections[-1] = (sections[-1][0], starts[number], *sections[-1][2:])
                sections.append((starts[number], starts[-1], bar.section, bar.words))
        first_bar = self.bars[0] if self.bars else Bar()
        tempo = bpm or self.bpm
        return Annotations(
            seconds=starts[-1],
            bpm=tempo or DEFAULT_BPM,
            meter=first_bar.meter.name,
            key=next((bar.key for bar in self.bars if bar.key is not None), None),
            beats=tuple(beats),
            downbeats=tuple(downbeats),
            chords=_merged(chords) if chords else None,
            melody=_monophonic(notes) if self.melody else None,
            sections=tuple(sections) or None,
        )

    def _leads_in(self, number: int) -> bool:
        """Whether a bar is a pick-up: the first one if it is short, or one that fills up a short bar before it.

        A tune that is repeated from its pick-up has a last bar that lacks it.
        """
        bar = self.bars[number]
        if bar.short is None or bar.short >= bar.meter.beats_per_bar:
            return False
        before = self.bars[number - 1] if number else None
        return before is None or (before.short is not None and before.beats + bar.beats == bar.meter.beats_per_bar)


class _Places:
    """Seconds of beats that are counted from the start of a bar, also beyond its end."""

    def __init__(self, bars: Sequence[Bar], starts: Sequence[float]) -> None:
        self.firsts = [Fraction(0)]
        for bar in bars:
            self.firsts.append(self.firsts[-1] + bar.beats)
        self.starts = starts

    def seconds(self, bar: int, beat: Fraction) -> float:
        at = self.firsts[bar] + beat
        here = min(max(bisect.bisect_right(self.firsts, at) - 1, 0), len(self.starts) - 2)
        share = (at - self.firsts[here]) / (self.firsts[here + 1] - self.firsts[here])
        return self.starts[here] + float(share) * (self.starts[here + 1] - self.starts[here])


def _merged(chords: Iterable[tuple[float, float, str]]) -> tuple[tuple[float, float, str], ...]:
    """Neighbours of one label as one span; what lasts no time is left out."""
    found: list[tuple[float, float, str]] = []
    for start, end, label in chords:
        if end <= start:
            continue
        if found and found[-1][2] == label and found[-1][1] == start:
            found[-1] = (found[-1][0], end, label)
        else:
            found.append((start, end, label))
    return tuple(found)


def _monophonic(notes: Iterable[tuple[float, float, int]]) -> tuple[tuple[float, float, int], ...]:
    """One voice: of notes that begin together the highest, each cut where the next one begins."""
    found: list[tuple[float, float, int]] = []
    for start, end, midi in sorted(notes, key=lambda note: (note[0], note[2])):
        if found and found[-1][0] == start:
            found.pop()
        elif found and found[-1][1] > start:
            found[-1] = (found[-1][0], start, found[-1][2])
        found.append((start, end, midi))
    return tuple(found)


def of_annotations(annotations: Annotations) -> Sheet:
    """The bars of what is written in seconds, on its beats, or on its tempo where it has no beats.

    Times are rounded to a twenty-fourth of a beat.  Bars begin on the downbeats; where none are known, every beat
    count of the meter from the first beat on.  What lies before the first downbeat is a pick-up bar.

    Raises: ValueError for annotations without beats, tempo or length.
    """
    meter = FOUR if annotations.meter is None else parse_meter(annotations.meter)
    beats, end = _pulse(annotations, meter)
    downbeats = sorted({_nearest(beats, time) for time in annotations.downbeats or ()})
    if not downbeats:
        downbeats = list(range(0, len(beats), meter.beats_per_bar))
    last = _place(beats, end)
    edges = [*([0] if downbeats[0] > 0 else []), *downbeats]
    edges = [edge for edge in edges if edge < last]
    ends = [Fraction(edge) for edge in edges[1:]] + [Fraction(max(edges[-1] + 1, -(-last // 1)))]
    bars: list[Bar] = []
    tempo: float | None = None
    for number, (first, stop) in enumerate(zip(edges, ends, strict=True)):
        long = stop - first
        whole = number == len(edges) - 1 and long < meter.beats_per_bar
        own = meter if long == meter.beats_per_bar or number == 0 or whole else _meter_of(int(long), meter)
        short = None if long == own.beats_per_bar or whole else long
        bpm = 60.0 * float(long) / (_seconds(beats, float(stop)) - _seconds(beats, float(first)))
        quarters = bpm * own.beat_quarters
        told = tempo is None or abs(quarters / tempo - 1.0) > SAME_TEMPO
        tempo = quarters if told else tempo
        bars.append(Bar(own, short=short, bpm=round(bpm, 2) if told else None))
    if annotations.bpm is not None and bars and abs((bars[0].bpm or 0.0) / annotations.bpm - 1.0) <= SAME_TEMPO:
        bars[0] = replace(bars[0], bpm=annotations.bpm)
    if annotations.key is not None and bars:
        bars[0] = replace(bars[0], key=annotations.key)

    def bar_of(time: float) -> tuple[int, Fraction]:
        place = _place(beats, time)
        number = max(0, bisect.bisect_right(edges, place) - 1)
        return number, place - edges[number]

    reached = 0.0
    for start, stop_s, label in annotations.chords or ():
        if start > reached + 1e-3 and annotations.chords:
            # A gap says nothing; a sheet cannot, so it has no chord there.
            _add_chord(bars, *bar_of(reached), NO_CHORD)
        _add_chord(bars, *bar_of(start), label)
        reached = stop_s
    for start, stop_s, midi in annotations.melody or ():
        number, beat = bar_of(start)
        long = max(_place(beats, stop_s) - _place(beats, start), Fraction(1, FINEST))
        bars[number] = replace(bars[number], notes=(*bars[number].notes, (beat, long, midi)))
    for start, _, name, words in annotations.sections or ():
        number, _ = bar_of(start)
        bars[number] = replace(bars[number], section=name, words=words)
    return Sheet(tuple(bars), melody=annotations.melody is not None)


def _add_chord(bars: list[Bar], number: int, beat: Fraction, label: str) -> None:
    kept = tuple(chord for chord in bars[number].chords if chord[0] != beat)
    bars[number] = replace(bars[number], chords=tuple(sorted((*kept, (beat, label)))))


def _pulse(annotations: Annotations, meter: Meter) -> tuple[list[float], float]:
    """Beats that reach from the beginning to the end, and the end."""
    times = list(annotations.beats or ())
    end = annotations.seconds
    if end is None:
        ends = [stop for _, stop, _ in (*(annotations.chords or ()), *(annotations.melody or ()))]
        end = max(ends, default=times[-1] if times else 0.0)
    if len(times) < 2:
        if annotations.bpm is None or end <= 0.0:
            raise ValueError("a sheet needs beats: the annotations have neither beats nor a tempo with a length")
        step = 60.0 / annotations.bpm
        first = times[0] % step if times else 0.0
        times = [first + n * step for n in range(max(2, round((end - first) / step) + 1))]
    while times[0] > 0.75 * (times[1] - times[0]):
        times.insert(0, 2 * times[0] - times[1])
    while times[-1] < end:
        times.append(2 * times[-1] - times[-2])
    return times, end


def _place(beats: Sequence[float], time: float) -> Fraction:
    """Beats from the first one, to a twenty-fourth; not before it."""
    here = min(max(bisect.bisect_right(beats, time) - 1, 0), len(beats) - 2)
    share = (time - beats[here]) / (beats[here + 1] - beats[here])
    return max(Fraction(0), Fraction(round((here + share) * FINEST), FINEST))


def _seconds(beats: Sequence[float], place: float) -> float:
    here = min(max(int(place), 0), len(beats) - 2)
    return beats[here] + (place - here) * (beats[here + 1] - beats[here])


def _nearest(beats: Sequence[float], time: float) -> int:
    here = bisect.bisect_left(beats, time)
    return min((n for n in (here - 1, here) if 0 <= n < len(beats)), key=lambda n: abs(beats[n] - time), default=0)


def _meter_of(beats: int, like: Meter) -> Meter:
    """The meter of so many beats of the same kind."""
    unit = int(like.name.partition("/")[2])
    return Meter.of(beats * (3 if like.compound else 1), unit)
