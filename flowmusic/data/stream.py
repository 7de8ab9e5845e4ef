"""Training batches from shards that do not fit into memory, in an order that is known from the index alone.

The stream is numbered: batch m, over all processes and all time, is a function of (seed, m) and a few numbers, so a run
goes on exactly after loading one group of shards.  Batches are dealt in turn to ``lanes``; batch m is number m // L of
lane m % L.  In every epoch the shards are permuted and dealt to the lanes; a lane loads its shards in groups, and the
rows of a group are permuted.  With L a multiple of the number of processes, each process holds the groups of its own
lanes only, and no shard is read by two of them in one epoch.
"""

from __future__ import annotations

import hashlib
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flowmusic import plain
from flowmusic.beside import StrayName
from flowmusic.data import clip_checks, transport
from flowmusic.data.audio_prompts import HEARD, HeardClips
from flowmusic.data.errors import BrokenShardError, NoClipLongEnough, WrongData
from flowmusic.data.latents import FEATURES, KNOWN, Batch, LatentCrops, LatentStore
from flowmusic.data.shards import CONFIDENCE, MOST_SHARD, ClipSample, ShardIndex, ShardInfo, read_shard

ATTEMPTS, PAUSE_S = 3, 2.0
"""How often a shard at an address is asked for, and the pause before the second time, which doubles."""


ORDER_STREAM = 5
"""Sets the order of shards apart from the draws of crops, which come from the same seed."""


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
    clips = [{"id": s.key, "frames": s.frames, "captions": list(s.info.get("captions") or ())} for s in samples]
    tensors = {name: torch.cat(tensors) for name, tensors in parts.items()}
    told = index.settings.get(HEARD)
    heard = None if told is None else HeardClips(told, tuple(s.tensors.get(HEARD) for s in samples))
    return LatentStore(index.frame_rate, clips, tensors, index.style_features if style else None, heard)


@dataclass(frozen=True)
class Place:
    """Where a batch lies: epoch, which group of its lane, and which batch of that group."""

    epoch: int
    group: int
    batch: int


class Order:
    """Which shards and rows make a batch: a function of the index and these numbers, for any lane and step.

    Args:
        index: the training split.
        batch, seed: rows of a batch; seed.
        lanes: L.  With fewer shards than lanes, a shard serves several, in an order of its own in each.
        group: shards of a lane that are in memory at once, and whose clips are mixed.
        windows: windows of each clip while it is in memory.
    """

    def __init__(
        self, index: ShardIndex, batch: int, seed: int, lanes: int = 1, group: int = 4, windows: int = 1
    ) -> None:
        for name, value in {"batch": batch, "lanes": lanes, "group": group, "windows": windows}.items():
            if value < 1:
                raise ValueError(f"data.{name} must be at least 1, got {value}")
        if not index.clips:
            raise WrongData(f"the shards of the split {index.split!r} hold no clips; build them again")
        self.index, self.batch, self.seed = index, batch, seed
        self.lanes, self.group, self.windows = lanes, group, windows
        self._deals: dict[tuple[int, int], tuple[list[tuple[ShardInfo, ...]], list[int]]] = {}

    @property
    def steps(self) -> int:
        """Batches of every lane in an epoch: the same for all, whatever their shards hold."""
        return max(1, self.index.clips * self.windows // (self.lanes * self.batch))

    def shards(self, lane: int, epoch: int) -> list[tuple[ShardInfo, ...]]:
        """The groups of a lane in an epoch.

        Where L does not divide the number of shards, the rest sits this epoch out: other shards each time.
        """
        return self._dealt(lane, epoch)[0]

    def place(self, lane: int, step: int) -> Place:
        """Where batch ``step`` of a lane lies.  Groups have batches in proportion to their clips."""
        epoch, within = divmod(step, self.steps)
        ends = self._dealt(lane, epoch)[1]
        number = bisect_right(ends, within)
        return Place(epoch, number, within - (ends[number - 1] if number else 0))

    def next_group(self, lane: int, place: Place) -> Place:
        """The group that the lane comes to after this one: one that has a batch."""
        ends = self._dealt(lane, place.epoch)[1]
        return self.place(lane, place.epoch * self.steps + ends[place.group])

    def rows(self, lane: int, place: Place, usable: int) -> list[int]:
        """Which of the usable clips of the group make the batch: each once, before any comes again."""
        found, first = [], place.batch * self.batch
        for row in range(first, first + self.batch):
            turn, position = divmod(row, usable)
            found.append(int(_permuted((self.seed, place.epoch, lane, place.group, turn), usable)[position]))
        return found

    def _dealt(self, lane: int, epoch: int) -> tuple[list[tuple[ShardInfo, ...]], list[int]]:
        """Groups of a lane, and the number of the batch that each ends before."""
        if (lane, epoch) not in self._deals:
            shards, lanes = self.index.shards, self.lanes
            permuted = np.random.default_rng((self.seed, epoch, ORDER_STREAM)).permutation(len(shards))
            share = len(shards) // lanes
            own = permuted[: share * lanes][lane::lanes] if share else permuted[[lane % len(shards)]]
            parts = np.array_split(own, -(-len(own) // self.group))
            groups = [tuple(shards[int(number)] for number in part) for part in parts]
            clips = np.cumsum([sum(shard.clips for shard in group) for group in groups])
            ends = [self.steps * int(end) // max(1, int(clips[-1])) for end in clips]
            for old in [key for key in self._deals if key[1] < epoch - 1]:
                del self._deals[old]
            self._deals[lane, epoch] = (groups, [*ends[:-1], self.steps])
        return self._deals[lane, epoch]


@lru_cache(maxsize=16)
def _permuted(key: tuple[int, ...], count: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(key).permutation(count)


@dataclass(frozen=True)
class _Group:
    """Clips in memory; ``key`` is (epoch, number) in the lane."""

    key: tuple[int, int]
    crops: LatentCrops


class ShardCrops:
    """Batch m of the stream, with the next group of shards read in the background.

    Args:
        location: folder, or the address of one.
        order: which clips make which batch.
        crops: makes the crops of a group in memory.
        min_confidence, style, like: see :func:`as_store`.
        verify: see :func:`load_shard`.

    A process asks for the batches of its own lanes, in ascending order; any other order gives the same batches, slowly.
    """

    def __init__(
        self,
        location: str | Path,
        order: Order,
        crops: Callable[[LatentStore], LatentCrops],
        min_confidence: Mapping[str, float] | None = None,
        style: bool = False,
        verify: bool = True,
        like: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self.location, self.order, self.crops = location, order, crops
        self.min_confidence, self.style, self.verify = dict(min_confidence or {}), style, verify
        # A frame of each tells what they are.
        self.like = {name: tensor[:1].clone() for name, tensor in (like or {}).items()}
        self.short = self.clips = 0
        self._now: dict[int, _Group] = {}
        self._next: dict[int, tuple[tuple[int, int], Future[_Group]]] = {}
        self._reader: ThreadPoolExecutor | None = None

    def __call__(self, number: int) -> Batch:
        step, lane = divmod(number, self.order.lanes)
        place = self.order.place(lane, step)
        crops = self._group(lane, place).crops
        rows = self.order.rows(lane, place, len(crops.usable))
        return crops(number, [crops.usable[row] for row in rows])

    def _group(self, lane: int, place: Place) -> _Group:
        key = (place.epoch, place.group)
        now = self._now.get(lane)
        if now is not None and now.key == key:
            return now
        waiting = self._next.pop(lane, None)
        # What was in memory goes before what is next comes in.
        self._now.pop(lane, None)
        if waiting is not None and waiting[0] == key:
            group = waiting[1].result()
        else:
            group = self._read(lane, place)
        self._report(lane, place, group)
        self._now[lane] = group
        after = self.order.next_group(lane, place)
        if self._reader is None:
            self._reader = ThreadPoolExecutor(1, thread_name_prefix="shards")
        self._next[lane] = ((after.epoch, after.group), self._reader.submit(self._read, lane, after))
        return group

    def _read(self, lane: int, place: Place) -> _Group:
        shards = self.order.shards(lane, place.epoch)[place.group]
        samples = [clip for info in shards for clip in load_shard(self.location, info, self.verify)]
        store = as_store(samples, self.order.index, self.min_confidence, self.style, self.like)
        try:
            return _Group((place.epoch, place.group), self.crops(store))
        except NoClipLongEnough as error:
            names = ", ".join(info.name for info in shards)
            raise NoClipLongEnough(
                f"{error}, in {names}; set data.crop_seconds lower, or data.group higher so that longer clips are "
                "among them"
            ) from None

    def _report(self, lane: int, place: Place, group: _Group) -> None:
        """Say what is left out: at once when it is met first, and the sum after the first epoch."""
        if place.epoch == 0:
            short = len(group.crops.store.clips) - len(group.crops.usable)
            if short and not self.short:
                self._say(f"some clips are shorter than the window of {group.crops.grid.seconds:g} s and are left out")
            self.short, self.clips = self.short + short, self.clips + len(group.crops.store.clips)
        elif self.short:
            self._say(f"{self.short} of {self.clips} clips were too short in the first epoch")
            self.short = 0

    def _say(self, what: str) -> None:
        print(f"notice: {self.location}: {what}", file=sys.stderr)

    def __getstate__(self) -> dict[str, Any]:
        # For worker processes: each reads for itself.
        return {**self.__dict__, "_now": {}, "_next": {}, "_reader": None}
