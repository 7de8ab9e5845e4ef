"""Bars and beats of a recording in seconds, and its tempo map: what loops are cut on and MIDI is counted in."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from flowmusic.annotations.annotation import Annotations, Chord, Note
from flowmusic.controls.meter import MAX_BPM, MIN_BPM, Meter, parse_meter
from flowmusic.sheets.midi_events import TICKS

STEADY_S = 0.03
"""Beats that lie no farther than this from a constant tempo are taken for it: trackers are no finer."""
SAME_TEMPO = 0.005
"""A stated tempo holds where the beats differ from it by no more than this share."""
AT_ZERO_S = 0.005
"""A first bar that begins this early begins with the recording."""
FRAME_S = 0.03
"""Times of a request were rounded to frames of 40 ms, which is half of one to either side."""
BARS = range(2, 8)
"""Beats that a bar may be heard to have."""
SMOOTHED = 2
"""Beats to either side over which those of a tempo that changes are averaged."""
CELLS = 4
"""Of a beat, for notes on paper: sixteenths where that is a quarter."""


class NoBeat(ValueError):
    """Nothing tells where the bars are."""


@dataclass(frozen=True)
class Grid:
    """Bars that reach from their first line to the end of a recording or beyond.

    Attributes:
        meter: of a whole bar.
        beats: ascending seconds; the first is the first bar line, and may lie after the beginning.
        downs: numbers of the beats that begin a bar, the first 0.
        seconds: how long the recording lasts.
    """

    meter: Meter
    beats: tuple[float, ...]
    downs: tuple[int, ...]
    seconds: float

    @staticmethod
    def of(known: Annotations) -> Grid:
        """The grid of what is written about a recording whose length is known.

        Beats close to a constant tempo become it, and others are smoothed; what lies before the first bar line is cut
        into bars as far as whole ones fit.  Bars are told by the downbeats, else by the meter from the first beat on;
        the meter, where it is not known, by most of the bars.

        Raises: NoBeat where there are neither two beats nor a tempo, or none that music has.
        """
        seconds = known.seconds or 0.0
        times = np.array(known.beats or (), np.float64)
        if len(times) < 2:
            if known.bpm is None:
                raise NoBeat("no beat was found")
            first = float(times[0]) if len(times) else 0.0
            times = np.array((first, first + 60.0 / known.bpm))
        tempo = 60.0 / max(1e-9, float(np.median(np.diff(times))))
        if not MIN_BPM <= tempo <= MAX_BPM:
            raise NoBeat(f"its beats are {tempo:.4g} a minute, and music has {MIN_BPM:g} to {MAX_BPM:g}")
        downs = sorted({int(np.abs(times - each).argmin()) for each in known.downbeats or ()}) or [0]
        meter = parse_meter(known.meter or _heard_meter(downs))
        straight = _straight(times, known.bpm)
        if straight is None:
            return _counted(meter, _smoothed(times).tolist(), downs, seconds)
        first, step = straight
        return _counted(meter, (first + step * np.arange(len(times))).tolist(), downs, seconds)

    @cached_property
    def bpm(self) -> float:
        """Median beats a minute."""
        return 60.0 / statistics.median(np.diff(self.beats).tolist())

    @property
    def steady(self) -> bool:
        """Whether the tempo never changes."""
        steps = np.diff(self.beats)
        return bool(np.ptp(steps) <= 1e-6 * steps.mean())

    @property
    def lead_beats(self) -> int:
        """Beats of the bar that stands for what sounds before the first bar line; 0 where that is too short for one."""
        return round(self.beats[0] / (self.beats[1] - self.beats[0]))

    def bars(self) -> list[tuple[float, float]]:
        """Start and end of every bar that lies within the recording as a whole."""
        lines = [self.beats[n] for n in self.downs]
        return [(start, end) for start, end in zip(lines, lines[1:]) if end <= self.seconds + 1e-3]

    def beats_of(self, bar: int) -> int:
        """How many beats a bar has."""
        return self.downs[bar + 1] - self.downs[bar]

    def meters(self) -> list[Meter]:
        """The meter of every bar: a bar of another number of beats has one of its own."""
        unit, in_beat = int(self.meter.name.partition("/")[2]), 3 if self.meter.compound else 1
        counts = [after - before for before, after in zip(self.downs, self.downs[1:])]
        return [self.meter if n == self.meter.beats_per_bar else Meter.of(n * in_beat, unit) for n in counts]

    @property
    def ticks_of_a_beat(self) -> int:
        return round(TICKS * self.meter.beat_quarters)

    def knots(self) -> list[tuple[float, int]]:
        """Seconds and ticks between which the tempo is constant, from the beginning on."""
        beat, lead = self.ticks_of_a_beat, self.lead_beats
        found = [(time, (lead + number) * beat) for number, time in enumerate(self.beats)]
        # A lead too short for a beat makes the first beat longer.
        return [(0.0, 0), *(found if lead else found[1:])] if self.beats[0] > 0.0 else found

    def ticks(self, times: Sequence[float]) -> list[int]:
        """Ticks of some seconds; behind the last beat its tempo goes on."""
        knots = self.knots()
        (before, low), (last, high) = knots[-2:]
        slope = (high - low) / (last - before)
        seconds, ticks = zip(*knots, strict=True)
        inside = np.interp(times, seconds, ticks)
        return [
            round(high + (time - last) * slope) if time > last else round(float(tick))
            for time, tick in zip(times, inside, strict=True)
        ]

    def nearest(self, time: float, parts: int = 1) -> float:
        """The nearest beat, or part of one, within the recording; what lies before the first is left alone."""
        if time < self.beats[0]:
            return max(0.0, self.beats[0] if self.beats[0] - time < 0.5 * (self.beats[1] - self.beats[0]) else time)
        place = float(np.interp(time, self.beats, np.arange(len(self.beats))))
        on = round(place * parts) / parts
        return min(float(np.interp(on, np.arange(len(self.beats)), self.beats)), self.seconds)

    def exact(self, time: float) -> float:
        """The place that a time of the model's frames stands for, where one is near; else the time itself."""
        near = min((self.nearest(time, parts) for parts in (CELLS, 3)), key=lambda each: abs(each - time))
        return near if abs(near - time) <= FRAME_S else time

    def of_frames(self, known: Annotations) -> Annotations:
        """What a take was asked for, whose times were rounded to frames, back on its beats."""
        chords = [(self.exact(start), self.exact(end), label) for start, end, label in known.chords or ()]
        notes = [(self.exact(start), self.exact(end), midi) for start, end, midi in known.melody or ()]
        return replace(
            known,
            chords=None if known.chords is None else tuple(each for each in chords if each[1] > each[0]),
            melody=None if known.melody is None else tuple(each for each in notes if each[1] > each[0]),
        )

    def annotated(self, known: Annotations) -> Annotations:
        """The same annotations with these beats, bars, tempo and meter."""
        inside = [time for time in self.beats if time < self.seconds - AT_ZERO_S]
        downs = tuple(self.beats[n] for n in self.downs if self.beats[n] < self.seconds - AT_ZERO_S)
        return replace(
            known, beats=tuple(inside), downbeats=downs or None, bpm=round(self.bpm, 3), meter=self.meter.name,
            seconds=self.seconds,
        )  # fmt: skip

    def on_paper(self, known: Annotations) -> Annotations:
        """What was heard as it would be written: chords change on beats, notes lie on sixteenths."""
        chords: list[Chord] = []
        for start, end, label in known.chords or ():
            at, stop = self.nearest(start), self.nearest(end)
            if stop > at:
                chords.append((chords[-1][1] if chords and chords[-1][1] > at else at, stop, label))
        notes: list[Note] = []
        for start, end, midi in known.melody or ():
            at, stop = self.nearest(start, CELLS), self.nearest(end, CELLS)
            stop = stop if stop > at else at + 0.9 * (self.beats[1] - self.beats[0]) / CELLS
            if not notes or at > notes[-1][0]:
                if notes and notes[-1][1] > at:
                    notes[-1] = (notes[-1][0], at, notes[-1][2])
                notes.append((at, stop, midi))
        return replace(
            known,
            chords=None if known.chords is None else tuple(chord for chord in chords if chord[1] > chord[0]),
            melody=None if known.melody is None else tuple(notes),
        )


def _heard_meter(downs: Sequence[int]) -> str:
    """The meter of most bars, 4/4 where there is no bar to tell it by; a tracker's beats are taken for quarters."""
    counts = [after - before for before, after in zip(downs, downs[1:])]
    likely = [count for count in counts if count in BARS]
    return f"{statistics.mode(likely)}/4" if likely else "4/4"


def _straight(times: np.ndarray, bpm: float | None) -> tuple[float, float] | None:
    """First beat and seconds of a beat, where the beats keep a tempo: the stated one if that is it."""
    numbers = np.arange(len(times))
    step, first = (float(each) for each in np.polyfit(numbers, times, 1))
    stated = None if bpm is None else 60.0 / bpm
    for each in (stated, step):
        if each is None or abs(step / each - 1.0) > SAME_TEMPO:
            continue
        first = float(np.median(times - each * numbers))
        if np.abs(times - first - each * numbers).max() <= STEADY_S:
            # Heard at 0 and fitted before it: there is no such place in the recording.
            return (0.0 if first <= AT_ZERO_S else first), each
    return None


def _smoothed(times: np.ndarray) -> np.ndarray:
    """The mean of each beat and its neighbours: a straight line through them at its middle."""
    found = times.copy()
    for number in range(len(times)):
        reach = min(SMOOTHED, number, len(times) - 1 - number)
        found[number] = times[number - reach : number + reach + 1].mean()
    return found


def _counted(meter: Meter, beats: list[float], downs: list[int], seconds: float) -> Grid:
    """Beats from the first bar line that fits into the recording to the end of its last bar."""
    per_bar, step = meter.beats_per_bar, statistics.median(np.diff(beats).tolist())
    # Backwards from the first known bar line: beats as far as they fit, then bars of them; what is left is the lead.
    earlier = max(0, int((beats[0] + AT_ZERO_S) / step))
    beats = [max(0.0, beats[0] - step * n) for n in range(earlier, 0, -1)] + beats
    downs = [n + earlier for n in downs]
    downs = [*range(downs[0] % per_bar, downs[0], per_bar), *downs]
    beats, downs = beats[downs[0] :], [n - downs[0] for n in downs]
    # Forwards to the first bar line at or behind the end.
    while beats[-1] < seconds - AT_ZERO_S:
        beats.append(beats[-1] + step)
    while downs[-1] < len(beats) - 1 or len(downs) < 2:
        downs.append(downs[-1] + per_bar)
    beats += [beats[-1] + step * (n + 1) for n in range(downs[-1] + 1 - len(beats))]
    return Grid(meter, tuple(beats), tuple(downs), seconds)
