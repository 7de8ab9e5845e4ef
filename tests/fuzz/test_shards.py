"""Folders of shards: indexes with changed values, tars with changed bytes, members, tensors and descriptions."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from flowmusic.data.store_files import read_store
from flowmusic.data.streamed import ShardData
from flowmusic.datasets.build import verify
from flowmusic.errors import one_line
from flowmusic.hashes import of_file
from tests.fuzz.campaign import Input, Refused, both_ways, run
from tests.fuzz.mutate import changed, mutated
from tests.train import tiny_shards

COUNT, SEED = 300, 1301
NAME = "train-000000.tar"
Members = list[tuple[tarfile.TarInfo, bytes]]


def members_of(data: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(info, tar.extractfile(info).read()) for info in tar]


def packed(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in members:
            # What the header says need not be what follows.
            tar.addfile(info, io.BytesIO(data.ljust(info.size, b"\0")) if info.isreg() else None)
    return out.getvalue()


def hostile_tensors(data: bytes, rng: random.Random) -> bytes:
    """The tensors of a clip with one of them in another value, length, width or type."""
    tensors = load(data)
    name = rng.choice(sorted(tensors))
    tensor = tensors[name]
    change = rng.randrange(6)
    if change == 0 and tensor.is_floating_point():
        tensor = tensor.clone()
        tensor.view(-1)[rng.randrange(tensor.numel())] = rng.choice((torch.nan, torch.inf, -torch.inf))
    elif change == 1:
        tensor = tensor[: rng.randrange(len(tensor))]
    elif change == 2:
        tensor = torch.cat([tensor, tensor[:1]])
    elif change == 3:
        tensor = tensor[..., None] if rng.random() < 0.5 else tensor.reshape(-1)
    elif change == 4:
        tensor = tensor.to(rng.choice((torch.float64, torch.int64, torch.bool, torch.float8_e5m2, torch.uint8)))
    else:
        tensors[rng.choice(("more", "latents.known", "x" * 500, "style", "heard", "../x"))] = tensor.clone()
    if rng.random() < 0.1:
        tensors.pop(name)
    else:
        tensors[name] = tensor
    return save({key: value.contiguous() for key, value in tensors.items()})


def hostile_tar(data: bytes, rng: random.Random) -> bytes:
    """A tar with changed bytes, or a well-formed one with changed members."""
    if rng.random() < 0.3:
        return mutated(data, rng)
    members = members_of(data)
    at = rng.randrange(len(members))
    info, content = members[at]
    change = rng.randrange(9)
    if change == 0:
        info.name = rng.choice(
            ("../x.json", "/x.safetensors", "a.pkl", "x" * 90 + ".json", "a.b.json", ".json", "a/b.json")
        )
    elif change == 1:
        info.type = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE))
        info.linkname = "/etc/passwd"
    elif change == 2:
        del members[at]
    elif change == 3:
        members.append(members[at])
    elif change == 4:
        rng.shuffle(members)
    elif change == 5:
        content = mutated(content, rng)
    elif info.name.endswith(".json"):
        content = json.dumps(changed(json.loads(content), rng)).encode("utf-8", "surrogatepass")
    else:
        content = hostile_tensors(content, rng)
    if change >= 5:
        info.size = len(content)
        members[at] = (info, content)
    return packed(members)


def folders(seed: int, count: int, folder: Path) -> Iterator[Input]:
    """One folder again and again, with a changed index or a changed shard for which the index vouches."""
    rng = random.Random(seed)
    tar, index = (folder / NAME).read_bytes(), (folder / "train.index.json").read_text()
    for number in range(count):
        told: Any = json.loads(index)
        data = tar
        if rng.random() < 0.35:
            told = changed(told, rng)
        else:
            data = hostile_tar(tar, rng)
            (folder / NAME).write_bytes(data)
            told["shards"][0].update(bytes=len(data), sha256=of_file(folder / NAME))
            if rng.random() < 0.2:
                told["shards"][0].update(clips=rng.randrange(4), frames=rng.randrange(300))
        (folder / NAME).write_bytes(data)
        (folder / "train.index.json").write_text(json.dumps(told))
        yield Input(f"seed {seed}, number {number}: {json.dumps(told)[:120]}", folder)


def stream(folder: Path) -> None:
    made = ShardData(str(folder), crop_seconds=1.0, validation_crop_seconds=1.0, batch=2, group=2)
    made.setup("fit")
    crops = made.train_dataloader().dataset.make  # type: ignore[attr-defined]
    for number in range(3):
        crops(number)
    crops._reader.shutdown()


def verified(folder: Path) -> None:
    found = verify(folder)
    if found.wrong:
        raise Refused(one_line(ValueError("; ".join(found.wrong[:1]))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("shards, streamed", stream),
        ("shards, in memory", lambda folder: read_store(folder, "train")),
        ("shards, verified", verified),
    ],
)
def test_shards(tmp_path: Path, kind: str, read: Any) -> None:
    folder = tiny_shards.write(tmp_path / "shards", 2, 3)
    stream(folder)
    inputs = (Input(each.label, each.content, "train") for each in folders(SEED, COUNT, folder))
    both_ways(run(kind, inputs, read))
