"""Plans and shards: what goes where is settled beforehand, and a folder is worth what its records say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from flowmusic import audio as audio_tools
from flowmusic.data.shards import ShardIndex, read_shard
from flowmusic.datasets import build_local, statistics
from flowmusic.datasets import plan as plans
from flowmusic.datasets.build import FAILURES, RECORDS, unfinished, verify
from flowmusic.datasets.manifest import Entry
from tests.data.small_build import RATE, FoldedClips, build_plan


@pytest.fixture
def songs(tmp_path: Path) -> Callable[..., list[Entry]]:
    """Makes so many recordings of two seconds."""
    folder = tmp_path / "songs"
    folder.mkdir()

    def make(count: int, first: int = 0, **more: object) -> list[Entry]:
        entries = []
        for number in range(first, first + count):
            path = folder / f"s{number:02d}.wav"
            noise = np.random.default_rng(number).standard_normal(2 * RATE) * 0.1
            soundfile.write(path, noise, RATE)
            settings: dict = {"duration": 2.0, "rate": RATE, "channels": 1, "hash": f"{number:064x}", **more}
            entries.append(Entry(str(path), **settings))
        return entries

    return make


def shards_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.tar")}


def keys_of(out: Path, split: str = "train") -> list[str]:
    return [s.key for shard in ShardIndex.read(out, split).shards for s in read_shard(out, shard.name)]


def test_pieces_are_dealt_to_shards_by_split_and_in_order(songs: Callable[..., list[Entry]], tmp_path: Path) -> None:
    entries = [*songs(5), *songs(2, first=5, split="test")]
    entries[1] = replace(entries[1], duplicate_of=entries[0].path)
    plan = plans.make([*entries, entries[0]], tmp_path, seconds=1.0, clips_per_shard=3)
    assert [(s.name, len(s.pieces)) for s in plan.shards] == [
        ("train-000000.tar", 3),
        ("train-000001.tar", 3),
        ("train-000002.tar", 2),
        ("test-000000.tar", 3),
        ("test-000001.tar", 1),
    ]
    assert plan.left_out == {"marked as a duplicate": 1, "the same piece twice": 2}
    pieces = [piece for shard in plan.shards for piece in shard.pieces]
    assert entries[1].path not in {piece.path for piece in pieces}
    assert [(p.start, p.duration) for p in pieces[:2]] == [(0.0, 1.0), (1.0, 1.0)]
    kept = plans.make(entries, tmp_path, seconds=1.0, duplicates="keep")
    assert kept.clips == plan.clips + 2
    only = plans.make(entries, tmp_path, splits=["test"])
    assert only.splits == ("test",) and only.left_out["in another split"] == 5
    with pytest.raises(ValueError, match="no clip to build in validation: 7 in another split"):
        plans.make(entries, tmp_path, splits=["validation"])


def test_a_clip_that_fails_is_told_of_and_tried_again_only_when_asked(
    songs: Callable[..., list[Entry]], tmp_path: Path
) -> None:
    entries, out = songs(5), tmp_path / "out"
    bad = Path(entries[2].path)
    bad.rename(bad.with_name("away.wav"))
    plan = plans.make(entries, tmp_path, clips_per_shard=3)
    built = build_plan(plan, out)
    (failure,) = [json.loads(line) for line in (out / FAILURES).read_text().splitlines()]
    assert failure["reason"] == f"audio file not found: {bad}" and failure["shard"] == "train-000000.tar"
    assert failure["key"] == entries[2].key and built.statistics["train"]["clips"] == 4
    before = shards_of(out)
    bad.with_name("away.wav").rename(bad)
    assert unfinished(plan, out) == [] and shards_of(out) == before
    assert build_plan(plan, out, retry=True).failures == ()
    assert keys_of(out) == [entry.key for entry in entries]
    assert (out / FAILURES).read_text() == ""
    whole = tmp_path / "whole"
    build_plan(plan, whole)
    assert shards_of(out) == shards_of(whole)


def test_a_build_of_which_nothing_comes_says_why(tmp_path: Path) -> None:
    entry = Entry(str(tmp_path / "broken.wav"), 2.0, RATE, 1, "0" * 64)
    with pytest.raises(ValueError, match=r"none of the 1 clips could be made.*broken.wav is broken"):
        build_plan(plans.make([entry], tmp_path), tmp_path / "out")


def test_what_is_missing_is_built_and_nothing_else(songs: Callable[..., list[Entry]], tmp_path: Path) -> None:
    plan, out = plans.make(songs(6), tmp_path, clips_per_shard=2), tmp_path / "out"
    build_plan(plan, out)
    before, times = shards_of(out), {p.name: p.stat().st_mtime_ns for p in out.glob("*.tar")}
    (out / "train-000001.tar").unlink()
    (out / RECORDS / "train-000002.json").write_text("{")  # cut off
    (out / ".train-000000.tar.99.tmp").write_bytes(b"left by a kill")
    assert [shard.name for shard in unfinished(plan, out)] == ["train-000001.tar", "train-000002.tar"]
    assert not (out / "train.index.json").exists()  # nobody takes half a split for a whole one
    build_plan(plan, out)
    assert shards_of(out) == before and not list(out.glob(".*.tmp"))
    assert (out / "train-000000.tar").stat().st_mtime_ns == times["train-000000.tar"]


def test_recordings_may_be_added_at_the_end_and_nothing_else_may_change(
    songs: Callable[..., list[Entry]], tmp_path: Path
) -> None:
    entries, out = songs(5), tmp_path / "out"
    build_plan(plans.make(entries, tmp_path, clips_per_shard=2), out)
    first = (out / "train-000000.tar").stat().st_mtime_ns
    more = [*entries, *songs(2, first=5)]
    build_plan(plans.make(more, tmp_path, clips_per_shard=2), out)
    assert keys_of(out) == [entry.key for entry in more]
    assert (out / "train-000000.tar").stat().st_mtime_ns == first
    before = shards_of(out)
    for changed, says in (
        (more[1:], r"shard 0 of train, which begins with .*s01.wav, would now hold other clips"),
        (more[:4], r"shard 2 of train had 2 clips and would now have 0"),
        ([replace(more[0], text=("calm",)), *more[1:]], r"another caption, licence or labels"),
    ):
        with pytest.raises(plans.PlanError, match=says):
            build_plan(plans.make(changed, tmp_path, clips_per_shard=2), out)
    with pytest.raises(plans.PlanError, match=r"other settings: codec was folded, is other; .*set them back"):
        plans.agree(plans.make(more, tmp_path, clips_per_shard=2), {"codec": "other"}, out)
    assert shards_of(out) == before
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "train.json").write_text("{}")
    with pytest.raises(plans.PlanError, match=r"files of something else"):
        build_plan(plans.make(more, tmp_path), foreign)


def test_damage_is_found(songs: Callable[..., list[Entry]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_plan(plans.make(songs(4), tmp_path, clips_per_shard=2), out)
    assert verify(out).wrong == () and verify(out).clips == 4
    tar = out / "train-000001.tar"
    content = bytearray(tar.read_bytes())
    content[2000] ^= 1
    tar.write_bytes(content)
    assert verify(out).wrong == ("train-000001.tar is damaged: its SHA-256 is not the index's",)
    tar.unlink()
    assert verify(out).wrong == ("train-000001.tar is missing",)
    with pytest.raises(FileNotFoundError, match="flowmusic build manifest="):
        verify(tmp_path)


def test_processes_make_the_same_bytes(songs: Callable[..., list[Entry]], tmp_path: Path) -> None:
    plan = plans.make(songs(5), tmp_path, clips_per_shard=2)
    build_plan(plan, tmp_path / "one")
    heard: list[float] = []
    out = tmp_path / "two"
    records = list(build_local.run(plan.shards, out, FoldedClips, 2, heard.append))
    assert len(records) == 3 and heard == [2.0] * 5
    assert shards_of(out) == shards_of(tmp_path / "one")


def test_a_part_of_a_file_is_read(songs: Callable[..., list[Entry]], tmp_path: Path) -> None:
    path = songs(1)[0].path
    whole, part = audio_tools.read(path), audio_tools.read(path, start=0.5, seconds=1.0)
    assert torch.equal(part.samples, whole.samples[:, RATE // 2 : 3 * RATE // 2])
    assert audio_tools.read(path, start=1.5, seconds=9.0).seconds == 0.5
    with pytest.raises(audio_tools.AudioError, match="holds no samples"):
        audio_tools.read(path, start=5.0)


LABELS = {
    "chords": [[0.0, 4.0, "C"], [4.0, 8.0, "Am"]],
    "melody": [[1.0, 5.0, 60]],
    "beats": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "downbeats": [1.0, 5.0],
    "drums": {"onsets": [0.5, 3.5], "classes": {"kick": [3.5]}},
}


def test_statistics_add_up(songs: Callable[..., list[Entry]], tmp_path: Path) -> None:
    told = tmp_path / "l.json"
    told.write_text(json.dumps({**LABELS, "beats": [0.0, 0.5, 1.0, 1.5, 2.0], "downbeats": [0.0, 2.0]}))
    entries = [*songs(2, licence="CC0"), *songs(1, first=2, labels=str(told), text=("calm",))]
    built = build_plan(plans.make(entries, tmp_path), tmp_path / "out")
    found = built.statistics["train"]
    assert (found["clips"], found["captioned"], found["frames"]) == (3, 1, 150)
    assert found["licences"] == {"CC0": 4.0, statistics.UNKNOWN: 2.0}
    assert found["known"]["chords"] == 50 and found["sure"]["chords"] == 50 and found["exact"]["chords"] == 50
    assert found["tempo"] == {"120": 1} and sum(found["chords"].values()) == 50
