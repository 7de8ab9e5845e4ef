"""Which run a folder belongs to: what is learned, from which data, from which seed.

A run goes on with the same command.  How long it goes on, on which devices, how fast and how it is logged may change;
another seed, architecture or other data are another run, for another folder.  Data and models are told apart by their
content, so they may be moved.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.files import write_text
from flowmusic.hashes import of_file
from flowmusic.train.checkpoints import LAST, PREVIOUS

FILE, CONFIG, RESULT = "identity.json", "config.yaml", "metrics.json"
"""Files of a run's folder: whose it is, its settings, and what came out of it."""

DECIDES = ("seed", "model", "data", "callbacks.average", "trainer.gradient_clip_val", "trainer.gradient_clip_algorithm")
"""Keys, or branches of keys, all interpolations resolved, that decide what a run learns."""

MAY_CHANGE = (
    *("model.warmup", "model.total_steps", "model.compile", "model.checkpointing"),
    *("model.optimizer.fused", "model.optimizer.foreach"),
    *("data.batch", "data.group", "data.windows", "data.workers", "data.lanes", "data.verify", "data.resident"),
    *("data.text_cache", "data.validation_batch", "data.validation_batches", "data.validation_shards"),
    *("data.validation_crop_seconds", "data.validation_clips", "data.cache"),
)
"""Those among them that may change when a run goes on: how long, how fast, in which order, and how it is judged.

Not the rest of ``model.optimizer``: a checkpoint holds its rate, decay and betas, so new ones would have no effect.
"""

INDEXES = ("plan.json", "manifest.jsonl", "train.index.json", "train.json", CONFIG)
"""Files that stand for the content of a folder: of shards, a corpus, shards without a plan, an older store, a model."""

MOST = 440
"""Characters of a message."""


class OtherRun(ValueError):
    """The folder holds a run of something else."""


def of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key -> value of what decides, folders as hashes of their content.

    Args:
        config: the whole configuration, resolved.
    """
    return {
        key: _content(value, str(config["out"]))
        for key, value in _leaves(dict(config))
        if _within(key, DECIDES) and not _within(key, MAY_CHANGE)
    }


def check(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Raises: OtherRun if the folder holds a run, unfinished or finished, with another identity than ``wanted``."""
    other = differences(folder, wanted)
    if not other:
        return
    remedies = (
        "set that back to go on with it, or give another out=FOLDER, resume=false to replace it, or resume=anyway to "
        "go on all the same"
    )
    messages = [f"{folder} holds another run ({told(other, count)}); {remedies}" for count in (3, 2, 1)]
    raise OtherRun(next((message for message in messages if len(message) <= MOST), messages[-1]))


def differences(folder: Path, wanted: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Key, value before and value now of what differs from the run in a folder; what says most comes first.

    Raises: OtherRun if it cannot be told whose run it is.
    """
    states = [folder / "checkpoints" / name for name in (LAST, PREVIOUS)]
    if not any(path.exists() for path in [folder / RESULT, *states]):
        return []  # one that never came to anything
    noted = folder / FILE
    try:
        if noted.is_file():
            before = dict(plain.read_json(noted))
            keys, absent = {**before, **wanted}, None
        elif (folder / CONFIG).is_file():
            before = of(plain.read_yaml(folder / CONFIG))
            # An older version may not have had all keys.
            keys, absent = before, object()
        else:
            return []
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OtherRun(
            f"{folder} holds a run, and its {FILE} or {CONFIG} cannot be read, so whose it is cannot be told; give "
            "another out=FOLDER, resume=false to replace it, or resume=anyway to go on all the same"
        ) from None
    found = [(key, before.get(key), wanted.get(key)) for key in keys if before.get(key) != wanted.get(key, absent)]
    # seed before model.seed and data.seed, which only follow it.
    found.sort(key=lambda each: (each[0].count("."), each[0]))
    first = {(str(was), str(now)): key for key, was, now in reversed(found)}
    return [each for each in found if first[str(each[1]), str(each[2])] == each[0]]


def told(other: list[tuple[str, Any, Any]], count: int = 3) -> str:
    """The first differences in words."""
    more = f"; {len(other) - count} more" if len(other) > count else ""
    return "; ".join(f"{key} was {_shown(was)}, is {_shown(now)}" for key, was, now in other[:count]) + more


def note(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Say whose run the folder holds from now on."""
    write_text(folder / FILE, json.dumps(dict(wanted), indent=2, sort_keys=True) + "\n")


def _within(key: str, branches: tuple[str, ...]) -> bool:
    return any(key == branch or key.startswith(f"{branch}.") for branch in branches)


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested mappings; an empty mapping is a value."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, node


def _content(value: Any, out: str) -> Any:
    """A folder or file as a hash of what it holds, an address as a hash, for it may hold a password; else the value."""
    if isinstance(value, list):
        return [_content(item, out) for item in value]
    if not isinstance(value, str) or not value or "\n" in value or len(value) > 4096:
        return value
    if "://" in value or value.startswith("pipe:"):
        return f"address:{hashlib.sha256(os.fsencode(value)).hexdigest()[:16]}"
    path, home = Path(os.path.abspath(value)), Path(os.path.abspath(out))
    if path.is_relative_to(home):
        return f"{{out}}/{path.relative_to(home).as_posix()}"
    # A word is a word, even where a file is called so.
    files = [path] if "/" in value or path.suffix else []
    for file in (*files, *(path / name for name in INDEXES)):
        if os.path.isfile(file):  # False for what is too long for a name
            return f"sha256:{_digest(file)[:16]}"
    return value


def _digest(file: Path) -> str:
    if file.name != "plan.json":
        return of_file(file)
    # Other splits may be built later, and the tars may be made again elsewhere: what is planned is the same.
    plan = plain.read_json(file, plain.MOST_PLAN)
    content = json.dumps([plan.get("settings"), plan.get("shards", {}).get("train")], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 48 else f"{text[:45]}..."
