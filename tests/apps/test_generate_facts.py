"""`flowmusic generate`: facts by flags and by words, in the record, in the prompt and in a negative branch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.apps.cli import main
from flowmusic.generate import piece
from flowmusic.generate.generator import Generator
from flowmusic.inputs import silence
from flowmusic.takes import stored
from flowmusic.types import Condition, Controls
from tests.apps.conftest import clicks
from tests.generate.tiny import TinyEncoder

pytestmark = pytest.mark.usefixtures("ears")


def take(*argv: str, record: str = "take.json") -> dict[str, Any]:
    assert main(["generate", *argv, "--seconds", "1", "--seed", "1"]) == 0
    parsed: dict[str, Any] = json.loads(Path(record).read_text(encoding="utf-8"))
    return parsed


@pytest.fixture
def given(model: Generator, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Controls, float] | None]:
    """The negative branches that takes were made with."""
    seen: list[tuple[Controls, float] | None] = []

    class Watched(piece.Piece):
        def __init__(self, *args: Any, negative: tuple[Controls, float] | None = None, **rest: Any) -> None:
            seen.append(negative)
            super().__init__(*args, negative=negative, **rest)

    monkeypatch.setattr(piece, "Piece", Watched)
    return seen


def test_what_is_understood_is_said_and_recorded(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    record = take("slow piano and strings, no drums")
    said = {"instruments": ["piano", "strings"], "drums": False, "tempo": "slow"}
    assert record["facts"]["said"] == said and "prompt" not in record["facts"]
    assert {"fact": "drums", "value": False, "words": "drums", "how": "list"} in record["facts"]["from"]
    notice = "facts understood: instruments piano, strings; no drums; tempo slow"
    assert f"note: {notice}\n" in capsys.readouterr().err and notice in record["controls"]["warnings"]
    silent = take("slow piano and strings, no drums", "--no-facts-from-text")
    assert "facts" not in silent and silent["controls"]["warnings"] == []
    (foreign,) = take("Klavier ohne Schlagzeug", "--no-facts-from-text")["controls"]["warnings"]
    assert foreign.startswith("the prompt looks German, and models read English")


def silent(name: str) -> list[bool]:
    """Of every frame of a stored take, whether it is known to have no drums."""
    track = stored.read(Path(name)).controls.tracks["drums"]
    return (track.known[0] & ~track.values[0].bool().any(-1)).tolist()


def test_no_drums_are_told_by_the_control_as_well(here: Path, model: Generator, wav: Any) -> None:
    model.name = "nano"
    record = take("piano, no drums")
    assert all(silent("take.latents")) and silence.TOLD in record["controls"]["warnings"]
    take("piano", "--no-drums", "--no-facts-from-text", "--out", "flag.wav", record="flag.json")
    assert all(silent("flag.latents"))
    take("piano, no drums", "--no-facts-from-text", "--out", "words.wav", record="words.json")
    assert "drums" not in stored.read(Path("words.latents")).controls.tracks
    # An edit that wants drums ends the silence where it is, one that wants none makes some.
    assert (
        main(
            ["edit", "take.wav", "now with drums", "--start", "0.4", "--end", "0.8", "--out", "edit.wav", "--seed", "1"]
        )
        == 0
    )
    assert silent("edit.latents") == [not 10 <= n < 20 for n in range(25)]
    assert main(["vary", "take.wav", "now with drums", "--strength", "0.5", "--out", "vary.wav", "--seed", "1"]) == 0
    assert "drums" not in stored.read(Path("vary.latents")).controls.tracks
    wav("loop.wav", clicks([0.0, 0.5], 1.0))
    take("piano", "--drums", "loop.wav", "--out", "hits.wav", record="hits.json")
    for command, flags in (("edit", ["--start", "0.4", "--end", "1"]), ("vary", ["--strength", "0.5"])):
        argv = [command, "hits.wav", "no drums", *flags, "--out", f"{command}.wav", "--seed", "1"]
        assert main(argv) == 0
    assert all(silent("edit.latents")[10:]) and not all(silent("edit.latents")) and all(silent("vary.latents"))


@pytest.mark.parametrize(
    ("argv", "bpm"),
    [
        (["slow piano"], 72.0),
        (["slow piano", "--tempo", "fast"], 140.0),
        (["", "--tempo", "medium"], 104.0),
        (["slow jazz at 80 bpm", "--chords", "C Am"], 80.0),
        (["slow jazz at 80 bpm", "--tempo", "fast"], 140.0),
        (["slow piano", "--bpm", "100"], 100.0),
        (["slow piano", "--chords", "0:C 0.5:Am"], None),
        (["slow piano", "--no-facts-from-text"], None),
        (["jazz at 900 bpm"], 140.0),
        (["piano"], None),
    ],
)
def test_the_tempo_of_words_is_that_of_the_beat_grid(
    argv: list[str], bpm: float | None, here: Path, model: Generator
) -> None:
    record = take(*argv)
    assert record["controls"]["bpm"] == bpm and ("beats" in stored.read(Path("take.latents")).controls.tracks) == (
        bpm is not None
    )
    told = [warning for warning in record["controls"]["warnings"] if "--bpm takes another" in warning]
    assert len(told) == (bpm not in (None, 100.0))


def test_facts_go_on_with_the_words_that_say_them(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.name = "nano"
    monkeypatch.setattr(type(model), "has_facts", property(lambda self: True))
    heard: list[tuple[str | None, dict[str, Any]]] = []
    whole = TinyEncoder.forward

    def forward(self: TinyEncoder, controls: Controls, *rest: Any, **more: Any) -> Condition:
        for text, facts in zip(controls.words, controls.facts or (None,), strict=False):
            heard.append((text, {} if facts is None else facts.said()))
        return whole(self, controls, *rest, **more)

    monkeypatch.setattr(TinyEncoder, "forward", forward)

    def told(*argv: str) -> list[tuple[str, str]]:
        heard.clear()
        assert main([*argv, "--seed", "1", "--quiet"]) == 0
        # Branches of guidance have one without the other.
        return list(dict.fromkeys((text, json.dumps(facts)) for text, facts in heard if text is not None and facts))

    piano, flute = (
        ("dark piano", '{"instruments": ["piano"], "mood": "dark"}'),
        ("flute", '{"instruments": ["flute"]}'),
    )
    assert told("generate", "dark piano", "--seconds", "1", "--bpm", "120") == [piano]
    assert told("edit", "take.wav", "--start", "0.4", "--end", "0.8", "--out", "a.wav") == [piano]
    assert told("edit", "take.wav", "flute", "--start", "0.4", "--end", "0.8", "--out", "b.wav") == [flute]
    assert told("vary", "take.wav", "--strength", "0.5", "--out", "d.wav") == [piano]
    assert told("vary", "take.wav", "flute", "--strength", "0.5", "--out", "e.wav") == [flute]
    assert told("extend", "take.wav", "--bars", "1", "--out", "f.wav") == [piano]
    assert told("generate", "--blend", "dark piano", "flute", "--at", "0.5", "--seconds", "1", "--out", "g.wav") == [
        piano,
        flute,
    ]
    (here / "story.txt").write_text("0 | dark piano\n2 | flute | chords=C\n4 | end")
    assert told("generate", "--story", "story.txt", "--out", "h.wav") == [piano, flute]


def test_flags_reach_a_model_without_facts_as_words(here: Path, model: Generator) -> None:
    record = take("happy piano at night", "--instruments", "piano, Sax", "--no-drums", "--genre", "jazz", "--key", "Am")
    assert record["text"] == "happy piano at night"
    assert record["facts"]["prompt"] == "happy piano at night, jazz, saxophone, no drums, A minor"
    assert any("added to its prompt: 'jazz, saxophone, no drums, A minor'" in w for w in record["controls"]["warnings"])
    assert {"fact": "genre", "value": "jazz", "how": "flag"} in record["facts"]["from"]
    assert take("", "--mood", "dark")["facts"]["prompt"] == "dark"
    assert take("Klavier ohne Schlagzeug")["facts"]["prompt"] == "Klavier ohne Schlagzeug, piano, no drums"


def test_a_flag_counts_more_than_words(here: Path, model: Generator) -> None:
    record = take("a happy song", "--mood", "dark")
    assert record["facts"]["said"] == {"mood": "dark"}
    assert "the prompt says mood bright, the flags say mood dark: the flags count" in record["controls"]["warnings"]


def test_a_negative_branch(here: Path, given: list[tuple[Controls, float] | None]) -> None:
    record = take("slow jazz", "--not", "drums, piano", "--not-weight", "0.5")
    (branch,) = given
    assert branch is not None and branch[0].text == ("drums, piano",) and branch[1] == 0.5
    assert record["facts"]["not"] == {
        "text": "drums, piano", "facts": {"instruments": ["piano"], "drums": True}, "weight": 0.5,
    }  # fmt: skip
    take("slow jazz without piano, not too fast")
    assert given[1] is not None and given[1][0].text == ("piano, fast",) and given[1][0].tracks == {}
    take("slow jazz")
    assert given[2] is None


def test_a_drum_file_counts_more_than_words(here: Path, model: Generator, wav: Any) -> None:
    wav("loop.wav", clicks([0.0, 0.5], 1.0))
    record = take("piano, no drums", "--drums", "loop.wav")
    assert record["facts"]["said"] == {"instruments": ["piano"]}
    assert any("wants no drums, and loop.wav gives some" in warning for warning in record["controls"]["warnings"])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--instruments", "pianoo"],
            "--instruments: unknown word 'pianoo'; nearest: piano; allowed: piano, electric piano",
        ),
        (["--instruments", "piano,,"], "--instruments: unknown word ''; allowed"),
        (["--instruments", "keys"], "--instruments: unknown word 'keys'"),
        (
            ["--mood", "blight"],
            "--mood: unknown word 'blight'; nearest: bright; allowed: bright, dark, mixed, restless",
        ),
        (["--tempo", "90"], "beats a minute are set with --bpm"),
        (["--key", "H major"], "allowed: C major, C# major"),
        (["--genre", "jaz"], "nearest: jazz"),
        (["--no-drums", "--drums", "loop.wav"], "--drums loop.wav gives drums, and --no-drums wants none"),
        (["--no-drums", "--instruments", "piano,drums"], "--instruments names drums"),
        (["--not", "piano", "--instruments", "piano"], "--not excludes piano, and another flag asks for it"),
        (["--not", "drums", "--drums", "loop.wav"], "--not excludes drums"),
        (["--not", "no drums"], "name what you do not want, without 'no'"),
        (["--not", " "], "--not is empty"),
        (["--not", "piano", "--not-weight", "1e9"], "--not-weight"),
    ],
)
def test_flags_that_make_no_sense(
    flags: list[str], said: str, here: Path, wav: Any, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    wav("loop.wav", torch.zeros(1600))
    assert main(["generate", "a waltz", *flags]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in line and len(line) <= 500 and not Path("take.wav").exists()
