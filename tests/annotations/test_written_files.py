"""Files that people have: what an earlier version wrote is read to the same values and written to the same bytes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import soundfile
import torch

from flowmusic.annotations import midi, of_midi
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.json_file import ControlsFile
from flowmusic.annotations.labels_file import labels_of
from flowmusic.annotations.tracks import from_tracks
from flowmusic.audio import Audio
from flowmusic.controls.request import request
from flowmusic.data import shards
from flowmusic.datasets import manifest
from flowmusic.datasets import plan as plans
from flowmusic.datasets.manifest import Entry
from flowmusic.evaluate.adherence import Adherence
from flowmusic.files import write_readable_json
from flowmusic.inputs.request import GenerateRequest
from flowmusic.takes import record as take_file
from flowmusic.types import FrameGrid, Generation, Guidance
from tests.data import small_build
from tests.data.scores import song

WRITTEN = Path(__file__).with_name("written")


def same(made: Path) -> bool:
    return made.read_bytes() == (WRITTEN / made.name).read_bytes()


def test_controls_json(tmp_path: Path) -> None:
    file = ControlsFile.read(WRITTEN)
    assert file == ControlsFile(
        "song.wav",
        Fraction(75, 2),
        Annotations(
            seconds=6.04,
            bpm=120.0,
            beats=tuple(0.5 * k for k in range(12)),
            downbeats=(0.0, 2.0, 4.0),
            chords=((0.0, 2.0, "C"), (2.0, 6.04, "Am7")),
            melody=((0.5, 1.0, 60), (1.0, 2.25, 62)),
            drums=DrumHits((0.0, 1.0, 2.5), {"kick": (0.0, 2.5), "snare": (1.0,), "hat": ()}),
        ),
        "drums.wav",
    )
    assert same(file.write(tmp_path))


def test_labels() -> None:
    assert labels_of(WRITTEN / "labels.json") == Annotations(
        seconds=0.6,
        text="a waltz",
        bpm=120.0,
        meter="3/4",
        key="C minor",
        beats=(0.0, 0.25, 0.5),
        downbeats=(0.0, 0.5),
        chords=((0.0, 0.25, "Cm"), (0.25, 0.6, "Fm7")),
        melody=((0.1, 0.3, 60), (0.35, 0.6, 63)),
        drums=DrumHits((0.0, 0.25), {"kick": (0.0,), "snare": (), "hat": (0.25,)}),
    )


def test_labels_of_midi(tmp_path: Path) -> None:
    score = midi.read(song(tmp_path / "a.mid", 3, 100))
    made = of_midi.labels(score)
    assert json.dumps(made) + "\n" == (WRITTEN / "midi_labels.json").read_text(encoding="utf-8")
    read = labels_of(WRITTEN / "midi_labels.json")
    assert read.names() == ("melody", "drums", "beats") and read.meter == "4/4" and read.bpm == made["bpm"]
    assert of_midi.annotations_of(score) == replace(read, seconds=score.seconds)


def test_take_json(tmp_path: Path) -> None:
    grid = FrameGrid(Fraction(25), 50)
    notes = [(0.2, 1.0, 60)]
    written = request("t", grid=grid, chords="0:C 1:Am7", melody=notes, drums=[0.1, 1.9], bpm=120)
    asked = GenerateRequest(
        "t", 1.5, "4/4", 120.0, "0:C 1:Am7", None, None, None, None, 1.0, None, None, {}, ["a note"]
    )
    sound, guidance = Audio(torch.zeros(1, 1, 8), 8), Guidance.of({"all": 2.0})
    take = Generation(sound, torch.zeros(1, 2, 2), written, guidance, 7, 4, "euler", 2, "uniform")
    content = take_file.record(
        take,
        model="nano",
        asked=asked,
        guidance={"all": 2.0},
        sample_rate=8,
        channels=2,
        written=written,
        requested=from_tracks(written, 1.5),
        adherence=Adherence({"chord_acc": 0.5}, {}, {"chords": "nobody"}),
    )
    assert same(write_readable_json(tmp_path / "take.json", content))


def test_manifest(tmp_path: Path) -> None:
    (entry,) = manifest.read(WRITTEN / "manifest.jsonl")
    assert entry.labels == str(WRITTEN / "labels.json") and entry.stems == {"drums": str(WRITTEN / "drums.wav")}
    assert entry.text == ("a waltz",) and entry.tags == {"artist": "me"} and entry.duration == 1.0
    plain = Entry(**{**vars(entry), "path": "song.wav", "labels": "labels.json", "stems": {"drums": "drums.wav"}})
    assert same(manifest.write([plain], tmp_path / "manifest.jsonl"))


def test_shard(tmp_path: Path) -> None:
    work, out = tmp_path / "songs", tmp_path / "built"
    work.mkdir()
    soundfile.write(work / "song.wav", torch.zeros(8000).numpy(), 8000)
    shutil.copy(WRITTEN / "labels.json", work)
    given = {"text": ("a waltz",), "split": "test", "labels": str(work / "labels.json")}
    entry = Entry(str(work / "song.wav"), 1.0, 8000, 1, "ab" * 32, **given)  # type: ignore[arg-type]
    small_build.build_plan(plans.make([entry], work, clips_per_shard=1), out)
    assert same(out / "test-000000.tar") and same(out / "test.index.json")
    (clip,) = shards.read_shard(WRITTEN, "test-000000.tar")
    # The labels end at 0.6 s of the second.
    assert {name: int(clip.tensors[f"{name}.known"].sum()) for name in ("chords", "melody", "drums", "beats")} == {
        "chords": 15,
        "melody": 15,
        "drums": 15,
        "beats": 15,
    }
