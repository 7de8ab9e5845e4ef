"""Names of files of any length and any byte, and texts in the codings that editors and spreadsheets write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save

from flowmusic import audio, files, paths, plain
from flowmusic.audio import Audio
from tests.nasty import BYTES, LONG, SIGNS

NAMES = [BYTES, LONG, SIGNS]


@given(st.binary(min_size=1, max_size=300).map(os.fsdecode), st.sampled_from(["", ".json", "-10.flac", ".é" * 30]))
def test_a_fitted_name_is_a_name_and_keeps_its_ending(name: str, ending: str) -> None:
    found = paths.fitted(name, ending)
    assert found.endswith(ending) and len(os.fsencode(found)) <= paths.MOST_BYTES
    assert found == name + ending or len(os.fsencode(name + ending)) > paths.MOST_BYTES
    assert paths.fitted(name + "1", ending) != paths.fitted(name + "2", ending)


@pytest.mark.parametrize("name", NAMES)
def test_files_of_any_name_are_replaced_whole(name: str, tmp_path: Path) -> None:
    target = tmp_path / paths.fitted(name, ".json")
    files.write_text(target, json.dumps({"path": str(target)}, ensure_ascii=False))
    assert plain.read_json(target) == {"path": str(target)}
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", NAMES)
def test_libraries_open_files_of_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    sound = folder / paths.fitted(name, ".flac")
    audio.write(Audio(torch.zeros(1, 8000), 8000), sound)
    assert audio.read(sound).seconds == 1.0
    weights = folder / paths.fitted(name, ".safetensors")
    weights.write_bytes(save({"a": torch.ones(2)}))
    with paths.in_utf8(weights) as place:
        assert paths.is_utf8(place) and torch.equal(load_file(place)["a"], torch.ones(2))
    assert place == str(weights) or not os.path.lexists(place)


def test_text_that_is_no_name_must_be_whole(tmp_path: Path) -> None:
    assert plain.json_of(r'"caf\udce9"', "x") == os.fsdecode(b"caf\xe9")
    for text in (r'"\ud83d"', r'"\udfff"'):  # the two halves of a letter, each alone
        with pytest.raises(plain.PlainError, match="half a character"):
            plain.json_of(text, "x")
    (tmp_path / "c.yaml").write_text(r'a: "\uDCE9"')
    assert plain.read_yaml(tmp_path / "c.yaml") == {"a": "\udce9"}


CODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]


def coded(text: str, coding: str) -> bytes:
    return (b"\xfe\xff" if coding == "utf-16-be" else b"") + text.encode(coding)


@pytest.mark.parametrize("coding", CODINGS)
def test_every_reader_takes_every_coding(coding: str, tmp_path: Path) -> None:
    from flowmusic.annotations import labels_file
    from flowmusic.annotations.json_file import ControlsFile
    from flowmusic.data import audio_prompts, tables
    from flowmusic.datasets import captions, manifest

    def put(name: str, text: str) -> Path:
        (tmp_path / name).write_bytes(coded(text, coding))
        return tmp_path / name

    sheet = put("controls.json", '{"source": "größe.wav", "seconds": 2.0, "frame_rate": 25}')
    assert ControlsFile.read(sheet).source == "größe.wav"
    line = '{"path": "größe.wav", "duration": 2, "rate": 8000, "channels": 1, "hash": "0", "text": "ein ਊ Tag"}'
    found = manifest.read(put("songs.jsonl", f"{line}\r\n\r\n{line}\n"))
    assert [Path(entry.path).name for entry in found] == ["größe.wav"] * 2 and found[0].text == ("ein ਊ Tag",)
    assert labels_file.labels_of(put("labels.json", '{"beats": [0]}')).beats == (0.0,)
    assert captions.of_text(put("song.txt", "schön\nlaut\n")).captions == ("schön", "laut")
    assert captions.of_json(put("song.json", '{"caption": "schön"}'))[0].captions == ("schön",)
    assert audio_prompts.read_prompts(put("prompts.txt", "schön\n")) == ["schön"]
    table = put("captions.csv", 'sep=;\r\nPath;Caption\r\ngröße.wav;"laut; schön"\r\n;\r\n')
    assert captions.Table.read(table).rows["größe.wav"].captions == ("laut; schön",)
    assert [number for number, _ in tables.rows(table)] == [3]
    assert plain.read_yaml(put("c.yaml", "a: größe\n")) == {"a": "größe"}


def test_another_coding_is_named_with_what_to_do(tmp_path: Path) -> None:
    for data, said in [("a;ü".encode("cp1252"), "byte 2"), ("a,b\n".encode("utf-16-le") + b"\xff", "UTF-16 without")]:
        (tmp_path / "t.csv").write_bytes(data)
        with pytest.raises(plain.PlainError, match=f"t.csv is not a text file in UTF-8.*{said}.*CSV UTF-8"):
            plain.read_text(tmp_path / "t.csv")


Write = Callable[[str], Path]


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("path,caption\na.wav,x\n", {"path": "a.wav", "caption": "x"}),
        ("path;caption\na.wav;x, y\n", {"path": "a.wav", "caption": "x, y"}),
        ("path\tcaption\na.wav\tx; y\n", {"path": "a.wav", "caption": "x; y"}),
        ('path;"a, b"\na.wav;x\n', {"path": "a.wav", "a, b": "x"}),
        (" path , caption \n a.wav , x \n", {"path": " a.wav ", "caption": " x "}),
        ('path,caption\na.wav,"two\nlines"\n', {"path": "a.wav", "caption": "two\nlines"}),
        ("path,caption\na.wav\n", {"path": "a.wav", "caption": ""}),
        ("sep=;\npath;caption\na.wav;x\n", {"path": "a.wav", "caption": "x"}),
    ],
)
def test_tables_are_read_by_what_separates_them(text: str, cells: dict[str, str], tmp_path: Path) -> None:
    from flowmusic.data import tables

    (tmp_path / "t.csv").write_text(text, newline="")
    ((_, found),) = tables.rows(tmp_path / "t.csv")
    assert found == cells


def test_wrong_tables_name_their_line(tmp_path: Path) -> None:
    from flowmusic.data import tables

    (tmp_path / "t.csv").write_text("path;caption\na.wav;b;c\n")
    assert [(number, "more fields" in row) for number, row in tables.rows(tmp_path / "t.csv")] == [(2, True)]
    assert len(list(tables.rows(tmp_path / "t.csv", spare=True))) == 1
    (tmp_path / "t.csv").write_bytes("path;caption\na.wav;ü\nb.wav;x\n".encode("cp1252"))
    told = dict(tables.rows(tmp_path / "t.csv"))
    assert told == {
        2: 'it holds bytes that are no UTF-8; save the table as "CSV UTF-8"',
        3: {"path": "b.wav", "caption": "x"},
    }
    (tmp_path / "t.csv").write_bytes("päth;caption\n".encode("cp1252"))
    with pytest.raises(plain.PlainError, match=r"t\.csv is no table in UTF-8.*CSV UTF-8"):
        tables.header(tmp_path / "t.csv")


def test_decimal_commas(tmp_path: Path) -> None:
    from flowmusic.datasets.sets import musiccaps

    soundfile.write(tmp_path / "abcdefghijk.wav", np.full(16_000 * 3, 0.1), 16_000)
    (tmp_path / "musiccaps-public.csv").write_text(
        "ytid;start_s;end_s;caption\nabcdefghijk;30,5;33,5;a slow song\n", encoding="utf-8-sig"
    )
    (entry,) = musiccaps.read(tmp_path, tmp_path / "out.jsonl").entries
    assert entry.duration == 3.0 and entry.text == ("a slow song",)
    (tmp_path / "musiccaps-public.csv").write_text("ytid,start_s,end_s,caption\nabcdefghijk,1e99,2e99,a song\n")
    found = musiccaps.read(tmp_path, tmp_path / "out.jsonl")
    assert found.entries == () and "line 2: start_s and end_s are 1e+99 and 2e+99" in found.problems[0].detail
