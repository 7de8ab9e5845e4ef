"""Labels against sound. Each test looks at stems, where the truth has no rivals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flowmusic.corpus.compose import compose
from flowmusic.corpus.mix import active_rms, equalise
from flowmusic.corpus.piece import Band, ChordSpan, Note, Part, Room
from flowmusic.corpus.render import SAMPLE_RATE, render
from flowmusic.corpus.synth import FontSynth
from flowmusic.corpus.theory import label_table

ROOM = Room(0.2, 0.5, 0.5, 0.3, -16.0, 0.8)


def stem(base: Path, part: str) -> np.ndarray:
    samples, rate = soundfile.read(f"{base}.{part}.flac")
    assert rate == SAMPLE_RATE
    return samples


@pytest.fixture(scope="module")
def synth(font):
    synth = FontSynth(str(font))
    yield synth
    synth.close()


def test_mix_is_the_sum_of_stems_and_sane(records):
    for base, record in records.items():
        total, _ = soundfile.read(f"{base}.flac", dtype="int16")
        parts = [soundfile.read(f"{base}.{p}.flac", dtype="int16")[0].astype(int) for p in record["programs"]]
        assert len(total) == record["seconds"] * SAMPLE_RATE
        assert np.array_equal(np.sum(parts, axis=0), total)
        peak, rms = np.abs(total / 32768).max(), np.sqrt(np.mean((total / 32768) ** 2))
        assert 0.05 < peak <= 0.91
        assert -32 < 20 * np.log10(rms) < -12
        assert abs(total.mean() / 32768) < 1e-3


def test_absent_parts_are_silent_and_present_ones_are_not(records):
    for base, record in records.items():
        for part in ("drums", "bass", "chords", "pad", "melody"):
            assert np.any(stem(base, part)) == (part in record["programs"])


def test_drum_onsets_raise_the_energy(synth):
    """At nearly every labelled hit of a dry drum stem, the energy in 3 ms frames jumps."""
    found = total = 0
    for seed in range(40, 60):
        drums = compose(seed, seconds=6.0).part("drums")
        if drums is None:
            continue
        dry = Part("drums", drums.program, drums.notes)
        samples = synth.render(dry, ROOM, 0.0, 6.0)
        frame = 96
        power = (samples[: len(samples) // frame * frame].reshape(-1, frame) ** 2).mean(axis=1)
        level = 10 * np.log10(power + 1e-9)
        for note in drums.notes:
            at = int(note.start * SAMPLE_RATE / frame)
            if 6 < at < len(level) - 8:
                total += 1
                found += level[at : at + 7].max() - level[at - 4 : at].max() > 0.3
    assert total > 300 and found / total > 0.9


def test_melody_stem_has_the_labelled_pitch(synth):
    """Period of the melody stem by autocorrelation, octave ignored."""
    right = total = 0
    for seed in range(24):
        piece = compose(seed, seconds=6.0)
        melody = piece.part("melody")
        for note in melody.notes if melody else ():
            if note.end - note.start < 0.2 or note.start < 0 or note.end > 6:
                continue
            total += 1
            single = Part("melody", melody.program, (note._replace(start=0.0, end=note.end - note.start),))
            sound = synth.render(single, ROOM, 0.06, 0.26)
            spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 15)) ** 2
            power = np.fft.irfft(spectrum)
            periods = {p: SAMPLE_RATE / (440 * 2 ** ((p - 69) / 12)) for p in range(note.pitch - 6, note.pitch + 6)}
            best = max(periods, key=lambda p: power[round(periods[p])])
            right += best == note.pitch
            if total > 120:
                break
    assert total > 60 and right / total > 0.9


def test_chord_tones_carry_the_energy(records):
    """Energy at the labelled tones exceeds their share of the twelve pitch classes."""
    ratios = []
    size = 8192
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    keep = (hz > 60) & (hz < 1500)
    classes = np.round(12 * np.log2(hz[keep] / 440) + 69).astype(int) % 12
    for base, record in records.items():
        sound = sum(stem(base, p) for p in record["programs"] if p in ("bass", "chords", "pad"))
        for start, end, label in record["chords"]:
            if label == "N" or end - start < 0.5:
                continue
            piece = np.asarray(sound)[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)]
            chroma = np.zeros(12)
            for at in range(0, len(piece) - size, size // 2):
                np.add.at(chroma, classes, np.abs(np.fft.rfft(piece[at : at + size] * np.hanning(size)))[keep])
            chord = label_table()[label]
            tones = {*chord.tones, chord.bass}
            if chroma.sum() > 0:
                ratios.append(sum(chroma[t] for t in tones) / chroma.sum() * 12 / len(tones))
    assert len(ratios) > 10 and np.mean(ratios) > 1.5


def test_records_have_the_promised_form(records, corpus):
    keys = (
        "id split seed composer_version seconds sample_rate bpm meter beats downbeats key mode chords melody notes "
        "drums programs captions tags font rms"
    ).split()
    assert len(records) == 6
    for base, record in records.items():
        assert set(keys) <= set(record)
        assert base.parent.name == record["split"] and base.name == record["id"]
        assert record["drums"]["onsets"] == sorted(record["drums"]["onsets"])
        assert set(record["drums"]["classes"]) == {"kick", "snare", "hat", "tom", "cymbal", "perc"}
        assert set(record["notes"]) == set(record["programs"]) == set(record["rms"])
        assert all(np.diff(record["drums"]["onsets"]) > 0.0299)
        assert all(0 <= s < e <= record["seconds"] for s, e, _ in record["melody"])
    manifest = [json.loads(line) for line in (corpus / "manifest.jsonl").read_text().splitlines()]
    assert [m["path"] for m in manifest] == sorted((m["path"] for m in manifest), key=lambda p: p.split("/")[1])
    assert {m["split"] for m in manifest} == {"train", "validation", "test"}
    assert all((corpus / m["path"]).is_file() and m["text"] for m in manifest)


def test_rendering_repeats_bit_for_bit(synth):
    piece = compose(8, seconds=3.0)
    first = render(piece, synth)
    render(compose(9, seconds=3.0), synth)
    assert np.array_equal(render(piece, synth).mix, first.mix)


def test_note_held_from_before_the_clip_sounds_at_its_start(synth):
    part = Part("pad", 48, (Note(-1.0, 1.0, 60, 90),))
    sound = synth.render(part, ROOM, 0.0, 0.5)
    assert np.abs(sound[:800]).max() > 0.1 * np.abs(sound).max()
    assert len(sound) == SAMPLE_RATE // 2


@pytest.mark.parametrize("kind", ["low", "peak", "high"])
def test_equaliser_bands_do_what_they_say(kind):
    hz = {"low": 50.0, "peak": 1000.0, "high": 12000.0}[kind]
    corner = {"low": 300.0, "peak": 1000.0, "high": 3000.0}[kind]
    tone = np.sin(2 * np.pi * hz * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    plain = active_rms(equalise(tone, (), SAMPLE_RATE), SAMPLE_RATE)
    shaped = active_rms(equalise(tone, (Band(kind, corner, 4.0),), SAMPLE_RATE), SAMPLE_RATE)
    assert 20 * np.log10(shaped / plain) == pytest.approx(4.0, abs=0.3)


def test_unaccompanied_drums_have_no_chord():
    piece = next(p for p in map(compose, range(500)) if {part.name for part in p.parts} == {"drums"})
    assert piece.chords == (ChordSpan(0.0, piece.seconds, "N"),)
