"""`flowmusic export`, `generate --stems --midi`: what another program reads, and what is refused on one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import mutagen
import numpy as np
import pretty_midi
import pytest
import soundfile
import torch
import wavinfo

from feature_extractors import separators
from feature_extractors.stems import HarmonicPercussive
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from flowmusic.metrics.adherence import score
from flowmusic.sheets import formats
from flowmusic.studio import heard, stems, tags
from flowmusic.studio.heard import Heard
from flowmusic.studio.midi_parts import Played
from tests.apps.conftest import RATE, clicks, tone
from tests.generate.tiny import RATE as TINY_RATE

Write = Callable[[str, torch.Tensor], Path]
ASKED = [[0.0, 1.98, "C"], [1.98, 4.02, "Am"], [4.02, 6.0, "F"]]
"""Rounded to frames, as records have them."""
HEARD = ((0.0, 2.28, "C"), (2.28, 4.33, "Am"), (4.33, 6.5, "F"))


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick separator, and ears that hear a beat at 120 bpm from 0.3 s on, three chords, and a note of every part."""
    monkeypatch.setattr(separators, "best_available", HarmonicPercussive)
    monkeypatch.setattr(stems, "best_available", HarmonicPercussive)

    def hear(audio: Any, separator: Any, *, beats: bool = True, notes: bool = True, tell: Any = None) -> Heard:
        known = Annotations(
            seconds=audio.seconds, chords=HEARD, melody=((0.3, 0.81, 64),), drums=DrumHits((0.3, 0.8)),
            beats=tuple(0.3 + 0.5 * n for n in range(int((audio.seconds - 0.3) / 0.5) + 1)) if beats else None,
        )  # fmt: skip
        parts = {"lead": (Played(0.3, 0.81, 64, 90),), "bass": (Played(0.3, 2.0, 36, 80),), "chords": (),
                 "drums": (Played(0.3, 0.35, 36, 80),)}  # fmt: skip
        return Heard(known, parts if notes else {}, "a test", ("it hums",))

    monkeypatch.setattr(heard, "hear", hear)


def song(seconds: float = 6.5) -> torch.Tensor:
    return 0.2 * tone(261.63, seconds) + 0.5 * clicks([0.3 + 0.5 * n for n in range(int(2 * seconds) - 1)], seconds)


def record(folder: Path, name: str = "take", **controls: Any) -> None:
    """The record of a take beside its audio."""
    asked = {"bpm": 120.0, "meter": "4/4", "chords": ASKED, "melody": None, **controls}
    told = {"model": "nano", "seed": 7, "text": "warm “rain”", "controls": asked}
    (folder / f"{name}.json").write_text(json.dumps(told))


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


pytestmark = pytest.mark.usefixtures("ear")


def test_a_take_goes_on_to_a_studio(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Stems sum to the mix; MIDI, sheets and loops lie on the bars that were asked for; others read the tags."""
    one = song(6.5 * 22_050 / RATE)
    samples = torch.stack([one, 0.7 * one]).numpy().T
    soundfile.write("take.wav", samples, 22_050, subtype="PCM_24")
    melody = [[0.5, 0.98, 67], [1.02, 2.0, 64]]  # rounded to frames of 40 ms
    record(here, beats=[0.5 * n for n in range(10)], melody=melody, drums={"onsets": [0.0]})
    assert main(["export", "take.wav", "--out", "out", "--loop-bars", "1"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "out/export.json" and "note: take.wav: it hums" in told.err
    out = here / "out"
    base = "take_120bpm_C"
    parts = [soundfile.read(out / f"{base}{part}.wav", dtype="int32")[0] for part in ("", "_drums", "_other")]
    mix = soundfile.read("take.wav", dtype="int32")[0]
    assert np.array_equal(parts[0], mix) and np.array_equal(parts[1] + parts[2], mix)
    assert {soundfile.info(path).samplerate for path in out.rglob("*.wav")} == {22_050}
    # The loops in a row are the recording, and a sampler reads their points.
    cuts = sorted((out / "loops").glob("*_1bar.wav"))
    assert [path.name for path in cuts] == [f"take-0{n}_{base[5:]}_1bar.wav" for n in (1, 2, 3)]
    joined = np.concatenate([soundfile.read(path, dtype="int32")[0] for path in cuts])
    assert np.array_equal(joined, mix[: len(joined)]) and len(joined) == 6 * 22_050
    found = wavinfo.WavInfoReader(str(cuts[1]))
    (points,) = found.smpl.sample_loops
    assert (points.start, points.end) == (0, 2 * 22_050 - 1) and found.bext.time_reference == 2 * 22_050
    assert found.bext.description.startswith("made by a model: nano, seed 7") and found.info.title == "take, bar 2"
    assert [label.text.rstrip("\0") for label in found.cues.labels] == ["bar 2"]
    assert [cue.sample_offset for cue in wavinfo.WavInfoReader(str(out / f"{base}.wav")).cues.cues] == [
        44_100 * n for n in range(4)
    ]
    # MIDI: parts by name, drums on channel 10, the melody and chords that were asked for.
    file = mido.MidiFile(only(out, "*.mid"))
    assert [track.name for track in file.tracks] == ["take", "melody", "bass", "drums"]
    assert {message.channel for message in file.tracks[3] if message.type == "note_on"} == {9}
    assert any("made by a model" in message.text for message in file.tracks[0] if message.type == "text")
    other = pretty_midi.PrettyMIDI(str(only(out, "*.mid")))
    assert [(part.name, part.is_drum) for part in other.instruments] == [
        ("melody", False), ("bass", False), ("drums", True)
    ]  # fmt: skip
    assert other.get_beats()[:3].tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-3)
    assert other.get_tempo_changes()[1].tolist() == pytest.approx([120.0], abs=0.01)
    exact = Annotations(
        chords=((0.0, 2.0, "C"), (2.0, 4.0, "Am"), (4.0, 6.0, "F")), melody=((0.5, 1.0, 67), (1.0, 2.0, 64))
    )
    for pattern in ("*.mid", "*.jams", "*.musicxml"):
        read = formats.read(only(out, pattern)).annotations
        assert score(exact, read) == pytest.approx({"chord_acc": 1.0, "chord_iou": 1.0, "melody_pc": 1.0}, abs=0.01)
        assert [label for _, _, label in read.chords or ()][:3] == ["C", "Am", "F"], pattern
    assert (
        "made by a model" in only(out, "*.cho").read_text()
        and "| C . . . | Am . . . | F" in only(out, "*.cho").read_text()
    )
    assert only(out, "*_labels.txt").read_text().startswith("0.000000\t2.000000\tC\n")
    jams = json.loads(only(out, "*.jams").read_text())
    kinds = [(each["namespace"], each["annotation_metadata"]["data_source"]) for each in jams["annotations"]]
    assert ("chord", "request") in kinds and ("chord", "program") in kinds and ("note_midi", "request") in kinds
    index = json.loads((out / "export.json").read_text())
    assert index["grid"]["from"] == "requested" and index["chords"]["recognised"][0] == [0.0, 2.28, "C"]
    assert index["files"] == [line.removeprefix("out/") for line in told.out.splitlines()]
    assert not any(str(here).encode() in path.read_bytes() for path in out.rglob("*.*"))


def test_a_recording_is_heard(here: Path, wav: Write) -> None:
    """Its bars are those of the beats that are heard, its files say that no model made it, and formats differ."""
    wav("song.wav", song())
    assert main(["export", "song.wav", "--format", "flac", "--loop-bars", "2", "--quiet"]) == 0
    out = here / "song.export"
    index = json.loads((out / "export.json").read_text())
    assert index["grid"] == {"from": "heard", "bpm": 120.0, "steady": True, "meter": "4/4", "first_bar": 0.3, "bars": 3}
    assert index["take"] is None and index["chords"]["requested"] is None and index["notes"]["melody"] == "heard"
    (loop,) = (path for path in (out / "loops").iterdir() if path.name.endswith("2bars.flac"))
    whole, part = (soundfile.read(path, dtype="int16")[0] for path in ("song.wav", loop))
    start = round(0.3 * RATE)
    assert np.array_equal(part, whole[start : start + 4 * RATE])
    told = mutagen.File(only(out, "*_drums.flac")).tags
    assert told["comment"] == ["made of song.wav by stems-hpss"] and "ai_generated" not in told
    # Heard chords change on beats in the sheet, and where they were heard in JAMS.
    assert "| C . . . | Am . . . | F . . ." in only(out, "*.cho").read_text()
    heard_chords = [
        each for each in json.loads(only(out, "*.jams").read_text())["annotations"] if each["namespace"] == "chord"
    ]
    assert heard_chords[1]["data"][1]["time"] == 2.28
    assert (
        main(["export", "song.wav", "--only", "stems", "--format", "mp3", "--out", "m", "--bpm", "100", "--quiet"]) == 0
    )
    assert tags.read(only(here / "m", "*_other.mp3"))["comment"] == "made of song.wav by stems-hpss"
    assert json.loads((here / "m" / "export.json").read_text())["grid"]["from"] == "given"


def test_an_earlier_export_is_replaced_and_nothing_else(
    here: Path, wav: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    wav("song.wav", song())
    command = ["export", "song.wav", "--out", "out", "--only", "stems", "--quiet"]
    (here / "out").mkdir()
    assert main(command) == 0
    first = sorted((here / "out").iterdir())
    (here / "out" / "mine.txt").write_text("mine")
    assert main(command) == 2 and "--replace" in capsys.readouterr().err
    assert main([*command, "--replace", "--bpm", "60"]) == 0
    names = {path.name for path in (here / "out").iterdir()}
    assert "mine.txt" in names and not {path.name for path in first[1:]} & names and len(names) == 5
    # A file of somebody else in the way of a new name: nothing is touched.
    taken = next(path for path in first if "drums" in path.name)
    taken.write_text("mine")
    assert main([*command, "--replace"]) == 2 and f"{taken.name} is in the way" in capsys.readouterr().err
    assert {path.name for path in (here / "out").iterdir()} == {*names, taken.name} and taken.read_text() == "mine"
    # A list that leads out of the folder is not followed.
    (here / "out" / "export.json").write_text('{"files": ["../song.wav"]}')
    assert main([*command, "--replace"]) == 2 and "leads out" in capsys.readouterr().err
    assert (here / "song.wav").exists()


def test_takes_are_exported_as_they_are_made(
    here: Path, model: Generator, ears: object, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["generate", "t", "--chords", "C Am", "--bpm", "240", "--seconds", "2", "--count", "2", "--quiet"]
    assert main([*command, "--stems", "--midi"]) == 0
    made = capsys.readouterr().out.splitlines()
    assert made[:4] == ["take-1.wav", "take-1.json", "take-2.wav", "take-2.json"]
    for number in (1, 2):
        folder = here / f"take-{number}.export"
        assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".mid", ".wav", ".wav", ".wav"]
        mix, *parts = (soundfile.read(path, dtype="int16")[0].astype(int) for path in sorted(folder.glob("*.wav")))
        assert np.array_equal(sum(parts), mix) and len(mix) == 2 * TINY_RATE
        read = formats.read(only(folder, "*.mid")).annotations
        asked = Annotations(chords=((0.0, 1.0, "C"), (1.0, 2.0, "Am")))
        assert score(asked, replace(read, melody=None))["chord_acc"] == pytest.approx(1.0, abs=0.01)
    # Made anew, the old export goes; a folder of somebody else is refused before anything is made.
    assert main([*command, "--midi", "--count", "1"]) == 0
    (here / "take.export").mkdir(exist_ok=True)
    (here / "take.export" / "export.json").unlink()
    assert main([*command, "--stems"]) == 2 and "no earlier export" in capsys.readouterr().err
    assert main(["generate", "t", "--seconds", "900", "--stems", "--quiet"]) == 2
    assert "--stems" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("short.wav", [], ["short.wav", "from 1 to 600"]),
        ("silent.wav", [], ["silent.wav", "silent"]),
        ("text.wav", [], ["text.wav", "cannot read"]),
        ("gone.wav", [], ["gone.wav", "not found"]),
        ("noise.wav", [], ["noise.wav", "no beat was found", "--bpm"]),
        ("song.wav", ["--loop-bars", "9"], ["song.wav", "--loop-bars 9", "3 whole bars"]),
        ("song.wav", ["--loop-bars", "0"], ["--loop-bars"]),
        ("song.wav", ["--only", "loops"], ["--loop-bars N"]),
        ("song.wav", ["--loop-bars", "1", "--format", "mp3"], ["mp3", "flac"]),
        ("song.wav", ["--downbeat", "1"], ["--bpm"]),
        ("song.wav", ["--meter", "4/5"], ["4/5"]),
        ("song.wav", ["--out", "full"], ["full", "not empty", "--replace"]),
        ("song.wav", ["--out", "full", "--replace"], ["full", "no earlier export"]),
        ("song.wav", ["--out", "text.wav"], ["text.wav", "is a file"]),
        ("song.wav", ["--out", "none/out"], ["none", "does not exist"]),
        ("song.wav", ["--separator", "demucs"], ["HTDemucs", "ours"]),
        ("odd.wav", [], ["odd.wav", "chords[0]"]),
        ("broken.wav", [], ["broken.wav", "cannot be read"]),
    ],
)
def test_what_is_wrong_is_one_line(
    name: str, flags: list[str], said: list[str], here: Path, wav: Write, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from feature_extractors.demucs_stems import Demucs

    monkeypatch.setattr(Demucs, "available", lambda self: False)
    for each in ("song", "odd", "broken"):
        wav(f"{each}.wav", song())
    wav("short.wav", song(0.5))
    wav("silent.wav", torch.zeros(3 * RATE))
    (here / "text.wav").write_text("no sound at all " * 50)
    if name == "noise.wav":
        wav("noise.wav", song(1.0))
        monkeypatch.setattr(heard, "hear", lambda audio, *_, **__: Heard(Annotations(audio.seconds), {}, "nobody"))
    record(here, "odd", chords=[["a", 1, "C"]])
    (here / "broken.json").write_text("{")
    (here / "full").mkdir()
    (here / "full" / "a.txt").write_text("a")
    before = sorted(path.name for path in here.rglob("*"))
    assert main(["export", name, "--quiet", *flags]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and len(error[0]) <= 500 and all(word in error[0] for word in said), error
    assert sorted(path.name for path in here.rglob("*")) == before


def test_a_take_that_was_changed_is_heard(here: Path, wav: Write, capsys: pytest.CaptureFixture[str]) -> None:
    wav("take.wav", song())
    record(here)
    told = json.loads(Path("take.json").read_text())
    Path("take.json").write_text(json.dumps({**told, "audio_sha256": "0" * 64}))
    assert main(["export", "take.json", "--only", "midi"]) == 0
    assert "was changed after it was made" in capsys.readouterr().err
    assert json.loads(Path("take.export/export.json").read_text())["grid"]["from"] == "heard"
