"""A learned pseudoword on disk: a safetensors file of a few kB, tied to the text encoder that it was learned for.

Tensors ``vectors`` ``[K, D]`` and ``initial`` ``[D]`` in fp32.  The metadata has one entry, ``flowmusic``: JSON with
``format``, ``token`` (the name), ``encoder`` (``fingerprint`` and ``sha256``) and ``record`` (how it was made: model,
steps, seed, ...).  One entry, because safetensors orders several at random, and the same run is to give the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from flowmusic import plain, publishable, tensors
from flowmusic.files import replacing
from flowmusic.interop.fitting import ModelError
from flowmusic.model.pseudowords import Concept
from flowmusic.model.text import DIM, SHA256, FrozenText, TextEncoder
from flowmusic.tensors import TensorsError, not_finite

FORMAT = "flowmusic concept 1"
KEY = "flowmusic"
MOST_BYTES = plain.MIB
"""Of a file; sixteen vectors and the record of how they were made have 30 kB."""


def write(path: str | Path, concept: Concept) -> Path:
    """Write a concept, whole or not at all.  Returns the path.

    Raises: ValueError if its record is not plain data, OSError if the folder is not there.
    """
    from safetensors.torch import save_file

    path = Path(path)
    described = {
        "format": FORMAT,
        "token": concept.name,
        "encoder": {"fingerprint": concept.encoder[:8], "sha256": concept.encoder},
        # "token" is the name of the pseudoword there too.
        "record": publishable.cleaned(concept.record, keep=("token",)),
    }
    try:
        text = json.dumps(described, sort_keys=True, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"the record of <{concept.name}> must be plain data: {error}") from None
    both = {"vectors": concept.vectors, "initial": concept.initial}
    stored = {name: tensor.detach().float().cpu().contiguous() for name, tensor in both.items()}
    with replacing(path) as temporary:
        save_file(stored, temporary, metadata={KEY: text})
    return path


def read(path: str | Path, encoder: FrozenText) -> Concept:
    """Read a concept for the text encoder of a model.

    Raises: ModelError if the encoder takes no pseudowords or is not the one that the concept was learned for, or the
        file is missing, of another kind, or holds a name or shapes that cannot be.
    """
    path = Path(path)
    if not isinstance(encoder, TextEncoder):
        raise ModelError(
            f"{path}: the text encoder of this model takes no pseudowords; use a model of ours such as nano"
        )
    found, described = _content(path)
    name, learned_for = described.get("token"), described.get("encoder")
    digest = learned_for.get("sha256") if isinstance(learned_for, dict) else None
    if digest != SHA256:
        raise ModelError(
            f"{path} was learned for the text encoder {str(digest)[:12]}..., but this model reads prompts with "
            f"{SHA256[:12]}...; learn it again with this model (flowmusic invert)"
        )
    vectors, initial = found.get("vectors"), found.get("initial")
    record = described.get("record")
    if not isinstance(name, str) or vectors is None or initial is None or not isinstance(record, dict):
        raise ModelError(f"{path} is a damaged concept file: token, vectors, initial or record is missing")
    if vectors.ndim == 0 or vectors.shape[-1] != DIM or vectors.is_complex() or initial.is_complex():
        raise ModelError(f"{path}: vectors must be finite and [K, {DIM}], got shape {tuple(vectors.shape)}")
    wrong = not_finite({"vectors": vectors, "initial": initial})
    if wrong is not None:
        raise ModelError(
            f"{path}: {wrong} must be finite, and holds NaN or infinity; learn it again (flowmusic invert)"
        )
    try:
        return Concept(name, vectors.float(), initial.float(), SHA256, record)
    except ValueError as error:
        raise ModelError(f"{plain.shown(path)}: {plain.reason(error)}") from None


def _content(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and description of a file.  Raises: ModelError if it is not a concept of this format."""
    foreign = f"{plain.shown(path)} is not a concept file of `flowmusic invert`"
    try:
        found, metadata = tensors.read(path, MOST_BYTES)
        described = plain.json_of(metadata.get(KEY, "null"), "its metadata")
    except FileNotFoundError:
        raise ModelError(f"concept file not found: {path}; `flowmusic invert` makes one") from None
    except (TensorsError, plain.PlainError) as error:
        raise ModelError(f"{foreign} ({error})") from None
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        kind = described.get("format") if isinstance(described, dict) else None
        raise ModelError(f"{foreign}: its format is {plain.shown(repr(kind))}, expected {FORMAT!r}")
    return found, described
