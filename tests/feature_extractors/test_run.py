from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feature_extractors import Beats, Chords, Drums, Extraction, Extractors, Melody, Onsets, __main__, extract, run
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.json_file import ControlsFile
from flowmusic.audio import Audio
from flowmusic.evaluate.detectors import default_listeners, describe
from flowmusic.metrics.adherence import Detectors, measure
from flowmusic.types import FrameGrid
from tests.feature_extractors.sounds import BEATS, RATE, band

QUICK = Extractors(Chords(), Melody(model="harmonic"), Drums(onsets=Onsets("flux")), Beats("flux"))
HEARD = ("melody", "drums", "beats")


@pytest.fixture(scope="module")
def found() -> Extraction:
    return extract(band(), QUICK, HEARD)


def test_everything_is_heard(found: Extraction) -> None:
    assert found.seconds == 2.5
    assert found.melody is not None and [note[2] for note in found.melody.notes] == [72, 69]
    assert found.drums is not None and len(found.drums.onsets) >= len(BEATS) - 1
    assert found.beats is not None and found.beats.bpm == pytest.approx(120.0, abs=2.0)
    assert found.drum_stem is not None and found.drum_stem.samples.shape == (1, round(2.5 * RATE))
    assert found.chords is None
    assert found.notices == ()
    assert found.annotations.names() == HEARD and set(found.annotations.confidence) == {*HEARD, "bpm"}
    assert all(0.0 < sure <= 1.0 for sure in found.annotations.confidence.values())


def test_tracks_are_those_of_the_extractors(found: Extraction) -> None:
    grid = FrameGrid.of_seconds(2.5, 25)
    tracks = found.tracks(grid)
    assert set(tracks) == set(HEARD)
    for name, extractor in (("drums", QUICK.drums), ("beats", QUICK.beats)):
        assert torch.equal(tracks[name].values, extractor(band(), grid).values)
    # The centre of the last frame is the end of the recording, and not before it.
    assert [int(tracks[name].known.sum()) for name in ("melody", "beats")] == [62, 62]
    assert tracks["melody"].values.shape == (grid.length, 53)


def test_sheet_is_what_a_person_edits(found: Extraction, tmp_path: Path) -> None:
    found.file("song.wav", stem="drums.wav").write(tmp_path)
    again = ControlsFile.read(tmp_path)
    # How sure it is has a place in the file for the tempo alone.
    sure = {"bpm": found.annotations.confidence["bpm"]}
    assert again.annotations == replace(found.annotations, confidence=sure)
    drums = again.annotations.drums
    assert drums is not None and drums.classes is not None and set(drums.classes) == {"kick", "snare", "hat"}
    assert (again.source, again.frame_rate, again.drums_stem) == ("song.wav", Fraction(25), "drums.wav")
    assert again.annotations.chords is None


def test_only_what_is_asked_for_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    found = extract(band(), QUICK, ["beats"], progress=steps.append)
    assert steps == ["beats"]
    assert (found.melody, found.drums, found.drum_stem) == (None, None, None)
    with pytest.raises(ValueError, match=r"'tempo'; choose from chords, melody, drums, beats"):
        extract(band(), QUICK, ["tempo"])


def test_drums_alone_are_not_separated() -> None:
    alone = Extractors(Chords(), Melody(), Drums(separate=False, onsets=Onsets("flux")), Beats("flux"))
    steps: list[str] = []
    found = extract(band(), alone, ["drums"], progress=steps.append)
    assert steps == ["drums"]
    assert found.drum_stem is not None
    assert torch.equal(found.drum_stem.samples, band().samples)


def test_cache_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = extract(band(), QUICK, ["melody", "beats"], cache_folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(Melody, "_salience", lambda *_: pytest.fail("the melody was computed again"))
    again = extract(band(), QUICK, ["melody", "beats"], cache_folder=tmp_path)
    assert first.melody is not None and again.melody is not None
    assert np.array_equal(first.melody.midi, again.melody.midi)
    assert first.beats == again.beats


def test_silence_and_a_blink(found: Extraction) -> None:
    for samples in (round(0.05 * RATE), RATE):
        quiet = extract(Audio(torch.zeros(2, samples), RATE), QUICK, HEARD)
        assert quiet.melody is not None and quiet.melody.notes == ()
        assert quiet.drums is not None and quiet.drums.onsets == ()
        assert quiet.beats is not None and quiet.beats.bpm is None
    short = extract(Audio(band().samples[:, : round(0.05 * RATE)], RATE), QUICK, HEARD)
    assert short.seconds == 0.05


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("a.wav", "deep/b.flac"):
        band().write(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("not audio")
    done = run.extract_folder(tmp_path / "in", tmp_path / "out", use=["drums"])
    assert done == [tmp_path / "out" / "a.controls", tmp_path / "out" / "deep" / "b.controls"]
    for folder in done:
        assert json.loads((folder / "controls.json").read_text())["drums"]["stem"] == "drums.wav"
        assert Audio.read(folder / "drums.wav").rate == RATE


def test_a_killed_folder_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        band().write(tmp_path / name)
    real = run.extract_file
    worked: list[str] = []

    def failing(path: Path, *args, **settings) -> Path:
        if path.name == "b.wav" and "b.wav" not in worked:
            worked.append(path.name)
            raise KeyboardInterrupt
        worked.append(path.name)
        return real(path, *args, **settings)

    monkeypatch.setattr(run, "extract_file", failing)
    with pytest.raises(KeyboardInterrupt):
        run.extract_folder(tmp_path, use=["drums"])
    run.extract_folder(tmp_path, use=["drums"])
    assert worked == ["a.wav", "b.wav", "b.wav", "c.wav"]
    assert sorted(p.name for p in tmp_path.glob("*.controls")) == ["a.controls", "b.controls", "c.controls"]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    band().write(tmp_path / "song.wav")
    assert __main__.main([str(tmp_path / "song.wav"), "--use", "drums"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "song.controls")
    assert __main__.main([str(tmp_path / "song.wav"), "--use", "drum"]) == 2
    assert "unknown control 'drum'" in capsys.readouterr().err
    assert __main__.main([str(tmp_path / "missing.wav")]) == 2
    (tmp_path / "empty").mkdir()
    assert __main__.main([str(tmp_path / "empty")]) == 2
    assert "no audio files" in capsys.readouterr().err


def test_listeners_fit_the_metrics() -> None:
    ears = default_listeners(melody=Melody(model="harmonic"))
    assert set(ears) == {"chords", "onsets", "melody", "beats"}
    assert set(describe()) == set(ears)
    assert "our chord network" in describe()["chords"]
    assert "madmom" in describe(chords=Chords("madmom"))["chords"]
    chords = ears["chords"]
    assert chords is not None and chords(band()) == Chords().analyse(band()).changes
    requested = Annotations(drums=DrumHits(tuple(BEATS)), melody=((0.0, 1.25, 72), (1.25, 2.5, 69)), beats=tuple(BEATS))
    scores = measure(band(), requested, Detectors(**ears))
    assert scores["melody_pc"] > 0.95
    assert scores["onset_f1"] > 0.7
    assert scores["beat_f1"] > 0.7


def test_listeners_separate_a_recording_once() -> None:
    from feature_extractors import HarmonicPercussive, Stems

    calls: list[Audio] = []

    class Counting(HarmonicPercussive):
        def analyse(self, audio: Audio) -> Stems:
            calls.append(audio)
            return super().analyse(audio)

    ears = default_listeners(Counting(), Onsets("flux"), Melody(model="harmonic"))
    first, second = band(), band()
    for audio in (first, first, second):
        for control in ("onsets", "melody"):
            listener = ears[control]
            assert listener is not None
            listener(audio)
    assert calls == [first, second]


def test_the_melody_has_a_separator_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_extractors import DrumSeparator, HarmonicPercussive, Stems

    calls: list[str] = []
    for kind in (DrumSeparator, HarmonicPercussive):

        def counted(self: Any, audio: Audio, real: Any = kind.analyse) -> Stems:
            calls.append(self.name)
            stems: Stems = real(self, audio)
            return stems

        monkeypatch.setattr(kind, "analyse", counted)
    ours = Extractors(drums=Drums(stems=DrumSeparator(), onsets=Onsets("flux")), melody=Melody(model="harmonic"))
    assert extract(band(), ours, ["melody"]).drum_stem is None
    assert calls == ["stems-hpss"]
    calls.clear()
    both = extract(band(), ours, ["drums", "melody"])
    assert calls == ["stems-ours", "stems-hpss"]
    assert both.melody is not None and [note[2] for note in both.melody.notes] == [72, 69]
    calls.clear()
    extract(band(), QUICK, ["drums", "melody"])
    assert calls == ["stems-hpss"]  # one separation serves both
