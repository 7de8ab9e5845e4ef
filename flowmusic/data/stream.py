"""Training batches from shards that do not fit into memory, in an order that is known from the index alone.

The stream is numbered: batch m, over all processes and all time, is a function of (seed, m) and a few numbers, so a run
goes on exactly after loading one group of shards.  Batches are dealt in turn to ``lanes``; batch m is number m // L of
lane m % L.  In every epoch the shards are permuted and dealt to the lanes; a lane loads its shards in groups, and the
rows of a group are permuted.  With L a multiple of the number of processes, each process holds the groups of its own
lanes only, and no shard is read by two of them in one epoch.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flowmusic.data.errors import NoClipLongEnough, WrongData
from flowmusic.data.latents import Batch, LatentCrops, LatentStore
from flowmusic.data.shards import ShardIndex, ShardInfo
from flowmusic.data.store_files import as_store, load_shard

ORDER_STREAM = 5
"""Sets the order of shards apart from the draws of crops, which come from the same seed."""


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
