"""What a MIDI file says exactly, and what it does not say."""

from __future__ import annotations

from pathlib import Path

import pretty_midi
import pytest

from flowmusic.annotations import midi, midi_labels, of_midi
from flowmusic.controls.meter import parse_meter
from tests.controls import midi_bytes as b
from tests.data.scores import song


def test_labels_of_a_song(tmp_path: Path) -> None:
    score = midi.read(song(tmp_path / "a.mid", bpm=100))
    found = of_midi.labels(score)
    assert found["beats"] == pytest.approx([0.6 * n for n in range(len(found["beats"]))], abs=1e-3)
    assert found["downbeats"] == pytest.approx([0.0, 2.4], abs=1e-3) and found["bpm"] == pytest.approx(100, abs=0.1)
    assert found["drums"]["onsets"] == pytest.approx([0.3 * n for n in range(16)], abs=2e-3)
    assert found["drums"]["classes"]["kick"] == pytest.approx([1.2 * n for n in range(4)], abs=2e-3)
    assert found["melody_from"] == "part 'Melody'" and len(found["melody"]) == 8
    assert set(found["notes"]) == {"Melody", "Bass", "Keys", "Kit"}
    assert (
        midi_labels.caption(score, found)
        == "music with acoustic grand piano, flute, finger electric bass and drums, 100 bpm"
    )


def test_a_tempo_that_the_notes_do_not_keep_to_is_not_believed(tmp_path: Path) -> None:
    played = midi.read(song(tmp_path / "a.mid", jitter=0.08))
    assert midi_labels.on_grid(played) < 0.6 < 0.99 < midi_labels.on_grid(midi.read(song(tmp_path / "b.mid")))
    assert "beats" not in of_midi.labels(played)


def test_bars_are_unknown_without_a_time_signature(tmp_path: Path) -> None:
    path = song(tmp_path / "a.mid")
    written = pretty_midi.PrettyMIDI(str(path))
    written.time_signature_changes = []
    written.write(str(path))
    import mido

    file = mido.MidiFile(path)
    file.tracks[0] = mido.MidiTrack(m for m in file.tracks[0] if m.type != "time_signature")
    file.save(path)
    found = of_midi.labels(midi.read(path))
    assert len(found["beats"]) >= 8 and found["downbeats"] == []


def test_no_lead_among_equals_and_no_drums_without_a_kit(tmp_path: Path) -> None:
    found = of_midi.labels(midi.read(song(tmp_path / "a.mid", parts="bass keys")))
    assert "melody" not in found and found["drums"]["onsets"] == []


def test_the_same_notes_at_another_tempo_have_the_same_content(tmp_path: Path) -> None:
    first, faster, other = (
        midi.read(song(tmp_path / f"{name}.mid", seed, bpm))
        for name, seed, bpm in (("a", 0, 100), ("b", 0, 140), ("c", 1, 100))
    )
    assert first.content == faster.content != other.content


def rows(tmp_path: Path, *tracks: bytes, **header: int) -> midi.Score:
    path = tmp_path / "tune.mid"
    path.write_bytes(b.smf(*tracks, **header))
    return midi.read(path)


@pytest.mark.parametrize(
    ("count", "unit", "bpm", "per_bar"),
    [
        (4, 4, 120, 4), (6, 4, 120, 6), (3, 4, 120, 3), (2, 2, 60, 2), (6, 8, 80, 2), (12, 8, 80, 4), (7, 8, 240, 7),
        (3, 8, 240, 3), (12, 16, 160, 4),
    ],
)  # fmt: skip
def test_beats_are_counted_as_musicians_do(tmp_path: Path, count: int, unit: int, bpm: float, per_bar: int) -> None:
    score = rows(tmp_path, b.signature(count, unit) + b.tempo(120) + b.tune(repeats=6))
    assert score.bpm == bpm and score.meter == parse_meter(f"{count}/{unit}") and score.steady
    assert score.beats == pytest.approx([60 / bpm * n for n in range(len(score.beats))], abs=1e-3)
    assert score.downbeats == score.beats[::per_bar] and score.beats[-1] + 60 / bpm >= 24 - 1e-3
    found = of_midi.labels(score)
    assert (found["bpm"], found["meter"], found["downbeats"]) == (bpm, f"{count}/{unit}", list(score.downbeats))


def test_tempo_and_meter_may_change_in_any_track(tmp_path: Path) -> None:
    score = rows(
        tmp_path,
        b.signature(3, 4),
        b.tempo(60) + b.tempo(120, 3 * 480) + b.signature(4, 4, 0) + b.signature(4, 4, 480),
        b.tune(),
    )
    assert [note.start for note in score.parts[0].notes] == [0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0]
    assert score.beats == (0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5) and score.downbeats == (0.0, 3.0, 5.0)
    assert (score.bpm, score.meter, score.steady) == (60.0, parse_meter("3/4"), False)


def test_ticks_that_are_parts_of_a_second(tmp_path: Path) -> None:
    alone = rows(tmp_path, b.tune(500), division=0xE728)
    assert [note[:2] for note in alone.parts[0].notes] == [(0.5 * n, 0.5 * (n + 1)) for n in range(8)]
    assert (alone.bpm, alone.beats, "beats" in of_midi.labels(alone)) == (None, (), False)
    told = rows(tmp_path, b.tempo(60) + b.tune(500), division=0xE728)
    assert told.parts[0].notes == alone.parts[0].notes and told.beats == (0.0, 1.0, 2.0, 3.0, 4.0) and told.bpm == 60
    # A quarter of half a second, as in a file of 120 quarters a minute.
    assert alone.content == told.content == rows(tmp_path, b.tune()).content


def test_a_program_that_another_track_chose(tmp_path: Path) -> None:
    score = rows(tmp_path, b"\0\xc3\x28\0\xb3\7\x40", b.note(60, 4, channel=3), b.note(60, 4))
    assert [(part.program, part.volume) for part in score.parts] == [(40, 64), (0, 100)]


@pytest.mark.parametrize(
    ("tracks", "told"),
    [
        ((b"",), "holds no notes"),
        ((b"\xff\xff\xff\x7f\xf8" * 30 + b.note(60, 480),), "would last 2.33e+03 h, and 24 h are allowed"),
        ((b.tempo(3.6) + b.note(60, 2**28 - 1),), "would last"),
    ],
)
def test_what_cannot_be_played_is_named(tmp_path: Path, tracks: tuple[bytes, ...], told: str) -> None:
    with pytest.raises(midi.MidiError, match=r"tune\.mid") as caught:
        rows(tmp_path, *tracks)
    assert told in str(caught.value)


def test_a_damaged_tempo_gives_no_beats(tmp_path: Path) -> None:
    score = rows(tmp_path, b.tempo(6e7 / 1) + b.note(60, 2**28 - 1), division=1)
    assert score.beats == () and score.seconds == pytest.approx(268.4, abs=0.1) and "bpm" not in of_midi.labels(score)
