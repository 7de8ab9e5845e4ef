"""Which clip goes into which shard, decided before anything is built, and what may change between two builds.

Piece ``i`` of a split goes into its shard ``i // clips_per_shard``, whoever builds it and whatever fails on the way.
That is what makes a build resumable: a shard depends on its own pieces alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.corpus.splits import SPLITS
from flowmusic.datasets.manifest import Entry, to_json
from flowmusic.files import write_json

NAME = "plan.json"
VERSION = 1
DUPLICATES = ("skip", "keep")


@dataclass(frozen=True)
class Shard:
    """What one tar is to hold: its pieces in order; ``digests`` tells them, and all that is known of them, apart."""

    split: str
    number: int
    pieces: tuple[Entry, ...]
    digests: tuple[str, ...]

    @property
    def name(self) -> str:
        """File name of the tar."""
        return f"{self.split}-{self.number:06d}.tar"

    @property
    def digest(self) -> str:
        return joined(self.digests)


@dataclass(frozen=True)
class Plan:
    """All shards of a build.

    Attributes:
        shards: split by split, in order.
        left_out: how many entries or pieces were left out, by reason.
        root: folder that the manifest's paths are told from.
    """

    shards: tuple[Shard, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    root: Path = Path("/")

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(shard.split for shard in self.shards))

    @property
    def clips(self) -> int:
        return sum(len(shard.pieces) for shard in self.shards)


class PlanError(ValueError):
    """The folder holds another build; the message says what differs and what to do."""


def make(
    entries: Iterable[Entry],
    root: Path,
    seconds: float = 30.0,
    clips_per_shard: int = 64,
    duplicates: str = "skip",
    splits: Sequence[str] = SPLITS,
) -> Plan:
    """Cut recordings into pieces and deal them to shards in the manifest's order.

    Args:
        entries: of a manifest.
        root: the manifest's folder.
        seconds: longest piece.
        clips_per_shard: as named.
        duplicates: ``skip`` leaves out what ``duplicate_of`` marks; ``keep`` builds it too.  A piece that is there
            twice, under one name and with one content, is built once in any case.
        splits: the others are left out.

    Raises: ValueError for settings that make no sense, and if nothing is left.
    """
    if duplicates not in DUPLICATES:
        raise ValueError(f"duplicates must be one of {', '.join(DUPLICATES)}, got {duplicates!r}")
    if clips_per_shard < 1:
        raise ValueError(f"clips_per_shard must be at least 1, got {clips_per_shard}")
    unknown = [split for split in splits if split not in SPLITS]
    if unknown:
        raise ValueError(f"unknown split {unknown[0]!r}; there are: {', '.join(SPLITS)}")
    left_out = {"marked as a duplicate": 0, "the same piece twice": 0, "too short": 0, "in another split": 0}
    dealt: dict[str, list[Entry]] = {split: [] for split in splits}
    seen: set[str] = set()
    for entry in entries:
        if entry.split not in dealt:
            left_out["in another split"] += 1
            continue
        if entry.duplicate_of is not None and duplicates == "skip":
            left_out["marked as a duplicate"] += 1
            continue
        found = [piece for piece in entry.pieces(seconds) if piece.duration >= LEAST]
        left_out["too short"] += not found
        for piece in found:
            left_out["the same piece twice"] += piece.key in seen
            if piece.key not in seen:
                seen.add(piece.key)
                dealt[entry.split].append(piece)
    shards = []
    for split in SPLITS:
        pieces = dealt.get(split, [])
        for number, first in enumerate(range(0, len(pieces), clips_per_shard)):
            part = tuple(pieces[first : first + clips_per_shard])
            shards.append(Shard(split, number, part, tuple(_digest(piece, root) for piece in part)))
    left_out = {reason: count for reason, count in left_out.items() if count}
    if not shards:
        why = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "the manifest has no entry"
        raise ValueError(f"there is no clip to build in {', '.join(splits)}: {why}")
    return Plan(tuple(shards), left_out, root)


LEAST = 0.5
"""Seconds; of a shorter recording no chord, note or beat can be told."""


def agree(plan: Plan, settings: Mapping[str, Any], out: Path) -> None:
    """Keep the plan in the build's folder, or check it against the one that is there.

    Recordings that were appended to a split are fine: its last shard grows and further ones follow.

    Args:
        plan: what is to be built.
        settings: all that decides what comes out, as plain data.
        out: folder of the build.

    Raises: PlanError if settings or pieces that were planned before differ now.
    """
    path, settings = out / NAME, json.loads(json.dumps(settings))
    if path.is_file():
        remedy = f"give another folder as out=, or remove {out.name} to build it anew"
        try:
            before = plain.read_json(path, plain.MOST_PLAN)
        except plain.PlainError as error:
            raise PlanError(f"{error}; {remedy}") from None
        if not isinstance(before, dict) or before.get("version") != VERSION:
            raise PlanError(f"{path} is of another version of flowmusic; {remedy}")
        if not all(isinstance(before.get(key), dict) for key in ("settings", "shards")):
            raise PlanError(f"{path} tells no settings and shards; {remedy}")
        changed = differences(before["settings"], settings)
        if changed:
            raise PlanError(f"{out} was built with other settings: {'; '.join(changed)}; {remedy}, or set them back")
        for split in SPLITS:
            now = [shard for shard in plan.shards if shard.split == split]
            _only_appended(split, before["shards"].get(split, []), now, remedy)
    elif any(out.glob("*.tar")) or any((out / f"{split}.json").is_file() for split in SPLITS):
        raise PlanError(f"{out} holds files of something else and no {NAME}; give another folder as out=")
    shards = {
        split: [[len(shard.pieces), shard.digest] for shard in plan.shards if shard.split == split]
        for split in plan.splits
    }
    write_json(path, {"version": VERSION, "settings": dict(settings), "shards": shards})


def _only_appended(split: str, before: Sequence[Sequence[Any]], now: Sequence[Shard], remedy: str) -> None:
    for number, (clips, digest) in enumerate(before):
        told = f"the manifest changed: shard {number} of {split}"
        if number >= len(now) or len(now[number].pieces) < clips:
            left = 0 if number >= len(now) else len(now[number].pieces)
            raise PlanError(
                f"{told} had {clips} clips and would now have {left}; recordings may only be added at the "
                f"end of a split; {remedy}"
            )
        if joined(now[number].digests[:clips]) != digest:
            first = now[number].pieces[0]
            raise PlanError(
                f"{told}, which begins with {first.path}, would now hold other clips, or the same with "
                f"another caption, licence or labels; recordings may only be added at the end of a "
                f"split; {remedy}"
            )


def differences(before: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> list[str]:
    """What differs between two sets of settings, each as ``key was X, is Y``.

    >>> differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}})
    ['a.c was 2, is 3']
    """
    found = []
    for key in sorted({*before, *now}):
        one, two = before.get(key), now.get(key)
        if isinstance(one, Mapping) and isinstance(two, Mapping):
            found += differences(one, two, f"{within}{key}.")
        elif one != two:
            found.append(f"{within}{key} was {one}, is {two}")
    return found


def joined(digests: Sequence[str]) -> str:
    """One digest for several."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:32]


def _digest(piece: Entry, root: Path) -> str:
    told = json.dumps(to_json(piece, root), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()
