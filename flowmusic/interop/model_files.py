"""The folder of a model: finding, reading, writing and hashing it.

A bundle of ours holds ``config.yaml`` (plain data), ``model.safetensors`` and ``card.md``.  Tensors are stored in fp16,
and large matrices, where it was asked for, in 8 bits with scales.  The description is data, not code: no path or
``_target_`` in it is ever executed.  A bundle whose tensors do not have the recorded hash is refused.

What is added to a codec without changing its latents or its mono sound (:data:`PARTS`) has a file and a hash of its
own, so that takes, shards and fields made before are of the same codec as those made after.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from flowmusic import disk, eight_bit, limits, plain, publishable
from flowmusic.files import temporary_folder, write_text
from flowmusic.hashes import of_file, of_unchanged
from flowmusic.interop import hub
from flowmusic.interop.encodec import COMPRESSION
from flowmusic.interop.fitting import CorruptWeights, ModelError, filled
from flowmusic.tensors import read as read_tensors

if TYPE_CHECKING:
    from flowmusic.interop.adapter import AdapterUse

FORMAT = 1
OWN_LICENCE = "Apache-2.0"
"""Of the weights that are shipped."""
EMBEDDED = Path(__file__).resolve().parents[1] / "embedded"
VERBATIM = ("original",)
"""Keys of a description that are kept to the letter: what a published checkpoint says of itself, to be given back."""
CHECKPOINT = "state_dict.bin"
"""The file by which a folder is known as a published checkpoint of audiocraft's."""
FILES: hub.Wanted = (CHECKPOINT, COMPRESSION)
"""What a published JASCO model consists of."""
PARTS = ("stereo",)
"""Modules of a codec that are stored in a file of their own, NAME.safetensors; their hashes are ``parts`` of it."""
REPOSITORIES = (
    "facebook/jasco-chords-drums-400M",
    "facebook/jasco-chords-drums-1B",
    "facebook/jasco-chords-drums-melody-400M",
    "facebook/jasco-chords-drums-melody-1B",
)
"""Where those are on the hub."""


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory: plain configuration and tensors, floating ones in fp32 unless read raw."""

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]


def available() -> dict[str, Path]:
    """Names and folders of the models shipped with the package."""
    return {p.parent.name: p.parent for p in sorted(EMBEDDED.glob("*/config.yaml"))}


def fingerprint(name: str | Path) -> str:
    """sha256 of the weights of a model, ours or a published checkpoint.  Raises: as :func:`find`."""
    folder = find(name)
    ours = folder / "model.safetensors"
    return of_unchanged(ours if ours.is_file() else folder / CHECKPOINT)


@contextmanager
def writing(folder: str | Path) -> Iterator[Path]:
    """A temporary folder that becomes ``folder``, in place of what was there, if the body ends well.

    Raises: OSError that names what cannot be written.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder) as temporary, disk.naming(folder, temporary):
        yield temporary
        for path in temporary.iterdir():
            os.chmod(path, 0o644)
        os.chmod(temporary, 0o755)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)


def write(
    folder: str | Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    card: str,
    *,
    half: bool = True,
    eight_bits: bool = False,
    main: Path | None = None,
) -> Path:
    """Write a bundle, whole or not at all.  Returns the folder.

    Args:
        folder: replaced if it is there.
        config: plain data, cleaned before they are written (:mod:`flowmusic.publishable`) but for :data:`VERBATIM`;
            the format and the hash of the tensors are added.
        tensors: by name.
        card: Markdown; the hash is added.
        half: store floating tensors in fp16; otherwise every tensor keeps its dtype.
        eight_bits: store large matrices in 8 bits, see :mod:`flowmusic.eight_bit`.
        main: a model.safetensors that is taken as it is, where only one of :data:`PARTS` is new.
    """
    import yaml

    folder = Path(folder)
    apart = {part: {k: v for k, v in tensors.items() if k.startswith(f"{part}.")} for part in PARTS}
    own = {k: v for k, v in tensors.items() if not k.startswith(tuple(f"{part}." for part in PARTS))}
    with writing(folder) as temporary:
        weights = temporary / "model.safetensors"
        digest = _save(own, weights, half, eight_bits) if main is None else of_file(shutil.copyfile(main, weights))
        parts = {
            name: _save(given, temporary / _file_of(name), half, eight_bits) for name, given in apart.items() if given
        }
        told = publishable.cleaned(config, keep=VERBATIM)
        described = {"format": FORMAT, **told, "sha256": digest, **({"parts": parts} if parts else {})}
        (temporary / "config.yaml").write_text(yaml.safe_dump(described, sort_keys=False))
        hashes = {"model.safetensors": digest, **{_file_of(name): each for name, each in parts.items()}}
        lines = "\n".join(f"sha256 of {name}: `{each}`" for name, each in hashes.items())
        write_text(temporary / "card.md", f"{publishable.prose(card).rstrip()}\n\n{lines}\n")
    return folder


def _file_of(part: str) -> str:
    return f"{part}.safetensors"


def _save(tensors: Mapping[str, Tensor], path: Path, half: bool, eight_bits: bool) -> str:
    """Write tensors to a file.  Returns: its sha256."""
    from safetensors.torch import save_file

    stored: dict[str, Tensor] = {}
    for name, tensor in (eight_bit.pack(tensors) if eight_bits else tensors).items():
        kept = tensor.detach().cpu()
        stored[name] = (kept.to(torch.float16) if half and _halves(name, kept) else kept).contiguous()
    save_file(stored, path)
    return of_file(path)


def _halves(name: str, tensor: Tensor) -> bool:
    # A scale multiplies a whole row, and fp16 would lose small ones.
    return tensor.is_floating_point() and not name.endswith(eight_bit.SCALE)


def find(name: str | Path) -> Path:
    """The folder of a model: shipped, by name; ours or a published JASCO checkpoint, by path or by hub id.

    A hub id that is not in the cache is downloaded.  Raises: ModelError.
    """
    shipped = available()
    if str(name) in shipped:
        return shipped[str(name)]
    path = Path(name)
    if (path / "config.yaml").is_file() or (path / CHECKPOINT).is_file():
        return path
    if path.name == CHECKPOINT and path.is_file():
        return path.parent
    names = ", ".join(shipped) or "none"
    if path.is_dir():
        raise ModelError(
            f"{path} is not a flowmusic model: it has no config.yaml, and no {CHECKPOINT} of JASCO; "
            f"shipped models: {names}"
        )
    if str(name) in REPOSITORIES:
        return hub.locate(str(name), FILES)
    raise ModelError(
        f"unknown model {str(name)!r}: neither a shipped model ({names}) nor a folder with config.yaml, nor a folder "
        f"with a {CHECKPOINT} of JASCO, nor one of these on the hub: {', '.join(REPOSITORIES)}"
    )


def read(name: str | Path, *, raw: bool = False) -> Bundle:
    """Read and verify a bundle; ``raw`` keeps every tensor in its stored dtype.

    Raises: ModelError, CorruptWeights.
    """
    folder = find(name)
    if not (folder / "config.yaml").is_file():
        raise ModelError(
            f"{folder} is a checkpoint of JASCO, not a bundle; `flowmusic models convert {name} FOLDER` makes one"
        )
    advice = f"reinstall flowmusic, or write the bundle {folder} again from its training run"
    try:
        config = plain.read_yaml(folder / "config.yaml")
    except plain.PlainError as error:
        raise CorruptWeights(f"{folder / 'config.yaml'} cannot be parsed ({error}); {advice}") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelError(f"{folder} is not a flowmusic model of format {FORMAT}")
    try:
        limits.tree(config, str(folder / "config.yaml"))
    except limits.LimitError as error:
        raise ModelError(str(error)) from None
    parts = config.get("parts") or {}
    if not isinstance(parts, dict) or not parts.keys() <= {*PARTS}:
        raise ModelError(f"{folder / 'config.yaml'}: parts must be some of {', '.join(PARTS)}, each with its sha256")
    hashes = {"model.safetensors": config.get("sha256"), **{_file_of(name): each for name, each in parts.items()}}
    tensors: dict[str, Tensor] = {}
    for name, digest in hashes.items():
        tensors |= _read(folder / name, digest, advice)
    if not raw:
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in eight_bit.unpack(tensors).items()}
    return Bundle(folder, config, tensors)


def _read(weights: Path, digest: Any, advice: str) -> dict[str, Tensor]:
    """Tensors of a file of this hash.  Raises: CorruptWeights."""
    if not weights.is_file():
        raise CorruptWeights(f"{weights} is missing; {advice}")
    if of_unchanged(weights) != digest:
        raise CorruptWeights(f"{weights} is damaged: its sha256 is not the one in config.yaml; {advice}")
    try:
        return read_tensors(weights)[0]
    except ValueError as error:
        raise CorruptWeights(f"{error}; {advice}") from None


def licence_of(bundle: Bundle) -> str:
    """What its description says of the licence of its weights; those that are shipped have :data:`OWN_LICENCE`."""
    shipped = OWN_LICENCE if bundle.folder.parent == EMBEDDED else "not stated"
    return str(bundle.config.get("licence") or shipped)


def build(kinds: Mapping[str, Callable[[dict[str, Any]], Any]], found: Bundle) -> Any:
    """The module that a bundle describes, by the constructor of its kind, with its weights.  Raises: ModelError."""
    kind = found.config.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ModelError(f"{found.folder} names the kind {kind!r:.80}, which is not one of {', '.join(kinds)}")
    return filled(lambda: kinds[kind](dict(found.config["settings"])), found.tensors, found.folder, kind)


def adapted(pair: nn.Module, uses: Sequence[AdapterUse], name: str | Path, folder: Path) -> list[dict[str, Any]]:
    """Add adapters to the weights of encoder and field.  Raises: AdapterError."""
    from flowmusic.interop import adapter

    return adapter.apply(pair, uses, str(name), fingerprint(folder)) if uses else []


def codec_fingerprint(codec: object) -> str:
    """Hash of what a codec's latents and mono sound come from; its class where it has no weights."""
    digest = hashlib.sha256(type(codec).__qualname__.encode())
    if isinstance(codec, nn.Module):
        for name, tensor in sorted(codec.state_dict().items()):
            if name.partition(".")[0] in PARTS:
                continue
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
