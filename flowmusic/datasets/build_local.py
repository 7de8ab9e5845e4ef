"""Shards built by processes of this machine, one thread each."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch

from flowmusic.datasets.build import ClipMaker, Make, Record, Tell, build_shard
from flowmusic.datasets.plan import Shard

_AHEAD = 2
"""Shards handed over for each worker, so that none waits; a plan may have a hundred thousand."""


def run(shards: Sequence[Shard], out: Path, make: Make, workers: int, tell: Tell) -> Iterator[Record]:
    """Build shards, and give their records as they come.

    Args:
        make: builds the per-clip function, once in every worker.
        workers: processes; with one, the work is done in this process.
        tell: called in this process with the seconds of every finished clip.

    Raises: RuntimeError if a worker was ended from outside, as for want of memory.
    """
    workers = min(workers, len(shards))
    if workers <= 1:
        yield from _here(shards, out, make, tell)
        return
    context = multiprocessing.get_context("spawn")
    heard = context.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(heard, tell), daemon=True)
    listener.start()
    waiting = iter(shards)
    running: set[Future[Record]] = set()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(make, heard))
    try:
        for shard in _some(waiting, workers * _AHEAD):
            running.add(pool.submit(_work, shard, out))
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                for shard in _some(waiting, 1):
                    running.add(pool.submit(_work, shard, out))
    except BrokenProcessPool:
        raise RuntimeError(
            "a worker was ended from outside, perhaps for want of memory; what is finished is kept: run the same "
            "command again, with fewer workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
        heard.put(None)
        listener.join()


def _some(shards: Iterator[Shard], count: int) -> list[Shard]:
    return [shard for _, shard in zip(range(count), shards)]


def _here(shards: Sequence[Shard], out: Path, make: Make, tell: Tell) -> Iterator[Record]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order would be other bits
    try:
        made = make()
        for shard in shards:
            yield build_shard(shard, out, made, tell)
    finally:
        torch.set_num_threads(before)


def _listen(heard: Any, tell: Tell) -> None:
    while (seconds := heard.get()) is not None:
        tell(seconds)


_worker: tuple[ClipMaker, Callable[[float], object]] | None = None


def _start(make: Make, heard: Any) -> None:
    global _worker
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = make(), heard.put


def _end_with_parent() -> None:
    """A parent that is killed tells nobody; its workers must not go on writing beside those of the next call."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _work(shard: Shard, out: Path) -> Record:
    assert _worker is not None
    made, tell = _worker
    return build_shard(shard, out, made, tell)
