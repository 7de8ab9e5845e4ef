"""Recordings that a person hands in: long ones, and ones of which something is odd, by whatever command reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from feature_extractors import separators
from flowmusic import audio
from flowmusic.apps.cli import build_parser, main
from flowmusic.apps.invert import read_clips
from flowmusic.datasets import manifest
from flowmusic.datasets.clip import read_part
from flowmusic.datasets.manifest import Entry
from flowmusic.evaluate.test_set_folder import MIDDLE, excerpt
from flowmusic.evaluate.test_set_manifest import read_listed
from flowmusic.inputs import request
from flowmusic.types import FrameGrid
from tests.apps.conftest import RATE, clicks, tone

LONG_S = 60.0


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """Seconds that were decoded since the last call; a recording is long from 20 s on."""
    monkeypatch.setattr(audio, "STRETCHES", 5)
    monkeypatch.setattr(audio, "STRETCH_SECONDS", 4.0)
    frames = [0]
    real = soundfile.SoundFile.read

    def counting(self: soundfile.SoundFile, *args: object, **settings: object) -> np.ndarray:
        found: np.ndarray = real(self, *args, **settings)
        frames[0] += len(found)
        return found

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)

    def taken() -> float:
        count, frames[0] = frames[0], 0
        return count / RATE

    return taken


@pytest.fixture
def long(here: Path) -> Path:
    """A minute that is loud from 44 to 46 s, with hits everywhere."""
    level = torch.full((round(LONG_S * RATE),), 0.1)
    level[44 * RATE : 46 * RATE] = 0.9
    samples = level * (tone(220.0, LONG_S) + clicks([0.5 * n for n in range(120)], LONG_S))
    path = here / "long.wav"
    soundfile.write(path, samples.numpy(), RATE)
    return path


def read(*flags: str) -> request.GenerateRequest:
    return request.read(build_parser().parse_args(["generate", "t", *flags]))


def test_generate_decodes_what_it_needs_of_a_long_file(long: Path, decoded: Callable[[], float]) -> None:
    drums = read("--drums", str(long), "--seconds", "3")
    assert decoded() <= 4.0 and drums.drums is not None and drums.drums.seconds == 3.0
    assert any(notice.endswith("lasts 60.00 s and is cut at the clip's 3 s") for notice in drums.notices)
    read("--melody", str(long), "--seconds", "3")
    assert decoded() <= 4.0
    style = read("--style", str(long), "--style-seconds", "2")
    assert decoded() <= 20.0
    assert style.style is not None and float(style.style.sound.samples.abs().max()) > 0.4
    (notice,) = style.notices
    assert "from 44.00 to 46.00 s" in notice and "the loudest part of 5 stretches of it" in notice


def test_others_decode_what_they_need_of_a_long_file(
    long: Path, decoded: Callable[[], float], capsys: pytest.CaptureFixture[str]
) -> None:
    clips = read_clips(long, quiet=False)
    assert decoded() <= 20.0 and [clip.seconds for clip in clips] == [4.0] * 5
    assert "it is long; 5 stretches of 4 s of it are learned from" in capsys.readouterr().err
    middle = excerpt(long, 2.0, RATE, MIDDLE)
    assert decoded() <= 2.1
    assert torch.equal(middle.samples, audio.read(long).samples[:, 29 * RATE : 31 * RATE])
    decoded()
    entries = [
        Entry(str(long), LONG_S, RATE, 1, f"{n:064d}", start=10.0 * n, text=("a",), split="test") for n in (0, 2)
    ]
    manifest.write(entries, long.with_name("m.jsonl"))
    first, second = read_listed(long.with_name("m.jsonl"), "test", None, FrameGrid(25, 50), RATE, ["text"])
    assert decoded() <= 4.0 and first.audio.seconds == second.audio.seconds == 2.0
    assert not torch.equal(first.audio.samples, second.audio.samples)


@pytest.fixture
def odd(here: Path) -> Path:
    """Two channels that cancel each other, in a file that breaks off after 3 of its 6 s."""
    samples = 0.5 * (tone(220.0, 6.0) + clicks([0.5 * n for n in range(12)], 6.0)).numpy()
    path = here / "odd.wav"
    soundfile.write(path, np.stack([0.9 * samples, -samples], 1), RATE)
    path.write_bytes(path.read_bytes()[: 44 + 3 * RATE * 4])
    return path


def test_what_is_odd_is_said_and_one_channel_used(
    odd: Path, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = (
        "cancel each other (correlation -1.00); channel 2, the louder, is used alone",
        "promises 6.0 s, about 3.0 s",
    )
    for flag in ("--melody", "--drums", "--style"):
        notices = " ".join(read(flag, str(odd), "--seconds", "2").notices)
        assert all(each in notices for each in told) and str(odd) in notices
    whole = Entry(str(odd), 3.0, RATE, 2, "0" * 64)
    parts = [read_part(str(odd), piece) for piece in whole.pieces(1.5)]
    expected = audio.read(odd).samples[1:]
    assert torch.equal(torch.cat([part.audio.samples for part in parts], 1), expected)
    assert all(len(part.notices) == 2 for part in parts)
    assert torch.equal(read_clips(odd, quiet=True)[0].samples, expected)
    assert torch.equal(excerpt(odd, 3.0, RATE, 0.0).samples, expected)
    assert all(each in capsys.readouterr().err for each in told[:1])


@pytest.mark.parametrize("gain", [-1e-3, 10.0])
def test_extract_writes_the_same_controls_at_any_level(
    gain: float, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_extractors import stems
    from feature_extractors.madmom import compat

    monkeypatch.setattr(compat, "available", lambda: False)
    monkeypatch.setattr(separators, "best_available", stems.HarmonicPercussive)
    samples = (0.3 * (tone(261.6, 2.0) + tone(329.6, 2.0)) + 0.5 * clicks([0.0, 0.5, 1.0, 1.5], 2.0)).numpy()
    sheets = []
    for name, factor in (("plain", 1.0), ("other", gain)):
        soundfile.write("song.wav", factor * samples, RATE, subtype="FLOAT")
        assert main(["extract", "song.wav", "--out", name]) == 0
        sheets.append((here / name / "controls.json").read_text())
    assert sheets[0] == sheets[1] and json.loads(sheets[0])["melody"]
    # Without its stem it says the same of everything else, and a stem from before goes.
    assert main(["extract", "song.wav", "--out", "other", "--no-stems"]) == 0
    bare = json.loads((here / "other" / "controls.json").read_text())
    assert sorted(path.name for path in (here / "other").iterdir()) == ["controls.json", "controls.png"]
    assert bare["drums"].pop("stem") is None
    whole = json.loads(sheets[0])
    assert whole["drums"].pop("stem") == "drums.wav" and bare == whole


def test_hiss_gives_no_melody_and_no_drums(here: Path) -> None:
    noise = np.random.default_rng(0).normal(0.0, 1e-3, 2 * RATE)
    soundfile.write("hiss.wav", noise, RATE)
    for flag, words in (("--melody", "no melody was found"), ("--drums", "no drum hits were found")):
        with pytest.raises(ValueError, match=words):
            read(flag, "hiss.wav", "--seconds", "2")
