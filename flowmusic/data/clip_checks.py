"""What a clip of a shard must look like: judged when it is written, verified, streamed and read into memory alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from flowmusic.controls import instruments
from flowmusic.controls.vocabulary import NULL_ID
from flowmusic.data.audio_prompts import HEARD
from flowmusic.facts import Facts
from flowmusic.tensors import not_finite

LATENTS, FEATURES = "latents", "style"
"""Names of the tensors that are no tracks; the second, features that style is heard with, only some stores have."""
KNOWN = ".known"
"""Suffix of the tensor that tells where a track is known."""
CONFIDENCE = ".confidence"
"""Suffix of the tensor ``[T]`` fp16 in [0, 1] that tells how sure a control is, frame by frame; 1 for exact labels."""

SAID, PLAYERS = "facts", "players"
"""Keys of a clip's description: its facts (:meth:`flowmusic.facts.Facts.said`), and who plays when, as a list of
``[start, end, name]`` in seconds of the clip (:mod:`flowmusic.controls.instruments`)."""

_KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_IDS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def fault(key: str, tensors: Mapping[str, Tensor], info: Any) -> str | None:
    """What is wrong with a clip, in words that follow its name; None for nothing.

    Args:
        key, tensors, info: as in :class:`flowmusic.data.shards.ClipSample`.
    """
    if not _KEY.fullmatch(key):
        return "has a key with other characters than letters, digits, _ and -"
    latents = tensors.get(LATENTS)
    if latents is None:
        return "has no latents"
    if latents.ndim != 2 or 0 in latents.shape or not latents.is_floating_point():
        return f"has latents of shape {list(latents.shape)} and type {_type(latents)}; they are [T, D] floats"
    wrong = not_finite(tensors)
    if wrong is not None:
        return f"holds NaN or infinite values in {wrong}"
    return _of_tracks(tensors, len(latents)) or _of_info(info)


def _of_tracks(tensors: Mapping[str, Tensor], frames: int) -> str | None:
    for name in sorted(tensors):
        tensor = tensors[name]
        base, dot, kind = name.partition(".")
        if not _NAME.fullmatch(base) or (dot and f".{kind}" not in (KNOWN, CONFIDENCE)):
            return f"has a tensor {name[:80]!r}, which is no control and nothing about one"
        if base == HEARD and not dot:
            # Windows over the clip, not frames of it.
            if tensor.ndim != 2 or 0 in tensor.shape or not tensor.is_floating_point():
                return f"has {HEARD} of shape {list(tensor.shape)}; it is [W, E] floats"
            continue
        if tensor.ndim == 0 or len(tensor) != frames:
            length = len(tensor) if tensor.ndim else "no"
            return f"has {length} frames of {name} and {frames} of {LATENTS}"
        message = _of_track(name, tensor, tensors)
        if message:
            return message
    return None


def _of_track(name: str, tensor: Tensor, tensors: Mapping[str, Tensor]) -> str | None:
    base, dot, _ = name.partition(".")
    if dot and base not in tensors:
        return f"has {name} and no {base}"
    if name.endswith(KNOWN):
        return (
            None if tensor.ndim == 1 and tensor.dtype == torch.bool else f"has {name} that is not [T] of true or false"
        )
    if name.endswith(CONFIDENCE):
        sure = tensor.ndim == 1 and tensor.is_floating_point() and bool(((tensor >= 0) & (tensor <= 1)).all())
        return None if sure else f"has {name} that is not [T] from 0 to 1"
    if name == LATENTS:
        return None
    if name != FEATURES and name + KNOWN not in tensors:
        return f"has {name} and no {name}{KNOWN}"
    if tensor.is_floating_point():
        return (
            None if tensor.ndim == 2 and tensor.shape[1] else f"has {name} of shape {list(tensor.shape)}; it is [T, F]"
        )
    if tensor.ndim != 1 or tensor.dtype not in _IDS or name == FEATURES:
        return f"has {name} of shape {list(tensor.shape)} and type {_type(tensor)}; it is [T] ids or [T, F] floats"
    highest = NULL_ID if name == "chords" else torch.iinfo(torch.int16).max
    if int(tensor.min()) < 0 or int(tensor.max()) > highest:
        return f"has {name} of {int(tensor.min())} to {int(tensor.max())}; ids are 0 to {highest}"
    return None


def _of_info(info: Any) -> str | None:
    if not isinstance(info, Mapping):
        return f"has a description that is no JSON object but {type(info).__name__}"
    captions = info.get("captions")
    if captions is not None and not (isinstance(captions, list) and all(isinstance(each, str) for each in captions)):
        return "has captions that are no list of texts"
    said, players = info.get(SAID), info.get(PLAYERS)
    if not isinstance(said, Mapping | None):
        return f"has {SAID} that are no JSON object"
    if not isinstance(players, list | None):
        return f"has {PLAYERS} that are no list"
    try:
        Facts.of(said or {})
        instruments.check(players or ())
    except ValueError as error:
        return f"has {SAID} or {PLAYERS} that are none: {str(error)[:120]}"
    return None


def other_kind(first: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str | None:
    """Which tensor of a clip has another width or type than in the first clip that has it; None for none."""
    for name in sorted(first.keys() & tensors.keys()):
        one, two = first[name], tensors[name]
        if one.shape[1:] != two.shape[1:] or one.dtype != two.dtype:
            return f"has {name} of {_frame(two)} a frame, and others {_frame(one)}: they were built with other settings"
    return None


def _frame(tensor: Tensor) -> str:
    return f"{list(tensor.shape[1:])} {_type(tensor)}"


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
