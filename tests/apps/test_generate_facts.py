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
from flowmusic.types import Controls
from tests.apps.conftest import clicks

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
