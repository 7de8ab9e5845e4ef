"""A catalogue with hostile files in it: each is one line of the problems, and the rest is read."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flowmusic.datasets import manifest, probe, scan
from flowmusic.datasets.scan import Settings
from flowmusic.datasets.sets import find
from flowmusic.datasets.sets.base import Draft, complete
from tests import hostile

RATE = 16_000


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """A folder with one good recording."""
    (tmp_path / "songs").mkdir()
    tone(tmp_path / "songs" / "good.wav")
    return tmp_path / "songs"


def tone(path: Path, hz: float = 440.0, seconds: float = 1.5) -> Path:
    time = np.arange(round(seconds * RATE)) / RATE
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hz * time), RATE)
    return path


def scanned(folder: Path, **settings: object) -> scan.Scan:
    """What is found, written and read again."""
    out = folder.parent / "manifest.jsonl"
    found = scan.scan(folder, out, Settings(**settings))  # type: ignore[arg-type]
    scan.save(found, out)
    assert [entry.path for entry in manifest.read(out)] == [entry.path for entry in found.entries]
    for line in scan.problems_file(out).read_text().splitlines():
        assert len(json.loads(line)["detail"]) <= 500
    return found


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**33)


SIDECARS: dict[str, Callable[[Path], object]] = {
    "nested": lambda path: path.with_suffix(".json").write_text('{"genre": ' + "[" * 50_000),
    "deep": lambda path: path.with_suffix(".json").write_text('{"genre": ' + "[" * 80 + "1" + "]" * 80 + "}"),
    "surrogate": lambda path: path.with_suffix(".json").write_text('{"caption": "\\ud800"}'),
    "no JSON": lambda path: path.with_suffix(".json").write_text("{"),
    "a list": lambda path: path.with_suffix(".json").write_text("[1]"),
    "digits": lambda path: path.with_suffix(".json").write_text('{"bpm": ' + "9" * 9000 + "}"),
    "large": lambda path: large(path.with_suffix(".json")),
    "long": lambda path: path.with_suffix(".json").write_text(json.dumps({"caption": "x" * 10**6})),
    "pipe": lambda path: os.mkfifo(path.with_suffix(".json")),
    "device": lambda path: path.with_suffix(".json").symlink_to("/dev/zero"),
    "bytes": lambda path: path.with_suffix(".txt").write_bytes(b"\xff\xfe\x00"),
    "large text": lambda path: large(path.with_suffix(".txt")),
    "text pipe": lambda path: os.mkfifo(path.with_suffix(".txt")),
}


@pytest.mark.parametrize("make", SIDECARS.values(), ids=SIDECARS)
def test_a_broken_sidecar_is_one_line(folder: Path, make: Callable[[Path], object]) -> None:
    other = tone(folder / "other.wav", 300.0)
    make(other)
    if os.path.lexists(other.with_suffix(".json")):
        other.with_suffix(".txt").write_text("kept")
    else:
        other.with_suffix(".json").write_text('{"caption": "kept"}')
    found = scanned(folder)
    assert [each.problem for each in found.problems] == ["sidecar"]
    assert {Path(entry.path).name: entry.text for entry in found.entries} == {"good.wav": (), "other.wav": ("kept",)}


def test_values_that_other_programs_write_for_nothing_are_nothing(folder: Path) -> None:
    (folder / "good.json").write_text('\ufeff{"description": "calm", "bpm": NaN, "key": null, "genre": Infinity}')
    found = scanned(folder)
    assert found.problems == () and found.entries[0].text == ("calm",)


def test_broken_rows_of_a_table_are_lines(folder: Path) -> None:
    for name in ("a", "b"):
        tone(folder / f"{name}.wav", 300.0 + ord(name))
    (folder / "sub").mkdir()
    tone(folder / "sub" / "b.flac", 700.0)
    table = folder.parent / "t.csv"
    table.write_bytes(
        b"path,caption,split\n"
        b"good.wav,good,train\n"
        b",nobody,\n"
        b"a.wav,x,dev\n"
        b"a.wav,x,train,more\n"
        b"a.wav,\xff,train\n"
        b"a.wav,zero\0,train\n"
        b"b,two files,\n"
        b"gone.wav,x,\n"
        b"a.wav," + b"x" * 200_000 + b",\n"
        b"a.wav,last,\n"
    )
    found = scanned(folder, table=table)
    assert sorted(each.problem for each in found.problems) == ["not found"] * 2 + ["table row"] * 6
    texts = {Path(entry.path).name: entry.text for entry in found.entries}
    assert texts == {"good.wav": ("good",), "a.wav": ("last",), "b.wav": (), "b.flac": ()}


def wav(rate: int = RATE, channels: int = 1, bits: int = 16, data: int = 32_000, kind: int = 1) -> bytes:
    """A WAV header as it is asked for, and a second of noise."""
    align = channels * bits // 8
    fmt = struct.pack("<HHIIHH", kind, channels & 0xFFFF, rate, rate * align & 0xFFFFFFFF, align & 0xFFFF, bits)
    samples = np.random.default_rng(0).integers(-9000, 9000, 16_000).astype("<i2").tobytes()
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", data) + samples
    return b"RIFF" + struct.pack("<I", 36 + data & 0xFFFFFFFF) + body


def ogg(folder: Path, granule: int) -> bytes:
    """An Ogg Vorbis file whose last page claims so many samples."""
    path = folder.parent / "plain.ogg"
    soundfile.write(path, 0.3 * np.sin(np.arange(RATE)), RATE)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"OggS")
    data[at + 6 : at + 14] = struct.pack("<q", granule)
    return hostile.ogg_with_checksums(bytes(data))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda folder: ("x.wav", wav(rate=0)), id="rate 0"),
        pytest.param(lambda folder: ("x.wav", wav(channels=0)), id="no channels"),
        pytest.param(lambda folder: ("x.wav", wav(channels=65_535)), id="channels"),
        pytest.param(lambda folder: ("x.wav", wav(rate=2**32 - 1)), id="rate"),
        pytest.param(lambda folder: ("x.wav", wav(bits=0)), id="no bits"),
        pytest.param(lambda folder: ("x.wav", wav(data=2**32 - 1)), id="more data than there is"),
        pytest.param(lambda folder: ("x.wav", wav()[:30]), id="cut header"),
        pytest.param(lambda folder: ("x.ogg", ogg(folder, 2**60)), id="Ogg of 2^60 samples"),
        pytest.param(lambda folder: ("x.ogg", ogg(folder, -5)), id="Ogg of less than none"),
        pytest.param(lambda folder: ("x.flac", b"fLaC" + bytes(200)), id="FLAC of zeros"),
        pytest.param(lambda folder: ("x.mp3", b"ID3" + b"\xff" * 500), id="no MP3"),
    ],
)  # fmt: skip
def test_a_hostile_sound_header_is_one_line_or_none(folder: Path, make: Callable[[Path], tuple[str, bytes]]) -> None:
    name, data = make(folder)
    (folder / name).write_bytes(data)
    found = scanned(folder)
    entries = {Path(entry.path).name: entry for entry in found.entries}
    assert "good.wav" in entries
    assert len(found.problems) == (name not in entries)
    assert all(entry.duration < 10 for entry in found.entries)


def test_tags_that_expand_or_cannot_be_written(folder: Path) -> None:
    path = folder / "x.mp3"
    soundfile.write(path, 0.3 * np.sin(np.arange(2 * RATE) * 0.2), RATE)
    packed = zlib.compress(b"\x00" + b"x" * 20_000_000, 9)
    size = struct.pack(">4B", *(len(packed) + 4 >> shift & 0x7F for shift in (21, 14, 7, 0)))
    expanded = struct.pack(">4B", *(20_000_001 >> shift & 0x7F for shift in (21, 14, 7, 0)))
    frame = b"TIT2" + size + b"\x00\x09" + expanded + packed
    half = "\ud800".encode("utf-16-le", "surrogatepass")
    frame += b"TPE1" + struct.pack(">I", 5) + b"\x00\x00" + b"\x01\xff\xfe" + half
    length = struct.pack(">4B", *(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0)))
    path.write_bytes(b"ID3\x04\x00\x00" + length + frame + path.read_bytes())
    assert len(probe.tags_of(path).get("title", "")) <= 2000
    assert len(scanned(folder).entries) == 2


def test_rows_of_a_data_set_are_told_of_one_by_one(tmp_path: Path) -> None:
    source = tmp_path / "maestro"
    (source / "2004").mkdir(parents=True)
    tone(source / "2004" / "a.wav")
    head = "canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration\n"
    row = "B,T,{split},2004,2004/a.mid,{audio},1\n"
    good = row.format(split="train", audio="2004/a.wav")
    strays = [row.format(split="train", audio=name) for name in ("../../secret.wav", "/etc/x.wav")]
    text = head + good + "".join(strays) + row.format(split="dev", audio="2004/a.wav")
    (source / "maestro-v3.0.0.csv").write_bytes(text.encode() + b"B,\xff,train,2004,2004/a.mid,2004/a.wav,1\n")
    found = find("maestro").read(source, tmp_path / "m.jsonl", 1, None)  # type: ignore[misc]
    assert [Path(entry.path).name for entry in found.entries] == ["a.wav"]
    kinds = sorted(each.problem for each in found.problems)
    assert kinds == ["sidecar", "table row", "table row", "table row", "unreadable"]


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/../../escaped"])
def test_labels_are_written_below_their_folder(tmp_path: Path, name: str) -> None:
    draft = Draft(tone(tmp_path / "a.wav"), labels=dict, label_name=name)
    found = complete([draft], (), "x", tmp_path / "out" / "m.jsonl", 1, None)
    assert [each.problem for each in found.problems] == ["sidecar"] and found.entries[0].labels is None
    assert not list(tmp_path.rglob("escaped*"))


def test_a_corpus_lists_its_own_files(tmp_path: Path) -> None:
    from flowmusic.corpus import reader

    for line in (
        '{"path": "../a.flac", "split": "train"}',
        '{"path": "/a.flac", "split": "train"}',
        "[1]",
        "{",
        '{"path": 1}',
    ):
        (tmp_path / "manifest.jsonl").write_text(line + "\n")
        with pytest.raises(ValueError, match=r"manifest\.jsonl, line 1"):
            reader.clips(tmp_path, "train")
