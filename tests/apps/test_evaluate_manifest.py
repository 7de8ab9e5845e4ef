"""`flowmusic evaluate data=manifest`: captions are prompts, labels controls, and nothing is asked that nobody wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.apps import cli
from flowmusic.audio import Audio
from flowmusic.datasets import manifest
from flowmusic.datasets.manifest import Entry
from flowmusic.evaluate import inputs
from flowmusic.evaluate.test_set_manifest import read_listed
from flowmusic.generate.generator import Generator
from flowmusic.interop import model_files
from flowmusic.metrics.adherence import Detectors
from flowmusic.metrics.text_match import TextMatch
from flowmusic.types import FrameGrid
from tests.apps.conftest import RATE, clicks, tone


def entry(path: Path, number: int, seconds: float = 3.0, **more: Any) -> Entry:
    Audio(tone(220.0 + 60 * number, seconds)[None], RATE).write(path)
    given = {"text": (f"tune {number}",), "split": "test", "hash": f"{number:064d}", **more}
    return Entry(str(path), seconds, RATE, 1, **given)


@pytest.fixture
def clips(here: Path) -> Path:
    """Three captioned clips without labels, one of another split and one that repeats the first."""
    entries = [entry(here / f"{number}.wav", number) for number in range(3)]
    entries.append(entry(here / "train.wav", 3, split="train"))
    entries.append(entry(here / "again.wav", 4, duplicate_of=entries[0].path))
    return manifest.write(entries, here / "captions.jsonl")


@pytest.fixture
def run(model: Generator, ears: Detectors, here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr(model_files, "fingerprint", lambda name: "0" * 64)

    def embed(texts: list[str]) -> torch.Tensor:
        return torch.eye(8)[[int(text[-1]) for text in texts]]

    match = TextMatch("digits", lambda audio: torch.full((1, 8), 0.5), embed)
    monkeypatch.setattr(inputs, "load_text_match", lambda name: match)
    settings = ["model=nano", "data=manifest", "out=eval", "steps=2", "batch=2", "page_clips=1"]
    return lambda *more: cli.main(["evaluate", *settings, *more])


def test_captions_alone_are_asked_for_in_words_alone(run: Callable[..., int], clips: Path, here: Path) -> None:
    assert run(f"manifest={clips}") == 0
    report = json.loads((here / "eval" / "report.json").read_text())
    assert [clip["text"] for clip in report["clips"]] == ["tune 0", "tune 1", "tune 2"]
    rows = report["systems"]
    assert set(rows) == {"model", "dropped", "shuffled", "codec", "truth"}
    assert all(set(row) <= {"text_cos", "fad"} for row in rows.values())
    assert rows["model"]["text_cos"]["raw"] == {"mean": 0.5, "low": 0.5, "high": 0.5, "count": 3}
    assert rows["model"]["fad"]["raw"]["mean"] > 0.0 and report["settings"]["manifest"] == clips.name
    text = (here / "eval" / "report.md").read_text()
    assert "3 of the test split of captions.jsonl" in text and "controls: text" in text.replace("**", "")


def test_labels_are_controls_where_they_are(run: Callable[..., int], here: Path) -> None:
    labels = here / "labels.json"
    record = {
        "chords": [[0, 2, "F"], [2, 6, "C"]],
        "beats": [0.5 * n for n in range(12)],
        "drums": {"onsets": [1.0, 2.0, 2.5], "classes": {"kick": [1.0]}},
    }
    labels.write_text(json.dumps(record))
    entries = [
        entry(here / "0.wav", 0, 4.0, start=2.0, labels=str(labels)),
        entry(here / "1.wav", 1, 4.0, labels=str(labels)),
        entry(here / "2.wav", 2),
        entry(here / "3.wav", 3, text=()),  # nothing is said of it
    ]
    Audio(tone(220.0, 6.0)[None], RATE).write(here / "0.wav")
    found = manifest.write(entries, here / "all.jsonl")
    grid = FrameGrid.of_seconds(2.0, 25)
    first, second, bare = read_listed(found, "test", None, grid, RATE, ["text", "chords", "drums", "melody", "beats"])
    # The first begins at 2 s of its file, and so do its labels.
    assert first.requested.chords == ((0.0, 2.0, "C"),) and second.requested.chords == ((0.0, 2.0, "F"),)
    assert first.requested.events("drums") == (0.0, 0.5) and second.requested.events("drums") == (1.0,)
    assert first.requested_names == {"chords", "drums", "beats"} and bare.requested_names == frozenset()
    assert set(first.controls.tracks) == {"chords", "drums", "beats"} and set(bare.controls.tracks) == set()
    assert first.digest != second.digest
    assert run(f"manifest={found}", "controls=[text,chords,melody]") == 0
    rows = json.loads((here / "eval" / "report.json").read_text())["systems"]
    # Everything hears C: 2 of 2 s, and 0 of 2 s; the third clip asks for no chords, and nobody for a melody.
    assert rows["model"]["chord_acc"]["raw"]["count"] == 2
    assert rows["model"]["chord_acc"]["raw"]["mean"] == pytest.approx(0.5)
    assert "melody_pc" not in rows["model"] and "text only" in rows


def test_labels_are_known_as_far_as_they_reach(here: Path) -> None:
    """As in a build: labels of 3 s say nothing of the rest of a clip of 5 s."""
    names = ["chords", "melody", "drums", "beats"]
    record = {
        "seconds": 3.0,
        "chords": [[0, 5, "F"]],
        "melody": [[0, 1, 60]],
        "beats": [0.5 * n for n in range(10)],
        "drums": {"onsets": [1.0, 4.0]},
    }
    (here / "labels.json").write_text(json.dumps(record))
    entries = [entry(here / f"{number}.wav", number, 5.0, labels=str(here / "labels.json")) for number in range(2)]
    found = manifest.write(entries, here / "all.jsonl")
    clip = read_listed(found, "test", None, FrameGrid.of_seconds(5.0, 25), RATE, names)[0]
    assert {name: int(track.known.sum()) for name, track in clip.controls.tracks.items()} == dict.fromkeys(names, 75)
    # What is scored ends there as well.
    assert clip.requested.chords == ((0.0, 3.0, "F"),) and clip.requested.events("drums") == (1.0,)


def test_a_clip_that_is_a_little_short_ends_in_silence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = [entry(here / "0.wav", 0, 1.9), entry(here / "1.wav", 1, 2.0), entry(here / "2.wav", 2, 1.0)]
    found = manifest.write(entries, here / "all.jsonl")
    clips = read_listed(found, "test", None, FrameGrid.of_seconds(2.0, 25), RATE, ["text"])
    assert [clip.audio.samples.shape[-1] for clip in clips] == [2 * RATE, 2 * RATE]
    assert not clips[0].audio.samples[:, round(1.9 * RATE) :].any()
    assert "2.wav lasts 1.0 s, 2 s are asked for" in capsys.readouterr().err


def test_a_drum_stem_counts_more_than_onsets(here: Path) -> None:
    labels = here / "labels.json"
    labels.write_text(json.dumps({"drums": {"onsets": [0.5]}}))
    stem = Audio(clicks([1.5], 3.0)[None], RATE).write(here / "drums.wav")
    entries = [
        entry(here / "0.wav", 0, labels=str(labels), stems={"drums": str(stem)}),
        entry(here / "1.wav", 1, labels=str(labels)),
    ]
    found = manifest.write(entries, here / "all.jsonl")
    grid = FrameGrid.of_seconds(2.0, 25)
    heard, written = (clip.controls.tracks["drums"] for clip in read_listed(found, "test", None, grid, RATE, ["drums"]))
    assert heard.values[0, :30].amax() == 0.0 < heard.values[0, 35:40].amax()
    assert written.values[0, 12].amax() > 0.0 == written.values[0, 35:40].amax()
    codes = read_listed(found, "test", None, grid, RATE, ["text", "drums"], lambda audio, grid: heard)
    assert [set(clip.controls.tracks) for clip in codes] == [{"drums"}, set()]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("", "manifest is missing; give manifest=FILE"),
        ("manifest=captions.jsonl corpus=.", "corpus=. is not for data=manifest"),
        ("manifest=captions.jsonl data=folder corpus=.", "manifest=captions.jsonl is not for data=folder"),
        ("manifest=.", "is a folder; give a file"),
        (
            "manifest=captions.jsonl split=validation",
            "has 0 usable recordings of 2 s with captions or labels of what is asked for, 2 are needed",
        ),
        ("manifest=captions.jsonl controls=[chords]", "has 0 usable recordings of 2 s with captions or labels"),
        ("manifest=bad.jsonl", "bad.jsonl, line 1: 'hash' is missing"),
    ],
)
def test_wrong_input(
    overrides: str, words: str, run: Callable[..., int], clips: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "bad.jsonl").write_text('{"path": "a.wav", "duration": 3, "rate": 8000, "channels": 1}\n')
    assert run(*overrides.split()) == 2
    assert words in capsys.readouterr().err
