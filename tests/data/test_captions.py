"""Where captions come from, and which count."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flowmusic.datasets import captions
from flowmusic.datasets.captions import Said


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"genre": "Jazz"}, "jazz"),
        ({"genre": "Rock; Pop", "mood": "happy", "bpm": "120.4"}, "happy rock, pop, 120 bpm"),
        ({"instrument": ["piano", "violin", "cello"]}, "music with piano, violin and cello"),
        ({"genre": "jazz", "keywords": "jazz, smoky bar", "key": "F major"}, "jazz, smoky bar, in F major"),
        ({"bpm": 0, "artist": "Somebody", "title": "Something"}, None),
        ({"bpm": "fast", "key": "C"}, None),
        ({}, None),
    ],
)
def test_composed(info: dict[str, object], words: str | None) -> None:
    assert captions.compose(info) == words


def test_a_music_info_file_gives_its_description_and_a_composed_caption() -> None:
    info = {
        "title": "Blue", "artist": "A. Player", "key": "C", "bpm": 90, "genre": "soul", "moods": ["warm"],
        "keywords": "night", "description": " A slow  soul tune. ", "name": "blue", "instrument": "Rhodes",
        "licence": "L",
    }  # fmt: skip
    said = captions.of_info(info)
    assert said.captions == ("A slow soul tune.", "warm soul with rhodes, night, 90 bpm, in C")
    assert said.licence == "L" and said.tags["artist"] == "A. Player" and said.tags["moods"] == "warm"
    assert "Player" not in " ".join(said.captions) and "Blue" not in " ".join(said.captions)


def test_labels_are_no_captions(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"captions": ["one", "two", "one"], "chords": [], "key": "C", "bpm": 100}))
    assert captions.of_json(path) == (Said(("one", "two")), True)


def test_tags_count_only_where_nobody_wrote_anything() -> None:
    tags = captions.of_tags({"genre": "Techno", "bpm": "130", "title": "X", "comment": "ripped by Y", "licence": "CC0"})
    assert tags.captions == ("techno, 130 bpm",)
    assert captions.of_tags({"comment": "a hymn"}, comments=True).captions == ("a hymn",)
    assert captions.merged(None, None, None, tags, "mine") == Said(("techno, 130 bpm",), "CC0")
    written = captions.merged(
        Said(("from the table",), None, "test"), Said(("from JSON",), "J"), Said(("a", "from JSON")), tags, "mine"
    )
    assert written == Said(("from the table", "from JSON", "a"), "J", "test")
    assert captions.merged(None, None, None, Said(), "mine").licence == "mine"


def table(tmp_path: Path, text: str, name: str = "t.csv") -> captions.Table:
    (tmp_path / name).write_text(text)
    return captions.Table.read(tmp_path / name)


def test_rows_find_their_files(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a/one.wav", "b/two.wav", "c/two.flac")]
    text = 'file,caption,split\na/one.wav,"slow, low",\none,again,test\ngone.wav,x,\n'
    found, lost = table(tmp_path, text).placed(tmp_path, files)
    assert found == {files[0]: Said(("slow, low", "again"), None, "test")} and lost == {"gone.wav": "named in t.csv"}
    found, lost = table(tmp_path, "path,text\ntwo,x\none,y\n").placed(tmp_path, files)
    assert list(found) == files[:1] and re.search(r"names 2 files, .*two.wav and .*two.flac", lost["two"])
    tabs = table(tmp_path, "path\tcaption\ttext\ntwo.wav\tone, two\tthree\n", "t.tsv")
    assert tabs.rows == {"two.wav": Said(("one, two", "three"))}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,caption,mood\n", "unknown column 'mood'; known: path, file"),
        ("caption\nx\n", "needs one column that names the file"),
        ("path\nx\n", "says nothing of its files"),
        ("path,split\na.wav,dev\n", "line 2: split must be one of train, validation, test, got 'dev'"),
        ("path,caption\n,x\n", "line 2: no file is named"),
        ("path,caption\na.wav,slow, low\n", "more fields than columns"),
    ],
)
def test_a_table_that_does_not_fit(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        table(tmp_path, text)
