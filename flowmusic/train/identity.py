"""Which run a folder belongs to: what is learned, from which data, from which seed.

A run goes on with the same command.  How long it goes on, on which devices and how it is logged may change
(:data:`MAY_CHANGE`), and so may how it learns (:data:`HOW`); another seed, architecture or other data are another run,
for another folder.  Folders of data and models are told apart by their content, so they may be moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.atomic import write_text
from flowmusic.data.manifest import file_hash

FILE = "identity.json"

MAY_CHANGE = ("callbacks", "export", "logger", "objective", "out", "overrides", "resume", "threads", "trainer")
"""Top-level keys in which a run may differ from the one that it continues: how long and how, not what."""

DECIDES = ("seed", "model", "data")
"""Top-level keys, all interpolations resolved, that decide what a run learns."""

HOW = (
    *("model.optimizer", "model.warmup", "model.total_steps", "model.compile", "model.checkpointing"),
    *("data.batch", "data.group", "data.windows", "data.workers", "data.lanes", "data.verify", "data.resident"),
    *("data.text_cache", "data.validation_batches", "data.validation_shards"),
)
"""Keys among those, or branches of keys, that may change when a run goes on."""

INDEXES = ("manifest.jsonl", "train.index.json", "train.json", "config.yaml")
"""Files that stand for the content of a folder: of a corpus, shards, an older store, a model."""


class OtherRun(ValueError):
    """The folder holds a run of something else."""


def of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key -> value of what decides, folders as hashes of their content.

    Args:
        config: the whole configuration, resolved.
    """
    decisive = {key: config[key] for key in DECIDES if key in config}
    return {
        key: _content(value)
        for key, value in leaves(decisive)
        if not any(key == how or key.startswith(f"{how}.") for how in HOW)
    }


def claim(folder: Path, config: Mapping[str, Any]) -> None:
    """Make sure that a folder is new or this run's, and note whose it is.

    Raises: OtherRun, and leaves the folder as it is.
    """
    wanted = of(config)
    before = _noted(folder)
    if before is not None:
        refuse(folder, before, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / FILE, json.dumps(wanted, indent=2, sort_keys=True) + "\n")


def refuse(folder: Path, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise OtherRun if two identities differ; the message says in what."""
    other = [key for key in {**before, **wanted} if before.get(key) != wanted.get(key)]
    if other:
        changes = "; ".join(f"{key} was {_shown(before.get(key))}, is {_shown(wanted.get(key))}" for key in other[:3])
        raise OtherRun(
            f"{folder} holds a run with other settings ({changes}); give another out=FOLDER, or resume=false to "
            "replace the run"
        )


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested mappings; an empty mapping is a value."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, node


def _noted(folder: Path) -> dict[str, Any] | None:
    """Whose run lies there; of a folder from before identities were noted, as its configuration says."""
    try:
        if (folder / FILE).is_file():
            return dict(plain.read_json(folder / FILE))
        if (folder / "config.yaml").is_file():
            return of(plain.read_yaml(folder / "config.yaml"))
    except (ValueError, TypeError):
        raise OtherRun(
            f"{folder / FILE} or its config.yaml cannot be read, so whose run it is cannot be told; give another "
            "out=FOLDER, or resume=false to replace the run"
        ) from None
    return None


def _content(value: Any) -> Any:
    """A folder or file as a hash of what it holds; anything else as it is."""
    if isinstance(value, list):
        return [_content(item) for item in value]
    if not isinstance(value, str) or not value or "\n" in value or len(value) > 4096:
        return value
    path = Path(value)
    for file in (path, *(path / name for name in INDEXES)):
        if file.is_file():
            return f"sha256:{file_hash(file)[:16]}"
    return value


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
