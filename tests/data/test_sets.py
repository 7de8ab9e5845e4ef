"""Known data sets on miniature copies of their layouts."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from flowmusic.datasets import manifest, scan
from flowmusic.datasets.sets import SETS, find, jamendo, musdb, musiccaps, nsynth
from tests.data.music import short, wav
from tests.data.scores import song


def read(name: str, source: Path) -> scan.Scan:
    reader = SETS[name].read
    assert reader is not None
    out = source.parent / f"{name}.jsonl"
    found = reader(source, out, 1, None)
    scan.save(found, out)
    assert manifest.read(out) == list(found.entries)  # also that every path, label and stem is named well
    return found


def by_stem(found: scan.Scan) -> dict[str, manifest.Entry]:
    return {Path(entry.path).stem: entry for entry in found.entries}


def labels_of(entry: manifest.Entry) -> dict[str, Any]:
    assert entry.labels is not None
    return dict(json.loads(Path(entry.labels).read_text()))


def table(path: Path, rows: list[dict[str, object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "set"


def test_every_set_says_what_it_is() -> None:
    for name, known in SETS.items():
        assert known.name == name
        assert all((known.title, known.hours, known.licence, known.commercial, known.layout, known.where, known.cite))
    with pytest.raises(ValueError, match=r"unknown data set 'musdb' \(did you mean 'musdb18'\?\); known: corpus"):
        find("musdb")


def test_musiccaps(source: Path) -> None:
    ids = ["-0Gj8-vB1q4", "0123456789A", "_bcdefghij_", "missing____"]
    table(
        source / "musiccaps-public.csv",
        [
            {
                "ytid": ytid, "start_s": 2, "end_s": 4, "audioset_positive_labels": "/m/0", "author_id": 4,
                "aspect_list": "['low quality', 'sad']", "caption": f"words of {ytid}", "is_balanced_subset": False,
                "is_audioset_eval": True,
            }
            for ytid in ids
        ],
    )  # fmt: skip
    short(source / "clips" / f"{ids[0]}.wav", seconds=2.0)
    short(source / "clips" / f"[{ids[1]}]-[2-4].wav", seconds=1.99)
    short(source / "clips" / f"{ids[2]}_2_4.wav", seconds=9.0)
    found = read("musiccaps", source)
    assert [(entry.start, entry.duration) for entry in found.entries] == [(0.0, 2.0), (0.0, 1.99), (2.0, 2.0)]
    first = found.entries[0]
    assert first.text == (f"words of {ids[0]}",) and first.tags["aspects"] == "low quality, sad"
    assert {entry.split for entry in found.entries} == {"test"}
    assert [(each.path, each.problem) for each in found.problems] == [("missing____", "not found")]


@pytest.mark.parametrize("name", ["{}.wav", "{}_30.wav", "{}-[30-40].flac", "[{}].mp3", "Some [live] Title [{}].wav"])
def test_names_of_clips(tmp_path: Path, name: str) -> None:
    (tmp_path / name.format("a-b_c-d_e-f")).write_bytes(b"")
    assert list(musiccaps.index(tmp_path)) == ["a-b_c-d_e-f"]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_maestro(source: Path, kind: str) -> None:
    rows = [
        {
            "canonical_composer": "Franz Schubert", "canonical_title": "Impromptu", "split": split, "year": 2018,
            "midi_filename": f"2018/{split}.midi", "audio_filename": f"2018/{split}.wav", "duration": 1.5,
        }
        for split in ("train", "validation", "test")
    ]  # fmt: skip
    if kind == "csv":
        table(source / "maestro-v3.0.0.csv", rows)
    else:
        source.mkdir()
        columns = {name: {str(k): row[name] for k, row in enumerate(rows)} for name in rows[0]}
        (source / "maestro-v3.0.0.json").write_text(json.dumps(columns))
    for split in ("train", "validation"):
        short(source / "2018" / f"{split}.wav")
    song(source / "2018" / "train.midi", parts="keys")
    (source / "2018" / "validation.midi").write_bytes(b"")
    found = read("maestro", source)
    entries = by_stem(found)
    train, validation = entries["train"], entries["validation"]
    assert (train.split, train.licence, train.tags["composer"]) == ("train", "CC BY-NC-SA 4.0", "Franz Schubert")
    labels = labels_of(train)
    assert len(labels["notes"]["piano"]) == 24 and len(labels["melody"]) == 8  # chords of three, and their top notes
    assert labels["melody_from"] == "skyline" and labels["drums"] == {"onsets": []} and "beats" not in labels
    assert validation.labels is None
    told = {Path(each.path).name: each.problem for each in found.problems}
    assert told == {"test.wav": "not found", "validation.wav": "sidecar"}


def test_nsynth(source: Path) -> None:
    for split, name in (("train", "bass_synthetic_033-022-050"), ("valid", "flute_acoustic_002-060-100")):
        family, kind = name.split("_")[:2]
        note = {
            "note_str": name, "pitch": int(name[-7:-4]), "velocity": int(name[-3:]), "sample_rate": 16000,
            "qualities_str": ["bright", "fast_decay"], "instrument_family_str": family, "instrument_source_str": kind,
        }  # fmt: skip
        folder = source / f"nsynth-{split}"
        short(folder / "audio" / f"{name}.wav", seconds=4.0)
        (folder / "examples.json").write_text(json.dumps({name: note}))
    train, valid = read("nsynth", source).entries
    assert (train.split, valid.split) == ("train", "validation")
    assert valid.text == ("a single note of an acoustic flute, bright, fast decay",)
    assert labels_of(valid)["melody"] == [[0.0, 3.0, 60]] and labels_of(train)["notes"]["note"][0][2:] == [22, 50]
    (source / "nsynth-train" / "examples.json").write_text("[]")
    with pytest.raises(ValueError, match=r"examples\.json is not the table of NSynth"):
        read("nsynth", source)
    assert nsynth.SPLITS["valid"] == "validation"


def slakh_track(folder: Path, drums: int) -> None:
    parts = ["keys", *["drums"] * drums, "bass"]
    stems = {}
    for number, part in enumerate(parts):
        wav(folder / "stems" / f"S{number:02d}.flac", np.full(16_000, 0.1 * (number + 1), np.float32), 8_000)
        song(folder / "MIDI" / f"S{number:02d}.mid", seed=3, parts=part)
        kind = {"keys": "Piano", "drums": "Drums", "bass": "Bass"}[part]
        stems[f"S{number:02d}"] = {"inst_class": kind, "is_drum": part == "drums", "audio_rendered": True}
    stems["S99"] = {"inst_class": "Organ", "is_drum": False, "audio_rendered": False}
    song(folder / "all_src.mid", seed=3)
    short(folder / "mix.flac", seconds=2.0)
    (folder / "metadata.yaml").write_text(json.dumps({"UUID": "x", "stems": stems}))


def test_slakh(source: Path) -> None:
    slakh_track(source / "train" / "Track00001", 1)
    slakh_track(source / "test" / "Track00002", 2)
    slakh_track(source / "omitted" / "Track00003", 1)
    (source / "validation" / "Track00004").mkdir(parents=True)
    (source / "validation" / "Track00004" / "metadata.yaml").write_text("stems: 3")
    found = read("slakh", source)
    one, two = sorted(found.entries, key=lambda entry: entry.path)[::-1]
    assert one.split == "train" and two.split == "test"
    assert one.text == ("music with piano, drums and bass",)
    assert {name: Path(path).name for name, path in one.stems.items()} == {
        "piano": "S00.flac", "drums": "S01.flac", "bass": "S02.flac"
    }  # fmt: skip
    summed, _ = soundfile.read(two.stems["drums"])
    assert summed == pytest.approx(np.full(16_000, 0.5), abs=1e-3)  # 0.2 and 0.3
    labels = labels_of(one)
    assert len(labels["drums"]["onsets"]) == 16 and len(labels["beats"]) >= 8
    assert set(labels["notes"]) == {"Piano", "Drums", "Bass"} and "melody" not in labels
    assert [(Path(each.path).parent.name, each.problem) for each in found.problems] == [("Track00004", "sidecar")]


def test_musdb_as_wav(source: Path) -> None:
    for part, name in (("train", "A - B"), ("train", "Leaf - Summerghost"), ("test", "C - D - E")):
        for stem in musdb.STREAMS:
            short(source / part / name / f"{stem}.wav")
    entries = {Path(entry.path).parent.name: entry for entry in read("musdb18", source).entries}
    assert {name: entry.split for name, entry in entries.items()} == {
        "A - B": "train", "Leaf - Summerghost": "validation", "C - D - E": "test"
    }  # fmt: skip
    assert entries["C - D - E"].tags == {"artist": "C", "title": "D - E"}
    assert set(entries["A - B"].stems) == {"drums", "bass", "other", "vocals"} and entries["A - B"].text == ()


def test_musdb_as_mp4_needs_ffmpeg(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "train").mkdir(parents=True)
    (source / "train" / "A - B.stem.mp4").write_bytes(b"-")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ValueError, match="ffmpeg unpacks, and ffmpeg is not here; install it, or take the wav"):
        read("musdb18", source)
    # A stand-in: the fifth argument from the end names the stream, the last the file.
    (tmp_path / "bin").mkdir()
    sound = short(tmp_path / "sound.flac").absolute()
    script = f'#!/bin/sh\nfor last; do :; done\necho "$@" >> {tmp_path}/calls\n/bin/cp {sound} "$last"\n'
    (tmp_path / "bin" / "ffmpeg").write_text(script)
    (tmp_path / "bin" / "ffmpeg").chmod(0o755)
    (entry,) = read("musdb18", source).entries
    assert entry.path == str(tmp_path / "musdb18.audio" / "train" / "A - B" / "mixture.flac")
    assert set(entry.stems) == set(musdb.STEMS)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split("-map ")[1].split()[0] for call in calls] == [f"0:a:{n}" for n in range(5)]
    read("musdb18", source)
    assert len((tmp_path / "calls").read_text().splitlines()) == 5  # what is unpacked is not unpacked again


def test_jamendo(source: Path) -> None:
    header = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
    rows = {
        f"track_{number:07d}": f"track_{number:07d}\tartist_{artist:06d}\talbum_000031\t{path}\t1.5\t{tags}"
        for number, artist, path, tags in (
            (214, 14, "14/214.mp3", "genre---punkrock\tmood/theme---calm"),
            (382, 20, "82/382.mp3", "instrument---piano\tinstrument---voice"),
            (999, 21, "99/999.mp3", "genre---rock"),
            (1000, 22, "00/1000.mp3", "genre---rock"),
        )
    }
    data = source / "data"
    (data / "splits" / "split-0").mkdir(parents=True)
    (data / "autotagging.tsv").write_text(header + "\n".join(rows.values()) + "\n")
    for split, track in (("train", "track_0000214"), ("test", "track_0000382"), ("validation", "track_0001000")):
        (data / "splits" / "split-0" / f"autotagging-{split}.tsv").write_text(header + rows[track] + "\n")
    (source / "audio_licenses.txt").write_text(
        "14/214.mp3 Intro http://creativecommons.org/licenses/by-nc-sa/3.0/\n\n"
        "track_0000382\nhttp://creativecommons.org/licenses/by/2.0/fr/\n"
    )
    for name in ("14/214.mp3", "82/382.low.mp3", "99/999.mp3"):
        (source / "audio" / name).parent.mkdir(parents=True)
        soundfile.write(source / "audio" / name, np.full(16_000, 0.1), 16_000)
    found = read("mtg-jamendo", source)
    first, second = found.entries
    assert (first.text, first.split, first.licence) == (("calm punk rock",), "train", "CC BY-NC-SA 3.0")
    assert (second.text, second.split, second.licence) == (("music with piano and voice",), "test", "CC BY 2.0")
    assert second.path.endswith("382.low.mp3") and second.tags["artist"] == "artist_000020"
    assert {each.problem for each in found.problems} == {"no split", "not found"}
    line, row = next(jamendo.tracks(data / "autotagging.tsv"))
    assert line == 2 and row["tags"] == {"genre": ["punkrock"], "mood/theme": ["calm"]}


def test_a_corpus_of_ours(source: Path) -> None:
    lines = []
    for split in ("train", "test"):
        short(source / split / "000000.flac")
        short(source / split / "000000.drums.flac")
        record = {"captions": ["a", "b"], "tags": {"genre": "funk", "mood": ["x"]}, "chords": [[0, 1, "C"]]}
        if split == "test":
            fonts = {"bass": {"licence": "MIT"}, "drums": {"licence": "MIT"}}
            record["rendering"] = {"fonts": fonts, "kit": {"licence": "CC0-1.0"}}
        (source / split / "000000.json").write_text(json.dumps(record))
        lines.append(json.dumps({"path": f"{split}/000000.flac", "seconds": 1.5, "split": split, "text": "a"}))
    (source / "manifest.jsonl").write_text("\n".join(lines))
    train, test = read("corpus", source).entries
    assert (train.split, test.split, train.text) == ("train", "test", ("a", "b"))
    assert (train.licence, test.licence) == (None, "CC0-1.0, MIT")
    assert labels_of(train)["chords"] == [[0, 1, "C"]] and train.tags == {"genre": "funk"}
    assert Path(train.stems["drums"]).name == "000000.drums.flac" and set(train.stems) == {"drums"}
    with pytest.raises(FileNotFoundError, match="not a finished corpus"):
        read("corpus", source / "train")


@pytest.mark.parametrize("name", [name for name, known in SETS.items() if known.read is not None])
def test_another_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises((ValueError, FileNotFoundError), match="other"):
        read(name, tmp_path / "other")
