"""The stream of shards: an order known from the index alone, each clip once an epoch, and errors that name a shard."""

from __future__ import annotations

import functools
import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.data import store_files, stream
from flowmusic.data.errors import BrokenShardError, NoClipLongEnough
from flowmusic.data.latents import Batch, LatentCrops
from flowmusic.data.module import LatentData
from flowmusic.data.shards import ShardIndex, ShardInfo, write_shard
from flowmusic.data.stream import Order, ShardCrops
from flowmusic.data.streamed import ShardData
from tests.train import tiny_shards

SHARDS, CLIPS, BATCH = 6, 5, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_shards.write(tmp_path_factory.mktemp("stream") / "shards", SHARDS, CLIPS)


@pytest.fixture()
def copy(tmp_path: Path) -> Path:
    """Shards that a test may damage; every fourth clip is shorter than a window of 1.6 s."""
    return tiny_shards.write(tmp_path / "shards", 3, 4, lambda number: 20 if number % 4 == 3 else 45)


def data(folder: Any, **changes: Any) -> ShardData:
    settings = {"crop_seconds": 1.6, "validation_crop_seconds": 1.6, "batch": BATCH, "group": 2, **changes}
    made = ShardData(str(folder), **settings)
    made.setup("fit")
    return made


def batches(folder: Any, count: int, **changes: Any) -> list[Batch]:
    made = iter(data(folder, **changes).train_dataloader())
    return [next(made) for _ in range(count)]


def assert_same(one: Batch, two: Batch) -> None:
    assert one.number == two.number and one.controls.text == two.controls.text
    assert torch.equal(one.latents, two.latents)
    for name, track in one.controls.tracks.items():
        assert torch.equal(track.values, two.controls.tracks[name].values)
        assert torch.equal(track.known, two.controls.tracks[name].known)


def index(counts: list[int]) -> ShardIndex:
    infos = tuple(ShardInfo(f"train-{i:06d}.tar", n, 50 * n, 0, "") for i, n in enumerate(counts))
    return ShardIndex("train", Fraction(25), infos)


@pytest.mark.parametrize(("lanes", "group"), [(1, 1), (1, 4), (3, 2), (4, 3), (9, 2)])
def test_every_lane_has_as_many_steps_and_shards_of_its_own(lanes: int, group: int) -> None:
    order = Order(index([7, 3, 9, 9, 1, 5, 8, 6]), batch=2, seed=1, lanes=lanes, group=group)
    for epoch in range(3):
        dealt = Counter(info.name for lane in range(lanes) for part in order.shards(lane, epoch) for info in part)
        assert max(dealt.values()) == (1 if lanes <= 8 else 2)
        assert len(dealt) == (8 // lanes * lanes if lanes <= 8 else 8)
        for lane in range(lanes):
            places = [order.place(lane, epoch * order.steps + step) for step in range(order.steps)]
            assert {place.epoch for place in places} == {epoch}
            assert [(p.group, p.batch) for p in places] == sorted({(p.group, p.batch) for p in places})
            assert order.next_group(lane, places[-1]).epoch == epoch + 1
    assert [order.shards(0, epoch) for epoch in (0, 1)] != [order.shards(0, epoch) for epoch in (1, 0)]


def test_an_epoch_has_every_clip_once(folder: Path) -> None:
    made = data(folder, group=SHARDS, batch=5)
    crops = ShardCrops(folder, made.order(), functools.partial(LatentCrops, crop_seconds=1.6, batch=5, seed=0))
    seen: list[str] = []
    for number in range(made.order().steps):
        place = made.order().place(0, number)
        now = crops._group(0, place).crops
        seen += [now.store.clips[now.usable[row]]["id"] for row in made.order().rows(0, place, len(now.usable))]
    assert sorted(seen) == [f"train-{number:05d}" for number in range(SHARDS * CLIPS)]


def test_batches_do_not_depend_on_where_the_run_begins(folder: Path) -> None:
    made = data(folder)
    straight = batches(folder, 25)  # two epochs and a half
    for begin in (1, 9, 24):
        assert_same(made.train_dataloader().dataset.make(begin), straight[begin])  # type: ignore[attr-defined]
    other = batches(folder, 1, seed=1)[0]
    assert not torch.equal(other.latents, straight[0].latents)


def test_lanes_keep_the_order_when_the_number_of_processes_changes(folder: Path) -> None:
    """Two processes, or one with two worker processes, make the batches that one process makes of two lanes."""
    common = batches(folder, 12, lanes=2)
    make = data(folder, lanes=2).train_dataloader().dataset.make  # type: ignore[attr-defined]
    for rank in (0, 1):
        for step in range(6):
            assert_same(make(2 * step + rank), common[2 * step + rank])
    for one, two in zip(common, batches(folder, 12, workers=2), strict=True):
        assert_same(one, two)


def test_a_process_reads_the_shards_of_its_own_lanes_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = store_files.load_shard

    def noted(location: Any, info: ShardInfo, verify: bool) -> Any:
        read.append(info.name)
        return plain(location, info, verify)

    monkeypatch.setattr(stream, "load_shard", noted)
    made = data(folder, lanes=3, batch=2)
    make = made.train_dataloader().dataset.make  # type: ignore[attr-defined]
    steps = made.order().steps
    for step in range(steps):
        make(3 * step + 1)
    make._reader.shutdown()
    own = {info.name for part in made.order().shards(1, 0) for info in part}
    then = {info.name for info in made.order().shards(1, 1)[0]}  # the group that comes next is read ahead
    assert len(own) == 2 and set(read) == own | then


def test_shards_of_an_address(folder: Path) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            found = batches(f"http://127.0.0.1:{server.server_port}", 4)
        finally:
            server.shutdown()
    printed = batches(f"pipe:cat {folder}", 4)
    for one, two, three in zip(found, printed, batches(folder, 4), strict=True):
        assert_same(one, two)
        assert_same(one, three)


def test_clips_without_captions_have_no_text_and_make_no_pairs(folder: Path) -> None:
    found = batches(folder, 10, style_seconds=[0.2, 0.4], pairs=4, windows=2)
    texts = [text for batch in found for text in batch.controls.text]
    assert None in texts and any(text == "slow jazz" for text in texts)
    assert all(text is not None for batch in found for text in batch.pairs.text)
    assert {batch.pairs.batch for batch in found} == {4}


def test_min_confidence_makes_frames_unknown(folder: Path) -> None:
    for least, share in ((0.0, 1.0), (0.5, 0.5), (0.9, 0.0)):
        tracks = batches(folder, 1, min_confidence={"melody": least})[0].controls.tracks
        assert float(tracks["melody"].known.float().mean()) == share
        assert bool(tracks["chords"].known.all())  # exact labels have no confidence
    with pytest.raises(ValueError, match=r"min_confidence names 'melodi'.*beats, chords, drums, melody"):
        data(folder, min_confidence={"melodi": 0.5})
    with pytest.raises(ValueError, match=r"min_confidence.melody must be in \[0, 1\]"):
        data(folder, min_confidence={"melody": 5})


def test_clips_shorter_than_the_window_are_left_out_and_counted(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = data(copy, group=3, windows=2)
    loader = iter(made.train_dataloader())
    for _ in range(made.order().steps + 1):
        assert len(next(loader).latents) == BATCH
    said = capsys.readouterr().err
    assert "shorter than the window of 1.6 s" in said and "3 of 12 clips were too short" in said
    with pytest.raises(NoClipLongEnough, match=r"window of 3.0 s, in train-00000.*data.crop_seconds lower"):
        next(iter(data(copy, crop_seconds=3.0).train_dataloader()))


def damages() -> Iterator[Any]:
    yield pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-30_000]), id="cut")
    yield pytest.param(
        lambda path: path.write_bytes(path.read_bytes()[:4000] + b"\x07" + path.read_bytes()[4001:]), id="bit"
    )
    yield pytest.param(lambda path: path.unlink(), id="missing")
    yield pytest.param(lambda path: path.write_bytes(b"<html>not found</html>"), id="other")


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_shard_is_named(copy: Path, damage: Any) -> None:
    damage(copy / "train-000001.tar")
    with pytest.raises(BrokenShardError, match=r"shard train-000001.tar of .* damaged or missing: .*flowmusic build"):
        next(iter(data(copy, group=3).train_dataloader()))


def test_a_shard_of_another_build_is_refused_unless_asked(copy: Path) -> None:
    (copy / "train-000001.tar").write_bytes((copy / "train-000002.tar").read_bytes())
    with pytest.raises(BrokenShardError, match=r"train-000001.tar.*SHA-256.*the index says"):
        next(iter(data(copy, group=3).train_dataloader()))
    assert len(batches(copy, 1, group=3, verify=False)) == 1


def test_an_address_is_asked_again(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(store_files.time, "sleep", slept.append)
    info = ShardIndex.read(copy, "train").shards[0]
    with pytest.raises(BrokenShardError):
        store_files.load_shard("file:///nowhere", info)
    assert slept == [2.0, 4.0]


def test_style_features_must_be_those_of_the_shards(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"style is to hear .*mert.* hold latents only"):
        data(folder, style_features={"kind": "mert", "source": "x"})


def test_there_must_be_shards(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train.index.json is missing.*flowmusic build"):
        data(tmp_path)
    with pytest.raises(ValueError, match=r"data.group must be at least 1"):
        Order(index([1]), 1, 0, group=0)


def test_more_shards_than_memory_holds_are_not_in_memory(folder: Path) -> None:
    made = data(folder, group=1)
    make = made.train_dataloader().dataset.make  # type: ignore[attr-defined]
    for number in range(made.order().steps):
        make(number)
        assert [len(group.crops.store.clips) for group in make._now.values()] == [CLIPS] and len(make._next) == 1


def test_streams_and_stores_number_their_batches_alike(folder: Path) -> None:
    assert [batch.number for batch in batches(folder, 3)] == [0, 1, 2]
    assert issubclass(ShardData, LatentData.__mro__[1])


def test_a_large_validation_split_is_read_in_part(tmp_path: Path) -> None:
    made = tiny_shards.write(tmp_path / "shards", 1, 4)
    infos = [write_shard(made / f"validation-{n:06d}.tar", [tiny_shards.clip("validation", n, 45)]) for n in range(7)]
    ShardIndex("validation", Fraction(25), tuple(infos)).write(made)

    def numbers(limit: int | None) -> list[int]:
        clips = data(made, validation_shards=limit).validation_store.clips
        return [int(str(clip["id"]).rpartition("-")[2]) for clip in clips]

    assert numbers(None) == numbers(7) == numbers(16) == list(range(7))
    assert numbers(3) == [0, 3, 6] and numbers(1) == [0]
    with pytest.raises(ValueError, match="validation_shards must be 1 or more"):
        data(made, validation_shards=0)
