"""Stores of latents read from disk: shards, one by one or a whole split, and the form from before shards."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from flowmusic import beside, limits, plain
from flowmusic.beside import StrayName
from flowmusic.data import clip_checks, played, transport
from flowmusic.data.audio_prompts import HEARD, ClipVectors
from flowmusic.data.clip_checks import FEATURES, KNOWN
from flowmusic.data.errors import BrokenShardError, WrongData
from flowmusic.data.latents import MOST_LIST, LatentStore
from flowmusic.data.shards import CONFIDENCE, MOST_SHARD, ClipSample, ShardIndex, ShardInfo, read_shard
from flowmusic.tensors import check_finite, read

ATTEMPTS, PAUSE_S = 3, 2.0
"""How often a shard at an address is asked for, and the pause before the second time, which doubles."""


def read_store(folder: str | Path, split: str) -> LatentStore:
    """A split of shards, whole; the confidence of its controls stays on disk.

    A folder in the form from before shards (``<split>.json``, safetensors) is read too.

    Raises: FileNotFoundError when the split is missing or unfinished; BrokenShardError, StrayName.
    """
    # A folder, whatever it is called: only data=shards takes addresses.
    folder = Path(folder)
    if index_of(folder, split).name == f"{split}.json":
        return _read_older(folder, split)
    index = ShardIndex.read(folder, split)
    samples = [sample for info in index.shards for sample in load_shard(folder, info)]
    return as_store(samples, index, {}, style=True)


def index_of(folder: str | Path, split: str) -> Path:
    """The file that tells what a split holds.  Raises: FileNotFoundError, with the command that builds one."""
    found = [Path(folder) / f"{split}{ending}" for ending in (".index.json", ".json")]
    for path in found:
        if path.is_file():
            return path
    raise FileNotFoundError(f"{found[0]} is missing; build it with: flowmusic build corpus=DIR out={folder}")


def _read_older(folder: Path, split: str) -> LatentStore:
    path = folder / f"{split}.json"
    try:
        told = plain.read_json(path, MOST_LIST)
        names = [beside.file_name(name, path) for name in told["shards"]]
        shards = [read(folder / name)[0] for name in names]
        tensors = {key: torch.cat([shard[key] for shard in shards]) for key in shards[0]}
        check_finite(tensors, folder / names[0])
        clips = [
            {"id": str(c["id"]), "frames": int(c["frames"]), "captions": list(c["captions"])} for c in told["clips"]
        ]
        return LatentStore(limits.frame_rate(told["frame_rate"]), clips, tensors, told.get("style_features"))
    except (KeyError, TypeError, IndexError, RuntimeError, ValueError) as error:
        raise WrongData(f"{plain.shown(path)} tells no latents that can be read ({plain.reason(error)})") from None


def load_shard(location: str | Path, info: ShardInfo, verify: bool = True) -> list[ClipSample]:
    """The clips of one shard.

    Args:
        location: folder, or the address of one.
        info: what the index says of it.
        verify: also compare the SHA-256 of its bytes.

    Raises: BrokenShardError where it is missing, cannot be read, differs from the index or holds a clip that is none;
        StrayName.
    """
    remote = transport.is_address(location)
    for attempt in range(ATTEMPTS if remote else 1):
        if attempt:
            time.sleep(PAUSE_S * 2 ** (attempt - 1))
        try:
            return read_whole(location, info, verify)
        except StrayName:
            raise
        except Exception as error:  # tarfile, curl: each has exceptions of its own
            cause = error
    where = f"copy it {'to' if remote else 'into'} the folder again"
    raise BrokenShardError(
        f"shard {info.name} of {plain.shown(location)} is damaged or missing: {plain.reason(cause)[:120]}; {where}, or "
        "remove it and run the same flowmusic build command, which makes what is missing"
    ) from cause


def read_whole(location: str | Path, info: ShardInfo, verify: bool = True) -> list[ClipSample]:
    """The clips of one shard, once.

    Raises: BrokenShardError, ValueError saying what is wrong with it; what the transport and the reader of tars raise.
    """
    digest = hashlib.sha256() if verify else None
    samples: list[ClipSample] = []
    for sample in read_shard(location, info.name, digest, info.bytes if verify else MOST_SHARD):
        if len(samples) == info.clips:
            raise ValueError(f"it has more clips than the {info.clips} that the index says")
        samples.append(sample)
    if digest is not None and digest.hexdigest() != info.sha256:
        raise ValueError(f"its SHA-256 is {digest.hexdigest()[:12]}..., the index says {info.sha256[:12]}...")
    frames = sum(sample.frames for sample in samples)
    if (len(samples), frames) != (info.clips, info.frames):
        raise ValueError(
            f"it has {len(samples)} clips of {frames} frames, the index says {info.clips} of {info.frames}"
        )
    return samples


def as_store(
    samples: Sequence[ClipSample],
    index: ShardIndex,
    min_confidence: Mapping[str, float],
    style: bool,
    like: Mapping[str, torch.Tensor] | None = None,
) -> LatentStore:
    """Clips as a store in memory.

    Args:
        min_confidence: per control, frames whose ``confidence`` is below become unknown; a control without stored
            confidence has exact labels and keeps all.
        style: whether stored style features are wanted.
        like: tensors of other clips of the same data, of which these must be the like.

    A control that some clips lack is unknown there.

    Raises: BrokenShardError for clips that were built with different settings, or lack the features of a style.
    """
    first_of: dict[str, torch.Tensor] = {}
    for sample in samples:
        other = clip_checks.other_kind({**(like or {}), **first_of}, sample.tensors)
        if other is None and style and index.style_features is not None and FEATURES not in sample.tensors:
            other = f"has no {FEATURES}, which the index promises"
        if other is not None:
            raise BrokenShardError(
                f"the {index.split} split: the clip {sample.key} {other}; build the shards again: flowmusic build"
            )
        for name, tensor in sample.tensors.items():
            if not name.endswith(CONFIDENCE) and name != HEARD and (style or name != FEATURES):
                first_of.setdefault(name, tensor)
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in first_of}
    for sample in samples:
        for name, first in first_of.items():
            found = sample.tensors.get(name)
            tensor = torch.zeros(sample.frames, *first.shape[1:], dtype=first.dtype) if found is None else found
            if name.endswith(KNOWN):
                control = name.removesuffix(KNOWN)
                confidence = sample.tensors.get(control + CONFIDENCE)
                if confidence is not None and control in min_confidence:
                    tensor = tensor & (confidence >= min_confidence[control])
            parts[name].append(tensor)
    clips = [
        {"id": s.key, "frames": s.frames, "captions": list(s.info.get("captions") or ()), **played.told(s.info)}
        for s in samples
    ]
    tensors = {name: torch.cat(tensors) for name, tensors in parts.items()}
    tensors.update(played.tensors_of(clips, index.frame_rate))
    told = index.settings.get(HEARD)
    heard = None if told is None else ClipVectors(told, tuple(s.tensors.get(HEARD) for s in samples))
    return LatentStore(index.frame_rate, clips, tensors, index.style_features if style else None, heard)
