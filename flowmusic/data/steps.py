"""A data set whose batch k is a function of k, as an endless stream that knows where to begin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Steps(IterableDataset[Any]):
    """Yields ``make(first), make(first + 1), ...`` up to ``last`` (exclusive; None is endless).

    With W worker processes, worker w makes every W-th batch, and the loader's round robin restores the order.  Of
    several training processes, ``rank`` of ``world`` takes every ``world``-th batch of one common sequence:
    ``make(k * world + rank)``.
    """

    def __init__(
        self, make: Callable[[int], Any], first: int = 0, last: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        self.make, self.first, self.last, self.rank, self.world = make, first, last, rank, world

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        offset, stride = (0, 1) if info is None else (info.id, info.num_workers)
        step = self.first + offset
        while self.last is None or step < self.last:
            yield self.make(step * self.world + self.rank)
            step += stride


class TimedLoader(DataLoader[Any]):
    """A loader that knows how long it was waited for: ``waited_s``, in seconds."""

    waited_s = 0.0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = super().__iter__()
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            self.waited_s += time.perf_counter() - began
            if batch is None:
                return
            yield batch
