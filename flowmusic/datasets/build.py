"""From a plan to shards: what one worker does with one shard, and what a folder of finished ones says.

A shard's tar is followed by a record of it (``records/<split>-NNNNNN.json``: checksum, failures, statistics).  A shard
is finished when its record is there, tells the same pieces and fits the tar; anything else is built again, out of the
clips that an earlier tar of the shard already holds where it can be trusted.  So a build may be killed at any moment.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from flowmusic import disk, plain
from flowmusic.corpus.splits import SPLITS
from flowmusic.data import clip_checks
from flowmusic.data.shards import ClipSample, ShardIndex, ShardInfo, write_shard
from flowmusic.data.store_files import read_whole
from flowmusic.datasets import statistics
from flowmusic.datasets.manifest import Entry
from flowmusic.datasets.plan import Plan, Shard
from flowmusic.files import remove_stale, write_json, write_text
from flowmusic.hashes import of_file

RECORDS, FAILURES = "records", "failures.jsonl"
MOST_RECORD = 64 * plain.MIB


class ClipMaker(Protocol):
    """The per-clip function: a piece of a recording to what a shard holds of it.  Fails with any exception."""

    frame_rate: Fraction

    def __call__(self, piece: Entry) -> ClipSample: ...


Make = Callable[[], ClipMaker]
"""Builds the per-clip function inside a worker; must be picklable."""
Tell = Callable[[float], object]
"""Called with the seconds of every clip that is finished, made or failed."""


@dataclass(frozen=True)
class Record:
    """What is known of a finished shard.

    Attributes:
        digests: of the pieces that it was built from.
        shard: of the tar; None where every clip failed.
        failures: ``{"key", "source", "start", "seconds", "reason"}`` each.
        statistics: of the clips that were made, see :mod:`flowmusic.datasets.statistics`.
    """

    split: str
    digests: tuple[str, ...]
    shard: ShardInfo | None
    failures: tuple[Mapping[str, Any], ...]
    statistics: Mapping[str, Any]

    @staticmethod
    def read(out: Path, name: str) -> Record | None:
        """The record of a tar, or None where there is none that can be read, or it is of another file: the shard is
        made again then.
        """
        path = _record(out, name)
        try:
            told = plain.read_json(path, MOST_RECORD)
            shard = None if told["shard"] is None else ShardInfo.of(told["shard"], path)
            failures = tuple(dict(each) for each in told["failures"])
            digests = tuple(str(each) for each in told["digests"])
            found = Record(str(told["split"]), digests, shard, failures, dict(told["statistics"]))
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return None
        # The tar that it vouches for is its own, and no other.
        return found if shard is None or shard.name == name else None

    def write(self, out: Path, name: str) -> None:
        _record(out, name).parent.mkdir(exist_ok=True)
        write_json(_record(out, name), asdict(self))


def _record(out: Path, name: str) -> Path:
    return out / RECORDS / f"{Path(name).stem}.json"


def finished(shard: Shard, out: Path, retry: bool = False) -> Record | None:
    """The record of a shard that needs no work, or None.

    Args:
        retry: one with failures needs work.
    """
    record = Record.read(out, shard.name)
    if record is None or record.digests != shard.digests or (retry and record.failures):
        return None
    tar = out / shard.name
    present = tar.stat().st_size if tar.is_file() else None
    return record if present == (None if record.shard is None else record.shard.bytes) else None


def build_shard(shard: Shard, out: Path, make: ClipMaker, tell: Tell = lambda seconds: None) -> Record:
    """Make a shard, whole or not at all, and record it.

    A clip that cannot be made is told of in the record.  Clips of an earlier, shorter form of the shard, or of one
    with failures, are taken from there.
    """
    had = dict(_had(shard, out))
    failures: list[dict[str, Any]] = []
    parts: list[statistics.Statistics] = []

    def samples() -> Iterator[ClipSample]:
        for piece in shard.pieces:
            try:
                sample = (had.pop(piece.key, None) or make(piece)).checked()
            except Exception as error:
                if disk.is_of_the_machine(error):
                    raise  # what is wrong is no recording
                # Whatever is wrong with one recording, the others are built.
                failures.append(_failure(piece, error))
            else:
                parts.append(statistics.of_clip(sample, make.frame_rate))
                yield sample
            tell(piece.duration)

    out.mkdir(parents=True, exist_ok=True)
    found = samples()
    first = next(found, None)
    info = None
    if first is None:
        (out / shard.name).unlink(missing_ok=True)
    else:
        info = write_shard(out / shard.name, itertools.chain([first], found))
    record = Record(shard.split, shard.digests, info, tuple(failures), statistics.total(parts))
    record.write(out, shard.name)
    return record


def _had(shard: Shard, out: Path) -> Iterator[tuple[str, ClipSample]]:
    """Clips of an earlier form of the shard that are whole, and made of the same pieces."""
    record = Record.read(out, shard.name)
    if record is None or record.shard is None or record.digests != shard.digests[: len(record.digests)]:
        return
    tar = out / shard.name
    if not tar.is_file() or of_file(tar) != record.shard.sha256:
        return
    try:
        found = read_whole(out, record.shard)
    except Exception:
        return  # whoever wrote it and its record, it is no shard, and is made anew
    yield from ((sample.key, sample) for sample in found)


def _failure(piece: Entry, error: Exception) -> dict[str, Any]:
    reason = " ".join(str(error).split()) or type(error).__name__
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return {
        "key": piece.key,
        "source": piece.path,
        "start": piece.start,
        "seconds": piece.duration,
        "reason": kind + reason,
    }


def unfinished(plan: Plan, out: Path, retry: bool = False) -> list[Shard]:
    """The shards that are to be built; the indexes that they belong to are taken away, and what a kill left behind."""
    todo = [shard for shard in plan.shards if finished(shard, out, retry) is None]
    for split in {shard.split for shard in todo}:
        (out / f"{split}.index.json").unlink(missing_ok=True)
    remove_stale(out, out / RECORDS)
    # Earlier versions had other names; no hidden file with an ending is anything else here.
    for left in [*out.glob(".*.*"), *(out / RECORDS).glob(".*.*")]:
        left.unlink(missing_ok=True)
    return todo


@dataclass(frozen=True)
class Built:
    """A finished folder: indexes and statistics by split, and what failed."""

    indexes: Mapping[str, ShardIndex]
    statistics: Mapping[str, statistics.Statistics]
    failures: tuple[Mapping[str, Any], ...]


def finish(
    plan: Plan,
    out: Path,
    frame_rate: Fraction,
    settings: Mapping[str, Any],
    style_features: Mapping[str, Any] | None = None,
) -> Built:
    """Write ``failures.jsonl`` and then the index of every split.

    Raises: RuntimeError if a shard is not finished; ValueError if no clip at all could be made.
    """
    records: dict[str, list[Record]] = {}
    for shard in plan.shards:
        record = finished(shard, out)
        if record is None:
            raise RuntimeError(f"{shard.name} was not finished; run the same command again")
        records.setdefault(shard.split, []).append(record)
    failures = [
        {**failure, "split": split, "shard": shard.name}
        for shard, (split, record) in zip(plan.shards, ((s, r) for s, rs in records.items() for r in rs))
        for failure in record.failures
    ]
    _write_lines(out / FAILURES, failures)
    if len(failures) == plan.clips:
        raise ValueError(
            f"none of the {plan.clips} clips could be made, {out / FAILURES} says why and build.retry=true tries them "
            f"again; the first: {failures[0]['reason']}"
        )
    indexes, found = {}, {}
    for split in SPLITS:
        shards = tuple(record.shard for record in records.get(split, []) if record.shard is not None)
        if shards:
            indexes[split] = ShardIndex(split, frame_rate, shards, settings, style_features)
            indexes[split].write(out)
            found[split] = statistics.total(record.statistics for record in records[split])
    return Built(indexes, found, tuple(failures))


def _write_lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


@dataclass(frozen=True)
class Verified:
    """What :func:`verify` read: clips and bytes, and what is wrong, one line each."""

    clips: int
    bytes: int
    wrong: tuple[str, ...]


def verify(out: Path, tell: Callable[[int], object] = lambda size: None) -> Verified:
    """Read every shard of a folder again: checksums, that each clip is there once and is what a clip must be.

    Args:
        tell: called with the bytes of each shard.

    Raises: FileNotFoundError for a folder without any index; BrokenShardError, StrayName for an index that is none.
    """
    splits = [split for split in SPLITS if (out / f"{split}.index.json").is_file()]
    if not splits:
        raise FileNotFoundError(f"{out} holds no finished split; build it with: flowmusic build manifest=... out={out}")
    wrong: list[str] = []
    seen: dict[str, str] = {}
    size = 0
    for split in splits:
        first: dict[str, Any] = {}
        for info in ShardIndex.read(out, split).shards:
            size += info.bytes
            found, fault = _verified(out, info)
            wrong += [f"{info.name} {fault}"] if fault else []
            for sample in found:
                other = clip_checks.other_kind(first, sample.tensors)
                wrong += [f"{info.name}: the clip {sample.key} {other}"] if other else []
                first = {**sample.tensors, **first}
            keys = [sample.key for sample in found]
            wrong += [f"{info.name} has the clip {key} of {seen[key]} again" for key in keys if key in seen]
            seen.update(dict.fromkeys(keys, info.name))
            tell(info.bytes)
    return Verified(len(seen), size, tuple(wrong))


def _verified(out: Path, info: ShardInfo) -> tuple[list[ClipSample], str]:
    """The clips of a shard, and what is wrong with it, in words that follow its name."""
    tar = out / info.name
    if not tar.is_file():
        return [], "is missing"
    if of_file(tar) != info.sha256:
        return [], "is damaged: its SHA-256 is not the index's"
    try:
        return read_whole(out, info), ""
    except Exception as error:  # tarfile has exceptions of its own, and some of Python's
        return [], f"is no shard: {plain.reason(error)}"
