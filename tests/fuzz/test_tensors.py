"""Files of tensors: adapters, concepts, bundles, checkpoints of torch, arrays of numpy."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save

from flowmusic import tensors
from flowmusic.hashes import of_file
from flowmusic.interop import adapter, bundle, concept, model_files
from flowmusic.interop.pickles import read_pickle, tensors_of
from flowmusic.model.text import TextEncoder
from tests.fuzz.campaign import Input, both_ways, run
from tests.fuzz.mutate import changed, mutated

COUNT, SEED = 400, 1303

ABOUT: dict[str, Any] = {"format": adapter.FORMAT, "rank": 2, "alpha": 4.0, "base": "nano", "base_sha256": "0" * 64}
TOLD: dict[str, Any] = {
    "format": concept.FORMAT,
    "token": "dusk",
    "encoder": {"sha256": concept.SHA256},
    "record": {"a": 1},
}


def made(described: dict[str, Any], values: dict[str, torch.Tensor]) -> bytes:
    return save(values, {"flowmusic": json.dumps(described)})


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and content of a safetensors file: a length of 8 bytes, JSON, bytes."""
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def joined(header: Any, content: bytes) -> bytes:
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + content


def variants(seed: int, count: int, path: Path, data: bytes) -> Iterator[Input]:
    """A safetensors file with changed bytes, header entries (shapes, types, places), metadata or values."""
    rng = random.Random(seed)
    header, content = split(data)
    for number in range(count):
        change = rng.randrange(5)
        if change == 0:
            out = mutated(data, rng, range(min(len(data), 400)))
        elif change == 1:
            out = joined(changed(header, rng), content)
        elif change == 2:
            described = (
                changed(json.loads(header["__metadata__"]["flowmusic"]), rng) if "__metadata__" in header else {}
            )
            out = joined({**header, "__metadata__": {"flowmusic": json.dumps(described)}}, content)
        elif change == 3:
            at = rng.randrange(0, len(content) - 4, 2)
            special = rng.choice((b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff\xff\xff\xff", rng.randbytes(4)))
            out = joined(header, content[:at] + special + content[at + 4 :])
        else:
            out = mutated(data, rng) if rng.random() < 0.5 else data
        path.write_bytes(out)
        yield Input(f"seed {seed}, number {number}, change {change}: {out[:120]!r}", path, path.name)


@pytest.mark.slow
def test_adapters(tmp_path: Path) -> None:
    values = {f"field.x.lora_{end}": torch.randn(*shape) for end, shape in (("A", (2, 8)), ("B", (8, 2)))}
    inputs = variants(SEED, COUNT, tmp_path / "a.safetensors", made(ABOUT, values))
    both_ways(run("adapter", inputs, adapter.read))


@pytest.mark.slow
def test_concepts(tmp_path: Path) -> None:
    encoder = TextEncoder()
    values = {"vectors": torch.randn(2, 384), "initial": torch.randn(384)}
    inputs = variants(SEED, COUNT, tmp_path / "c.safetensors", made(TOLD, values))
    both_ways(run("concept", inputs, lambda path: concept.read(path, encoder)))


@pytest.mark.slow
def test_weights_of_a_bundle(tmp_path: Path) -> None:
    """The hash in the description is that of the changed file, as whoever changed it would write it."""
    source = model_files.available()["nano2_codec"]
    config = yaml.safe_load((source / "config.yaml").read_text())
    folder = tmp_path / "codec"
    folder.mkdir()
    weights = folder / "model.safetensors"

    def read(path: Path) -> None:
        (folder / "config.yaml").write_text(yaml.safe_dump({**config, "sha256": of_file(path)}))
        bundle.load_codec(folder)

    weights.write_bytes((source / "model.safetensors").read_bytes())
    read(weights)
    inputs = variants(SEED, COUNT // 8, weights, (source / "model.safetensors").read_bytes())
    both_ways(run("bundle weights", (Input(each.label, each.content, "codec") for each in inputs), read))


def checkpoints(seed: int, count: int, path: Path) -> Iterator[Input]:
    """A file of torch.save with changed bytes of its archive, of its pickle or of its storages."""
    rng = random.Random(seed)
    out = io.BytesIO()
    torch.save({"best_state": {"a": torch.arange(64.0), "b": torch.ones(3, 5).half()}, "xp.cfg": "a: 1"}, out)
    with zipfile.ZipFile(out) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for number in range(count):
        if rng.random() < 0.4:
            data = mutated(out.getvalue(), rng)
        else:
            made = io.BytesIO()
            chosen = rng.choice(sorted(parts))
            pack = zipfile.ZIP_DEFLATED if rng.random() < 0.1 else zipfile.ZIP_STORED
            with zipfile.ZipFile(made, "w", pack) as archive:
                for name, part in parts.items():
                    archive.writestr(name, mutated(part, rng) if name == chosen else part)
            data = made.getvalue()
        path.write_bytes(data)
        yield Input(f"seed {seed}, number {number}: {data[:80]!r}", path, path.name)


@pytest.mark.slow
def test_checkpoints_of_torch(tmp_path: Path) -> None:
    path = tmp_path / "state_dict.bin"

    def read(path: Path) -> None:
        tensors_of(read_pickle(path, ["best_state", "xp.cfg"])["best_state"], path)

    both_ways(run("torch checkpoint", checkpoints(SEED, COUNT, path), read))


def arrays(seed: int, count: int, folder: Path, name: str) -> Iterator[Input]:
    """A numpy file with changed bytes, most of them in its headers."""
    rng = random.Random(seed)
    out = io.BytesIO()
    values = {"x": np.arange(12.0).reshape(3, 4), "y": np.array("text"), "z": np.zeros(5, np.int16)}
    save_as: Callable[..., None] = np.savez_compressed if name.endswith("npz") else np.save
    save_as(out, **values) if name.endswith("npz") else save_as(out, values["x"])
    path = folder / name
    for number in range(count):
        data = mutated(out.getvalue(), rng, range(128) if rng.random() < 0.7 else None)
        path.write_bytes(data)
        yield Input(f"seed {seed}, number {number}: {data[:140]!r}", path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_arrays_of_numpy(tmp_path: Path, name: str) -> None:
    both_ways(run(name, arrays(SEED, COUNT, tmp_path, name), tensors.read_arrays))
