"""What a MIDI file gives a request or a ``controls.json``: a melody, drums, beats.

Every function says in a notice what it took, and what was odd in the file.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.annotations import midi, midi_labels, midi_melody
from flowmusic.controls.meter import MAX_BPM, MIN_BPM, Meter
from flowmusic.controls.notices import late, notice

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.annotations.json_file import ControlsFile
    from flowmusic.annotations.midi import Score

MOST_NOTES = 20_000
"""Notes or drum hits of a ``controls.json``; a person edits it."""


def read(path: Path) -> Score:
    """A file, and a notice of what was odd in it.  Raises: MidiError naming it."""
    score = midi.read(path)
    for odd in score.notices:
        notice(f"{path}: {odd}")
    return score


def melody(score: Score, path: Path, seconds: float) -> tuple[tuple[float, float, int], ...]:
    """The melody of a file for a clip of ``seconds``.

    Raises: ValueError naming the file where nothing but drums plays, or the melody begins after the clip's end.
    """
    line = _line(score, path)
    first = line.notes[0][0]
    if first >= seconds:
        raise ValueError(f"the melody of {path} {late(first, seconds)}")
    notice(f"the melody of {path} is {line.taken}")
    return line.notes


def _line(score: Score, path: Path) -> midi_melody.Line:
    try:
        return midi_melody.melody_of(score)
    except midi.MidiError as error:
        raise midi.MidiError(f"{path} {error}") from None


def drums(score: Score, path: Path, seconds: float) -> Tensor:
    """Onset strength of a file's drums as long as its bars are.  Shape: ``[3, S]`` at 100 Hz.

    A file without a drum channel is taken for drums as a whole, for that is what it was given as.
    Raises: ValueError naming the file where they begin after the clip's end.
    """
    from flowmusic.controls import drums as tracks
    from flowmusic.types import FrameGrid

    score, taken = _with_drums(score)
    if taken:
        notice(f"{path} has no drum channel (10); all its notes are taken for drums by their General-MIDI numbers")
    hits, of_classes = midi_labels.drum_onsets(score)
    first = hits[0]
    if first >= seconds:
        raise ValueError(f"the drums of {path} {late(first, seconds)}")
    length = _whole_bars(score, hits[-1])
    # What lies behind the clip's end is not needed, and may be hours.
    shown = min(length, 2.0 * seconds)
    grid = FrameGrid.of_seconds(shown, tracks.STRENGTH_RATE)
    onsets = [time for time in hits if time < shown]
    classes = {name: [time for time in times if time < shown] for name, times in of_classes.items()}
    return tracks.to_drawing(tracks.onsets_to_track(onsets, grid, classes=classes))


def _with_drums(score: Score) -> tuple[Score, bool]:
    if any(part.drums for part in score.parts):
        return score, False
    return replace(score, parts=tuple(replace(part, drums=True) for part in score.parts)), True


def _whole_bars(score: Score, last_s: float) -> float:
    """To the end of the bar that the last hit lies in: a loop of MIDI has no length of its own."""
    meter = score.meter or Meter.of(4, 4)
    if not score.steady or score.bpm is None:
        return score.seconds
    bar = meter.bar_seconds(score.bpm)
    return bar * (int((last_s + 1e-6) / bar) + 1)


def tempo_in(score: Score, meter: Meter) -> float | None:
    """The tempo that a file states, in beats of a meter: of 6/8 a file at 120 quarters has 80."""
    if score.bpm is None:
        return None
    own = score.meter or Meter.of(4, 4)
    bpm = round(score.bpm * own.beat_quarters / meter.beat_quarters, 2)
    return bpm if MIN_BPM <= bpm <= MAX_BPM else None


def sheet(score: Score, path: Path) -> ControlsFile:
    """A file as ``controls.json`` holds it: what it says exactly, no chords.

    Raises: MidiError naming the file, for more notes than anybody would edit.
    """
    from flowmusic.annotations.annotation import DrumHits
    from flowmusic.annotations.json_file import ControlsFile
    from flowmusic.annotations.of_midi import annotations_of

    known = annotations_of(score)
    line = None
    if any(not part.drums for part in score.parts):
        line = _line(score, path)
        notice(f"the melody of {path} is {line.taken}")
    hits = known.drums if known.drums is not None and known.drums.onsets else DrumHits(())
    if max(len(hits.onsets), len(line.notes) if line else 0) > MOST_NOTES:
        raise midi.MidiError(f"{path} has more than {MOST_NOTES} notes or drum hits; export a part of it")
    if known.beats is None:
        why = f"the notes of {path} do not keep to its beats" if score.beats else f"{path} tells no beats"
        notice(f"{why}, so no tempo is taken from it")
    told = replace(
        known,
        seconds=round(score.seconds, 4),
        melody=line.notes if line else (),
        drums=hits,
        confidence={} if known.bpm is None else {"bpm": 1.0},
    )
    return ControlsFile(path.name, Fraction(25), told)
