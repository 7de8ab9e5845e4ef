"""Adapters on disk: one safetensors file with low-rank matrices in fp16 and plain data about them, no pickle.

The metadata hold one JSON text under ``flowmusic``: what the adapter was trained on (name and hash of the base), rank,
alpha, targets, data, licence, command, seed.  Nothing in it is executed.  What torch needs loads when it is needed, so
that flags can be judged without it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flowmusic import limits, plain, publishable
from flowmusic.files import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = "flowmusic adapter 1"
KEY = "flowmusic"
SUFFIX = ".safetensors"
MOST_BYTES = 2048 * plain.MIB
MIN_SCALE, MAX_SCALE = limits.limit("adapter_scale").low, limits.limit("adapter_scale").high
"""0 is the base, 1 what was trained, below 0 away from it; far beyond, the sum is no longer near any model."""

_LOG = logging.getLogger(__name__)


class AdapterError(ValueError):
    """A file is no adapter, or does not fit the model; the message says which and why."""


class AdapterUse(NamedTuple):
    """An adapter to be applied, and how strongly."""

    path: Path
    scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> AdapterUse:
        """``a.safetensors`` or ``a.safetensors:0.8``.  Raises: AdapterError for a scale that is not allowed."""
        path, colon, number = text.rpartition(":")
        if not colon or (number.lower().endswith(SUFFIX) or os.path.exists(text)):
            return cls(Path(text))
        try:
            scale = float(number)
        except ValueError:
            raise AdapterError(f"{number!r} in {text!r} is not a number; write FILE or FILE:SCALE") from None
        if not path:
            raise AdapterError(f"{text!r} names no file; write FILE or FILE:SCALE")
        return cls(Path(path), scale).checked()

    def checked(self) -> AdapterUse:
        """Itself.  Raises: AdapterError for a scale that is not allowed."""
        if not MIN_SCALE <= self.scale <= MAX_SCALE:
            raise AdapterError(
                f"the scale of {self.path} must be a number from {MIN_SCALE:g} to {MAX_SCALE:g} "
                f"(0 is the base, 1 what was trained), got {self.scale:g}"
            )
        return self


@dataclass(frozen=True)
class Adapter:
    """An adapter in memory.

    Attributes:
        path, sha256: of the file.
        tensors: by name, see :mod:`flowmusic.model.lora`; fp32.
        about: the metadata as plain data.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]

    @property
    def factor(self) -> float:
        """What B A is multiplied with at scale 1."""
        return float(self.about["alpha"]) / int(self.about["rank"])


def write(path: str | Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Path:
    """Write an adapter, whole or not at all.

    Args:
        path: replaced if it is there.
        tensors: pairs of matrices; stored in fp16.
        about: plain data, ``rank``, ``alpha``, ``base`` and ``base_sha256`` among it; cleaned before they are written
            (:mod:`flowmusic.publishable`).

    Raises: AdapterError for a path with another suffix, or values that fp16 cannot hold.
    """
    import torch
    from safetensors.torch import save

    path = Path(path)
    if path.suffix != SUFFIX:
        raise AdapterError(f"an adapter is written to a {SUFFIX} file, got {path}")
    stored = {name: tensor.detach().cpu().to(torch.float16).contiguous() for name, tensor in tensors.items()}
    wrong = [name for name, tensor in stored.items() if not bool(torch.isfinite(tensor).all())]
    if wrong:
        raise AdapterError(f"{wrong[0]} has values that are not finite in fp16; was the learning rate too high?")
    text = json.dumps({"format": FORMAT, **publishable.cleaned(about)}, sort_keys=True, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(save(stored, {KEY: text}))
    return path


def read(path: str | Path) -> Adapter:
    """Read an adapter.  Raises: AdapterError for whatever is none."""
    from flowmusic import tensors
    from flowmusic.model import lora

    path = Path(path)
    advice = f"{plain.shown(path)} is no adapter of flowmusic's (`flowmusic train experiment=lora` writes them)"
    try:
        stored, metadata = tensors.read(path, MOST_BYTES)
        about = plain.json_of(metadata.get(KEY, "null"), "its metadata")
    except FileNotFoundError:
        raise AdapterError(f"adapter file not found: {path}") from None
    except (tensors.TensorsError, plain.PlainError) as error:
        raise AdapterError(f"{advice}: {error}") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise AdapterError(f"{advice}: its metadata do not say {FORMAT!r}")
    try:
        if any(tensor.is_complex() for tensor in stored.values()):
            raise ValueError("its matrices are complex")
        found = {name: tensor.float() for name, tensor in stored.items()}
        ranks = sorted({low.shape[0] for _, low, _ in lora.pairs(found)})
        rank, alpha = about["rank"], about["alpha"]
        if not (isinstance(rank, int) and ranks == [rank] and rank > 0):
            raise ValueError(f"its matrices have rank {ranks[:5]}, its metadata say {plain.shown(repr(rank))}")
        limits.tree(about)
        if not (isinstance(alpha, int | float) and alpha > 0):
            raise ValueError(f"alpha is {plain.shown(repr(alpha))}, not a number above 0")
        if not all(isinstance(about[key], str) for key in ("base", "base_sha256")):
            raise ValueError("its metadata name no base")
    except (KeyError, TypeError, ValueError) as error:
        raise AdapterError(f"{plain.shown(path)} is damaged: {plain.reason(error)}") from None
    wrong = tensors.not_finite(found)
    if wrong is not None:
        raise AdapterError(
            f"{plain.shown(path)} is damaged: its matrix {plain.shown(wrong)} holds NaN or infinite values; train it "
            "again, or get it from its publisher"
        )
    return Adapter(path, hashlib.sha256(path.read_bytes()).hexdigest(), found, about)


def apply(pair: nn.Module, uses: Sequence[AdapterUse], model: str, fingerprint: str) -> list[dict[str, Any]]:
    """Add adapters to a model's weights.  An adapter for another base of the same shape is applied with a warning.

    Args:
        pair: encoder and field under these names, with their own weights, not packed.
        uses: in any order, for they add up.
        model: how the model is called in messages.
        fingerprint: hash of its weights.

    Returns: ``name``, ``hash`` and ``scale`` of each, for a take's record.
    Raises: AdapterError for a file that is no adapter or does not fit.
    """
    from flowmusic.model import lora

    # All of them are judged before the first changes anything.
    read_all = [(read(use.path), use.checked().scale) for use in uses]
    for adapter, _ in read_all:
        missing, other = lora.unfit(pair, adapter.tensors)
        base = f"{adapter.about['base']} ({adapter.about['base_sha256'][:12]})"
        if missing or other:
            raise AdapterError(
                f"{adapter.path} does not fit {model}: it was trained on {base}; layers that {model} has not: "
                f"{missing[:3]}, of another shape: {other[:3]}; give the model that it was trained on"
            )
        if adapter.about["base_sha256"] != fingerprint:
            _LOG.warning(
                "%s was trained on %s, and %s (%s) has other weights of the same shapes; it may do something else here",
                adapter.path, base, model, fingerprint[:12],
            )  # fmt: skip
    for adapter, scale in read_all:
        lora.merge(pair, adapter.tensors, scale * adapter.factor)
    return [{"name": each.path.name, "hash": each.sha256, "scale": scale} for each, scale in read_all]
