"""`flowmusic generate`: what it writes, and how flags, files and defaults become controls."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from flowmusic.inputs import request
from flowmusic.metrics.adherence import Detectors
from flowmusic.model.text import TextEncoder
from flowmusic.types import Controls
from tests.apps.conftest import clicks, tone
from tests.generate.tiny import RATE as MODEL_RATE

Write = Callable[[str, torch.Tensor], Path]

pytestmark = pytest.mark.usefixtures("ears")


def take(argv: list[str], record: str = "take.json") -> dict[str, Any]:
    """Run, and read the record."""
    assert main(["generate", *argv]) == 0
    parsed: dict[str, Any] = json.loads(Path(record).read_text(encoding="utf-8"))
    return parsed


def test_a_take_and_its_record(here: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["a “warm” beat", "--chords", "C Am", "--bpm", "120", "--seconds", "1.5", "--seed", "7"]
    record = take(argv)
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == ["take.wav", "take.json"]
    assert out.splitlines()[2].split() == ["chord_acc", "1.00"]
    assert "Traceback" not in err
    samples, rate = soundfile.read("take.wav", dtype="int16")
    assert (rate, samples.shape, soundfile.info("take.wav").subtype) == (
        MODEL_RATE,
        (round(1.5 * MODEL_RATE),),
        "PCM_16",
    )
    keys = "model licence watermark audio_sha256 seed solver steps time_grid num_evals guidance guidance_interval"
    keys += " apg guided_channels seconds sample_rate channels text facts controls"
    assert list(record) == [*keys.split(), "adherence"]
    assert (record["time_grid"], record["guidance_interval"], record["apg"]) == ("uniform", [0.0, 1.0], None)
    assert record["seed"] == 7 and record["text"] == "a “warm” beat" and record["guidance"] == {"all": 2.0}
    assert (record["solver"], record["steps"], record["num_evals"], record["model"]) == ("midpoint", 4, 8, "tiny")
    assert (record["seconds"], record["sample_rate"]) == (1.5, MODEL_RATE)
    assert record["controls"]["chords"] == [[0.0, 1.5, "C"]]
    assert record["controls"]["bpm"] == 120.0 and record["controls"]["meter"] == "4/4"
    assert record["controls"]["beats"] == pytest.approx([0.0, 0.5, 1.0], abs=0.01)
    assert record["controls"]["melody"] is None and record["controls"]["drums"] is None
    assert record["adherence"]["chord_acc"] == 1.0
    assert set(record["adherence"]["detectors"]) == {"chords", "beats"}


def test_a_take_is_repeated_by_its_record(here: Path, model: Generator) -> None:
    record = take(["text", "--chords", "C F"])
    first = Path("take.wav").read_bytes()
    again = take(["text", "--chords", "C F", "--seed", str(record["seed"]), "--out", "again.wav"], "again.json")
    assert Path("again.wav").read_bytes() == first
    assert again == record
    other = take(["text", "--chords", "C F", "--out", "other.wav"], "other.json")
    assert other["seed"] != record["seed"]


def test_count_takes_have_consecutive_seeds(here: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "t", "--count", "3", "--seed", "5", "--out", "x.flac", "--seconds", "1", "--quiet"]) == 0
    names = [f"x-{n}.{suffix}" for n in (1, 2, 3) for suffix in ("flac", "json")]
    assert capsys.readouterr().out.splitlines() == names
    assert sorted(path.name for path in here.iterdir()) == sorted([*names, *(f"x-{n}.latents" for n in (1, 2, 3))])
    seeds = [json.loads(Path(f"x-{n}.json").read_text())["seed"] for n in (1, 2, 3)]
    assert seeds == [5, 6, 7]
    main(["generate", "t", "--seed", "6", "--out", "y.flac", "--seconds", "1", "--quiet"])
    assert (soundfile.read("y.flac")[0] == soundfile.read("x-2.flac")[0]).all()


def test_quiet_prints_files_only(here: Path, model: Generator, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "t", "--chords", "Csus4", "--quiet"]) == 0
    out, err = capfd.readouterr()
    assert (out, err) == ("take.wav\ntake.json\n", "")


def test_a_prompt_that_is_not_read_is_said_once_and_recorded(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    model.encoder.text = TextEncoder()
    for name in ("unread-1", "unread-2"):
        record = take(["тёплый джаз", "--count", "2", "--out", "unread.wav"], f"{name}.json")
        assert "the take follows no words of the prompt 'тёплый джаз'" in record["controls"]["warnings"][0]
        err = capsys.readouterr().err
        assert err.count("follows no words") == 1 and f"note: {record['controls']['warnings'][0]}\n" in err


def test_notices_go_to_stderr_and_into_the_record(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    record = take(["t", "--chords", "0:Csus4 30:F", "--seconds", "2"])
    err = capsys.readouterr().err
    warnings = record["controls"]["warnings"]
    assert len(warnings) == len(set(warnings)) == 2
    assert any("sus4" in text for text in warnings) and any("30" in text for text in warnings)
    assert all(f"note: {text}\n" in err for text in warnings)


def test_text_alone(here: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    record = take(["", "--seconds", "2"])
    assert record["text"] is None
    assert record["adherence"] == {"reasons": {}, "detectors": {}}
    assert all(record["controls"][name] is None for name in ("chords", "beats", "bpm", "melody", "drums"))
    assert capsys.readouterr().out == "take.wav\ntake.json\n"


def test_guidance_solver_and_steps_reach_the_model(here: Path, model: Generator) -> None:
    record = take(["t", "--guidance", "all=3, text=1.5", "--solver", "rk4", "--steps", "3", "--chords", "C"])
    assert record["guidance"] == {"all": 3.0, "text": 1.5}
    assert (record["solver"], record["steps"], record["num_evals"]) == ("rk4", 3, 12 * 7)  # 10 s in seven parts
    assert set(model.field.batches) == {3}  # all, text, nothing


def test_time_grid_interval_and_projection_reach_the_model_and_the_record(here: Path, model: Generator) -> None:
    flags = ["--time-grid", "epss", "--steps", "5", "--guidance-interval", "0.2,0.6", "--apg", "eta=0.5,norm=0.2"]
    argv = ["t", "--chords", "C", "--seconds", "2", "--solver", "euler", "--seed", "3"]
    record = take([*argv, *flags])
    # Euler evaluates at 0, 2, 4, 8 and 16 of 32: of these only 8 and 16 lie in the interval.
    assert model.field.batches == [1, 1, 1, 2, 2]
    assert record["time_grid"] == "epss" and record["guidance_interval"] == [0.2, 0.6]
    assert record["apg"] == {"eta": 0.5, "norm": 0.2, "momentum": 0.0}
    first = Path("take.wav").read_bytes()
    assert take([*argv, *flags, "--out", "again.wav"], "again.json") == record
    assert Path("again.wav").read_bytes() == first
    take([*argv, *flags[:4], "--out", "plain.wav"], "plain.json")
    assert Path("plain.wav").read_bytes() != first


def test_what_the_model_was_told_holds_where_the_command_says_nothing(here: Path, model: Generator) -> None:
    model.defaults = replace(model.defaults, guidance_interval=(0.0, 0.5), apg={"eta": 0.0}, time_grid="sway")
    record = take(["t", "--chords", "C", "--seconds", "2", "--guidance", "all=4"])
    assert (record["time_grid"], record["guidance_interval"]) == ("sway", [0.0, 0.5])
    assert record["apg"] == {"eta": 0.0, "norm": None, "momentum": 0.0}
    again = take(["t", "--seconds", "2", "--guidance-interval", "0,1", "--apg", "eta=1", "--time-grid", "uniform"])
    assert (again["time_grid"], again["guidance_interval"], again["apg"]["eta"]) == ("uniform", [0.0, 1.0], 1.0)


def test_steps_that_the_time_grid_does_not_have_are_refused(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "t", "--time-grid", "epss", "--steps", "8"]) == 2
    err = capsys.readouterr().err
    assert "5, 6, 7, 10, 12, 16 steps, got 8" in err and not list(here.iterdir())


def test_long_takes(here: Path, model: Generator) -> None:
    take(["t", "--seconds", "9", "--chords", "C F"])
    assert soundfile.info("take.wav").frames == 9 * MODEL_RATE


def test_output_is_overwritten_and_nothing_else_is_left(here: Path, model: Generator) -> None:
    Path("take.wav").write_text("old")
    Path("take.json").write_text("old")
    take(["t", "--seconds", "1"])
    assert sorted(path.name for path in here.iterdir()) == ["take.json", "take.latents", "take.wav"]
    take(["t", "--seconds", "1", "--no-latents", "--out", "bare.wav"], "bare.json")
    assert not Path("bare.latents").exists()
    assert soundfile.info("take.wav").frames == MODEL_RATE


# Controls


def controls(argv: list[str], model: Generator) -> tuple[Controls, request.GenerateRequest]:
    """What the flags ask for, on the model's clock."""
    from flowmusic.apps.cli import build_parser

    args = build_parser().parse_args(["generate", "t", *argv])
    found = request.read(args)
    return request.to_controls(found, model.grid(args.seconds)), found


def test_midi_melody_is_unknown_after_its_end(here: Path, model: Generator) -> None:
    import mido

    song = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    for pitch in (60, 64):
        track.append(mido.Message("note_on", note=pitch, velocity=90, time=0))
        track.append(mido.Message("note_off", note=pitch, time=480))
    song.tracks.append(track)
    song.save("tune.mid")
    built, found = controls(["--melody", "tune.mid", "--seconds", "2"], model)
    melody = built.tracks["melody"]
    assert melody.known[0].tolist() == [True] * 25 + [False] * 25
    # The first note ends at 0.5 s, the centre of frame 12 is at 0.5 s.
    assert [int(k) + 43 for k in melody.values[0, :25].argmax(-1)] == [60] * 12 + [64] * 13
    assert found.sources == {"melody": "tune.mid"}


def test_recorded_melody(model: Generator, wav: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_extractors.melody import Melody

    # The tracker without weights, which loads at once.
    monkeypatch.setattr(Melody, "monophonic", staticmethod(lambda: Melody(fmin_hz=65.0, model="harmonic")))
    wav("hum.wav", torch.cat([tone(220.0, 0.8), tone(329.63, 0.8)]))
    built, _ = controls(["--melody", "hum.wav", "--seconds", "3"], model)
    melody = built.tracks["melody"]
    assert melody.known[0].sum() == 40  # 1.6 s
    heard = [int(k) + 43 for k in melody.values[0, :40].argmax(-1)]
    assert heard[5:15] == [57] * 10 and heard[25:35] == [64] * 10  # A3, E4


def test_a_short_drum_loop_repeats_on_the_beat_grid(model: Generator, wav: Write) -> None:
    # Two beats at 120 bpm with 60 ms of silence after them: the loop must last 1 s, not 1.06 s.
    wav("loop.wav", clicks([0.0, 0.5], 1.06))
    built, found = controls(["--drums", "loop.wav", "--bpm", "120", "--seconds", "4"], model)
    from flowmusic.controls.drums import onsets_from_track

    onsets = onsets_from_track(built.tracks["drums"])
    assert onsets == pytest.approx([0.5 * n for n in range(8)], abs=0.02)
    assert any("drums alone" in notice for notice in found.notices)


def test_a_mix_has_its_drums_separated(model: Generator, wav: Write) -> None:
    music = 0.3 * (tone(261.6, 2.0) + tone(329.6, 2.0) + tone(392.0, 2.0))
    wav("mix.wav", music + 0.4 * clicks([0.0, 0.5, 1.0, 1.5], 2.0))
    _, found = controls(["--drums", "mix.wav", "--seconds", "2"], model)
    assert any("its drums are separated" in notice for notice in found.notices)


def test_recordings_longer_than_the_clip_are_cut_with_a_notice(model: Generator, wav: Write) -> None:
    wav("loop.wav", clicks([0.25 * n for n in range(12)], 3.0))
    built, found = controls(["--drums", "loop.wav", "--seconds", "1"], model)
    assert built.tracks["drums"].grid.seconds == 1.0
    assert any("cut at the clip's 1 s" in notice for notice in found.notices)


def sheet(here: Path, **content: Any) -> None:
    base = {"source": "song", "seconds": 2.0, "frame_rate": 25, "bpm": 100, "beats": [0.0, 0.6, 1.2, 1.8]}
    filled = {
        **base,
        "chords": [[0, 1, "C"], [1, 2, "F"]],
        "melody": [[0, 1, 60]],
        "drums": {"onsets": [0.1, 0.9], "stem": None},
        **content,
    }
    (here / "controls.json").write_text(json.dumps(filled))


def test_controls_of_a_sheet(here: Path, model: Generator) -> None:
    sheet(here)
    everything, found = controls(["--controls", ".", "--seconds", "2"], model)
    assert everything.names() == {"text", "chords", "melody", "drums", "beats"}
    assert set(found.sources) == {"chords", "melody", "drums", "beats"}
    some, _ = controls(["--controls", "controls.json", "--use", "chords, drums", "--seconds", "2"], model)
    assert some.names() == {"text", "chords", "drums"}


def test_flags_override_the_sheet(here: Path, model: Generator) -> None:
    from flowmusic.controls import beats, chords

    sheet(here)
    built, found = controls(["--controls", ".", "--chords", "0:G", "--bpm", "150", "--seconds", "2"], model)
    assert [label for _, _, label in chords.from_track(built.tracks["chords"])] == ["G"]
    assert beats.tempo(built.tracks["beats"]) == pytest.approx(150, abs=0.5)
    assert set(found.sources) == {"melody", "drums"}


def test_chords_in_bars_follow_the_tempo_of_the_sheet(here: Path, model: Generator) -> None:
    from flowmusic.controls import chords

    sheet(here, beats=[0.6 * n for n in range(5)], downbeats=[0.0, 2.4], chords=None, seconds=4.0)
    built, _ = controls(["--controls", ".", "--chords", "C F", "--seconds", "4"], model)
    changes = chords.from_track(built.tracks["chords"])
    assert changes[0][1] == pytest.approx(2.4, abs=0.041)  # four beats at 100 bpm, not at 120


def test_timed_chords_with_a_tempo_keep_their_times(model: Generator) -> None:
    from flowmusic.controls import chords

    slow, _ = controls(["--chords", "0:C 1:F", "--bpm", "60", "--seconds", "2"], model)
    fast, _ = controls(["--chords", "0:C 1:F", "--bpm", "180", "--seconds", "2"], model)
    assert chords.from_track(slow.tracks["chords"]) == chords.from_track(fast.tracks["chords"])
    assert not torch.equal(slow.tracks["beats"].values, fast.tracks["beats"].values)


def test_a_stem_lies_beside_its_sheet(
    here: Path, model: Generator, wav: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowmusic.controls.drums import onsets_from_track

    wav("stem.wav", clicks([0.3, 1.3], 2.0))
    sheet(here, drums={"onsets": [0.1], "stem": "stem.wav"})
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    built, found = controls(["--controls", "..", "--use", "drums", "--seconds", "2"], model)
    assert onsets_from_track(built.tracks["drums"]) == pytest.approx([0.3, 1.3], abs=0.02)
    assert Path(found.sources["drums"]).resolve() == here / "stem.wav"


def test_use_shields_from_a_missing_stem(here: Path, model: Generator) -> None:
    sheet(here, drums={"onsets": [0.1], "stem": "gone.wav"})
    built, _ = controls(["--controls", ".", "--use", "chords", "--seconds", "2"], model)
    assert built.names() == {"text", "chords"}


def test_what_cannot_be_heard_is_null_with_a_reason(
    here: Path, model: Generator, ears: Detectors, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from flowmusic.evaluate import adherence

    monkeypatch.setattr(adherence, "listeners", lambda: replace(ears, chords=None))
    record = take(["t", "--chords", "C", "--bpm", "120", "--seconds", "2"])
    assert record["adherence"]["chord_acc"] is None and record["adherence"]["beat_f1"] > 0
    assert record["adherence"]["reasons"]["chord_acc"] == "nothing was there to recognise chords with"
    assert "chord_acc   -" in capsys.readouterr().out
    record = take(["t", "--chords", "Cdim", "--seconds", "2"])
    assert record["adherence"]["chord_iou"] is None


def test_a_failing_recogniser_costs_the_scores_not_the_record(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flowmusic.evaluate import adherence

    def fail(audio: object) -> list[float]:
        raise RuntimeError("deaf")

    monkeypatch.setattr(adherence, "listeners", lambda: Detectors(beats=fail))
    assert main(["generate", "t", "--bpm", "100", "--seed", "3", "--seconds", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == "take.wav\n" and "deaf" in err
    record = json.loads(Path("take.json").read_text())
    assert record["seed"] == 3 and record["adherence"] is None


def hearing(monkeypatch: pytest.MonkeyPatch, shares: list[float]) -> list[float]:
    """The next takes have C on so much of them, and F on the rest; returns the list as it is used up."""
    from flowmusic.evaluate import adherence

    def chords(audio):  # type: ignore[no-untyped-def]
        turn = shares.pop(0) * audio.seconds
        return [(0.0, turn, "C"), (turn, audio.seconds, "F")]

    monkeypatch.setattr(adherence, "listeners", lambda: Detectors(chords=chords))
    return shares


def test_the_best_of_several_takes_is_kept(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hearing(monkeypatch, [0.25, 0.75, 0.5])
    record = take(["text", "--chords", "C", "--seconds", "2", "--seed", "5", "--best-of", "3"])
    assert record["seed"] == 6 and record["adherence"]["chord_acc"] == pytest.approx(0.75, abs=0.01)
    assert record["choice"]["takes"] == 3 and list(record["choice"]["by_seed"]) == ["5", "6", "7"]
    assert record["choice"]["score"] == pytest.approx(0.75, abs=0.01)
    assert "of 3 takes the one of seed 6 follows closest, 0.75" in capsys.readouterr().err
    kept = Path("take.wav").read_bytes()
    hearing(monkeypatch, [1.0])
    assert "choice" not in take(["text", "--chords", "C", "--seconds", "2", "--seed", "6"])
    assert Path("take.wav").read_bytes() == kept


def test_takes_until_one_is_good_enough(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = hearing(monkeypatch, [0.25, 0.5, 0.75, 1.0])
    argv = ["text", "--chords", "C", "--seconds", "2", "--seed", "5"]
    record = take([*argv, "--min-adherence", "0.7"])
    assert record["seed"] == 7 and record["choice"]["reached"] is True and left == [1.0]
    hearing(monkeypatch, [0.25, 0.5, 0.25, 0.5])
    record = take([*argv, "--min-adherence", "0.7", "--best-of", "2", "--count", "2"], "take-2.json")
    assert record["seed"] == 8 and record["choice"]["reached"] is False and record["choice"]["takes"] == 2
    assert "of 2 takes the one of seed 6 follows closest, 0.50, which is less than --min-adherence 0.7" in (
        capsys.readouterr().err
    )


def test_nothing_to_choose_by(here: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["text", "--best-of", "2"], ["text", "--min-adherence", "0.5"]):
        assert main(["generate", *argv]) == 2
        assert "none of them was asked for" in capsys.readouterr().err
    assert main(["generate", "text", "--chords", "C", "--min-adherence", "1.5"]) == 2
    assert "not a number between 0 and 1" in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_bars_tell_where_the_chords_were_kept(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hearing(monkeypatch, [0.5])
    record = take(["text", "--chords", "C | C G", "--bpm", "240", "--seconds", "2"])
    bars = record["adherence"]["bars"]
    assert [(bar["start"], bar["end"]) for bar in bars] == [(0.0, 1.0), (1.0, 2.0)]
    assert bars[0]["asked"] == ["C"] and bars[1]["asked"] == ["C", "G"]
    assert bars[0]["agreement"] == pytest.approx(1.0, abs=0.02) and bars[1]["agreement"] == pytest.approx(0.0, abs=0.02)
    out = capsys.readouterr().out
    assert "bar  chords" in out and "  2  C G             F               0.0" in out
