"""A line of a batch as flags, what it is known by, and how its takes are called."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.hashes import of_file
from flowmusic.paths import sibling

OF_THE_COMMAND = frozenset(
    "batch keep_going model adapter device precision threads quiet help command run no_latents stems midi mono "
    "watermark no_watermark".split()
)
"""What holds for all lines, or is no part of a request."""


def outputs(args: argparse.Namespace) -> list[Path]:
    """The recordings that a request ends in."""
    out: Path = args.out
    ends = [f"-{number + 1}" for number in range(args.path)] if args.path else [""]
    if args.parts is not None:
        ends = [f"-{name}" for name in sorted(args.parts)]
    if args.count > 1:
        ends = [f"{end}-{number + 1}" for end in ends for number in range(args.count)]
    return [sibling(out, f"{end}{out.suffix}") if end else out for end in ends]


def argv_of(wanted: dict[str, Any]) -> list[str]:
    """The request of a line as flags.

    >>> argv_of({"text": "-slow", "bpm": 90, "no_drums": True, "guidance": {"all": 2, "text": 1}, "use": ["chords"]})
    ['--bpm=90', '--no-drums', '--guidance=all=2,text=1', '--use=chords', '--', '-slow']

    Raises: ValueError for a key that belongs to the command, or a value that no flag has.
    """
    flags: list[str] = []
    for key, value in wanted.items():
        name = key.replace("-", "_")
        if name == "text":
            continue
        if name in OF_THE_COMMAND:
            raise ValueError(f"{plain.shown(key)} holds for the whole batch; give --{name.replace('_', '-')} itself")
        if not name.isidentifier():
            raise ValueError(f"{plain.shown(repr(key))} is no name of a flag")
        flags += _flag("--" + name.replace("_", "-"), value)
    text = wanted.get("text")
    if text is not None and not isinstance(text, str):
        raise ValueError("text must be a string")
    return [*flags, *(["--", text] if text is not None else [])]


def _flag(flag: str, value: Any) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, dict):
        return [f"{flag}={','.join(f'{key}={_word(each, flag)}' for key, each in value.items())}"]
    if isinstance(value, list):
        words = [_word(each, flag) for each in value]
        if flag in ("--concept",):
            return [f"{flag}={word}" for word in words]
        return [flag, *words] if flag.startswith("--blend") else [f"{flag}={','.join(words)}"]
    return [f"{flag}={_word(value, flag)}"]


def _word(value: Any, flag: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{flag[2:]}: must be text, a number, or a list of these, got {plain.shown(repr(value))}")
    return str(value)


def key_of(args: argparse.Namespace) -> str:
    """A hash of everything that a request is made of: its flags, its files' content, the model's name."""
    told: dict[str, Any] = {}
    for name, value in sorted(vars(args).items()):
        if name in ("batch", "keep_going", "threads", "quiet", "command", "run", "device"):
            continue
        told[name] = Path(value).name if name == "out" else _told(value)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8", "backslashreplace")).hexdigest()[:24]


def _told(value: Any) -> Any:
    if isinstance(value, Path):
        return of_file(value) if value.is_file() else str(value)
    if isinstance(value, list | tuple):
        return [_told(each) for each in value]
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)
