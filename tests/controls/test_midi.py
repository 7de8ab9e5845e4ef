"""What a MIDI file says exactly, and what it does not say."""

from __future__ import annotations

from pathlib import Path

import pretty_midi
import pytest

from flowmusic.controls import midi
from flowmusic.controls.midi import Note
from tests.data.scores import song


def test_labels_of_a_song(tmp_path: Path) -> None:
    score = midi.read(song(tmp_path / "a.mid", bpm=100))
    found = midi.labels(score)
    assert found["beats"] == pytest.approx([0.6 * n for n in range(len(found["beats"]))], abs=1e-3)
    assert found["downbeats"] == pytest.approx([0.0, 2.4], abs=1e-3) and found["bpm"] == pytest.approx(100, abs=0.1)
    assert found["drums"]["onsets"] == pytest.approx([0.3 * n for n in range(16)], abs=2e-3)
    assert found["drums"]["classes"]["kick"] == pytest.approx([1.2 * n for n in range(4)], abs=2e-3)
    assert found["melody_from"] == "part 'Melody'" and len(found["melody"]) == 8
    assert set(found["notes"]) == {"Melody", "Bass", "Keys", "Kit"}
    assert (
        midi.caption(score, found) == "music with acoustic grand piano, flute, finger electric bass and drums, 100 bpm"
    )


def test_a_tempo_that_the_notes_do_not_keep_to_is_not_believed(tmp_path: Path) -> None:
    played = midi.read(song(tmp_path / "a.mid", jitter=0.08))
    assert midi.on_grid(played) < 0.6 < 0.99 < midi.on_grid(midi.read(song(tmp_path / "b.mid")))
    assert "beats" not in midi.labels(played)


def test_bars_are_unknown_without_a_time_signature(tmp_path: Path) -> None:
    path = song(tmp_path / "a.mid")
    written = pretty_midi.PrettyMIDI(str(path))
    written.time_signature_changes = []
    written.write(str(path))
    import mido

    file = mido.MidiFile(path)
    file.tracks[0] = mido.MidiTrack(m for m in file.tracks[0] if m.type != "time_signature")
    file.save(path)
    found = midi.labels(midi.read(path))
    assert len(found["beats"]) >= 8 and found["downbeats"] == []


def test_no_lead_among_equals_and_no_drums_without_a_kit(tmp_path: Path) -> None:
    found = midi.labels(midi.read(song(tmp_path / "a.mid", parts="bass keys")))
    assert "melody" not in found and found["drums"]["onsets"] == []


def test_the_same_notes_at_another_tempo_have_the_same_content(tmp_path: Path) -> None:
    first, faster, other = (
        midi.read(song(tmp_path / f"{name}.mid", seed, bpm))
        for name, seed, bpm in (("a", 0, 100), ("b", 0, 140), ("c", 1, 100))
    )
    assert first.content == faster.content != other.content


@pytest.mark.parametrize(
    "content", [b"", b"MThd\0\0\0\6\0\1\0\1\0\x60", b"RIFF", b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0"]
)
def test_broken_and_empty_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(content)
    with pytest.raises(midi.MidiError, match=r"a\.mid"):
        midi.read(path)


def test_the_skyline_is_what_is_struck_on_top() -> None:
    held = [Note(0.0, 4.0, 60, 80), Note(1.0, 1.5, 72, 80), Note(2.0, 2.5, 55, 80), Note(3.0, 3.5, 74, 80)]
    # 60 comes to the surface again at 1.5 s, but nobody strikes it; 55 lies below it.
    assert midi.skyline(held) == [[0.0, 1.0, 60], [1.0, 1.5, 72], [3.0, 3.5, 74]]
    rolled = [Note(0.00, 1.0, 60, 80), Note(0.01, 1.0, 64, 80), Note(0.02, 1.0, 67, 80)]
    assert midi.skyline(rolled) == [[0.02, 1.0, 67]]


def test_accompaniment_that_shows_while_the_melody_rests_is_dropped() -> None:
    line = [Note(0.5 * n, 0.5 * n + 0.4, 76, 80) for n in range(8)]
    bass = [Note(4.2, 4.4, 40, 80)]
    assert [row[2] for row in midi.skyline([*line, *bass])] == [76] * 8


def test_monophonic_notes_end_where_the_next_begins() -> None:
    notes = [Note(0.0, 1.0, 60, 80), Note(0.9, 2.0, 62, 80), Note(0.92, 2.0, 64, 80)]
    assert midi.monophonic(notes) == [[0.0, 0.9, 60], [0.92, 2.0, 64]]
