"""Facts in shards: added to those that are there, cut to windows, mixed with shards that tell none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.apps import build as command
from flowmusic.controls.instruments import from_track
from flowmusic.data.errors import BrokenShardError, WrongData
from flowmusic.data.latents import Batch, LatentCrops, LatentStore
from flowmusic.data.module import LatentData
from flowmusic.data.shards import ClipSample, ShardIndex, write_shard
from flowmusic.data.store_files import read_store
from flowmusic.data.streamed import ShardData
from flowmusic.datasets import facts
from flowmusic.datasets import plan as plans
from flowmusic.datasets.build import unfinished, verify
from flowmusic.datasets.sets import corpus
from flowmusic.facts import Facts
from tests.data.small_build import RATE, build

SECONDS = 3.0
LABELS: dict[str, Any] = {
    "seconds": SECONDS,
    "beats": [0.0, 0.5, 1.0],
    "chords": [[0.0, 3.0, "C"]],
    "melody": [[0.0, 1.0, 60]],
    "notes": {"melody": [[0.0, 1.0, 60, 90]], "pad": [[0.5, 3.0, 48, 90]], "drums": [[2.0, 2.1, 36, 90]]},
    "programs": {"melody": {"program": 73}, "pad": {"program": 48}, "drums": {"program": 0}},
    "captions": ["flute and strings"],
    "tags": {"genre": "folk", "mood": ["bright", "calm"], "tempo": "slow", "key": "C major"},
}
WHOLE = Facts(frozenset({"flute", "strings"}), True, "folk", "bright", "calm", "slow", "C major")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus of three clips, the last of them without notes."""
    folder, rng = tmp_path / "corpus", np.random.default_rng(1)
    lines = []
    for split, name in (("train", "a"), ("train", "b"), ("validation", "c")):
        (folder / split).mkdir(parents=True, exist_ok=True)
        wave = 0.1 * rng.standard_normal(round(SECONDS * RATE))
        soundfile.write(folder / split / f"{name}.flac", wave, RATE)
        soundfile.write(folder / split / f"{name}.drums.flac", wave, RATE)
        told = {key: value for key, value in LABELS.items() if name != "c" or key not in ("notes", "programs")}
        (folder / split / f"{name}.json").write_text(json.dumps(told))
        lines.append(json.dumps({"path": f"{split}/{name}.flac", "split": split}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return folder


def added(folder: Path, out: Path) -> facts.Added:
    return facts.add(plans.make(corpus.manifest_entries(folder), folder, clips_per_shard=1), out)


def test_facts_are_added_and_the_rest_stays(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "store"
    build(folder, out, clips_per_shard=1)
    before = read_store(out, "train")
    assert command.main([f"corpus={folder}", f"out={out}", "add_facts=true"]) == 0
    assert "3 of 3 clips tell facts" in capsys.readouterr().err
    after = read_store(out, "train")
    for name, tensor in before.tensors.items():
        assert torch.equal(after.tensors[name], tensor), name
    assert [{**clip, "facts": None, "players": None} for clip in before.clips] == [
        {**clip, "facts": None, "players": None} for clip in after.clips
    ]
    assert set(after.names) - set(before.names) == {"instruments"}
    # Records and indexes vouch for the new files: nothing is to be built again, and nothing is wrong.
    plan = plans.make(corpus.manifest_entries(folder), folder, clips_per_shard=1)
    assert unfinished(plan, out) == [] and not verify(out).wrong
    files = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert added(folder, out) == facts.Added(3, 3)
    assert {path: path.read_bytes() for path in files} == files


def test_a_window_claims_what_sounds_in_it(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "store", clips_per_shard=1)
    added(folder, tmp_path / "store")
    store = read_store(tmp_path / "store", "train")
    # Flute to 1 s, strings from 0.5 s, a hit at 2 s.
    windows = {(0, 12): ({"flute"}, False), (0, 25): ({"flute", "strings"}, False), (25, 50): ({"strings"}, True)}
    for (first, length), (names, drums) in windows.items():
        (found,) = store.facts([0], [first], length)
        assert found == replace(WHOLE, instruments=frozenset(names), drums=drums)
        track = store.crop(0, first, length)[1]["instruments"]
        assert {name for _, _, name in from_track(track)} == names and bool(track.known.all())
        assert track.values.dtype == torch.float32
    # Of a clip without notes nothing is said of instruments; the words are of the whole.
    silent = read_store(tmp_path / "store", "validation")
    assert "instruments" not in silent.names
    assert silent.facts([0], [0], 25) == (replace(WHOLE, instruments=None, drums=None),)


def test_batches_are_the_same_with_facts_and_without(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "old", clips_per_shard=1)
    build(folder, tmp_path / "new", clips_per_shard=1)
    added(folder, tmp_path / "new")

    def batch(name: str) -> Batch:
        store = read_store(tmp_path / name, "train")
        return LatentCrops(store, 1.0, 4, 0, style_seconds=(0.2, 0.5), pairs=2)(3)

    old, new = batch("old"), batch("new")
    assert torch.equal(old.latents, new.latents) and old.controls.text == new.controls.text
    assert old.pairs.text == new.pairs.text and old.controls.facts == ()
    assert all(isinstance(each, Facts) and each.genre == "folk" for each in new.controls.facts)
    for name, track in old.controls.tracks.items():
        assert torch.equal(track.values, new.controls.tracks[name].values), name


def test_stores_join_whether_they_tell_facts_or_not(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(folder, tmp_path / "old", clips_per_shard=1)
    build(folder, tmp_path / "new", clips_per_shard=1)
    added(folder, tmp_path / "new")
    for first, second in (("old", "new"), ("new", "old")):
        data = LatentData(str(tmp_path / first), crop_seconds=1.0, more=[str(tmp_path / second)])
        data.setup("fit")
        store = data.train_store
        known = [bool(store.crop(clip, 0, 25)[1]["instruments"].known.all()) for clip in range(4)]
        assert known == [first == "new"] * 2 + [second == "new"] * 2
        assert [each is not None for each in store.facts([0, 1, 2, 3], [0] * 4, 25)] == known
        data.check_facts()
        assert "2 of 4 clips tell facts; flowmusic build" in capsys.readouterr().err
    none = LatentData(str(tmp_path / "old"), crop_seconds=1.0)
    none.setup("fit")
    with pytest.raises(WrongData, match=r"no clip of the data has any; flowmusic build .* add_facts=true"):
        none.check_facts()


def test_a_stream_has_them_too(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "store", clips_per_shard=1)
    added(folder, tmp_path / "store")
    data = ShardData(str(tmp_path / "store"), crop_seconds=1.0, validation_crop_seconds=1.0, batch=3)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert len(batch.controls.facts) == 3 and "instruments" in batch.controls.names()
    data.check_facts()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"facts": ["jazz"]}, "facts that are no JSON object"),
        ({"facts": {"genre": "polka"}}, "unknown word 'polka' for genre"),
        ({"facts": {"drums": 1}}, "drums must be true or false"),
        ({"facts": {"loudness": 1}}, "unknown fact 'loudness'"),
        ({"players": {"piano": 1}}, "players that are no list"),
        ({"players": [[0, 1e12, "piano"]]}, "span 0 of who plays"),
        ({"players": [[0, 1, "kazoo"]]}, "unknown player 'kazoo'"),
    ],
)
def test_what_is_no_fact_is_no_clip(change: Mapping[str, Any], message: str) -> None:
    sample = ClipSample("one", {"latents": torch.zeros(5, 2).half()}, {"captions": [], **change})
    with pytest.raises(BrokenShardError, match=message):
        sample.checked()


def test_the_wrong_folder_or_labels_are_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "store"
    build(folder, out, clips_per_shard=1)
    assert command.main([f"corpus={folder}", f"out={tmp_path / 'none'}", "add_facts=true"]) == 2
    assert "is no folder of shards; build it first" in capsys.readouterr().err
    assert command.main([f"corpus={folder}", f"out={out}", "add_facts=true", "verify=true"]) == 2
    assert "two commands" in capsys.readouterr().err
    stranger = ClipSample("x", {"latents": torch.zeros(5, 2).half()}, {"captions": []})
    other = tmp_path / "other"
    other.mkdir()
    ShardIndex("train", Fraction(25), (write_shard(other / "train-000000.tar", [stranger]),)).write(other)
    assert command.main([f"corpus={folder}", f"out={other}", "add_facts=true"]) == 2
    assert "holds no clip of these recordings; give the corpus" in capsys.readouterr().err
    path = folder / "train" / "b.json"
    path.write_text(json.dumps({**LABELS, "programs": {}}))
    was = {each: each.read_bytes() for each in out.glob("*.tar")}
    assert command.main([f"corpus={folder}", f"out={out}", "add_facts=true"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "b.json: programs.melody.program must be" in said and len(said) < 500
    assert sum(each.read_bytes() != content for each, content in was.items()) <= 1 and not verify(out).wrong


def test_older_forms_tell_none() -> None:
    clips = [{"id": "a", "frames": 30, "captions": ["x"]}]
    store = LatentStore(Fraction(25), clips, {"latents": torch.zeros(30, 2)})
    assert store.facts([0], [0], 25) == () and store.names == []
    assert LatentCrops(store, 1.0, 1, 0)(0).controls.facts == ()
