"""Audiocraft's manifests are read as they are, line by line, beside ours."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from flowmusic.datasets import manifest
from flowmusic.datasets.manifest import Entry
from flowmusic.datasets.sets import SETS
from flowmusic.hashes import of_file
from tests.data.music import short

LINE = {"duration": 1.5, "sample_rate": 8000, "amplitude": None, "weight": None, "info_path": None}


def written(path: Path, lines: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_lines_with_info_beside_the_audio(tmp_path: Path, name: str) -> None:
    audio = short(tmp_path / "music" / "a.wav")
    info = {"title": "T", "artist": "A", "description": "Calm.", "genre": "Folk", "moods": ["calm"], "bpm": 80}
    audio.with_suffix(".json").write_text(json.dumps(info))
    file = written(tmp_path / "egs" / "valid" / name, [{"path": str(audio), **LINE}])
    (entry,) = manifest.read(file)
    assert (entry.path, entry.duration, entry.rate, entry.channels, entry.hash) == (str(audio), 1.5, 8000, 0, "")
    assert entry.text == ("Calm.", "calm folk, 80 bpm") and entry.split == "validation"
    assert entry.tags["title"] == "T"


def test_relative_paths_and_a_mixture_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short(tmp_path / "egs" / "near.wav")
    short(tmp_path / "dataset" / "far.wav")
    ours = manifest.to_json(Entry("near.wav", 1.5, 8000, 1, "0" * 64, text=("a\u2028b",)))
    lines = [{"path": "near.wav", **LINE}, {"path": "dataset/far.wav", **LINE}, ours]
    near, far, own = manifest.read(written(tmp_path / "egs" / "data.jsonl", lines))
    assert near.path == own.path == str(tmp_path / "egs" / "near.wav")
    assert far.path == str(tmp_path / "dataset" / "far.wav")
    assert own.text == ("a\u2028b",)  # a line ends at its newline and nowhere else
    assert near.key != far.key and near.key == manifest.read(tmp_path / "egs" / "data.jsonl")[0].key


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"path": "a.zip:b.wav", **LINE}, "inside archives cannot be read; unpack"),
        ({**LINE, "path": "a.wav", "duration": None}, "duration must be a number"),
        ({**LINE, "path": "a.wav", "speaker": "x"}, "unknown key"),
    ],
)
def test_lines_that_do_not_fit(tmp_path: Path, line: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=f"line 1: .*{words}"):
        manifest.read(written(tmp_path / "data.jsonl", [line]))


def test_a_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(ValueError, match="cannot be unpacked"):
        manifest.read(tmp_path / "data.jsonl.gz")


def test_reading_a_folder_of_them_fills_in_what_they_do_not_say(tmp_path: Path) -> None:
    audio = [short(tmp_path / f"{number}.wav", 300 + 50 * number) for number in range(2)]
    for split, numbers in (("train", [0]), ("evaluate", [1]), ("generate", [1])):
        written(tmp_path / "egs" / split / "data.jsonl", [{"path": str(audio[n]), **LINE} for n in numbers])
    read = SETS["audiocraft"].read
    assert read is not None
    found = read(tmp_path / "egs", tmp_path / "m.jsonl", 1, None)
    assert [(entry.path, entry.split, entry.channels) for entry in found.entries] == [
        (str(audio[1]), "test", 1),
        (str(audio[0]), "train", 1),
    ]
    assert all(entry.hash == of_file(entry.path) for entry in found.entries)
