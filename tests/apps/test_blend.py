"""`flowmusic generate --blend ... --at` and `--preview`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from tests.apps.conftest import tiny_style, tone

pytestmark = pytest.mark.usefixtures("ears")
SHORT = ["--seconds", "1", "--quiet"]


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(name).read_text(encoding="utf-8"))
    return found


def same(a: str, b: str) -> bool:
    return Path(a).read_bytes() == Path(b).read_bytes()


def test_a_path_between_two_prompts_begins_and_ends_at_their_takes(here: Path, model: Generator) -> None:
    assert main(["generate", "--blend", "calm", "loud", "--path", "3", "--seed", "5", "--out", "p.wav", *SHORT]) == 0
    for number, words in ((1, "calm"), (3, "loud")):
        main(["generate", words, "--seed", "5", "--out", "end.wav", *SHORT])
        assert same(f"p-{number}.wav", "end.wav") and record(f"p-{number}.json")["text"] == words
    middle = record("p-2.json")
    assert middle["blend"] == {"at": 0.5, "texts": ["calm", "loud"]} and middle["seed"] == 5
    assert not same("p-2.wav", "p-1.wav") and not same("p-2.wav", "p-3.wav")


def test_between_two_seeds(here: Path, model: Generator) -> None:
    for at, seed in (("0", "3"), ("1", "8")):
        # The mark tells the seed that was given first.
        more = [*SHORT, "--no-watermark"]
        assert main(["generate", "calm", "--blend-seeds", "3", "8", "--at", at, "--out", "b.wav", *more]) == 0
        main(["generate", "calm", "--seed", seed, "--out", "end.wav", *more])
        assert (soundfile.read("b.wav")[0] == soundfile.read("end.wav")[0]).all()
    assert record("b.json")["blend"] == {"at": 1.0, "seeds": [3, 8]}


def test_between_two_styles(here: Path, model: Generator) -> None:
    model.encoder.style = tiny_style()
    for name, hz in (("a", 200.0), ("b", 500.0)):
        soundfile.write(f"{name}.wav", tone(hz, 2.0).numpy(), 16_000)
    assert main(["generate", "", "--blend-styles", "a.wav", "b.wav", "--at", "0.2", *SHORT]) == 0
    found = record("take.json")
    assert found["blend"] == {"at": 0.2, "styles": ["a.wav", "b.wav"]}
    assert found["controls"]["sources"]["style_2"] == "b.wav" and found["controls"]["sha256"]["style_2"]


def test_a_preview_is_a_rough_take_of_the_seed(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    how = {"solver": "euler", "steps": 2, "time_grid": "uniform", "chords": 0.93, "distance": 0.2}
    model.defaults = replace(model.defaults, preview=how)
    assert main(["generate", "calm", "--seed", "5", "--preview", "--seconds", "1"]) == 0
    err, found = capsys.readouterr().err, record("take.json")
    assert "a preview, of 2 evaluations instead of 8" in err and "chords 93%" in err and "without --preview" in err
    assert found["preview"]["near"] == {"chords": 0.93, "distance": 0.2} and found["num_evals"] == 2
    assert main(["generate", "calm", "--seed", "5", "--out", "b.wav", "--solver", "euler", "--steps", "2", *SHORT]) == 0
    assert same("take.wav", "b.wav")
    model.defaults = replace(model.defaults, preview=None)
    assert main(["generate", "calm", "--seed", "5", "--preview", "--seconds", "1"]) == 0
    assert "not measured" in capsys.readouterr().err and record("take.json")["num_evals"] == 2


BAD: list[tuple[list[str], list[str]]] = [
    ([], ["TEXT is missing"]),
    (["calm", "--at", "0.5"], ["--at", "--blend PROMPT PROMPT"]),
    (["calm", "--path", "3"], ["--path", "--blend PROMPT PROMPT"]),
    (["--blend", "calm"], ["--blend", "2 arguments"]),
    (["--blend", "calm", "loud", "third"], ["--blend", "TEXT has no place"]),
    (["--blend", "calm", "loud", "--at", "1.5"], ["--at", "1.5", "between 0 and 1"]),
    (["--blend", "calm", "loud", "--path", "1"], ["--path", "between 2"]),
    (["--blend", "calm", "loud", "--path", "3", "--at", "0.5"], ["--path", "--at"]),
    (["calm", "--blend-seeds", "1", "2", "--seed", "3"], ["--blend-seeds", "--seed has no place"]),
    (["calm", "--blend-seeds", "1", "2", "--best-of", "3"], ["--blend-seeds", "--best-of has no place"]),
    (["calm", "--blend-styles", "a.wav", "gone.wav"], ["not found"]),
    (["calm", "--preview", "--steps", "3"], ["--preview", "--steps"]),
]


@pytest.mark.parametrize(("argv", "said"), BAD)
def test_wrong_flags_are_one_line(
    here: Path, model: Generator, argv: list[str], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    soundfile.write("a.wav", tone(200.0, 2.0).numpy(), 16_000)
    assert main(["generate", *argv]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert len(line) <= 500 and all(part in line for part in said), line
    assert sorted(path.name for path in here.iterdir()) == ["a.wav"]
