"""Folders of shards from elsewhere: nothing in them runs, and what is no clip is refused by everyone who reads it."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from flowmusic.beside import StrayName
from flowmusic.data import shards
from flowmusic.data.errors import BrokenShardError, WrongData
from flowmusic.data.shards import ClipSample, ShardIndex, read_shard, write_shard
from flowmusic.data.store_files import read_store
from flowmusic.data.streamed import ShardData
from flowmusic.data.transport import StrayShard
from flowmusic.datasets import build
from flowmusic.datasets.build import Record, verify
from flowmusic.hashes import of_file
from tests.train import tiny_shards

NAME = "train-000000.tar"


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    return tiny_shards.write(tmp_path / "shards", 2, 2)


def change_index(folder: Path, change: Callable[[dict[str, Any]], object], split: str = "train") -> None:
    path = folder / f"{split}.index.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def stream(location: Any, **settings: Any) -> Any:
    made = ShardData(str(location), crop_seconds=1.6, validation_crop_seconds=1.6, batch=2, **settings)
    made.setup("fit")
    return next(iter(made.train_dataloader()))


READERS: dict[str, Callable[[Path], Any]] = {
    "stream": stream,
    "memory": lambda folder: read_store(folder, "train"),
    "verify": lambda folder: verify(folder),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "name",
    [
        "pipe:touch {marker}", "train-000000.tar; touch {marker}", "$(touch {marker})", "`touch {marker}`", "../x.tar",
        "/etc/passwd", "a/b.tar", "a\\b.tar", "http://h/x.tar", "-", "", ".", "a\nb", "x" * 300, 5, None, ["a"],
    ],
)  # fmt: skip
def test_an_index_names_files_beside_it(folder: Path, tmp_path: Path, name: Any, reader: Callable[[Path], Any]) -> None:
    marker = tmp_path / "touched"
    name = name.format(marker=marker) if isinstance(name, str) else name
    change_index(folder, lambda told: told["shards"][0].update(name=name))
    with pytest.raises(StrayShard, match=r"train\.index\.json: .* cannot be the name of a shard") as caught:
        reader(folder)
    assert len(str(caught.value)) <= 500
    with pytest.raises(StrayName):
        stream(f"pipe:cat {folder}")
    assert not marker.exists()


def test_a_record_of_a_build_names_its_own_shard(folder: Path, tmp_path: Path) -> None:
    told: dict[str, Any] = {"name": "../x.tar", "clips": 1, "frames": 1, "bytes": 1, "sha256": "0" * 64}
    record = {"split": "train", "digests": [], "failures": [], "statistics": {}, "shard": told}
    (folder / "records").mkdir()
    path = folder / "records" / "train-000000.json"
    path.write_text(json.dumps(record))
    assert Record.read(folder, NAME) is None
    told["name"] = "train-000001.tar"
    path.write_text(json.dumps(record))
    assert Record.read(folder, NAME) is None
    path.write_text("[" * 100_000)
    assert Record.read(folder, NAME) is None


def test_only_the_setting_itself_is_an_address(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may be called anything; where a folder is wanted, it is one."""
    monkeypatch.chdir(tmp_path)
    strange = Path("pipe:touch touched;cat ")
    folder.rename(strange)
    assert len(read_store(str(strange), "train").clips) == 4
    assert verify(strange).wrong == ()
    assert not Path("touched").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": "test"}, "of the split 'test'|of the split"),
        ({"frame_rate": "1e999999999"}, "frame_rate"),
        ({"frame_rate": "0"}, "frame_rate"),
        ({"frame_rate": 25}, "frame_rate"),
        ({"frame_rate": "9" * 5000}, "frame_rate"),
        ({"shards": {}}, "shards is no list"),
        ({"shards": [5]}, "a shard is told by"),
        ({"version": 7}, "another version"),
        ({"settings": {"heard": 5}}, "settings.heard"),
        ({"settings": [1]}, "settings"),
        ({"style_features": 5}, "style_features"),
        ({"more": 1}, "an index has"),
    ],
)
def test_an_index_is_judged(folder: Path, change: dict[str, Any], words: str) -> None:
    change_index(folder, lambda told: told.update(change))
    with pytest.raises(BrokenShardError, match=words):
        ShardIndex.read(folder, "train")


@pytest.mark.parametrize(
    ("key", "value"), [("clips", -1), ("frames", True), ("bytes", 2**60), ("sha256", "x"), ("clips", 1.5)]
)
def test_numbers_of_an_index_are_judged(folder: Path, key: str, value: Any) -> None:
    change_index(folder, lambda told: told["shards"][1].update({key: value}))
    with pytest.raises(BrokenShardError, match=rf"train\.index\.json: {key} of train-000001\.tar must be"):
        ShardIndex.read(folder, "train")


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"[" * 10_000, b'{"version": NaN}', b'{"a": 1e999}', b"not", b'"\\ud800"'], ids=range(6)
)
def test_an_index_that_is_no_json(folder: Path, text: bytes) -> None:
    (folder / "train.index.json").write_bytes(text)
    with pytest.raises(BrokenShardError, match=r"train\.index\.json"):
        ShardIndex.read(folder, "train")


def replace_shard(folder: Path, data: bytes) -> None:
    """Another file in the place of the first shard, with an index that vouches for it."""
    (folder / NAME).write_bytes(data)
    digest = of_file(folder / NAME)
    change_index(folder, lambda told: told["shards"][0].update(bytes=len(data), sha256=digest))


def tar_of(members: dict[str, bytes], change: Callable[[tarfile.TarInfo], object] = lambda info: None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            change(info)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def clip(
    change: Callable[[dict[str, torch.Tensor]], object] = lambda tensors: None, info: Any = None
) -> dict[str, bytes]:
    """The members of a clip whose tensors were changed."""
    made = tiny_shards.clip("train", 0, 60)
    tensors = dict(made.tensors)
    change(tensors)
    told = made.info if info is None else info
    return {"a.json": json.dumps(told).encode(), "a.safetensors": save({n: t.contiguous() for n, t in tensors.items()})}


def put(name: str, value: torch.Tensor) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda tensors: tensors.update({name: value})


def poison(name: str, value: float) -> Callable[[dict[str, torch.Tensor]], object]:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name] = tensors[name].clone()
        tensors[name].view(-1)[-1] = value

    return change


FAULTS: dict[str, tuple[dict[str, bytes], str]] = {
    "NaN latents": (clip(poison("latents", torch.nan)), "NaN or infinite values in latents"),
    "infinite latents": (clip(poison("latents", torch.inf)), "NaN or infinite values in latents"),
    "NaN control": (clip(poison("drums", torch.nan)), "NaN or infinite values in drums"),
    "NaN confidence": (clip(poison("melody.confidence", torch.nan)), "NaN"),
    "long track": (clip(put("drums", torch.zeros(61, 12).half())), "61 frames of drums and 60 of latents"),
    "short known": (clip(put("chords.known", torch.ones(59, dtype=torch.bool))), "59 frames of chords.known"),
    "no latents": (clip(lambda tensors: tensors.pop("latents")), "has no latents"),
    "empty latents": (clip(put("latents", torch.zeros(60, 0))), "has latents of shape"),
    "no known": (clip(lambda tensors: tensors.pop("chords.known")), "has chords and no chords.known"),
    "unknown chord": (clip(put("chords", torch.full((60,), 195, dtype=torch.int16))), "ids are 0 to 194"),
    "negative chord": (clip(put("chords", torch.full((60,), -1, dtype=torch.int16))), "ids are 0 to 194"),
    "sure beyond 1": (clip(put("melody.confidence", torch.full((60,), 2.0))), "from 0 to 1"),
    "a stranger": (clip(put("__class__", torch.zeros(60))), "is no control"),
    "captions": (clip(info={"captions": {"a": 1}}), "captions that are no list"),
    "no object": (clip(info=[1]), "no JSON object"),
    "other width": (clip(put("latents", torch.zeros(60, 9).half())), "other settings"),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("members", "words"), FAULTS.values(), ids=FAULTS)
def test_a_clip_that_cannot_be_is_refused_by_all(
    folder: Path, members: dict[str, bytes], words: str, reader: str
) -> None:
    replace_shard(folder, tar_of(members))
    change_index(folder, lambda told: told["shards"][0].update(clips=1, frames=60))
    change_index(folder, lambda told: told["shards"].reverse())  # a clip that differs needs one before it
    if reader == "verify":
        found = verify(folder).wrong
        assert len(found) == 1 and NAME in found[0]
        message = found[0]
    else:
        with pytest.raises(WrongData) as caught:
            stream(folder, group=2) if reader == "stream" else READERS[reader](folder)
        message = str(caught.value)
    assert re.search(words, message), message
    assert len(message) <= 500 and "\n" not in message and "clip " in message


def test_such_a_clip_is_not_written_and_fails_alone_in_a_build(tmp_path: Path) -> None:
    good = tiny_shards.clip("train", 1, 20)
    bad = ClipSample("bad", {**good.tensors, "latents": good.tensors["latents"] * torch.inf}, good.info)
    with pytest.raises(BrokenShardError, match="the clip bad holds NaN or infinite values in latents"):
        write_shard(tmp_path / NAME, [good, bad])
    assert list(tmp_path.iterdir()) == []


class Touch:
    """Unpickling this creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("ending", ["pkl", "pickle", "pyd", "pth", "npy", "json.gz", "safetensors.gz", "txt"])
def test_what_webdataset_would_decode_is_no_part_of_a_clip(folder: Path, tmp_path: Path, ending: str) -> None:
    payload = pickle.dumps(Touch(tmp_path / "touched"))
    pickle.loads(payload)  # the threat is real
    (tmp_path / "touched").unlink()
    replace_shard(folder, tar_of({**clip(), f"a.{ending}": payload}))
    for reader in ("stream", "memory"):
        with pytest.raises(BrokenShardError, match=rf"a\.{ending}"):
            READERS[reader](folder)
    assert len(verify(folder).wrong) == 1
    assert not (tmp_path / "touched").exists()


def linked(kind: bytes) -> Callable[[tarfile.TarInfo], object]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0

    return change


def sparse(size: int) -> bytes:
    """A tar whose only member claims ``size`` zeros in no bytes (pax 1.0: the map is the content)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.safetensors")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
        content = b"1\n0\n0\n".ljust(512, b"\0")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tar_of(clip(), linked(tarfile.SYMTYPE)), id="symbolic link"),
        pytest.param(tar_of(clip(), linked(tarfile.LNKTYPE)), id="link"),
        pytest.param(tar_of(clip(), linked(tarfile.CHRTYPE)), id="device"),
        pytest.param(sparse(2**50), id="sparse"),
        pytest.param(gzip.compress(tar_of({"a.json": b" " * 10**7})), id="packed"),
        pytest.param(tar_of(dict([*clip().items()][:1])), id="half a clip"),
        pytest.param(tar_of({f"{key}/../{name}": data for key in "xy" for name, data in clip().items()}), id="folders"),
        pytest.param(tar_of({**clip(), "b.json": b"{}", "b.safetensors": b"\xff" * 64}), id="no tensors"),
        pytest.param(
            tar_of({**clip(), "b.json": b"{}", "b.safetensors": b'\x60\0\0\0\0\0\0\0{"latents":{"dtype":"F16","shape":'
                    b'[1099511627776,64],"data_offsets":[0,16]}}'.ljust(104, b" ") + b"\0" * 16}), id="absurd shape"
        ),
        pytest.param(tar_of({**clip(), "b.json": b"[" * 100_000, "b.safetensors": b""}), id="nested"),
        pytest.param(tar_of(clip())[:700], id="cut"),
    ],
)  # fmt: skip
def test_a_tar_is_a_list_of_plain_files(folder: Path, data: bytes) -> None:
    replace_shard(folder, data)
    for reader in ("stream", "memory"):
        with pytest.raises(BrokenShardError, match=NAME) as caught:
            READERS[reader](folder)
        assert len(str(caught.value)) <= 500
    assert len(verify(folder).wrong) == 1


def test_a_shard_is_no_longer_than_the_index_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowmusic.data.store_files.PAUSE_S", 0.0)
    with (folder / NAME).open("ab") as file:
        file.truncate(2**34)  # zeros that take no room on the disk
    for reader in ("stream", "memory"):
        with pytest.raises(BrokenShardError, match=NAME):
            READERS[reader](folder)
    with pytest.raises(BrokenShardError, match="longer than"):
        stream(f"pipe:cat {folder}")


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MOST_CLIP", 1000)
    with pytest.raises(BrokenShardError, match=r"set build\.seconds or build\.clips_per_shard lower"):
        write_shard(tmp_path / NAME, [tiny_shards.clip("train", 1, 60)])
    assert list(tmp_path.iterdir()) == []


def test_a_shard_that_is_a_device_is_not_read(folder: Path) -> None:
    (folder / NAME).unlink()
    (folder / NAME).symlink_to("/dev/zero")
    with pytest.raises(BrokenShardError, match="a device or a pipe"):
        READERS["memory"](folder)


def test_the_form_from_before_shards_names_files_beside_it(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    tensors = {
        "latents": torch.ones(5, 3),
        "chords": torch.zeros(5, dtype=torch.int16),
        "chords.known": torch.ones(5) > 0,
    }
    save_file(tensors, tmp_path / "0.safetensors")
    told: dict[str, Any] = {
        "frame_rate": "25",
        "shards": ["0.safetensors"],
        "clips": [{"id": "a", "frames": 5, "captions": []}],
    }
    (tmp_path / "train.json").write_text(json.dumps(told))
    assert len(read_store(tmp_path, "train").clips) == 1
    for change in (
        {"shards": ["../0.safetensors"]},
        {"shards": 5},
        {"clips": [{"id": "a", "frames": 4, "captions": []}]},
    ):
        (tmp_path / "train.json").write_text(json.dumps({**told, **change}))
        with pytest.raises(WrongData, match=r"train\.json|the clips have"):
            read_store(tmp_path, "train")
    (tmp_path / "train.json").write_text(json.dumps(told))
    save_file({**tensors, "latents": torch.full((5, 3), torch.nan)}, tmp_path / "0.safetensors")
    with pytest.raises(WrongData, match="'latents' holds NaN"):
        read_store(tmp_path, "train")


def test_reading_one_by_one_judges_too(folder: Path) -> None:
    assert len(list(read_shard(folder, NAME))) == 2
    with pytest.raises(StrayName):
        list(read_shard(folder, "../shards/train-000000.tar"))
    assert build.verify(folder).wrong == ()
