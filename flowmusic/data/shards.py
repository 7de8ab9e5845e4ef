"""Shards: WebDataset tars of clips with latents, controls and captions, and the index of a split.

A folder holds, per split, ``<split>-NNNNNN.tar`` and, written last, ``<split>.index.json``.  A clip is two members of a
tar: ``KEY.safetensors`` with the tensors and ``KEY.json`` with the rest, so any WebDataset reader can stream it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from flowmusic import limits
from flowmusic.atomic import replacing, write_text
from flowmusic.data.latents import LATENTS
from flowmusic.data.manifest import file_hash

TENSORS, INFO = "safetensors", "json"
"""Endings of a clip's members."""

CONFIDENCE = ".confidence"
"""Suffix of the tensor ``[T]`` fp16 in [0, 1] that tells how sure a control is, frame by frame; 1 for exact labels."""

VERSION = 1


@dataclass(frozen=True)
class ClipSample:
    """One clip.

    Attributes:
        key: letters, digits, ``_`` and ``-``; of one clip only, over all shards.
        tensors: ``latents [T, D]`` fp16; per control ``name [T]`` int16 or ``[T, F]`` fp16, ``name.known [T]`` bool and
            ``name.confidence [T]`` fp16; ``style [T, D']`` fp16 where style is heard with other features.
        info: ``captions`` (may be empty), ``seconds``, ``licence``, ``dataset``, ``source``.
    """

    key: str
    tensors: Mapping[str, Tensor]
    info: Mapping[str, Any]

    @property
    def frames(self) -> int:
        """T."""
        return len(self.tensors[LATENTS])


@dataclass(frozen=True)
class ShardInfo:
    """What the index says of one shard: file name, number of clips and frames, size in bytes, SHA-256."""

    name: str
    clips: int
    frames: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ShardIndex:
    """A split of a shard folder.

    Attributes:
        split: train, validation or test.
        frame_rate: of latents and controls; Hz.
        shards: in order.
        settings: what it was built with, as plain data (codec, extractors, their versions).
        style_features: which features ``style`` holds; None for latents.
    """

    split: str
    frame_rate: Fraction
    shards: tuple[ShardInfo, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    style_features: Mapping[str, Any] | None = None

    @property
    def clips(self) -> int:
        return sum(shard.clips for shard in self.shards)

    @property
    def seconds(self) -> float:
        return float(sum(shard.frames for shard in self.shards) / self.frame_rate)

    def write(self, folder: str | Path) -> Path:
        """Write ``<split>.index.json``, whole or not at all."""
        path = Path(folder) / f"{self.split}.index.json"
        plain = {"version": VERSION, **asdict(self), "frame_rate": str(self.frame_rate)}
        return write_text(path, json.dumps(plain, indent=1) + "\n")

    @staticmethod
    def read(location: str | Path, split: str) -> ShardIndex:
        """The index of a split; ``location`` is a folder, or the address of one.

        Raises: FileNotFoundError where there is none; ValueError for one of another version.
        """
        parsed = json.loads(_read_text(location, f"{split}.index.json"))
        if parsed.pop("version", None) != VERSION:
            raise ValueError(f"the shards of {location} are of another version; build them again: flowmusic build")
        shards = tuple(ShardInfo(**shard) for shard in parsed.pop("shards"))
        return ShardIndex(**{**parsed, "frame_rate": limits.frame_rate(parsed["frame_rate"]), "shards": shards})


def write_shard(path: str | Path, samples: Iterable[ClipSample]) -> ShardInfo:
    """Write one tar, whole or not at all, and tell what is in it.

    The bytes depend on the samples alone: no time, user or order of a dictionary goes in.
    """
    from safetensors.torch import save
    from webdataset import TarWriter

    path = Path(path)
    clips = frames = 0
    with replacing(path, durable=True) as temporary:
        with (
            temporary.open("wb") as file,
            TarWriter(file, user="", group="", mtime=0.0, encoder=False) as writer,
        ):
            for sample in samples:
                tensors = {name: tensor.contiguous() for name, tensor in sorted(sample.tensors.items())}
                info = json.dumps(dict(sample.info), sort_keys=True, ensure_ascii=False).encode(
                    "utf-8", "backslashreplace"
                )
                writer.write({"__key__": sample.key, INFO: info, TENSORS: save(tensors)})
                clips, frames = clips + 1, frames + sample.frames
        return ShardInfo(path.name, clips, frames, temporary.stat().st_size, file_hash(temporary))


def read_shard(location: str | Path, name: str, digest: Any = None) -> Iterator[ClipSample]:
    """The clips of a shard in order; ``location`` is a folder, or the address of one (http, s3 through ``pipe:``).

    A ``digest`` of hashlib is fed with all bytes of the file, so that one reading serves to check it as well.
    """
    from safetensors.torch import load
    from webdataset.gopen import gopen
    from webdataset.tariterators import group_by_keys, tar_file_expander

    url = _within(location, name)
    with gopen(url) as opened:
        stream = opened if digest is None else _Digested(opened, digest)
        for sample in group_by_keys(tar_file_expander([{"url": url, "stream": stream}])):
            yield ClipSample(sample["__key__"], load(sample[TENSORS]), json.loads(sample[INFO]))
        while stream.read(1 << 20):  # what comes after the last member
            pass


class _Digested:
    """A stream whose bytes go through a digest as they are read."""

    def __init__(self, stream: Any, digest: Any) -> None:
        self.stream, self.digest = stream, digest

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.stream.read(size)
        self.digest.update(data)
        return data


def _within(location: str | Path, name: str) -> str:
    return f"{str(location).rstrip('/')}/{name}"


def _read_text(location: str | Path, name: str) -> str:
    from webdataset.gopen import gopen

    url = _within(location, name)
    if "://" not in url and not url.startswith("pipe:"):
        if not Path(url).is_file():
            raise FileNotFoundError(
                f"{url} is missing; build it with: flowmusic build manifest=MANIFEST out={location}"
            )
        return Path(url).read_text(encoding="utf-8")
    with gopen(url) as stream:
        return bytes(stream.read()).decode("utf-8")
