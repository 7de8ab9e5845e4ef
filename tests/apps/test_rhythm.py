"""Tempo and meter of a request: of flags, MIDI files, control sheets and drum loops, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic import limits
from flowmusic.apps.cli import build_parser
from flowmusic.controls import beats, chords, drums, melody
from flowmusic.generate.generator import Generator
from flowmusic.inputs import request
from flowmusic.takes import order
from flowmusic.types import Controls
from tests.apps.conftest import clicks
from tests.controls import midi_bytes as b

Write = Callable[[str, torch.Tensor], Path]


def controls(argv: list[str], model: Generator) -> tuple[Controls, list[str]]:
    """What the flags ask for on the model's clock, and what is said of it."""
    args = build_parser().parse_args(["generate", "t", *argv])
    found = request.read(args)
    return request.to_controls(found, model.grid(args.seconds)), found.notices


def refused(argv: list[str]) -> str:
    with pytest.raises(ValueError) as caught:
        order.read(order.check(build_parser().parse_args(["generate", "t", *argv])))
    assert len(str(caught.value)) <= 500
    return str(caught.value)


@pytest.mark.parametrize(
    ("argv", "seconds"),
    [
        (["slow jazz", "--chords", "C G Am F"], 4 * 4 * 60 / 72),
        (["t", "--chords", "C G Am F", "--bpm", "90"], 4 * 4 * 60 / 90),
        (["t", "--chords", "C G Am F G C", "--meter", "3/4"], 10.0),
        (["t", "--chords", "C G Am F G C"], 12.0),
        (["slow jazz", "--chords", "C G Am F", "--seconds", "4"], 4.0),
        (["t", "--chords", "C G"], 10.0),
        (["t", "--chords", "0:C 20:G"], 10.0),
        (["t", "--chords", "C G Am F G C", "--melody", "tune.mid"], 10.0),
        (["t", "--chords", " ".join(["C"] * 4000)], limits.limit("seconds").high),
    ],
)
def test_a_take_is_long_enough_for_its_chords(argv: list[str], seconds: float, tunes: None) -> None:
    asked = order.check(build_parser().parse_args(["generate", *argv]))
    assert asked.args.seconds == pytest.approx(seconds)
    assert any("as its chords do" in each for each in asked.said) == (seconds > 10.0)


@pytest.fixture
def tunes(here: Path) -> None:
    """MIDI files: tunes at 80 bpm, in 6/4, in 6/8, late, without a tempo; drums at 100 bpm, late, on channel 1."""
    beat = b"".join(b.note(pitch, 240, channel=9) for pitch in (36, 42, 38, 42) * 4)
    files = {
        "tune.mid": b.smf(b.tempo(80) + b.tune(repeats=2)),
        "tune.kar": b.smf(b.tempo(120) + b.tune()),
        "six.mid": b.smf(b.signature(6, 4) + b.tempo(120) + b.tune(repeats=3)),
        "jig.mid": b.smf(b.signature(6, 8) + b.tempo(90) + b.tune(240, repeats=3)),
        "odd.mid": b.smf(b.signature(19, 16) + b.tempo(600) + b.tune()),
        "late.mid": b.smf(b.tempo(120) + b.note(60, 480, delta=24 * 480)),
        "plain.mid": b.smf(b.tune()),
        "slowing.mid": b.smf(b.tempo(120) + b.tempo(60, 480), b.tune()),
        "free.mid": b.smf(b.tempo(120) + b.tune(517, repeats=2)),
        "beat.mid": b.smf(b.tempo(100) + beat),
        "late_beat.mid": b.smf(b.tempo(100) + b.note(36, 480, delta=24 * 480, channel=9)),
        "no_channel.mid": b.smf(b.tempo(100) + beat.replace(b"\x99", b"\x90").replace(b"\x89", b"\x80")),
        "broken.mid": b"MThd",
        "half.mid": b.smf(b.tempo(120) + b.tune(), promised=3),
    }
    for name, data in files.items():
        (here / name).write_bytes(data)


def second_chord(built: Controls) -> float:
    return chords.from_track(built.tracks["chords"])[0][1]


@pytest.mark.usefixtures("tunes")
def test_chords_go_at_the_tempo_of_the_file(model: Generator) -> None:
    built, notices = controls(["--chords", "C F", "--melody", "tune.mid", "--seconds", "6"], model)
    assert second_chord(built) == pytest.approx(3.0, abs=0.041)  # four beats at 80
    assert beats.tempo(built.tracks["beats"]) == pytest.approx(80, abs=0.2)
    assert "chords are placed at 80 bpm, the tempo of tune.mid; --bpm takes another" in notices
    built, notices = controls(["--chords", "0:C 2:F", "--melody", "tune.mid", "--seconds", "4"], model)
    assert "beats" not in built.tracks and not any("80 bpm" in each for each in notices)
    for name, doubt in (("slowing.mid", "; its tempo or meter changes"), ("free.mid", "; its notes do not keep to it")):
        built, notices = controls(["--chords", "C F", "--melody", name, "--seconds", "4"], model)
        assert second_chord(built) == pytest.approx(2.0, abs=0.041)
        assert any(f"120 bpm, the tempo of {name}{doubt}" in each for each in notices)


@pytest.mark.usefixtures("tunes")
def test_a_tempo_that_contradicts_the_file_is_said(model: Generator) -> None:
    built, notices = controls(["--chords", "C F", "--melody", "tune.mid", "--bpm", "100", "--seconds", "6"], model)
    assert second_chord(built) == pytest.approx(2.4, abs=0.041)
    assert any("tune.mid is written at 80 bpm and keeps its times" in each and "--bpm 80" in each for each in notices)
    for argv in (["--bpm", "80", "--melody", "tune.mid"], ["--bpm", "100", "--melody", "plain.mid"]):
        _, notices = controls([*argv, "--chords", "C F", "--seconds", "6"], model)
        assert not any("written at" in each for each in notices)
    # A tempo that no grid has leaves the chords where they would be.
    built, notices = controls(["--chords", "C F", "--melody", "odd.mid", "--seconds", "4"], model)
    assert second_chord(built) == pytest.approx(2.0, abs=0.041) and not any("tempo of" in each for each in notices)


@pytest.mark.usefixtures("tunes")
def test_bars_are_those_of_the_file_and_the_beat_is_named(model: Generator) -> None:
    built, notices = controls(["--chords", "C F", "--melody", "six.mid", "--seconds", "6"], model)
    assert second_chord(built) == pytest.approx(3.0, abs=0.041)  # six quarters at 120
    assert any("counted in 6/4, as six.mid is written; --meter" in each for each in notices)
    built, notices = controls(["--chords", "C F", "--melody", "jig.mid", "--seconds", "4"], model)
    assert second_chord(built) == pytest.approx(2.0, abs=0.041)  # two dotted quarters at 60
    assert any(
        "in 6/8 a beat, which is what bpm counts, is a dotted quarter note: at 60 bpm a bar of 2" in n for n in notices
    )
    built, notices = controls(["--chords", "C F", "--melody", "jig.mid", "--meter", "3/4", "--seconds", "4"], model)
    assert second_chord(built) == pytest.approx(2.0, abs=0.041)  # three quarters at 90
    assert any("--meter 3/4 counts the bars, though jig.mid is written in 6/8" in each for each in notices)
    _, notices = controls(["--bpm", "60", "--meter", "6/8", "--seconds", "2"], model)
    assert any("dotted quarter note: at 60 bpm a bar of 2 beats lasts 2 s" in each for each in notices)
    _, notices = controls(["--bpm", "60", "--meter", "3/4", "--seconds", "2"], model)
    assert notices == []


def test_a_meter_without_effect_is_said(model: Generator) -> None:
    for argv in (["--meter", "3/4"], ["--meter", "3/4", "--chords", "0:C 1:F"]):
        _, notices = controls([*argv, "--seconds", "2"], model)
        assert any("--meter 3/4 has no effect: it counts the bars" in each for each in notices)
    _, notices = controls(["--meter", "3/4", "--chords", "C F", "--seconds", "2"], model)
    assert not any("no effect" in each for each in notices)


@pytest.mark.usefixtures("tunes")
def test_what_was_taken_for_the_melody_and_what_was_odd_is_said(model: Generator) -> None:
    built, notices = controls(["--melody", "tune.kar", "--seconds", "4"], model)
    assert [pitch for _, _, pitch in melody.from_track(built.tracks["melody"])] == list(b.PITCHES)
    assert notices == ["the melody of tune.kar is the only track"]
    _, notices = controls(["--melody", "half.mid", "--seconds", "4"], model)
    assert "half.mid: its header says 3 tracks, and 1 is there" in notices


@pytest.mark.usefixtures("tunes")
def test_what_cannot_be_used_of_midi_is_refused() -> None:
    late = refused(["--melody", "late.mid", "--seconds", "8"])
    assert "melody of late.mid would only begin at 12 s, after the clip's end at 8 s" in late and "--seconds 16" in late
    assert "drums of late_beat.mid would only begin at 14.4 s" in refused(
        ["--drums", "late_beat.mid", "--seconds", "8"]
    )
    assert "beat.mid holds no notes outside the drum channel" in refused(["--melody", "beat.mid"])
    assert "cannot read broken.mid as MIDI: it ends within its header" in refused(["--melody", "broken.mid"])
    assert "cannot read broken.mid as MIDI" in refused(["--drums", "broken.mid"])
    assert "tune.mid is a MIDI file, which has no sound" in refused(["--style", "tune.mid"])


@pytest.mark.usefixtures("tunes")
def test_midi_drums_repeat_by_their_bars(model: Generator) -> None:
    built, notices = controls(["--drums", "beat.mid", "--seconds", "6", "--bpm", "100"], model)
    found = drums.onsets_from_track(built.tracks["drums"])
    assert found == pytest.approx([0.3 * n for n in range(20)], abs=0.02) and notices == []
    low, mid, high = drums.to_drawing(built.tracks["drums"])[:, [0, 60, 30]]
    assert [int(hit.argmax()) for hit in (low, mid, high)] == [0, 1, 2]
    built, notices = controls(["--drums", "beat.mid", "--chords", "C F", "--seconds", "4"], model)
    assert second_chord(built) == pytest.approx(2.4, abs=0.041)
    assert any("at 100 bpm, the tempo of beat.mid" in each for each in notices)
    built, notices = controls(["--drums", "no_channel.mid", "--seconds", "4"], model)
    assert len(drums.onsets_from_track(built.tracks["drums"])) > 10
    assert any("no drum channel (10); all its notes are taken for drums" in each for each in notices)


STRETCH = ["beat.mid", "loop.wav"]


@pytest.fixture
def loop(tunes: None, wav: Write) -> None:
    """The drums of ``beat.mid``, two bars at 100 bpm, as sound: ``loop.wav``, and half a second of it."""
    wav("loop.wav", clicks([0.3 * n for n in range(16)], 4.8))
    wav("short.wav", clicks([0.0, 0.3], 0.5))


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("name", STRETCH)
def test_drums_of_another_tempo_are_told_of_or_stretched(model: Generator, name: str) -> None:
    argv = ["--drums", name, "--seconds", "8"]
    told = f"{name} is at 100 bpm and the beat grid at 120 bpm, so they drift apart; give --bpm 100, or --stretch"
    for grid in (["--bpm", "120"], ["--chords", "C F", "--bpm", "120"]):
        _, notices = controls([*argv, *grid], model)
        assert any(each.startswith(told) for each in notices), notices
    for same in ("100", "50", "200"):
        _, notices = controls([*argv, "--bpm", same], model)
        assert not any("drift" in each for each in notices), notices
    built, notices = controls([*argv, "--bpm", "120", "--stretch"], model)
    found = drums.onsets_from_track(built.tracks["drums"])
    assert found == pytest.approx([0.25 * n for n in range(32)], abs=0.03)
    assert any(f"{name} is stretched from 100 to 120 bpm" in each for each in notices)
    built, _ = controls([*argv, "--bpm", "90", "--stretch"], model)
    found = drums.onsets_from_track(built.tracks["drums"])[:24]
    assert found == pytest.approx([n / 3 for n in range(24)], abs=0.03)
    _, notices = controls([*argv, "--bpm", "100", "--stretch"], model)
    assert any(f"--stretch changes nothing: {name} goes with 100 bpm" in each for each in notices)


@pytest.mark.usefixtures("loop")
def test_half_a_second_has_no_tempo_but_may_be_told_one(model: Generator) -> None:
    _, notices = controls(["--drums", "short.wav", "--bpm", "117", "--seconds", "4"], model)
    assert not any("drift" in each for each in notices)
    assert "short.wav is too short, or has too few hits" in refused(
        ["--drums", "short.wav", "--bpm", "117", "--stretch"]
    )
    built, _ = controls(
        ["--drums", "short.wav", "--bpm", "120", "--loop-bpm", "100", "--stretch", "--seconds", "1"], model
    )
    assert drums.onsets_from_track(built.tracks["drums"])[:2] == pytest.approx([0.0, 0.25], abs=0.02)
    _, notices = controls(["--drums", "loop.wav", "--bpm", "120", "--loop-bpm", "110", "--seconds", "4"], model)
    assert any("loop.wav is at 110 bpm" in each for each in notices)
    assert "nothing sets" in refused(["--drums", "loop.wav", "--stretch"])
    assert "neither is given" in refused(["--stretch"]) and "neither is given" in refused(["--loop-bpm", "100"])
    assert "between 20 and 400" in refused(["--loop-bpm", "5", "--drums", "loop.wav"])


def test_stretched_sound_keeps_its_hits(here: Path, wav: Write) -> None:
    from flowmusic.audio import Audio
    from flowmusic.inputs import loops

    sound = Audio.read(wav("loop.wav", clicks([0.5, 1.0, 1.5], 2.0)))
    longer = loops.stretched_audio(sound, 1.25)
    assert longer.samples.shape[0] == 1 and longer.seconds == pytest.approx(2.5, abs=0.02)
    places = longer.samples[0].abs().unfold(0, 800, 800).amax(1)  # 50 ms each
    loud = sorted(0.05 * int(n) for n in places.topk(3).indices)
    assert loud == pytest.approx([0.625, 1.25, 1.875], abs=0.06)


def sheet(here: Path, **content: Any) -> list[str]:
    base = {"source": "song", "seconds": 4.8, "frame_rate": 25, "bpm": 100, "beats": [0.6 * n for n in range(8)]}
    hits = {"onsets": [0.3 * n for n in range(16)], "stem": None}
    (here / "controls.json").write_text(json.dumps({**base, "drums": hits, "chords": [[0, 4.8, "C"]], **content}))
    return ["--controls", "controls.json", "--seconds", "8"]


def test_drums_of_a_sheet_on_another_grid(here: Path, model: Generator, wav: Write) -> None:
    argv = sheet(here)
    _, notices = controls(argv, model)
    assert not any("drift" in each or "keep their times" in each for each in notices)
    _, notices = controls([*argv, "--bpm", "120"], model)
    assert any("the drums of controls.json is at 100 bpm and the beat grid at 120" in each for each in notices)
    assert any("chords of controls.json keep their times, at about 100 bpm" in each for each in notices)
    wav("stem.wav", clicks([0.3 * n for n in range(16)], 4.8))
    for stem in (None, "stem.wav"):
        argv = sheet(here, drums={"onsets": [0.3 * n for n in range(16)], "stem": stem})
        built, _ = controls([*argv, "--bpm", "120", "--stretch", "--use", "drums"], model)
        found = drums.onsets_from_track(built.tracks["drums"])
        assert found == pytest.approx([0.25 * n for n in range(32)], abs=0.03)


def test_an_uncertain_tempo_of_a_sheet_is_said(here: Path, model: Generator) -> None:
    _, notices = controls(sheet(here, bpm_confidence=0.2), model)
    assert any("tempo of controls.json, 100 bpm, is uncertain (confidence 0.2); --bpm" in each for each in notices)
    _, notices = controls(sheet(here, bpm_confidence=0.8), model)
    assert not any("uncertain" in each for each in notices)
