"""``--sheet``: a lead sheet, or a MIDI file as a DAW writes it, as what a take is asked for.

Its chords, melody, drums and beats are controls; other flags win over them, and that is said.  A tempo that changes is
in the times of its beats, by which everything else is placed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import options
from flowmusic.controls.notices import notice
from flowmusic.plain import shown

if TYPE_CHECKING:
    from flowmusic.annotations.annotation import Annotations
    from flowmusic.annotations.json_file import ControlsFile
    from flowmusic.controls.meter import Meter
    from flowmusic.facts import Facts
    from flowmusic.inputs.facts import AskedFacts
    from flowmusic.sheets.formats import Reading
    from flowmusic.types import FrameGrid, Track

SAME = 0.005
"""Tempi that differ by less are one."""
SHORT_S = 0.1
"""A sheet that ends so little before the music ends with it: takes have whole frames."""


def add_arguments(parser: argparse.ArgumentParser, recall: bool = False) -> None:
    """``--sheet`` and ``--form``; ``--recall`` where whole pieces are made."""
    add = parser.add_argument
    add("--sheet", type=options.existing_file, metavar="FILE", help="a lead sheet or MIDI file (docs/sheets.md)")
    add("--form", type=options.words, metavar="S", help='play the sections of --sheet in this order, as "A A B A"')
    if recall:
        add("--recall", type=options.share, default=0.0, metavar="R", help="how alike its sections return, 0 to 1 (0)")


@dataclass(frozen=True)
class LeadSheet:
    """A sheet that was read.

    Attributes:
        path: of the file.
        format: of the file, for a person.
        annotations: in seconds, its sections in the order of the form, at the tempo of the request.
        tempo: beats a minute that the file says it begins with, None where it says none.
        key: where it is one throughout.
        bars: how many it has; None where it has none.
        form: as it was given.
        notices: for whoever asks.
    """

    path: Path
    format: str
    annotations: Annotations
    tempo: float | None
    key: str | None
    bars: int | None
    form: str | None = None
    notices: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.annotations.seconds or 0.0

    @property
    def beats(self) -> tuple[float, ...]:
        """In seconds, from the first bar line on: a pick-up belongs to the bar before."""
        beats, lines = self.annotations.beats or (), self.annotations.downbeats or ()
        return tuple(time for time in beats if not lines or time >= lines[0] - 1e-6)

    @property
    def counted(self) -> bool:
        """Whether it has beats to be laid on others."""
        return len(self.beats) > 1

    @property
    def meter(self) -> Meter:
        """That of its first bar; 4/4 where that cannot be counted."""
        from flowmusic.controls.meter import parse_meter

        try:
            return parse_meter(self.annotations.meter or "4/4")
        except ValueError:
            return parse_meter("4/4")

    def lines(self) -> list[float]:
        """Where its bars begin, and its end."""
        from flowmusic.controls.beats import bar_edges

        return bar_edges(self.annotations.downbeats or (), self.seconds)

    def first(self, bars: int) -> LeadSheet:
        """Its first bars.  Raises: ValueError for more than it has."""
        lines = self.lines()
        if bars >= len(lines):
            raise ValueError(f"--bars {bars}: {shown(self.path)} has {len(lines) - 1}; leave --bars out to play all")
        return replace(self, annotations=self.annotations.part(0.0, lines[bars]), bars=bars)

    def file(self, grid: FrameGrid | None = None, beats: Track | None = None) -> ControlsFile:
        """As the controls of a recording; they are in seconds, whatever the frame rate.

        Args:
            grid: of the music that it is for.
            beats: its beat grid, where that is not the sheet's.

        Warns: ControlNotice where the music goes on after the sheet.
        """
        from flowmusic.annotations.json_file import ControlsFile

        laid = self if beats is None else self.laid(beats)
        if grid is not None and laid.seconds < grid.seconds - SHORT_S:
            notice(
                f"{shown(self.path)} ends {grid.seconds - laid.seconds:.2f} s before the music does; the rest is free"
            )
        return ControlsFile(self.path.name, Fraction(25), laid.annotations)

    def with_key(self, facts: Facts, heard: bool, notices: list[str]) -> Facts:
        """Facts with its key, for a model that hears facts.  Adds to ``notices``."""
        if self.key is None or not heard:
            return facts
        notices.append(f"the key of {shown(self.path)}, {self.key}, is told as a fact")
        return replace(facts, key=self.key)

    def at(self, bpm: float) -> LeadSheet:
        """The same, beginning at a tempo."""
        from flowmusic.annotations.retime import faster

        if not self.counted:
            return self
        own = 60.0 / (self.beats[1] - self.beats[0])
        return replace(self, annotations=faster(self.annotations, bpm / own))

    def laid(self, beats: Track) -> LeadSheet:
        """Its first bar line on that of a beat grid, and every beat on one of these; a pick-up is cut off."""
        from flowmusic.annotations.retime import onto, retimed
        from flowmusic.controls.beats import from_track

        times = from_track(beats)
        start = times.downbeats[0] if times.downbeats else 0.0
        others = [time for time in times.beats if time >= start - 1e-3]
        if not self.counted or len(others) < 2:
            return self
        moved = retimed(self.annotations, onto(self.beats, others))
        return replace(self, annotations=moved.part(0.0, moved.seconds or 0.0))

    def used(self, args: argparse.Namespace, facts: AskedFacts, notices: list[str]) -> frozenset[str]:
        """The controls that are taken from it, and not from other flags.  Adds to ``notices``.

        Raises: ValueError for one of ``--use`` that it does not have.
        """
        name = shown(self.path)
        there = {each for each in self.annotations.names() if self.annotations.events(each)}
        if self.annotations.bpm is not None:
            there.add("beats")
        missing = sorted((args.use or frozenset()) - there)
        if missing:
            raise ValueError(
                f"--use {missing[0]}: {name} has no {missing[0]}; it has: {', '.join(sorted(there)) or 'none'}"
            )
        wanted = there if args.use is None else set(args.use)
        for each in ("chords", "melody", "drums"):
            if each in wanted and getattr(args, each) is not None:
                notices.append(f"--{each} is taken, and not the {each} of {name}")
                wanted.discard(each)
        away = facts.unwanted is not None and facts.unwanted.facts.drums
        if "drums" in wanted and (facts.said.drums is False or away):
            notices.append(f"no drums are wanted, so those of {name} are left out")
            wanted.discard("drums")
        if args.bpm is not None and not self.counted:
            wanted.discard("beats")  # times in seconds stay, and the flag sets the grid
        return frozenset(wanted)

    def told(self, bpm: float | None, meter: str | None, other: str) -> list[str]:
        """What a person should know before it is laid on the beats of other music."""
        name, found = shown(self.path), []
        if bpm is None or not self.counted:
            return [f"{name} keeps its own times, for {'its' if bpm else 'the'} beats{'' if bpm else f' of {other}'} "
                    "are not known"]  # fmt: skip
        if self.tempo is not None and abs(self.tempo / bpm - 1.0) > SAME:
            found.append(f"{name} is written at {self.tempo:.4g} bpm, and played at the {bpm:.4g} bpm of {other}")
        if meter is not None and self.meter.name != meter:
            found.append(
                f"{name} is written in {self.meter.name} and {other} in {meter}: beats fall on beats, not bars"
            )
        if self.beats[0] > (self.annotations.beats or self.beats)[0]:
            found.append(f"the pick-up of {name} is left out: its first whole bar is laid on a bar line of {other}")
        return found

    def record(self) -> dict[str, Any]:
        """What a take's record tells of it beside the controls."""
        known = self.annotations
        sections = [[round(start, 4), round(end, 4), name, *([words] if words else [])]
                    for start, end, name, words in known.sections or ()]  # fmt: skip
        found = {"name": self.path.name, "format": self.format, "bars": self.bars, "form": self.form, "key": self.key}
        return {key: value for key, value in {**found, "sections": sections or None}.items() if value is not None}


def read(args: argparse.Namespace, bpm: float | None = None) -> LeadSheet | None:
    """The sheet of ``--sheet``; None without one.

    Args:
        args: of a command.
        bpm: tempo at which it is to begin.

    Raises: ValueError naming the flag or the file, and its line where it has lines.
    """
    from flowmusic import sheets

    recall = getattr(args, "recall", 0.0)
    if args.sheet is None:
        for flag, given in (("--form", args.form is not None), ("--recall", recall > 0.0)):
            if given:
                raise ValueError(f"{flag} is about the sections of a --sheet, which is not given")
        return None
    if args.controls is not None:
        raise ValueError("--sheet and --controls both say chords, melody, drums and beats; give one of them")
    reading = sheets.read(args.sheet, bpm=bpm, meter=args.meter or "4/4", form=args.form)
    name, known = shown(args.sheet), reading.annotations
    if not any(known.events(each) for each in ("chords", "melody", "drums")):
        raise ValueError(f"{name} holds no chords, notes or drums that music could follow; see `flowmusic sheet FILE`")
    bars = None if reading.sheet is None else len(reading.sheet.bars)
    found = LeadSheet(args.sheet, reading.format, known, reading.tempo, _key(reading), bars, args.form)
    said = tuple(_said(args, reading, found, bpm))
    if recall > 0.0:
        check_recall(found)
    return replace(found, notices=said)


def check_recall(sheet: LeadSheet) -> None:
    """Raise ValueError where no section returns."""
    names = [name.casefold() for _, _, name, _ in sheet.annotations.sections or ()]
    if len(set(names)) == len(names):
        what = "no section of {} comes twice" if names else "{} names no sections"
        raise ValueError(
            f"--recall is about sections that return, and {what.format(shown(sheet.path))}; "
            + ('repeat some, as in --form "A A B A"' if names else "name them, as in [Verse] before its bars")
        )


def _key(reading: Reading) -> str | None:
    """The key of the whole, by a name that facts have."""
    from flowmusic.inputs.words.keys import key_of

    written = {reading.annotations.key} if reading.sheet is None or not reading.in_bars else set()
    if reading.sheet is not None:
        written |= {bar.key for bar in reading.sheet.bars}
    keys = {key_of(key) for key in written if key}
    return keys.pop() if len(keys) == 1 else None


def _said(args: argparse.Namespace, reading: Reading, sheet: LeadSheet, bpm: float | None) -> Iterator[str]:
    name = shown(args.sheet)
    yield from (f"{name}: {notice}" for notice in reading.notices)
    if reading.in_bars and reading.tempo is None and bpm is None:
        from flowmusic.sheets.sheet import DEFAULT_BPM

        yield f"{name} says no tempo; {DEFAULT_BPM:g} beats a minute are taken, and --bpm takes others"
    if bpm is not None and reading.tempo is not None and abs(reading.tempo / bpm - 1.0) > SAME:
        yield f"{name} is written at {reading.tempo:.4g} bpm, and --bpm plays it at {bpm:g}"
    if args.meter is not None and sheet.meter.name != args.meter.strip():
        yield f"--meter {args.meter} is left out: {name} is written in {sheet.meter.name}"
    if not sheet.annotations.chords and args.chords is None:
        yield f"{name} has no chords, so the harmony is left to the model"
