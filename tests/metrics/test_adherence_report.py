from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.audio import Audio
from flowmusic.metrics import report
from flowmusic.metrics.adherence import KEYS, Detectors, average, measure, score
from flowmusic.metrics.melody import Pitches

AUDIO = Audio(torch.zeros(1, 32_000), 32_000)
REQUESTED = Annotations(
    chords=((0.0, 1.0, "C"),), drums=DrumHits((0.0, 0.5)), melody=((0.0, 1.0, 60),), beats=(0.0, 0.5)
)
LISTENERS = Detectors(
    chords=lambda audio: [(0.0, 0.5, "C"), (0.5, 1.0, "F")],
    onsets=lambda audio: [0.01],
    melody=lambda audio: Pitches(np.arange(50) / 50, np.full(50, 72.0)),
    beats=lambda audio: [0.0, 0.5],
)


def test_every_control_is_measured() -> None:
    scores = measure(AUDIO, REQUESTED, LISTENERS)
    assert tuple(scores) == KEYS
    expected = {
        "chord_acc": 0.5,
        "chord_iou": 1 / 3,
        "onset_f1": 2 / 3,
        "melody_pc": 1.0,
        "melody_cos": 0.0,
        "beat_f1": 1.0,
    }
    assert scores == pytest.approx(expected)


def test_what_was_not_requested_or_cannot_be_heard_is_left_out() -> None:
    assert measure(AUDIO, Annotations(), LISTENERS) == {}
    assert measure(AUDIO, REQUESTED, Detectors()) == {}
    assert set(measure(AUDIO, Annotations(drums=DrumHits((0.1,)), melody=(), chords=None), LISTENERS)) == {"onset_f1"}


def test_a_listener_hears_only_what_is_needed() -> None:
    def never(audio: Audio) -> list:
        raise AssertionError("this control was not requested")

    measure(AUDIO, Annotations(beats=(0.5,)), Detectors(never, never, never, lambda audio: [0.5]))


def test_averages_count_only_clips_that_have_the_metric() -> None:
    assert average([{"onset_f1": 0.5}, {"onset_f1": 1.0, "beat_f1": 0.2}, {"fad": 3.0}]) == pytest.approx(
        {"onset_f1": 0.75, "beat_f1": 0.2, "fad": 3.0}
    )
    assert average([]) == {}


def systems(codec: float = 0.85) -> dict[str, list[dict[str, float]]]:
    keys = ("chord_acc", "onset_f1", "melody_pc")
    return {
        "codec": [dict.fromkeys(keys, codec), {**dict.fromkeys(keys, codec), "si_sdr": 9.0}],
        "shuffled": [dict.fromkeys(keys, 0.1)] * 2,
        "truth": [dict.fromkeys(keys, 0.9)] * 2,
    }


def test_table_holds_raw_and_normalised_scores() -> None:
    table = report.table(systems(0.5))
    cell = table.cells["codec"]["onset_f1"]
    assert cell.raw.mean == pytest.approx(0.5)
    assert cell.norm is not None
    assert cell.norm.mean == pytest.approx(0.5)
    assert table.cells["codec"]["si_sdr"].norm is None
    assert table.cells["codec"]["si_sdr"].raw.count == 1
    assert table.cells["shuffled"]["onset_f1"].norm == report.Interval(0.0, 0.0, 0.0, 2)
    assert table.metrics == ("chord_acc", "onset_f1", "melody_pc", "si_sdr")


def test_without_references_there_is_no_normalised_score() -> None:
    table = report.table({"model": [{"onset_f1": 0.5}]})
    assert table.cells["model"]["onset_f1"].norm is None


def test_systems_must_have_the_same_clips() -> None:
    with pytest.raises(ValueError, match=r"'model': 1, 'truth': 2"):
        report.table({"model": [{}], "truth": [{}, {}]})


def test_gate() -> None:
    assert report.gate(report.table(systems(0.85))).passed
    failed = report.gate(report.table(systems(0.8)))
    assert not failed.passed
    assert failed.kept["melody_pc"] == pytest.approx(0.875)


def test_gate_fails_where_a_score_is_missing() -> None:
    rows = systems(0.9)
    for clip in rows["truth"]:
        clip.pop("melody_pc", None)
    verdict = report.gate(report.table(rows))
    assert not verdict.passed
    assert math.isnan(verdict.kept["melody_pc"])
    with pytest.raises(ValueError, match="no row 'codec'; it has model"):
        report.gate(report.table({"model": [{}]}))


def test_files_are_written_whole(tmp_path: Path) -> None:
    rows = systems(0.5)
    rows["codec"][0]["chord_acc"] = math.nan
    path = report.write(report.table(rows, {"onsets": "a detector"}), tmp_path, extra={"seed": 1})
    text = path.read_text(encoding="utf-8")
    assert "| system | chord_acc | onset_f1 | melody_pc | si_sdr |" in text
    assert "| truth | 0.900 [0.900, 0.900] → 1.00 |" in text
    assert "chord_acc 2, " in text
    assert "- onsets: a detector" in text
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert data["seed"] == 1
    assert data["systems"]["codec"]["chord_acc"]["raw"] == {"mean": 0.5, "low": 0.5, "high": 0.5, "count": 1}
    assert data["systems"]["codec"]["si_sdr"]["norm"] is None
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.json", "report.md"]
    with pytest.raises(ValueError, match="folder does not exist"):
        report.write(report.table(rows), tmp_path / "missing")


def test_two_annotations_are_compared() -> None:
    same = score(REQUESTED, REQUESTED)
    assert same == {"chord_acc": 1.0, "chord_iou": 1.0, "onset_f1": 1.0, "melody_pc": 1.0, "beat_f1": 1.0}
    heard = Annotations(chords=((0.0, 0.5, "C"), (0.5, 1.0, "F")), melody=((0.0, 0.25, 72), (0.25, 0.5, 61)), beats=())
    scores = score(REQUESTED, heard)
    assert scores == {"chord_acc": 0.5, "chord_iou": pytest.approx(1 / 3), "melody_pc": 0.25, "beat_f1": 0.0}
    assert score(heard, Annotations()) == score(Annotations(melody=()), heard) == {}
