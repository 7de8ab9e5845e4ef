"""`flowmusic generate --story`, curves and long takes: what is written, recorded, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from flowmusic.apps.cli import main
from flowmusic.evaluate import adherence
from flowmusic.generate.generator import Generator
from flowmusic.takes import long, stored
from tests.apps.test_bad_input import refused, untouched  # noqa: F401

pytestmark = pytest.mark.usefixtures("ears")

STORY = """
# A comment, and an empty line

0:00 | calm piano | chords=C G Am F
bar 2 | | chords=F | C guidance.text=2 fade=0.5
0:04 | zzz, drums: fast # 1 | guidance.all=1@4 3@bar4 blur.chords=0.2
0:06 | end
"""


def record(argv: list[str], name: str = "take.json") -> dict[str, Any]:
    assert main(["generate", *argv]) == 0
    parsed: dict[str, Any] = json.loads(Path(name).read_text(encoding="utf-8"))
    return parsed


def test_a_story_and_its_record(here: Path, model: Generator) -> None:
    (here / "story.txt").write_text(STORY)
    found = record(["all along", "--story", "story.txt", "--bpm", "120", "--seed", "3"])
    assert found["seconds"] == 6.0
    assert [section["start"] for section in found["story"]] == [0.0, 2.0, 4.0]
    assert [section["text"] for section in found["story"]] == [
        "all along, calm piano",
        "all along, calm piano",
        "all along, zzz, drums: fast # 1",
    ]
    assert found["story"][1]["guidance"] == {"text": 2.0} and found["story"][1]["fade"] == 0.5
    assert found["story"][2]["guidance"]["all"]["knots"] == [[4.0, 1.0], [6.0, 3.0]]
    assert found["controls"]["chords"][:3] == [[0.0, 2.0, "C"], [2.0, 4.0, "F"]]
    assert found["controls"]["bpm"] == 120.0 and found["controls"]["sources"] == {"story": "story.txt"}
    again = record(["all along", "--story", "story.txt", "--bpm", "120", "--seed", "3", "--out", "b.wav"], "b.json")
    assert again == found and Path("b.wav").read_bytes() == Path("take.wav").read_bytes()


def test_words_alone_tell_a_story_of_one_request(here: Path, model: Generator) -> None:
    (here / "one.txt").write_text("0 | ab")
    told = record(["--story", "one.txt", "--seed", "1", "--out", "told.wav", "--seconds", "5"], "told.json")
    plain = record(["ab", "--seed", "1", "--out", "plain.wav", "--seconds", "5"], "plain.json")
    # Their titles differ, as the words do.
    assert (soundfile.read("told.wav")[0] == soundfile.read("plain.wav")[0]).all()
    assert told["seed"] == plain["seed"] and told["text"] == "ab"


def test_a_section_without_drums_is_silent_there_alone(here: Path, model: Generator) -> None:
    (here / "s.txt").write_text("0 | piano\n2 | flute, no drums\n4 | strings\n6 | end")
    warnings = record(["--story", "s.txt", "--seed", "1"])["controls"]["warnings"]
    assert "s.txt, line 2: no drums: the control of drums is silence" in warnings
    assert "s.txt, line 3: facts understood: instruments strings" in warnings
    drums = stored.read(Path("take.latents")).controls.tracks["drums"]
    assert drums.known[0].nonzero().flatten().tolist() == list(range(50, 100)) and not drums.values.any()
    assert record(["--story", "s.txt", "--no-drums", "--seed", "1", "--out", "b.wav"], "b.json")
    assert bool(stored.read(Path("b.latents")).controls.tracks["drums"].known.all())


@pytest.mark.parametrize(("text", "seconds"), [("0|a\n0:15|b", 30.0), ("0|a", 10.0), ("0|a\n3|b\n4.5|end", 4.5)])
def test_a_story_lasts_until_its_end_or_as_long_as_the_section_before_the_last(
    text: str, seconds: float, here: Path, model: Generator
) -> None:
    (here / "s.txt").write_text(text)
    assert record(["--story", "s.txt", "--quiet"])["seconds"] == seconds


def test_a_take_written_in_blocks_is_the_one_written_at_once(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["ab", "--chords", "C F", "--bpm", "150", "--seconds", "9.99", "--seed", "4"]
    whole = record([*argv, "--out", "whole.wav"], "whole.json")
    monkeypatch.setattr(long, "LONG_SECONDS", 1.0)
    monkeypatch.setattr(adherence, "PART_SECONDS", 4.0)
    blocks = record([*argv, "--out", "blocks.wav"], "blocks.json")
    assert Path("blocks.wav").read_bytes() == Path("whole.wav").read_bytes()
    latents = [stored.read(Path(f"{name}.latents")).latents for name in ("blocks", "whole")]
    assert torch.equal(*latents)
    parts = blocks["adherence"].pop("parts")
    assert [part["start"] for part in parts] == pytest.approx([0.0, 3.2, 6.4], abs=0.01)
    assert parts[-1]["end"] == 9.99 and set(parts[0]) == {"start", "end", "chord_acc", "chord_iou", "beat_f1"}
    assert {key: blocks[key] for key in blocks if key != "adherence"} == {
        key: whole[key] for key in whole if key != "adherence"
    }
    assert blocks["adherence"]["chord_acc"] == pytest.approx(whole["adherence"]["chord_acc"], abs=0.02)
    assert len(blocks["adherence"]["bars"]) == len(whole["adherence"]["bars"])
    assert not [path.name for path in here.iterdir() if path.name.startswith(".")]


def test_a_curve_that_is_constant_makes_the_same_take_and_is_recorded(here: Path, model: Generator) -> None:
    argv = ["ab", "--chords", "C F", "--seconds", "5", "--seed", "4"]
    record([*argv, "--guidance", "all=3,chords=2", "--out", "a.wav"], "a.json")
    curve = record([*argv, "--guidance", "all=3, chords=2@0 2@bar2", "--blur", "chords=0", "--out", "b.wav"], "b.json")
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()
    assert curve["guidance"] == {"all": 3.0, "chords": {"curve": "2@0 2@2", "knots": [[0.0, 2.0], [2.0, 2.0]]}}
    other = ["--guidance", "all=3, chords=2@0 0@bar2", "--blur", "chords=0@0 1@4", "--out", "c.wav"]
    record([*argv, *other], "c.json")
    assert Path("c.wav").read_bytes() != Path("a.wav").read_bytes()


BAD = [
    ("empty", "# nothing\n", ["story.txt", "no section", "TIME | WORDS"]),
    ("no bar", "0:00 calm", ["line 1", "0:00 calm", "TIME | WORDS"]),
    ("no time", "soon | calm", ["line 1", "soon", "bar 9"]),
    ("asks for nothing", "0 | calm\n\n0:10 | |", ["line 3", "asks for nothing"]),
    ("late start", "0:05 | calm", ["line 1", "5 s", "0:00"]),
    ("bar 0", "bar 0 | calm", ["line 1", "counted from 1"]),
    ("back in time", "0 | a\n0:20 | b\n0:10 | c", ["line 3", "10 s", "20 s", "ascend"]),
    ("back in bars", "0 | a\n0:20 | b\nbar 2 | c", ["line 3", "bar 2", "20 s"]),
    ("behind the end", "0 | a\n0:20 | b\n0:15 | end", ["line 2", "20 s", "15 s"]),
    ("after the end", "0 | a\n0:15 | end\n0:20 | b", ["line 3", "nothing may follow"]),
    ("unknown key", "0 | a | chord=C", ["line 1", "chord", "chords, melody"]),
    ("unknown guidance", "0 | a | guidance.beats=2", ["line 1", "guidance.beats", "all|text"]),
    ("a tempo", "0 | a | bpm=90", ["line 1", "--bpm"]),
    ("words for settings", "0 | a | loudly chords=C", ["line 1", "loudly", "KEY=VALUE"]),
    ("no value", "0 | a | chords= fade=2", ["line 1", "chords has no value"]),
    ("twice", "0 | a | fade=1 fade=2", ["line 1", "twice"]),
    ("bad chord", "0 | a\n0:10 | b | chords=C Hm", ["line 2", "Hm"]),
    ("missing file", "0 | a | style=gone.wav", ["line 1", "gone.wav", "not found"]),
    ("timbre of no style", "0 | a | style-timbre=0.5", ["line 1", "style-timbre", "style=FILE"]),
    ("detail of no style", "0 | a | style-detail=3", ["line 1", "style-detail", "style=FILE"]),
    ("fade", "0 | a | fade=-1", ["line 1", "fade", "-1"]),
    ("curve", "0 | a | guidance.all=1@0 2", ["line 1", "'2'", "VALUE@TIME"]),
    ("curve back in time", "0 | a | guidance.all=1@9 2@3", ["line 1", "ascend"]),
    ("not text", b"\xff\xfe\x00\x01\x02", ["story.txt", "UTF-8"]),
]


@pytest.mark.parametrize(("text", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_stories_are_refused_with_their_line(
    text: str | bytes,
    words: list[str],
    here: Path,
    untouched: Callable[[], list[str]],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "story.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(["generate", "--story", "story.txt"], words, capsys)
    assert untouched() == ["story.txt"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], ["TEXT", "--story"]),
        (["--story", "gone.txt"], ["gone.txt", "not found"]),
        (["a", "--fade", "2"], ["--fade", "--story"]),
        (["a", "--guidance", "all=1@0 3"], ["all", "'3'", "VALUE@TIME"]),
        (["a", "--guidance", "all=1@3 3@2"], ["all", "ascend"]),
        (["a", "--guidance", "all=1@soon"], ["soon", "bar 9"]),
        (["a", "--guidance", "all=nan@0 1@3"], ["all", "nan", "finite"]),
        (["a", "--blur", "beats=1"], ["beats", "chords, melody, drums"]),
        (["a", "--blur", "chords=-1"], ["chords", "-1"]),
    ],
)
def test_flags_of_time_are_judged_before_a_model_is_loaded(
    argv: list[str],
    words: list[str],
    here: Path,
    untouched: Callable[[], list[str]],  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused(["generate", *argv], words, capsys)
    assert untouched() == []


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--guidance", "all=1@0 3@bar2"], ["all", "--bpm"]),
        (["--blur", "drums=0.1"], ["--blur", "no drums"]),
    ],
)
def test_what_shows_with_the_controls_is_refused_as_well(
    argv: list[str], words: list[str], here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(["generate", "a", *argv], words, capsys)
    assert list(here.iterdir()) == []
