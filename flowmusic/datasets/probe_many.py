"""Look at many files at once, remember what was seen, and survive a kill, a broken file and a decoder that crashes."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TextIO, TypeVar

from flowmusic import disk, plain
from flowmusic.datasets.probe import Facts, facts_of
from flowmusic.files import TEXT, replacing

Item = TypeVar("Item")
Found = TypeVar("Found")


def look(path: Path) -> Facts | str:
    """Facts of a file, or why there are none; whatever is wrong with a file is said and ends nothing.

    Raises: OSError for what is wrong with the machine, such as a full disk.
    """
    try:
        return facts_of(path)
    except Exception as error:
        if disk.is_of_the_machine(error):
            raise
        if isinstance(error, (ValueError, OSError)):
            return plain.reason(error)
        # Decoders meet hostile headers with errors of any kind, memory among them.
        return f"it cannot be decoded ({type(error).__name__}: {plain.reason(error)})"


class Cache:
    """Facts of earlier looks, a line each, added to while the work goes on.

    A file is the same if its size and its time of change are.  A last line that a kill cut off is dropped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, Facts] = {}
        text = disk.remembered(path, lambda known: known.read_text(encoding="utf-8", errors="replace"))
        if text:
            for line in text.split("\n"):
                try:
                    facts = Facts.from_json(plain.json_of(line, path))
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue
                if facts is not None:
                    self._known[facts.path] = facts
        self._file: TextIO | None = None
        with self._spared():
            self._file = path.open("a", **TEXT)
            if path.stat().st_size:
                self._file.write("\n")

    def find(self, path: Path) -> Facts | None:
        """Facts of an unchanged file."""
        facts = self._known.get(str(path))
        if facts is None:
            return None
        status = path.stat()
        return facts if (facts.size, facts.mtime_ns) == (status.st_size, status.st_mtime_ns) else None

    def add(self, facts: Facts) -> None:
        self._known[facts.path] = facts
        if self._file is not None:
            with self._spared():
                self._file.write(json.dumps(facts.to_json(), ensure_ascii=False) + "\n")
                self._file.flush()
                return
            # Once is enough: the disk will not be less full for the next of a hundred thousand files.
            self.close()

    def keep(self, facts: Sequence[Facts]) -> None:
        """Write the file anew with these alone, and close it."""
        self.close()
        with self._spared(), replacing(self.path) as temporary, temporary.open("w", **TEXT) as file:
            for each in facts:
                file.write(json.dumps(each.to_json(), ensure_ascii=False) + "\n")

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what could not be written is tried once more
                self._file.close()
            self._file = None

    def _spared(self) -> AbstractContextManager[None]:
        return disk.spared(self.path, "the next scan looks at these files again")


def look_at(
    items: Sequence[Item], workers: int, read: Callable[[Item], Found | str]
) -> Iterator[tuple[Item, Found | str]]:
    """Every item with what was read of it, or why nothing was, as it is finished.

    A worker process that dies takes nobody with it: the items that were open are read one by one, each in a process
    of its own, and the one that kills it again is reported as such.

    Args:
        read: a function of a module, so that other processes find it.
    """
    if workers <= 1 or len(items) <= 1:
        for item in items:
            yield item, read(item)
        return
    waiting = list(reversed(items))
    while waiting:
        suspects: list[Item] = []
        with _pool(min(workers, len(waiting))) as pool:
            running: dict[Future[Found | str], Item] = {}
            while waiting or running:
                while waiting and len(running) < 4 * workers and not suspects:
                    item = waiting.pop()
                    try:
                        running[pool.submit(read, item)] = item
                    except BrokenProcessPool:
                        suspects.append(item)
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    item = running.pop(future)
                    try:
                        yield item, future.result()
                    except BrokenProcessPool:
                        suspects.append(item)
        for item in suspects:
            yield item, _alone(item, read)


def _alone(item: Item, read: Callable[[Item], Found | str]) -> Found | str:
    with _pool(1) as pool:
        try:
            return pool.submit(read, item).result()
        except BrokenProcessPool:
            return "it crashes the decoder"


def _pool(workers: int) -> ProcessPoolExecutor:
    # Fresh interpreters: threads of numerical libraries do not survive a fork reliably.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_silence)


def _silence() -> None:
    """Decoders write their complaints straight to stderr, into the progress bar; what is wrong comes back as text."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
