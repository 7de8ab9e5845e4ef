"""Which track is the melody, and which notes are where none says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.annotations import midi, midi_melody
from flowmusic.annotations.midi import Note
from tests.controls import midi_bytes as b


def line(tmp_path: Path, *tracks: bytes) -> midi_melody.Line:
    path = tmp_path / "tune.mid"
    path.write_bytes(b.smf(*tracks))
    return midi_melody.melody_of(midi.read(path))


TUNE = tuple((0.5 * n, 0.5 * (n + 1), pitch) for n, pitch in enumerate(b.PITCHES))
PAD = b"\0\x91\x58\x40\x9e\0\x81\x58\0"


@pytest.mark.parametrize("name", ["Melody", "melody 1", "VOCAL_1", "Mélodie", "Lead Vocal", "Voice1", "lead guitar"])
def test_a_track_that_says_it_is_the_melody(tmp_path: Path, name: str) -> None:
    found = line(tmp_path, b.name("Song"), b.name(name) + b.tune(), b.name("Strings") + PAD)
    assert found.notes == TUNE and found.taken == f"the track {name!r}, which says that it is the melody"


def test_a_melody_comes_before_a_voice_and_a_voice_before_a_lead(tmp_path: Path) -> None:
    order = ["Lead guitar", "Voice", "Melody"]
    for first in range(3):
        tracks = [b.name(each) + b.note(60 + n, 480, channel=n) for n, each in enumerate(order[: first + 1])]
        assert line(tmp_path, *tracks, b.name("Pad") + PAD).notes == ((0.0, 0.5, 60 + first),)


OTHERS = ["Backing Vocals", "Choir voice", "Voice Oohs", "Countermelody", "misleading", "Vocal harmony"]


@pytest.mark.parametrize("name", OTHERS)
def test_without_such_a_track_the_upper_line_is_taken(tmp_path: Path, name: str) -> None:
    found = line(tmp_path, b.name(name) + b.tune(), b.name("Strings") + PAD)
    assert found.notes == ((0.0, 4.0, 88),) and "the highest notes of 2 parts" in found.taken


def test_a_name_that_every_part_has_is_that_of_the_song(tmp_path: Path) -> None:
    found = line(tmp_path, b.name("My melody") + b"\0\x91\x58\x40\0\x90\x40\x40\x9e\0\x81\x58\0\0\x90\x40\0")
    assert found.notes == ((0.0, 4.0, 88),) and "the highest notes" in found.taken


def test_one_track_alone(tmp_path: Path) -> None:
    low = b.tune(pitches=(84, 40, 84))
    found = line(tmp_path, b.name("Flute") + low, b.name("Kit") + b.note(36, 480, channel=9))
    # One voice is taken whole, however wide its steps.
    assert [note[2] for note in found.notes] == [84, 40, 84] and found.taken == "the only track, 'Flute'"
    with pytest.raises(midi.MidiError, match="holds no notes outside the drum channel"):
        line(tmp_path, b.note(36, 480, channel=9))
    with pytest.raises(midi.MidiError, match="holds no notes that last"):
        line(tmp_path, b"\0\x90\x40\x40\0\x80\x40\0" + b.tempo(6e7))


def test_the_skyline_is_what_is_struck_on_top() -> None:
    held = [Note(0.0, 4.0, 60, 80), Note(1.0, 1.5, 72, 80), Note(2.0, 2.5, 55, 80), Note(3.0, 3.5, 74, 80)]
    # 60 comes to the surface again at 1.5 s, but nobody strikes it; 55 lies below it.
    assert midi_melody.skyline(held) == [[0.0, 1.0, 60], [1.0, 1.5, 72], [3.0, 3.5, 74]]
    rolled = [Note(0.00, 1.0, 60, 80), Note(0.01, 1.0, 64, 80), Note(0.02, 1.0, 67, 80)]
    assert midi_melody.skyline(rolled) == [[0.02, 1.0, 67]]


def test_accompaniment_that_shows_while_the_melody_rests_is_dropped() -> None:
    upper = [Note(0.5 * n, 0.5 * n + 0.4, 76, 80) for n in range(8)]
    bass = [Note(4.2, 4.4, 40, 80)]
    assert [row[2] for row in midi_melody.skyline([*upper, *bass])] == [76] * 8


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.integers(40, 80)), max_size=12))
def test_the_skyline_by_its_definition(raw: list[tuple[int, int, int]]) -> None:
    notes = sorted(Note(float(start), float(start + length), pitch, 80) for start, length, pitch in raw)
    found = midi_melody.skyline(notes, below=100)
    struck = {
        start: max(note.pitch for note in notes if note.start == start) for start in {note.start for note in notes}
    }
    on_top = {
        start: pitch
        for start, pitch in struck.items()
        if all(note.pitch <= pitch for note in notes if note.start < start < note.end)
    }
    assert {start: pitch for start, _, pitch in found} == on_top
    assert all(one[1] <= other[0] for one, other in zip(found, found[1:]))


def test_monophonic_notes_end_where_the_next_begins() -> None:
    notes = [Note(0.0, 1.0, 60, 80), Note(0.9, 2.0, 62, 80), Note(0.92, 2.0, 64, 80)]
    assert midi_melody.monophonic(notes) == [[0.0, 0.9, 60], [0.92, 2.0, 64]]
