from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_extractors.networks import note_data, note_decode, note_features, note_net
from feature_extractors.networks.note_data import Row
from feature_extractors.notes import DRUM_PITCHES, PARTS, Transcriber, transcribe
from flowmusic.audio import Audio
from flowmusic.metrics.notes import note_f1
from flowmusic.metrics.onsets import onset_f1
from tests.feature_extractors.conftest import Song
from tests.feature_extractors.corpus import write_corpus
from tests.feature_extractors.sounds import RATE, band, tone


@pytest.mark.parametrize("midi", [28, 45, 69, 100])
def test_a_key_finds_its_partials_at_its_own_place(midi: int) -> None:
    samples = tone(midi, 1.0, note_features.RATE)
    maps = note_features.compress(note_features.magnitude(samples))
    assert maps.shape == (50, 2, note_features.BINS)
    stacked = note_net._stacked(maps.transpose(0, 1)[None])[0, ::2, 25]  # of the map that is sharp in pitch
    key = 3 * (midi - note_features.LOWEST) + 1
    for n, harmonic in enumerate(note_net.HARMONICS):
        if 1 <= harmonic <= 5 and midi + 12 * np.log2(harmonic) < 118:
            near = stacked[n, key - 6 : key + 7]
            assert abs(int(near.argmax()) - 6) <= 1


notes = st.lists(
    st.tuples(st.sampled_from(note_net.PARTS), st.integers(21, 108), st.integers(5, 100), st.integers(4, 40)),
    max_size=12,
    unique_by=lambda note: note[:2],
)


@settings(max_examples=30)
@given(notes)
def test_what_the_network_is_taught_is_read_back(drawn: list[tuple[str, int, int, int]]) -> None:
    by_part = {
        part: [Row(at / 50, (at + length) / 50, pitch, 64) for name, pitch, at, length in drawn if name == part]
        for part in note_net.PARTS
    }
    found = note_decode.notes(note_data.targets(by_part, 0, 150).numpy(), 3.0)
    # Two parts that begin a key a moment apart are one beginning.
    keys = [note[1] for note in drawn]
    for part, rows in by_part.items():
        heard = [note for note in found if note.part == part]
        for row in rows:
            if keys.count(row.pitch) == 1:
                (same,) = (note for note in heard if note.pitch == row.pitch)
                assert abs(same.start - row.start) <= 0.01 and abs(same.end - row.end) <= 0.021
                assert same.velocity == 64


def test_repeated_and_doubled_notes() -> None:
    found = np.zeros((100, note_features.PITCHES, len(note_net.OUTPUTS)))
    found[10:60, 30, [1, 5, 7]] = 0.9
    for at in (10, 30):
        found[at, 30, [0, 2, 4]] = 0.9  # bass and chords
    found[40, 30, 0] = 0.9  # of no part in particular: the likeliest is taken
    found[39:42, 30, 4] = 0.3
    heard = note_decode.notes(found, 1.5)
    assert [note[:3] for note in heard if note.part == "chords"] == [(0.2, 0.6, 51), (0.6, 0.8, 51), (0.8, 1.2, 51)]
    assert [note[:3] for note in heard if note.part == "bass"] == [(0.2, 0.6, 51), (0.6, 1.2, 51)]
    found[60:, 30, 7] = 0.9  # until after the recording's end
    assert note_decode.notes(found, 1.5)[-1].end == 1.5
    assert note_decode.notes(found[:0], 0.0) == []


def test_notes_of_a_clip_are_one_voice_for_every_pitch() -> None:
    played = {
        "chords": [[0.0, 1.0, 60, 70], [0.5, 0.8, 60, 80], [0.0, 1.0, 64, 70]],
        "pad": [[0.01, 2.0, 64, 90]],
        "melody": [[0.2, 0.4, 60, 99]],
        "drums": [[0.0, 0.1, 36, 99]],
    }
    found = note_data.notes_of({"notes": played})
    assert found["bass"] == [] and found["lead"] == [(0.2, 0.4, 60, 99)]
    assert found["chords"] == [(0.0, 0.5, 60, 70), (0.0, 2.0, 64, 90), (0.5, 1.0, 60, 80)]
    for wrong in ({"bass": 3}, {"bass": [[1, 2]]}, [1]):
        with pytest.raises(ValueError, match="notes must be"):
            note_data.notes_of({"notes": wrong})


def test_crops_move_notes_with_the_sound(tmp_path: Path) -> None:
    source = note_data.recordings(write_corpus(tmp_path / "corpus"), "test", tmp_path / "cache")
    again = note_data.recordings(tmp_path / "corpus", "test", tmp_path / "cache")
    assert np.array_equal(source.compressed, again.compressed) and source.notes == again.notes
    compressed, target = note_data.crops([source], torch.Generator().manual_seed(1), 4, 50)
    assert compressed.shape == (4, 50, 2, note_features.BINS)
    assert target.shape == (4, 50, note_features.PITCHES, len(note_net.OUTPUTS))
    stacked = note_net._stacked(compressed.transpose(1, 2))[:, 2]  # fundamentals, sharp in pitch
    for heard, wanted in zip(stacked.mean(1), target[..., 6].amax(1), strict=True):
        (key,) = wanted.nonzero()[:, 0].tolist()
        assert heard[3 * key : 3 * key + 3].max() == heard[3 * key - 3 : 3 * key + 6].max()


def test_windows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.cat([tone(60, 1.5, note_features.RATE), tone(65, 1.55, note_features.RATE)]).numpy()
    whole = note_net.probabilities(samples)
    assert whole.shape == (153, note_features.PITCHES, len(note_net.OUTPUTS))
    monkeypatch.setattr(note_net, "_WINDOW_FRAMES", 70)
    assert np.allclose(note_net.probabilities(samples), whole, atol=2e-3)
    # The test can fail: less context than the network sees does leave a trace.
    monkeypatch.setattr(note_net, "CONTEXT_FRAMES", 5)
    assert not np.allclose(note_net.probabilities(samples), whole, atol=2e-3)


def test_size() -> None:
    assert sum(p.numel() for p in note_net.load().parameters()) < 250_000
    assert note_net.WEIGHTS.stat().st_size < 300_000


def test_music_of_an_unheard_font(songs: list[Song]) -> None:
    scores = []
    for song in songs:
        heard = transcribe(song.mix, RATE)
        assert heard == transcribe(0.01 * torch.stack([song.mix, song.mix]).numpy(), RATE)
        assert heard.notes == tuple(sorted(heard.notes)) and {note.part for note in heard.notes} <= set(PARTS)
        assert all(0.0 <= n.start < n.end <= heard.seconds and 1 <= n.velocity <= 127 for n in heard.notes)
        wanted = note_data.notes_of(song.labels)
        pitched = [note for note in heard.notes if note.part in note_net.PARTS]
        scores.append([note_f1([row for rows in wanted.values() for row in rows], pitched)])
        scores[-1].append(note_f1(wanted["bass"], heard.part("bass")))
        kicks = heard.part("kick")
        assert {note.pitch for note in kicks} == {DRUM_PITCHES["kick"]}
        scores[-1].append(onset_f1(song.labels["drums"]["classes"]["kick"], [note.start for note in kicks]))
    assert (np.mean(scores, 0) > FLOOR).all(), scores


FLOOR = (0.5, 0.5, 0.7)
"""Of all pitched notes, the bass and the kick; chance is about 0.1."""


def test_silence_thresholds_and_parts() -> None:
    assert Transcriber().analyse(Audio(torch.zeros(2, 999), RATE)).notes == ()
    assert Transcriber(drums=False).analyse(band()).part("kick") == ()
    every, few = (Transcriber(onset=onset).analyse(band()).notes for onset in (0.05, 0.95))
    assert len(every) > len(few)
    with pytest.raises(ValueError, match="onset must be a probability from 0 to 1, got 2"):
        Transcriber(onset=2.0)
    with pytest.raises(ValueError, match=r"unknown part 'snares'; choose one of bass, lead"):
        transcribe(np.zeros(10), RATE).part("snares")


def test_bad_input_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(ValueError, match=r"no weights of the note network in .*gone"):
        Transcriber(weights=tmp_path / "gone").analyse(band())
    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="holds no weights of this note network"):
        Transcriber(weights=tmp_path / "other").analyse(band())
    with pytest.raises(ValueError, match="NaN or infinite"):
        transcribe(np.full(100, np.nan, np.float32), RATE)
    with pytest.raises(ValueError, match=r"must be samples \[N\] or \[channels, N\], got shape \(1, 2, 3\)"):
        transcribe(np.zeros((1, 2, 3), np.float32), RATE)
