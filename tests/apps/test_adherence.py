"""Adherence of a take, and the table of a model on a corpus."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic import progress
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.audio import Audio
from flowmusic.evaluate import adherence, adherence_table
from flowmusic.evaluate.test_set import LabelledClip, other, read_clips, swap
from flowmusic.generate.generator import Generator
from flowmusic.metrics.adherence import Detectors
from flowmusic.types import FrameGrid
from tests.apps.conftest import RATE, clicks


def test_the_chord_recogniser_can_be_chosen_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from feature_extractors.madmom import compat
    from flowmusic.errors import UsageError

    assert adherence.chord_recogniser().resolved() == adherence.chord_recogniser("ours").resolved() == "ours"
    monkeypatch.setattr(compat, "available", lambda: False)
    with pytest.raises(UsageError, match=r"needs the optional package madmom.*or choose 'ours'"):
        adherence.chord_recogniser("madmom")
    monkeypatch.setattr(compat, "available", lambda: True)
    chosen = adherence.chord_recogniser("madmom")
    assert chosen.resolved() == "madmom"
    assert adherence.listeners(chosen).chords is not None


def test_judging_asks_only_for_what_was_requested(ears: Detectors) -> None:
    sound = Audio(torch.zeros(1, RATE), RATE)
    found = adherence.judge(sound, Annotations(chords=((0.0, 0.5, "C"), (0.5, 1.0, "F")), beats=(0.0,)))
    assert found.scores == {"chord_acc": 0.5, "chord_iou": pytest.approx(1 / 3, abs=1e-4), "beat_f1": 1.0}
    assert set(found.detectors) == {"chords", "beats"} and found.reasons == {}
    assert adherence.judge(sound, Annotations(melody=())) == adherence.Adherence({}, {}, {})


def test_judging_tells_how_far_it_is_and_may_be_ended(ears: Detectors) -> None:
    sound = Audio(torch.zeros(1, RATE), RATE)
    requested = Annotations(chords=((0.0, 1.0, "C"),), beats=(0.0,))
    lines: list[str] = []
    with progress.telling(lambda bar: lines.append(bar.line())):
        adherence.judge(sound, requested)
    assert lines == ["judging: 1/2 controls", "judging: 2/2 controls"]

    def end(bar: progress.Bar) -> None:
        raise KeyboardInterrupt

    with progress.telling(end), pytest.raises(KeyboardInterrupt):
        adherence.judge(sound, requested)


def test_real_recognisers_hear_a_beat() -> None:
    """No stand-ins: clicks every half second are onsets and 120 bpm."""
    times = [0.5 * n for n in range(8)]
    found = adherence.judge(Audio(clicks(times, 4.0)[None], RATE), Annotations(drums=DrumHits(tuple(times))))
    assert found.scores["onset_f1"] is not None and found.scores["onset_f1"] > 0.9
    assert "onset" in found.detectors["drums"]


# The table

SAME_SCORES = pytest.mark.filterwarnings("ignore:truth .* does not exceed shuffled")
"""Recognisers that hear the same in everything leave nothing to normalise."""


@pytest.fixture
def clips(corpus: Path) -> list[LabelledClip]:
    return read_clips(corpus, "test", 3, FrameGrid(25, 50), RATE)


def test_clips_are_cut_to_the_model(clips: list[LabelledClip]) -> None:
    assert [clip.audio.seconds for clip in clips] == [2.0] * 3
    assert clips[0].controls.names() == {"text", "chords", "drums", "melody", "beats"}
    assert clips[1].requested.chords == ((0.0, 1.0, "F"), (1.0, 2.0, "C"))
    assert [sorted(clip.requested_names) for clip in clips] == [
        ["beats", "chords", "drums", "melody"],
        ["beats", "chords", "drums"],
        ["beats", "chords", "melody"],
    ]
    drums = clips[0].asking_only("drums").requested
    assert drums.names() == ("drums",) and drums.events("drums") == (0.0, 1.0)


def test_a_swap_changes_one_control_for_the_next_clip_that_has_it(clips: list[LabelledClip]) -> None:
    assert other(clips, 0, "melody") == 2  # clip 1 has none
    assert other(clips, 2, "chords") == 0
    assert other(clips[:2], 0, "melody") is None
    swapped = swap(clips, 0, "melody")
    assert swapped.tracks["melody"] is clips[2].controls.tracks["melody"]
    assert all(swapped.tracks[name] is clips[0].controls.tracks[name] for name in ("chords", "drums", "beats"))
    assert swapped.text == clips[0].controls.text


@pytest.fixture
def arguments(corpus: Path, model: Generator, ears: Detectors, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(adherence_table, "_fingerprint", lambda name: "0" * 64)
    return ["--corpus", str(corpus), "--out", "scores", "--clips", "3", "--batch", "2", "--steps", "2"]


@SAME_SCORES
def test_the_table_and_its_cache(
    here: Path, model: Generator, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert adherence_table.main([*arguments, "--audio"]) == 0
    assert "| model |" in capsys.readouterr().out
    report = json.loads((here / "scores" / "report.json").read_text())
    rows = report["systems"]
    assert set(rows) == {"model", "shuffled", "codec", "truth"}
    # Everything hears C throughout: 2 of 2 s, 1 of 2 s, and 0 of 2 s (Gm).
    assert rows["model"]["chord_acc"]["raw"]["mean"] == pytest.approx(0.5)
    assert rows["truth"]["chord_acc"]["raw"]["count"] == 3
    assert rows["model"]["melody_pc"]["raw"]["count"] == rows["shuffled"]["melody_pc"]["raw"]["count"] == 2
    assert "beat_f1" in rows["model"] and "beat_f1" not in rows["shuffled"]
    assert report["num_evals"] == 4 and report["seconds_per_clip"] > 0
    assert sorted(p.name for p in (here / "scores" / "audio").iterdir()) == [f"{n:06d}.wav" for n in range(3)]

    # What is there is not made again, and one clip that is missing brings back its batch alone.
    model.field.batches.clear()
    (here / "scores" / "clips" / "000002.json").unlink()
    assert adherence_table.main([*arguments, "--audio"]) == 0
    again = json.loads((here / "scores" / "report.json").read_text())
    assert again["systems"] == rows
    assert len(model.field.batches) == 4 * 4  # one generation and three swaps, of four evaluations each


@SAME_SCORES
def test_other_settings_need_another_folder(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert adherence_table.main([*arguments, "--no-codec-row"]) == 0
    capsys.readouterr()
    assert adherence_table.main([*arguments, "--no-codec-row", "--seed", "1"]) == 2
    assert "other settings (seed)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["--clips", "9"], "has 3 clips, 9 are asked for"),
        (["--split", "validation"], "has 0 clips"),
        (["--model", "mega"], "mega"),
        (["--swap", "text"], "chords, drums, melody, beats"),
        (["--corpus", "."], "no finished corpus|not a finished corpus"),
        (["--out", "no/where"], "does not exist"),
    ],
)
def test_bad_arguments(
    extra: list[str],
    words: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from flowmusic.interop import bundle, fitting

    def load(name: str, device: str = "cpu", known: Callable[..., Any] = bundle.load) -> Any:
        if name != "nano":
            raise fitting.ModelError(f"unknown model {name!r}")
        return known(name)

    monkeypatch.setattr(bundle, "load", load)
    assert adherence_table.main([*arguments, *extra]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and re.search(words, err), err
    assert not Path("scores").exists()


def test_the_chord_detectors_on_offer_are_those_that_there_are() -> None:
    from feature_extractors import chords
    from flowmusic import options

    assert options.CHORD_DETECTORS == chords.DETECTORS
