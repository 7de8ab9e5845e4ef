"""Facts of clips from their labels: for new shards, and for shards that were built before there were any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.annotations import players
from flowmusic.annotations.labels_file import read_record
from flowmusic.controls import instruments
from flowmusic.corpus.splits import SPLITS
from flowmusic.data.clip_checks import PLAYERS, SAID
from flowmusic.data.shards import ClipSample, ShardIndex, write_shard
from flowmusic.data.store_files import load_shard
from flowmusic.datasets.build import Record
from flowmusic.datasets.manifest import Entry
from flowmusic.datasets.plan import Plan


def of_piece(piece: Entry, seconds: float) -> dict[str, Any]:
    """What a clip's description tells of facts and of who plays, as plain data; empty where its labels tell neither.

    Args:
        seconds: how long the piece really lasts.

    Raises: ValueError naming the file of labels.
    """
    if piece.labels is None:
        return {}
    record = read_record(piece.labels)
    try:
        facts, spans = players.facts(record), players.players(record)
    except ValueError as error:
        raise ValueError(f"labels {plain.shown(piece.labels)}: {error}") from None
    found: dict[str, Any] = {}
    if spans is not None:
        spans = instruments.part(spans, piece.start, seconds)
        names = frozenset(name for _, _, name in spans)
        facts = replace(facts, instruments=names - {instruments.DRUMS}, drums=instruments.DRUMS in names)
        found[PLAYERS] = [[round(start, 4), round(end, 4), name] for start, end, name in spans]
    if facts.said():
        found[SAID] = facts.said()
    return found


@dataclass(frozen=True)
class Added:
    """Clips of a folder: how many there are, and how many of them tell facts now."""

    clips: int
    told: int


def add(plan: Plan, out: Path, tell: Callable[[int], object] = lambda clips: None) -> Added:
    """Write the facts that labels tell into shards that are there; latents and controls stay as they are.

    Each shard is replaced whole, and then its record and the index that vouch for it; clips that the plan does not know
    keep what they have.  No run may be streaming the folder meanwhile.

    Args:
        plan: of the same recordings, cut as they were.
        tell: called with the clips of every shard.

    Raises: FileNotFoundError for a folder without an index; BrokenShardError; ValueError for labels that cannot be
        read, and if no clip of the folder is in the plan.
    """
    pieces = {piece.key: piece for shard in plan.shards for piece in shard.pieces}
    splits = [split for split in SPLITS if (out / f"{split}.index.json").is_file()]
    if not splits:
        raise FileNotFoundError(f"{out} holds no finished split; build it with: flowmusic build corpus=DIR out={out}")
    clips = told = known = 0
    for split in splits:
        index = ShardIndex.read(out, split)
        for number, info in enumerate(index.shards):
            samples = load_shard(out, info)
            found = [_told(sample, pieces) for sample in samples]
            clips, told = clips + len(found), told + sum(SAID in sample.info for sample in found)
            known += sum(sample.key in pieces for sample in found)
            if any(now.info != before.info for now, before in zip(found, samples, strict=True)):
                written = write_shard(out / info.name, found)
                record = Record.read(out, info.name)
                if record is not None:
                    replace(record, shard=written).write(out, info.name)
                shards = (*index.shards[:number], written, *index.shards[number + 1 :])
                index = replace(index, shards=shards)
                index.write(out)
            tell(len(found))
    if not known:
        raise ValueError(f"{out} holds no clip of these recordings; give the corpus or manifest that it was built from")
    return Added(clips, told)


def _told(sample: ClipSample, pieces: Mapping[str, Entry]) -> ClipSample:
    piece = pieces.get(sample.key)
    if piece is None:
        return sample
    kept = {key: value for key, value in sample.info.items() if key not in (SAID, PLAYERS)}
    return replace(sample, info={**kept, **of_piece(piece, float(sample.info.get("seconds", piece.duration)))})
