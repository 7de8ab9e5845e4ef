"""A folder as it is found: captions here and there, broken and silent files, repeats; and the second look at it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from flowmusic.datasets import manifest, probe, probe_many, scan
from flowmusic.hashes import of_file
from tests.data.crash import crash
from tests.data.music import RATE, piece, short, wav

SETTINGS = scan.Settings()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "music"


def look(folder: Path, **changes: Any) -> scan.Scan:
    return scan.scan(folder, folder.parent / "manifest.jsonl", replace(SETTINGS, **changes))


def by_name(found: scan.Scan) -> dict[str, manifest.Entry]:
    return {Path(entry.path).name: entry for entry in found.entries}


def test_facts_captions_labels_and_stems(folder: Path, tmp_path: Path) -> None:
    short(folder / "plain.wav", seconds=1.5)
    stereo = np.stack([np.full(4000, 0.2), np.full(4000, 0.1)], axis=1).astype(np.float32)
    wav(folder / "deep" / "two.flac", stereo, 2_000)
    wav(folder / "deep" / "two.drums.flac", stereo, 2_000)
    (folder / "deep" / "two.json").write_text(json.dumps({"captions": ["a", "b"], "beats": [0.0], "license": "CC0"}))
    (folder / "plain.txt").write_text("one\n\ntwo\n")
    (folder / "notes.pdf").write_bytes(b"-")
    (folder / ".hidden.wav").write_bytes(b"-")
    found = look(folder, licence="mine", dataset="own")
    assert found.problems == () and found.reused == 0
    entries = by_name(found)
    assert set(entries) == {"plain.wav", "two.flac"}
    plain, two = entries["plain.wav"], entries["two.flac"]
    assert (plain.duration, plain.rate, plain.channels, plain.text) == (1.5, 8_000, 1, ("one", "two"))
    assert plain.hash == of_file(plain.path) and plain.licence == "mine" and plain.labels is None
    assert (two.duration, two.rate, two.channels, two.text) == (2.0, 2_000, 2, ("a", "b"))
    assert two.licence == "CC0" and two.labels == str(folder / "deep" / "two.json") and two.dataset == "own"
    assert two.stems == {"drums": str(folder / "deep" / "two.drums.flac")}
    written = scan.save(found, tmp_path / "manifest.jsonl")
    assert manifest.read(written[0]) == list(found.entries) and written[1].read_text() == ""
    assert '"path": "music/deep/two.flac"' in written[0].read_text()  # the folder may move with its manifest


def test_what_cannot_be_used_is_listed_with_the_reason(folder: Path, tmp_path: Path) -> None:
    short(folder / "good.wav")
    short(folder / "brief.wav", seconds=0.4)
    wav(folder / "silent.wav", np.zeros(20_000, np.float32))
    wav(folder / "nan.wav", np.full(20_000, np.nan, np.float32)).rename(folder / "nan.wav")
    soundfile.write(folder / "nan.wav", np.full(20_000, np.nan, np.float32), RATE, subtype="FLOAT")
    (folder / "text.mp3").write_bytes(b"no audio at all")
    (folder / "empty.ogg").write_bytes(b"")
    whole = wav(
        tmp_path / "whole.flac", np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
    ).read_bytes()
    (folder / "half.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "good.json").write_text("{")
    found = look(folder)
    told = {Path(each.path).name: (each.problem, each.detail) for each in found.problems}
    assert set(by_name(found)) == {"good.wav"}
    assert told["brief.wav"] == ("too short", "0.40 s, at least 1 s are needed")
    assert told["silent.wav"] == ("silent", "its loudest second has -120 dBFS, below -60")
    assert told["nan.wav"] == ("unreadable", "it holds NaN or infinite samples; export it again")
    assert told["empty.ogg"] == ("unreadable", "the file is empty")
    assert told["text.mp3"][0] == told["half.flac"][0] == "unreadable" and "breaks off" in told["half.flac"][1]
    assert told["good.wav"][0] == "sidecar" and "used without it" in told["good.wav"][1]
    lines = scan.save(found, tmp_path / "m.jsonl")[1].read_text().splitlines()
    assert {json.loads(line)["path"] for line in lines} >= {"music/brief.wav", "music/text.mp3"}
    assert "1 recordings" in scan.summary(found) and "4 unreadable" in scan.summary(found)


def test_what_is_odd_about_a_file_is_listed_and_the_file_used(folder: Path) -> None:
    music = piece(3, 4.0)
    wav(folder / "opposite.wav", np.stack([music, -music], axis=1))
    wav(folder / "one side.wav", np.stack([np.zeros_like(music), music], axis=1))
    wav(folder / "whole.wav", piece(4, 4.0))
    for name in ("cut.wav", "cut.mp3", "cut.ogg"):
        soundfile.write(folder / name, piece(5, 8.0), RATE)
        (folder / name).write_bytes((folder / name).read_bytes()[: (folder / name).stat().st_size // 2])
    found = look(folder)
    told = {Path(each.path).name: (each.problem, each.detail) for each in found.problems}
    assert set(told) == {"opposite.wav", "one side.wav", "cut.wav", "cut.mp3", "cut.ogg"}
    assert told["opposite.wav"][0] == told["one side.wav"][0] == "channels"
    assert "cancel each other" in told["opposite.wav"][1] and "channel 2 is used alone" in told["one side.wav"][1]
    for name in ("cut.wav", "cut.mp3", "cut.ogg"):
        assert told[name][0] == "truncated" and told[name][1].endswith("the recording is used as far as it goes")
    entries = by_name(found)
    assert len(entries) == 6 and all(3.0 < entries[name].duration < 5.0 for name in told)
    # One channel of it is the same recording.
    assert entries["one side.wav"].duplicate_of == entries["opposite.wav"].path or (
        entries["opposite.wav"].duplicate_of == entries["one side.wav"].path
    )
    assert look(folder).problems == found.problems  # also of files that are known already


def test_a_quiet_recording_is_not_silent(folder: Path) -> None:
    loud = np.zeros(40_000, np.float32)
    loud[20_000:24_000] = 0.05
    wav(folder / "a.wav", loud)
    assert len(look(folder).entries) == 1
    assert look(folder, silent_db=-20.0).problems[0].problem == "silent"


def test_duplicates_are_flagged_and_stay_in_one_split(folder: Path) -> None:
    pieces = [piece(seed) for seed in range(5)]
    for number, samples in enumerate(pieces):
        wav(folder / f"{number}.wav", samples)
    (folder / "0 again.wav").write_bytes((folder / "0.wav").read_bytes())
    soundfile.write(folder / "1.mp3", pieces[1] * 0.5, RATE, compression_level=0.9)
    wav(folder / "2 cut.wav", pieces[2][round(0.6 * RATE) :])
    soundfile.write(folder / "2.ogg", pieces[2], RATE)
    found = look(folder, validation=0.3, test=0.3)
    entries = by_name(found)
    repeats = {name: Path(entry.duplicate_of).name for name, entry in entries.items() if entry.duplicate_of}
    assert repeats == {"0.wav": "0 again.wav", "1.mp3": "1.wav", "2 cut.wav": "2.wav", "2.ogg": "2.wav"}
    assert {Path(path).name for path in found.wrong} == {"1.mp3", "2 cut.wav", "2.ogg"}
    for name, original in repeats.items():
        assert entries[name].split == entries[original].split
    only = by_name(look(folder, near=False))
    assert [name for name, entry in only.items() if entry.duplicate_of] == ["0.wav"]


def test_what_is_said_of_a_copy_is_not_lost(folder: Path) -> None:
    for name in ("a copy.wav", "b.wav"):
        wav(folder / name, piece(0, 6.0))
    (folder / "b.txt").write_text("of b\n")
    wav(folder / "c.wav", piece(1, 6.0))
    soundfile.write(folder / "c small.ogg", piece(1, 6.0), RATE)
    (folder / "c small.txt").write_text("of the small one\n")
    entries = by_name(look(folder))
    # Of equal files the one with captions is the original; a better file is it anyway, and takes them over.
    assert entries["a copy.wav"].duplicate_of == entries["b.wav"].path and entries["b.wav"].text == ("of b",)
    assert entries["c small.ogg"].duplicate_of == entries["c.wav"].path
    assert entries["c.wav"].text == ("of the small one",)
    assert entries["a copy.wav"].text == ()


def test_a_second_look_reads_only_what_changed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        short(folder / f"{number}.wav", 300 + 50 * number)
    first = look(folder)
    opened: list[str] = []
    real = probe.facts_of

    def counting(path: Path) -> probe.Facts:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(probe_many, "facts_of", counting)
    (folder / "0.txt").write_text("new words\n")  # sidecars are always read
    again = look(folder)
    assert opened == [] and again.reused == 3
    assert by_name(again)["0.wav"] == replace(by_name(first)["0.wav"], text=("new words",))
    short(folder / "1.wav", 800, seconds=2.5)
    short(folder / "3.wav", 900)
    (folder / "2.wav").unlink()
    third = look(folder)
    assert opened == ["1.wav", "3.wav"] and third.reused == 1
    assert by_name(third)["1.wav"].duration == 2.5 and "2.wav" not in by_name(third)
    assert len((tmp_path / "manifest.facts.jsonl").read_text().splitlines()) == 3


def test_a_look_that_was_killed_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        short(folder / f"{number}.wav", 300 + 50 * number)
    real = probe.facts_of
    opened: list[str] = []

    def dies(path: Path) -> probe.Facts:
        opened.append(path.name)
        if len(opened) == 3:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(probe_many, "facts_of", dies)
    with pytest.raises(KeyboardInterrupt):
        look(folder)
    assert not (tmp_path / "manifest.jsonl").exists()
    with (tmp_path / "manifest.facts.jsonl").open("a") as file:
        file.write('{"version": [1, 1], "pa')  # a line that was cut off
    opened[:] = ["", "", "", ""]
    found = look(folder)
    assert opened[4:] == ["2.wav", "3.wav"] and found.reused == 2 and len(found.entries) == 4


def test_a_file_that_kills_its_reader_is_reported_and_the_rest_is_read(folder: Path) -> None:
    paths = [short(folder / f"{name}.wav", 300 + 20 * k) for k, name in enumerate(["a", "bad"])]
    found = dict(probe_many.look_at(paths, 2, crash))
    assert set(found) == set(paths)
    assert found[paths[1]] == "it crashes the decoder" and isinstance(found[paths[0]], probe.Facts)


def test_tags_of_files(folder: Path) -> None:
    from mutagen.flac import FLAC
    from mutagen.id3 import COMM, ID3, TBPM, TCON, TIT2, TPE1
    from mutagen.oggvorbis import OggVorbis

    samples = piece(0, 1.5)
    mp3, flac, ogg = (folder / f"a.{kind}" for kind in ("mp3", "flac", "ogg"))
    folder.mkdir()
    for path in (mp3, flac, ogg):
        soundfile.write(path, samples, RATE)
    tags = ID3()
    for frame in (TIT2(text="T"), TPE1(text="A"), TCON(text="Jazz"), TBPM(text="120"), COMM(lang="eng", text="words")):
        tags.add(frame)
    tags.save(mp3)
    for kind, path in ((FLAC, flac), (OggVorbis, ogg)):
        opened = kind(path)
        opened.update({"TITLE": "T", "ARTIST": "A", "GENRE": ["Jazz", "Blues"], "LICENSE": "CC BY 4.0"})
        opened.save()
    assert probe.tags_of(mp3) == {"title": "T", "artist": "A", "genre": "Jazz", "bpm": "120", "comment": "words"}
    expected = {"title": "T", "artist": "A", "genre": "Jazz, Blues", "licence": "CC BY 4.0"}
    assert probe.tags_of(flac) == probe.tags_of(ogg) == expected
    entries = by_name(look(folder, near=False))
    assert entries["a.mp3"].text == ("jazz, 120 bpm",) and entries["a.flac"].licence == "CC BY 4.0"
    assert len({entry.split for entry in entries.values()}) == 1  # one artist


def test_a_table_of_captions_and_splits(folder: Path, tmp_path: Path) -> None:
    short(folder / "a.wav")
    short(folder / "b.wav", 500)
    (tmp_path / "t.csv").write_text("path,caption,licence,split\na.wav,x,L,test\na.wav,y,,\nz.wav,z,,\n")
    found = look(folder, table=tmp_path / "t.csv", near=False)
    entry = by_name(found)["a.wav"]
    assert (entry.text, entry.licence, entry.split) == (("x", "y"), "L", "test")
    assert [(each.path, each.problem) for each in found.problems] == [("z.wav", "not found")]


def test_a_folder_without_audio(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no audio under"):
        scan.scan(tmp_path, tmp_path / "m.jsonl", SETTINGS)


def test_a_memory_that_cannot_be_written_or_read_costs_no_scan(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wav(folder / "a.wav", piece(0, 2.0))
    before = scan.scan(folder, tmp_path / "a.jsonl", scan.Settings())
    blocked = scan.facts_file(tmp_path / "b.jsonl")
    blocked.mkdir()
    found = scan.scan(folder, tmp_path / "b.jsonl", scan.Settings())
    assert found.entries == before.entries and found.problems == before.problems
    assert str(blocked) in caplog.text and "looks at these files again" in caplog.text


def test_what_is_wrong_with_the_machine_is_no_fault_of_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", "decoded.wav")

    wav(folder / "a.wav", piece(0, 2.0))
    monkeypatch.setattr(probe_many, "facts_of", full)
    with pytest.raises(OSError, match="No space left"):
        scan.scan(folder, folder.parent / "m.jsonl", scan.Settings())
