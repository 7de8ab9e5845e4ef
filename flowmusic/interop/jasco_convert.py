"""JASCO checkpoints to bundles of ours and back, without losing a bit: tensors, names, dtypes and configuration.

A bundle is read without pickle, and its hash is checked.  What a checkpoint holds beside tensors is kept in the
bundle's config.yaml under ``original``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic.files import write_text
from flowmusic.interop import jasco, model_files, names
from flowmusic.interop.encodec import COMPRESSION
from flowmusic.interop.fitting import ModelError
from flowmusic.interop.model_files import CHECKPOINT
from flowmusic.interop.pickles import read_pickle, tensors_of

LICENCE = "cc-by-nc-4.0"
CARD = "card.md"
MARK = "Written by `flowmusic models convert`"
"""Begins the line by which a folder is known as our result, so that it may be replaced."""
BUNDLE_FILES = frozenset({"config.yaml", "model.safetensors", CARD})
CHECKPOINT_FILES = frozenset({CHECKPOINT, COMPRESSION, CARD})


def to_bundle(source: str | Path, target: str | Path) -> Path:
    """Write the bundle of a published checkpoint (folder, file or hub id).  Returns ``target``.

    Raises: ModelError, CorruptWeights; nothing is written then.
    """
    folder = model_files.find(source)
    if (folder / "config.yaml").is_file():
        raise ModelError(f"{source} is a bundle already; a checkpoint has {CHECKPOINT} and {COMPRESSION}")
    checkpoint = jasco.read_checkpoint(folder)
    tensors = names.jasco_from_checkpoint(checkpoint.tensors)
    settings = jasco.describe(checkpoint, tensors)
    compression = read_pickle(folder / COMPRESSION)
    stored = compression.pop("best_state", None)
    if stored is not None:
        named = tensors_of(stored, folder / COMPRESSION)
        tensors |= {jasco.STORED_COMPRESSION + name: tensor for name, tensor in named.items()}
    config = {
        "kind": jasco.KIND,
        "licence": LICENCE,
        "source": Path(source).name if Path(source).exists() else str(source),
        "settings": settings,
        "original": {
            "weight_norm": names.weight_norm_naming(checkpoint.tensors),
            "state_dict": _plain(checkpoint.plain, folder / CHECKPOINT),
            "compression": _plain(compression, folder / COMPRESSION),
        },
    }
    return model_files.write(target, config, _apart(tensors), _card(config), half=False)


def to_checkpoint(source: str | Path, target: str | Path) -> Path:
    """Write the checkpoint that a bundle was made from.  Returns ``target``.

    Raises: ModelError, CorruptWeights; nothing is written then.
    """
    found = model_files.read(source, raw=True)
    kind, original = found.config.get("kind"), found.config.get("original")
    if kind != jasco.KIND or not isinstance(original, dict):
        raise ModelError(f"{source} holds a {kind!r} model; only a converted JASCO checkpoint can be written back")
    try:
        weight_norm, plain = original["weight_norm"], dict(original["state_dict"])
        plain_compression = dict(original["compression"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{source}: `original` in config.yaml is incomplete ({error}); convert again") from None
    own, stored = _split(_apart(found.tensors))
    state = {"best_state": names.jasco_to_checkpoint(own, weight_norm), **plain}
    compression = {**({"best_state": stored} if stored else {}), **plain_compression}
    target = Path(target)
    with model_files.writing(target) as temporary:
        torch.save(state, temporary / CHECKPOINT)
        torch.save(compression, temporary / COMPRESSION)
        write_text(temporary / CARD, _card(found.config))
    return target


def is_result(folder: Path) -> bool:
    """Whether a folder holds what a conversion wrote and nothing else, so that it may be replaced."""
    here = {path.name for path in folder.iterdir()}
    if CARD not in here or not (here <= BUNDLE_FILES or here <= CHECKPOINT_FILES):
        return False
    text = (folder / CARD).read_text(encoding="utf-8", errors="replace")
    return any(line.startswith(MARK) for line in text.splitlines())


def _card(config: Mapping[str, Any]) -> str:
    settings = config["settings"]
    sizes = settings["field"]
    controls = "chords, drums and melody" if settings["encoder"]["melody_dim"] else "chords and drums"
    return (
        f"---\nlicense: {LICENCE}\n---\n# {config['source']}\n\n"
        f"JASCO (arXiv 2406.10970): text, {controls}; weights by Meta, CC BY-NC 4.0 (non-commercial).\n\n"
        f"{MARK} from `{config['source']}`, every tensor unchanged.  Width {sizes['width']}, {sizes['layers']} layers, "
        f"{sizes['heads']} heads, clips of {settings['seconds']:g} s.\n"
    )


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor in memory of its own: a file keeps shared memory whole, or refuses it."""
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}


def _split(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The model's tensors, and those of a full compression file under their own names."""
    prefix = jasco.STORED_COMPRESSION
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    return own, {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The entries of a checkpoint beside its weights.  Raises: ModelError for one that YAML cannot keep."""
    strange = sorted(str(name) for name, value in content.items() if not _is_plain([name, value]))
    if strange:
        raise ModelError(f"{path} holds entries that are neither text nor numbers: {', '.join(strange)}")
    return dict(content)


def _is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(map(_is_plain, _flat(value.items())))
    if type(value) is list:
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, bool, int, float)


def _flat(pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
    return [item for pair in pairs for item in pair]
