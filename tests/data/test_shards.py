"""Shards and manifests: what is written is what is read, whole or not at all, from a folder or over the network."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from flowmusic.data.shards import CONFIDENCE, ClipSample, ShardIndex, read_shard, write_shard
from flowmusic.datasets import manifest
from flowmusic.datasets.manifest import Entry
from flowmusic.hashes import of_file


def sample(number: int, frames: int = 5) -> ClipSample:
    generator = torch.Generator().manual_seed(number)
    tensors = {
        "latents": torch.randn(frames, 3, generator=generator).half(),
        "chords": torch.randint(0, 194, (frames,), generator=generator).to(torch.int16),
        "chords.known": torch.rand(frames, generator=generator) < 0.5,
        "chords" + CONFIDENCE: torch.rand(frames, generator=generator).half(),
    }
    return ClipSample(f"clip-{number:03d}", tensors, {"captions": ["süß", "calm"], "seconds": frames / 25})


def assert_same(found: ClipSample, wanted: ClipSample) -> None:
    assert (found.key, found.info) == (wanted.key, wanted.info)
    assert set(found.tensors) == set(wanted.tensors)
    for name, tensor in wanted.tensors.items():
        assert found.tensors[name].dtype == tensor.dtype and torch.equal(found.tensors[name], tensor)


def test_what_is_written_is_read_back_in_order(tmp_path: Path) -> None:
    written = [sample(number, 4 + number) for number in range(3)]
    info = write_shard(tmp_path / "train-000000.tar", written)
    assert (info.clips, info.frames) == (3, 4 + 5 + 6)
    assert info.sha256 == of_file(tmp_path / info.name)
    for found, wanted in zip(read_shard(tmp_path, info.name), written, strict=True):
        assert_same(found, wanted)


def test_the_same_clips_make_the_same_bytes(tmp_path: Path) -> None:
    first = write_shard(tmp_path / "a.tar", [sample(1)])
    again = ClipSample("clip-001", dict(reversed(sample(1).tensors.items())), dict(reversed(sample(1).info.items())))
    assert write_shard(tmp_path / "b.tar", [again]).sha256 == first.sha256


def test_a_shard_that_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def clips():  # type: ignore[no-untyped-def]
        yield sample(0)
        raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "train-000000.tar", clips())
    assert list(tmp_path.iterdir()) == []


def test_an_index_is_read_back_and_sums_up(tmp_path: Path) -> None:
    shards = tuple(write_shard(tmp_path / f"train-{n:06d}.tar", [sample(n), sample(n + 10)]) for n in range(2))
    index = ShardIndex("train", Fraction(25), shards, {"codec": "nano2_codec"}, {"kind": "mert", "layer": None})
    index.write(tmp_path)
    assert ShardIndex.read(tmp_path, "train") == index
    assert index.clips == 4 and index.seconds == pytest.approx(20 / 25)


def test_a_missing_index_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="flowmusic build manifest="):
        ShardIndex.read(tmp_path, "validation")


@pytest.mark.skipif(shutil.which("curl") is None, reason="WebDataset reads addresses through curl")
def test_shards_are_read_over_http(tmp_path: Path) -> None:
    ShardIndex("train", Fraction(25), (write_shard(tmp_path / "train-000000.tar", [sample(0), sample(1)]),)).write(
        tmp_path
    )
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        index = ShardIndex.read(address, "train")
        found = [clip for shard in index.shards for clip in read_shard(address, shard.name)]
        server.shutdown()
    assert [clip.key for clip in found] == ["clip-000", "clip-001"]
    assert_same(found[1], sample(1))


def entry(folder: Path, **more: object) -> Entry:
    settings: dict = {"path": str(folder / "in" / "a b.wav"), "duration": 65.5, "rate": 44100, "channels": 2}
    return Entry(**{**settings, "hash": "ab" * 32, **more})


def test_a_manifest_names_files_from_its_own_folder_and_finds_them_again(tmp_path: Path) -> None:
    written = entry(
        tmp_path,
        text=("calm", "ruhig – süß"),
        licence="CC BY 4.0",
        labels=str(tmp_path / "in" / "a.json"),
        stems={"drums": str(tmp_path / "in" / "a.drums.flac")},
        duplicate_of=str(tmp_path / "b.wav"),
    )
    path = manifest.write([written, entry(tmp_path, split="test", tags={"artist": "B"})], tmp_path / "m.jsonl")
    assert manifest.read(path)[0] == written
    moved = tmp_path / "moved"
    moved.mkdir()
    path.rename(moved / "m.jsonl")
    found = manifest.read(moved / "m.jsonl")[0]
    assert found.path == str(moved / "in" / "a b.wav") and found.labels == str(moved / "in" / "a.json")
    assert found.stems["drums"] == str(moved / "in" / "a.drums.flac") and found.key == written.key


def test_a_manifest_is_a_catalogue_of_recordings_with_what_lies_beside_them(tmp_path: Path) -> None:
    """Recordings may be anywhere; labels and stems are below the manifest or below their recording."""
    far = tmp_path / "music" / "a"
    good = entry(
        far, labels=str(tmp_path / "lists" / "m.labels" / "a.json"), stems={"drums": str(far / "in" / "d.wav")}
    )
    (tmp_path / "lists").mkdir()
    path = manifest.write([good], tmp_path / "lists" / "m.jsonl")
    assert manifest.read(path) == [good]
    for change in ({"labels": "/etc/passwd"}, {"labels": "../x.json"}, {"stems": {"drums": str(tmp_path / "d.wav")}}):
        manifest.write([entry(far, **change)], path)
        with pytest.raises(
            ValueError, match=r"m\.jsonl, line 1: (labels|stems\.drums) .* lies neither below"
        ) as caught:
            manifest.read(path)
        assert len(str(caught.value)) <= 500


def test_pieces_cover_a_recording_but_for_a_scrap_at_its_end(tmp_path: Path) -> None:
    pieces = list(entry(tmp_path, start=2.0, duration=60.5).pieces(30.0))
    assert [(p.start, p.duration) for p in pieces] == [(2.0, 30.0), (32.0, 30.0)]
    assert len({p.key for p in pieces}) == 2
    assert [p.duration for p in entry(tmp_path).pieces(30.0)] == [30.0, 30.0, 5.5]
    whole = entry(tmp_path)
    assert list(whole.pieces(65.5)) == [whole]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"path": "a.wav"}', "line 2: 'duration' is missing"),
        ('{"path": "a.wav", "duration": 1, "rate": 8000, "channels": 1, "hash": "", "bpm": 3}', "unknown key 'bpm'"),
        ('{"path": "a.wav", "duration": 0, "rate": 8000, "channels": 1, "hash": ""}', "duration must be .* from 0.001"),
        (
            '{"path": "a.wav", "duration": 1, "rate": 8000, "channels": 1, "hash": "", "split": "dev"}',
            "train, validation",
        ),
        ("[1]", "expected a JSON object"),
        ("{", "line 2"),
        ("[" * 100_000, "line 2 is nested"),
        ('{"path": "\\ud800", "duration": 1, "rate": 1, "channels": 1, "hash": ""}', "half a character"),
        ('{"path": "a", "duration": 1e999, "rate": 1, "channels": 1, "hash": ""}', "not finite"),
        ('{"path": "a", "duration": "1", "rate": 1, "channels": 1, "hash": ""}', "duration must be a number, got '1'"),
        ('{"path": 5, "duration": 1, "rate": 1, "channels": 1, "hash": ""}', "path must be text, got 5"),
        ('{"path": "a", "duration": 1, "rate": 1, "channels": 1, "hash": "", "stems": {"drums": 1}}', "stems must be"),
        ('{"path": "a", "duration": 1, "rate": 1, "channels": 1, "hash": "", "text": [1]}', "text must be"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "m.jsonl").write_text("\n" + line + "\n")
    with pytest.raises(ValueError, match=message):
        manifest.read(tmp_path / "m.jsonl")
