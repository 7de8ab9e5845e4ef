"""Tempo and meter of a request: who says them, who contradicts, and which note a beat is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.annotations import midi_labels
from flowmusic.annotations.midi import is_midi
from flowmusic.controls import chords
from flowmusic.controls.meter import Meter, check_bpm, parse_meter
from flowmusic.controls.notices import notice
from flowmusic.inputs import loops, scores
from flowmusic.inputs.pace import DEFAULT_BPM, DEFAULT_METER

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.annotations.json_file import ControlsFile
    from flowmusic.annotations.midi import Score

SAME = 0.005
"""Tempi that differ by less are one: after 10 s at 120 bpm they are a tenth of a beat apart."""
UNSURE = 0.3
"""A tempo with less confidence is said to be uncertain."""


@dataclass(frozen=True)
class Rhythm:
    """What a request is counted by.

    Attributes:
        bpm: beats a minute that the flags or a file say; None leaves it to a control sheet, or to nothing.
        grid_bpm: tempo of the beat grid, whoever sets it; None where nothing does.
        meter: of the bars.
    """

    bpm: float | None
    grid_bpm: float | None
    meter: Meter


def check(args: argparse.Namespace) -> None:
    """Refuse flags of rhythm that say nothing, before a file is read.  Raises: ValueError naming the flag."""
    if args.bpm is not None:
        check_bpm(args.bpm)
    if args.meter is not None:
        parse_meter(args.meter)
    if args.loop_bpm is not None:
        check_bpm(args.loop_bpm)
    for flag, given in (("--stretch", args.stretch), ("--loop-bpm", args.loop_bpm is not None)):
        if given and args.drums is None and args.controls is None:
            raise ValueError(f"{flag} is about the drums of --drums or --controls, and neither is given")


def midi_files(args: argparse.Namespace) -> dict[str, Score]:
    """The MIDI files among ``--melody`` and ``--drums``, whatever they are called.  Raises: MidiError."""
    given = {"melody": args.melody, "drums": args.drums}
    return {name: scores.read(path) for name, path in given.items() if path is not None and is_midi(path)}


def settle(
    args: argparse.Namespace, sheet: ControlsFile | None, use: frozenset[str] | None, files: Mapping[str, Score]
) -> Rhythm:
    """Who says tempo and meter: the flags, else a control sheet's beats, else a MIDI file for chords in bars.

    Args:
        use: what is taken from the sheet.
        files: of :func:`midi_files`.

    Raises: ValueError.  Warns: ControlNotice for what a person may not expect.
    """
    used = use or frozenset()
    in_bars = args.chords is not None and not chords.is_timed(args.chords)
    sheet_bpm = None if sheet is None else sheet_tempo(sheet)
    beats_bpm = sheet_bpm if "beats" in used else None
    drums = args.drums is not None or "drums" in used
    counted = in_bars or args.bpm is not None or (drums and beats_bpm is not None)
    named = {name: (getattr(args, name), score) for name, score in files.items()}
    meter = _meter(args.meter, counted, named)
    bpm = None if args.bpm is None else check_bpm(args.bpm)
    if bpm is None and beats_bpm is None and in_bars:
        bpm = _of_files(meter, named)
    grid_bpm = bpm if bpm is not None else beats_bpm
    if grid_bpm is None and in_bars:
        grid_bpm = DEFAULT_BPM
    if grid_bpm is not None:
        if counted and meter.beat != "quarter":
            notice(
                f"in {meter.name} a beat, which is what bpm counts, is a {meter.beat} note: at {grid_bpm:g} bpm "
                f"a bar of {meter.beats_per_bar} beats lasts {meter.bar_seconds(grid_bpm):.3g} s"
            )
        if "melody" in named:
            _compare(*named["melody"], meter, grid_bpm)
        kept = sorted(used & {"chords", "melody"})
        if sheet_bpm is not None and kept and abs(sheet_bpm / grid_bpm - 1.0) > SAME:
            notice(
                f"{' and '.join(kept)} of {_sheet_of(args)} keep their times, at about {sheet_bpm:g} bpm, though the "
                f"beat grid is at {grid_bpm:g} bpm"
            )
    sure = None if sheet is None else sheet.annotations.confidence.get("bpm")
    if beats_bpm is not None and sure is not None and sure < UNSURE:
        notice(
            f"the tempo of {_sheet_of(args)}, {beats_bpm:g} bpm, is uncertain (confidence {sure:g}); --bpm replaces it"
        )
    return Rhythm(bpm, grid_bpm, meter)


def _sheet_of(args: argparse.Namespace) -> Path:
    """The file that the control sheet is."""
    found: Path = args.controls or args.sheet
    return found


def sheet_tempo(sheet: ControlsFile) -> float | None:
    """Beats a minute of a control sheet: what it says, else the median of its beats."""
    known = sheet.annotations
    return midi_labels.tempo(known.beats or ()) if known.bpm is None else known.bpm


def stretch(args: argparse.Namespace, strength: Tensor, seconds: float, score: Score | None, beat: Rhythm) -> float:
    """How many times as long the drums of ``--drums`` are to last (:func:`flowmusic.inputs.loops.factor`)."""
    own = args.loop_bpm or (None if score is None else scores.tempo_in(score, beat.meter))
    return loops.factor(str(args.drums), strength, seconds, own, beat.grid_bpm, beat.meter, args.stretch)


def sheet_stretch(args: argparse.Namespace, sheet: ControlsFile, strength: Tensor | None, beat: Rhythm) -> float:
    """The same of the drums of ``--controls``, whose tempo the sheet says."""
    name, own = f"the drums of {_sheet_of(args)}", args.loop_bpm or sheet_tempo(sheet)
    return loops.factor(name, strength, sheet.annotations.seconds or 0.0, own, beat.grid_bpm, beat.meter, args.stretch)


def _meter(meter: str | None, counted: bool, files: Mapping[str, tuple[Path, Score]]) -> Meter:
    """That of the flag, else of the first file that has one which can be counted."""
    signed = [(path, score.meter) for path, score in files.values() if score.meter is not None]
    if meter is not None:
        given = parse_meter(meter)
        if not counted:
            notice(
                f"--meter {given.name} has no effect: it counts the bars of chords such as 'C F | G', of --bpm and of "
                "drum loops on a beat grid, and there are none of them"
            )
        for path, own in signed:
            if counted and own.name != given.name:
                notice(f"--meter {given.name} counts the bars, though {path} is written in {own.name}")
        return given
    for path, own in signed:
        try:
            found = parse_meter(own.name)
        except ValueError:
            continue
        if counted and found.name != DEFAULT_METER:
            notice(f"bars are counted in {found.name}, as {path} is written; --meter takes another")
        return found
    return parse_meter(DEFAULT_METER)


def _of_files(meter: Meter, files: Mapping[str, tuple[Path, Score]]) -> float | None:
    """The tempo of the first file that states one."""
    for path, score in files.values():
        bpm = scores.tempo_in(score, meter)
        if bpm is None:
            continue
        doubt = ""
        if not score.steady:
            doubt = "; its tempo or meter changes, and the first is taken"
        elif midi_labels.on_grid(score) < midi_labels.ON_GRID_SHARE:
            doubt = "; its notes do not keep to it"
        notice(f"chords are placed at {bpm:g} bpm, the tempo of {path}{doubt}; --bpm takes another")
        return bpm
    return None


def _compare(path: Path, score: Score, meter: Meter, grid_bpm: float) -> None:
    """A melody keeps its own times, whatever the beat grid is."""
    own = scores.tempo_in(score, meter)
    if own is not None and abs(own / grid_bpm - 1.0) > SAME:
        notice(
            f"the melody of {path} is written at {own:g} bpm and keeps its times, though the beat grid is at "
            f"{grid_bpm:g} bpm; give --bpm {own:g} if they are to go together"
        )
