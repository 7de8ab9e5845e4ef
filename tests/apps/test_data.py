"""`flowmusic data`: scan, read, sets, and rendering MIDI, as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from flowmusic.apps import cli
from flowmusic.corpus.fonts import wheel_font
from flowmusic.datasets import manifest
from tests.controls import midi_bytes as b
from tests.data.music import short
from tests.data.scores import song


@pytest.fixture
def music(here: Path) -> Path:
    short(here / "music" / "a.wav")
    (here / "music" / "broken.mp3").write_bytes(b"-")
    return here / "music"


def test_scan(music: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "scan", "music", "--licence", "CC0", "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert out.split() == ["manifest.jsonl", "manifest.problems.jsonl"]
    assert "looking" in err and "1 recordings" in err and "problems: 1 unreadable" in err
    (entry,) = manifest.read(here / "manifest.jsonl")
    assert entry.path == str(music / "a.wav") and entry.licence == "CC0"
    (line,) = (here / "manifest.problems.jsonl").read_text().splitlines()
    assert json.loads(line)["path"] == "music/broken.mp3"
    assert cli.main(["data", "scan", "music", "--quiet", "--workers", "1"]) == 0
    assert capsys.readouterr() == (out, "")
    assert cli.main(["data", "scan", "music", "--workers", "1"]) == 0
    assert "1 files known from before" in capsys.readouterr().err
    assert not list(here.glob(".*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("scan nowhere", "folder not found: nowhere"),
        ("scan music/a.wav", "'music/a.wav' is not a folder"),
        ("scan music --out m.json", "must end in one of .jsonl"),
        ("scan music --out corpus.jsonl", "is there and is no manifest of this kind"),
        ("scan music --validation 0.7 --test 0.4", "together below 1"),
        ("scan music --captions t.csv", "file not found: t.csv"),
        ("scan music --captions bad.csv", "unknown column 'speaker'"),
        ("scan music --min-seconds 9", "nothing under music can be used; manifest.problems.jsonl says why"),
        ("scan empty", "no audio under"),
        ("read maestro empty", "empty is not MAESTRO: it has none of maestro-v*.csv"),
        ("read maestros empty", "did you mean 'maestro'?"),
        ("read nsynth nowhere", "file or folder not found: nowhere"),
        ("read corpus music --soundfont x.sf2", "belong to `flowmusic data read midi`"),
        ("read midi music", "--out is missing"),
        ("read midi music --out rendered", "no MIDI files under music"),
        ("read midi music --out rendered --soundfont x.sf2", "soundfont 'x.sf2' does not exist"),
        ("", "required: ACTION"),
    ],
)
def test_wrong_input(arguments: str, words: str, music: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "empty").mkdir()
    (here / "corpus.jsonl").write_text('{"path": "train/0.flac", "seconds": 20.0, "split": "train"}\n')
    (here / "bad.csv").write_text("path,speaker\n")
    assert (
        cli.main(
            ["data", *arguments.split(), *(["--quiet", "--workers", "1"] if arguments[:4] in ("scan", "read") else [])]
        )
        == 2
    )
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and words in err, err
    assert (here / "corpus.jsonl").read_text().startswith('{"path": "train/0.flac"')


def test_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "sets"]) == 0
    out = capsys.readouterr().out
    for name in ("musiccaps", "maestro", "slakh", "midi", "nsynth", "musdb18", "mtg-jamendo", "corpus", "audiocraft"):
        assert f"\n{name}: " in f"\n{out}"
    assert out.count("  licence: ") == out.count("  commercial use: ") == out.count("  layout: ") == 9


def test_a_data_set_that_holds_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "caps").mkdir()
    (here / "caps" / "musiccaps-public.csv").write_text("ytid,start_s,end_s,caption\nabcdefghijk,0,10,words\n")
    assert cli.main(["data", "read", "musiccaps", "caps", "--quiet"]) == 2
    assert "no recording of MusicCaps under caps; expected musiccaps-public.csv and" in capsys.readouterr().err
    assert "abcdefghijk" in (here / "musiccaps.problems.jsonl").read_text()


def test_midi_files_are_rendered_once_each(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = song(here / "mid" / "a.mid", 0)
    song(here / "mid" / "same notes.mid", 0, bpm=150)
    (here / "mid" / "copy.MID").write_bytes(first.read_bytes())
    (here / "mid" / "broken.mid").write_bytes(b"MThd")
    (here / "mid" / "cut.kar").write_bytes(b.smf(b.tempo(90) + b.tune(), promised=2))
    (here / "mid" / "readme.txt").write_text("no MThd")
    command = ["data", "read", "midi", "mid", "--out", "out", "--workers", "1", "--max-seconds", "2.5", "--quiet"]
    command += ["--soundfont", str(wheel_font())]
    assert cli.main(command) == 0
    entry, cut = sorted(manifest.read(here / "out" / "manifest.jsonl"), key=lambda each: each.tags["source"])
    assert cut.tags["source"] == "cut.kar" and "90 bpm" in cut.text[0]
    assert entry.duration == 2.5 and set(entry.stems) == {"drums"} and entry.dataset == "midi"
    assert entry.text == ("music with acoustic grand piano, flute, finger electric bass and drums, 120 bpm",)
    assert entry.labels is not None
    labels = json.loads(Path(entry.labels).read_text())
    # Eight beats of half a second; the rendering ends at 2.5 s, and so do the labels.
    assert labels["beats"] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0], abs=2e-3)
    assert len(labels["drums"]["onsets"]) == 10 and max(row[1] for row in labels["melody"]) <= 2.5
    told = [json.loads(line) for line in (here / "out" / "manifest.problems.jsonl").read_text().splitlines()]
    assert sorted((Path(each["path"]).name, each["problem"]) for each in told) == [
        ("broken.mid", "unreadable"), ("copy.MID", "repeats"), ("cut.kar", "mended"), ("same notes.mid", "repeats")
    ]  # fmt: skip
    mix, rate = soundfile.read(entry.path)
    drums, _ = soundfile.read(entry.stems["drums"])
    kick, before = (slice(round((at) * rate), round((at + 0.03) * rate)) for at in (1.0, 0.96))
    assert (drums[kick] ** 2).mean() > 4 * (drums[before] ** 2).mean()  # a hit where the labels say
    assert 0.05 < abs(mix).max() <= 0.99
    stamp = Path(entry.path).stat().st_mtime_ns
    assert cli.main(command) == 0
    assert Path(entry.path).stat().st_mtime_ns == stamp
    capsys.readouterr()
