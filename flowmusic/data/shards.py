"""Shards: WebDataset tars of clips with latents, controls and captions, and the index of a split.

A folder holds, per split, ``<split>-NNNNNN.tar`` and, written last, ``<split>.index.json``.  A clip is two members of a
tar: ``KEY.safetensors`` with the tensors and ``KEY.json`` with the rest, so any WebDataset reader can stream it.

Folders come from elsewhere.  An index names files of its own folder and decides nothing else
(:mod:`flowmusic.data.transport`); a clip is judged before anybody sees it (:mod:`flowmusic.data.clip_checks`); nothing
is unpickled, and nothing expands.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from torch import Tensor

from flowmusic import limits, plain, publishable, tensors
from flowmusic.data import clip_checks, transport
from flowmusic.data.audio_prompts import HEARD
from flowmusic.data.clip_checks import CONFIDENCE, LATENTS
from flowmusic.data.errors import BrokenShardError
from flowmusic.files import replacing, write_text
from flowmusic.hashes import of_file
from flowmusic.plain import MIB

__all__ = ["CONFIDENCE", "ClipSample", "ShardIndex", "ShardInfo", "read_shard", "write_shard"]

TENSORS, INFO = "safetensors", "json"
"""Endings of a clip's members."""

VERSION = 1

MOST_INDEX = 128 * MIB
"""Bytes; an index of 187 500 shards has 30 MB."""
MOST_CLIP, MOST_SHARD = 1024 * MIB, 65_536 * MIB
"""Bytes of one member of a tar, and of a tar: an hour of 75 Hz x 128 channels, with features of 1024, has 620 MB."""
MOST_CLIPS = 10**7
_HASH = re.compile(r"[0-9a-f]{64}")


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

    def checked(self) -> ClipSample:
        """Itself.  Raises: BrokenShardError for values and shapes that no clip has."""
        wrong = clip_checks.fault(self.key, self.tensors, self.info)
        if wrong is not None:
            raise BrokenShardError(f"the clip {plain.shown(self.key)} {wrong}")
        return self


@dataclass(frozen=True)
class ShardInfo:
    """What the index says of one shard: file name, number of clips and frames, size in bytes, SHA-256."""

    name: str
    clips: int
    frames: int
    bytes: int
    sha256: str

    @staticmethod
    def of(told: Any, place: object) -> ShardInfo:
        """From the plain data of an index, or of a build's record; ``place`` is that file.

        Raises: BrokenShardError; StrayName for a name that is not one of a file beside it.
        """
        if not isinstance(told, Mapping) or set(told) != {"name", "clips", "frames", "bytes", "sha256"}:
            raise BrokenShardError(f"{plain.shown(place)}: a shard is told by name, clips, frames, bytes and sha256")
        name = transport.check_name(told["name"], place)
        for key, most in (("clips", MOST_CLIPS), ("frames", 10**12), ("bytes", MOST_SHARD)):
            if type(told[key]) is not int or not 0 <= told[key] <= most:
                raise BrokenShardError(
                    f"{plain.shown(place)}: {key} of {name} must be a whole number from 0 to {most}, "
                    f"got {plain.shown(repr(told[key]))}"
                )
        if not isinstance(told["sha256"], str) or not _HASH.fullmatch(told["sha256"]):
            raise BrokenShardError(f"{plain.shown(place)}: sha256 of {name} must be 64 hexadecimal digits")
        return ShardInfo(**told)


@dataclass(frozen=True)
class ShardIndex:
    """A split of a shard folder.

    Attributes:
        split: train, validation or test.
        frame_rate: of latents and controls; Hz.
        shards: in order.
        settings: what it was built with, as plain data (codec, extractors, their versions); the file tells no places.
        style_features: which features ``style`` holds; None for latents.  The file names a folder by the way there.
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
        told = {"version": VERSION, **asdict(self), "frame_rate": str(self.frame_rate)}
        told["settings"] = publishable.cleaned(told["settings"])
        features = publishable.cleaned(told["style_features"])
        source = (self.style_features or {}).get("source")
        if source is not None and Path(str(source)).is_dir() and (way := publishable.way(source, folder)) is not None:
            features["source"] = f"./{way}"
        told["style_features"] = features
        return write_text(path, json.dumps(told, indent=1) + "\n")

    @staticmethod
    def read(location: str | Path, split: str) -> ShardIndex:
        """The index of a split; ``location`` is a folder, or, as text, the address of one.

        Raises: FileNotFoundError where there is none; BrokenShardError for what is none, or of another version;
            StrayName for a shard that is named as something else than a file of the folder.
        """
        name = f"{split}.index.json"
        place = transport.within(location, name)
        try:
            told = plain.json_of(transport.read_text(location, name, MOST_INDEX), place)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{place} is missing; build it with: flowmusic build manifest=MANIFEST out={location}"
            ) from None
        except plain.PlainError as error:
            raise BrokenShardError(f"{error}; build it again: flowmusic build") from None
        if not isinstance(told, dict) or told.pop("version", None) != VERSION:
            raise BrokenShardError(
                f"{plain.shown(place)} is of another version; build the shards again: flowmusic build"
            )
        features = told.get("style_features")
        if isinstance(features, dict) and str(features.get("source")).startswith("./") and Path(location).is_dir():
            features["source"] = os.path.abspath(Path(location) / features["source"])
        return _index(told, place, split)


def _index(told: dict[str, Any], place: str, split: str) -> ShardIndex:
    """The plain data of an index as one.  Raises: BrokenShardError, StrayName."""

    def require(holds: bool, what: str) -> None:
        if not holds:
            raise BrokenShardError(f"{plain.shown(place)}: {what}; build it again: flowmusic build")

    keys = {"split", "frame_rate", "shards", "settings", "style_features"}
    require(
        set(told) <= keys and {"split", "frame_rate", "shards"} <= set(told), f"an index has {', '.join(sorted(keys))}"
    )
    require(told["split"] == split, f"it says that it is of the split {plain.shown(repr(told['split']))}")
    require(isinstance(told["frame_rate"], str), "frame_rate is no rate such as '25' or '75/2'")
    try:
        rate = limits.frame_rate(told["frame_rate"])
    except limits.LimitError as error:
        raise BrokenShardError(f"{plain.shown(place)}: {error}; build it again: flowmusic build") from None
    require(isinstance(told["shards"], list), "shards is no list")
    shards = tuple(ShardInfo.of(each, place) for each in told["shards"])
    names = {shard.name for shard in shards}
    require(len(names) == len(shards), "it names a shard twice")
    settings, style = told.get("settings") or {}, told.get("style_features")
    require(isinstance(settings, dict), "settings is no object")
    if (heard := settings.get(HEARD)) is not None:
        window = heard.get("window_seconds") if isinstance(heard, dict) else None
        known = isinstance(window, int | float) and window > 0
        require(
            known and all(isinstance(heard.get(key), str) for key in ("model", "sha256")), f"settings.{HEARD} is none"
        )
    named = isinstance(style, dict) and isinstance(style.get("kind"), str)
    require(style is None or named, "style_features names no kind")
    return ShardIndex(split, rate, shards, settings, style)


def write_shard(path: str | Path, samples: Iterable[ClipSample]) -> ShardInfo:
    """Write one tar, whole or not at all, and tell what is in it.

    The bytes depend on the samples alone: no time, user or order of a dictionary goes in.

    Raises: BrokenShardError for a clip that would be refused when it is read.
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
                sample.checked()
                stored = {name: tensor.contiguous() for name, tensor in sorted(sample.tensors.items())}
                text = json.dumps(dict(sample.info), sort_keys=True, ensure_ascii=False)
                info, data = text.encode("utf-8", "backslashreplace"), save(stored)
                if len(data) > MOST_CLIP or file.tell() > MOST_SHARD - MOST_CLIP:
                    raise BrokenShardError(
                        f"{path.name} grows larger than is read again; set build.seconds or build.clips_per_shard lower"
                    )
                writer.write({"__key__": sample.key, INFO: info, TENSORS: data})
                clips, frames = clips + 1, frames + sample.frames
        return ShardInfo(path.name, clips, frames, temporary.stat().st_size, of_file(temporary))


def read_shard(location: str | Path, name: str, digest: Any = None, size: int = MOST_SHARD) -> Iterator[ClipSample]:
    """The clips of a shard in order, each of them judged.

    Args:
        location: folder, or, as text, the address of one.
        name: of the file.
        digest: of hashlib; it is fed with all bytes, so that one reading serves to check them as well.
        size: bytes that it may have.

    Raises: BrokenShardError, StrayName, FileNotFoundError; tarfile.TarError for what is no tar; what transports raise.
    """
    with transport.opened(location, name, size) as stream:
        stream.digest = digest
        parts: dict[str, bytes] = {}
        seen: set[str] = set()
        now = ""
        for key, ending, data in _members(stream, name):
            if key != now and parts:
                yield _clip(now, parts, name)
                parts = {}
            if key in seen and (key != now or ending in parts):
                raise BrokenShardError(f"{name} holds {plain.shown(key)}.{ending} twice")
            now = key
            seen.add(key)
            parts[ending] = data
        if parts:
            yield _clip(now, parts, name)
        while stream.read(MIB):  # what comes after the last member
            pass


def _members(stream: transport.Limited, name: str) -> Iterator[tuple[str, str, bytes]]:
    """Key, ending and content of the files in a tar, in its order.

    Raises: BrokenShardError for links, devices, sparse files (a header may claim any number of zeros) and files that
        are no part of a clip.
    """
    # "r|" and not "r|*": a packed tar would expand.
    with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
        for member in tar:
            key, _, ending = member.name.partition(".")
            if not member.isreg() or member.issparse() or ending not in (TENSORS, INFO):
                raise BrokenShardError(
                    f"{name} holds {plain.shown(member.name)!r}, which is no KEY.{TENSORS} and no KEY.{INFO}"
                )
            if member.size > MOST_CLIP:
                raise BrokenShardError(
                    f"{name}: {plain.shown(member.name)} has {member.size} bytes, {MOST_CLIP} at most"
                )
            file = tar.extractfile(member)
            assert file is not None  # only links and folders have none
            yield key, ending, file.read()
            # Else the headers of all that was read stay.
            tar.members = []  # type: ignore[misc]


def _clip(key: str, parts: Mapping[str, bytes], name: str) -> ClipSample:
    place = f"{name}, clip {plain.shown(key)}"
    missing = [ending for ending in (TENSORS, INFO) if ending not in parts]
    if missing:
        raise BrokenShardError(f"{place}: its .{missing[0]} is missing")
    found = tensors.loads(parts[TENSORS], place)
    info = plain.json_of(plain.text_of(parts[INFO], place), place, missing=True)
    return ClipSample(key, found, info).checked()
