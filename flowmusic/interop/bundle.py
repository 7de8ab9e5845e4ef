"""Our weights on disk: a folder with ``config.yaml`` (plain data), ``model.safetensors`` and ``card.md``.

Tensors are stored in fp16, and large matrices, where it was asked for, in 8 bits with scales.

The description is data, not code: ``kind`` is looked up in an allow-list of constructors, and no path or
``_target_`` in it is ever executed.  A bundle whose tensors do not have the recorded hash is refused.

``find`` and ``load`` also take the published JASCO checkpoints; those are read in :mod:`flowmusic.interop.jasco`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from flowmusic import disk, limits, plain, publishable
from flowmusic.files import temporary_folder, write_text
from flowmusic.hashes import of_file, of_unchanged
from flowmusic.interop import eight_bit
from flowmusic.interop.fitting import CorruptWeights, ModelError, differences, fill, filled
from flowmusic.tensors import read as read_tensors

if TYPE_CHECKING:
    from flowmusic.codec.latent import LatentCodec
    from flowmusic.generate.generator import Generator
    from flowmusic.interop.adapter import AdapterUse
    from flowmusic.interop.mert import Mert
    from flowmusic.model.text_audio import TextAudioNet

__all__ = ["CorruptWeights", "ModelError", "differences", "fill"]

FORMAT = 1
EMBEDDED = Path(__file__).resolve().parents[1] / "embedded"
PRECISIONS = ("fp32", "bf16")
VERBATIM = ("original",)
"""Keys of a description that are kept to the letter: what a published checkpoint says of itself, to be given back."""
CHECKPOINT = "state_dict.bin"
"""The file by which a folder is known as a published checkpoint of audiocraft's."""


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory: plain configuration and tensors, floating ones in fp32 unless read raw."""

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]


def _spectral_codec(settings: dict[str, Any]) -> LatentCodec:
    from flowmusic.codec.encodec import ResidualQuantizer
    from flowmusic.codec.spectral import SpectralCodec

    quantizer = settings.pop("quantizer", None)
    return SpectralCodec(**settings, quantizer=ResidualQuantizer(**quantizer) if quantizer else None)


def _hybrid_codec(settings: dict[str, Any]) -> LatentCodec:
    from flowmusic.codec.encodec import ResidualQuantizer
    from flowmusic.codec.hybrid import HybridCodec

    quantizer = settings.pop("quantizer", None)
    return HybridCodec(**settings, quantizer=ResidualQuantizer(**quantizer) if quantizer else None)


def _seanet_codec(settings: dict[str, Any]) -> LatentCodec:
    from flowmusic.codec.encodec import ResidualQuantizer, SeanetCodec

    quantizer = settings.pop("quantizer", None)
    return SeanetCodec(**settings, quantizer=ResidualQuantizer(**quantizer) if quantizer else None)


def _text_audio(settings: dict[str, Any]) -> TextAudioNet:
    from flowmusic.model.text_audio import TextAudioNet

    return TextAudioNet(**settings)


CODECS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "spectral": _spectral_codec,
    "hybrid": _hybrid_codec,
    "seanet": _seanet_codec,
}


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
) -> Path:
    """Write a bundle, whole or not at all.  Returns the folder.

    Args:
        folder: replaced if it is there.
        config: plain data, cleaned before they are written (:mod:`flowmusic.publishable`) but for :data:`VERBATIM`;
            the format and the hash of the tensors are added.
        tensors: by name.
        card: Markdown; the hash is added.
        half: store floating tensors in fp16; otherwise every tensor keeps its dtype.
        eight_bits: store large matrices in 8 bits, see :mod:`flowmusic.interop.eight_bit`.
    """
    import yaml
    from safetensors.torch import save_file

    folder = Path(folder)
    with writing(folder) as temporary:
        stored: dict[str, Tensor] = {}
        for name, tensor in (eight_bit.pack(tensors) if eight_bits else tensors).items():
            kept = tensor.detach().cpu()
            stored[name] = (kept.to(torch.float16) if half and _halves(name, kept) else kept).contiguous()
        save_file(stored, temporary / "model.safetensors")
        digest = of_file(temporary / "model.safetensors")
        told = publishable.cleaned(config, keep=VERBATIM)
        described = {"format": FORMAT, **told, "sha256": digest}
        (temporary / "config.yaml").write_text(yaml.safe_dump(described, sort_keys=False))
        card = publishable.prose(card).rstrip()
        write_text(temporary / "card.md", f"{card}\n\nsha256 of model.safetensors: `{digest}`\n")
    return folder


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
    from flowmusic.interop import hub, jasco

    if str(name) in jasco.REPOSITORIES:
        return hub.locate(str(name), jasco.FILES)
    raise ModelError(
        f"unknown model {str(name)!r}: neither a shipped model ({names}) nor a folder with config.yaml, nor a folder "
        f"with a {CHECKPOINT} of JASCO, nor one of these on the hub: {', '.join(jasco.REPOSITORIES)}"
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
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise CorruptWeights(f"{weights} is missing; {advice}")
    if of_unchanged(weights) != config.get("sha256"):
        raise CorruptWeights(f"{weights} is damaged: its sha256 is not the one in config.yaml; {advice}")
    try:
        tensors = read_tensors(weights)[0]
    except ValueError as error:
        raise CorruptWeights(f"{error}; {advice}") from None
    if not raw:
        tensors = {k: v.float() if v.is_floating_point() else v for k, v in eight_bit.unpack(tensors).items()}
    return Bundle(folder, config, tensors)


def _build(kinds: Mapping[str, Callable[[dict[str, Any]], Any]], found: Bundle) -> Any:
    kind = found.config.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ModelError(f"{found.folder} names the kind {kind!r:.80}, which is not one of {', '.join(kinds)}")
    return filled(lambda: kinds[kind](dict(found.config["settings"])), found.tensors, found.folder, kind)


def load_codec(name: str | Path = "nano_codec", device: str = "cpu") -> LatentCodec:
    """A codec of ours by shipped name or folder."""
    return _codec(read(name), device)


def _codec(bundle: Bundle, device: str) -> LatentCodec:
    codec = _build(CODECS, bundle)
    codec.requires_grad_(False)
    return codec.to(device)  # type: ignore[no-any-return]


def first_codebook(name: str | Path) -> list[list[float]]:
    """The vectors of a codec's first codebook, as the table of a drum conditioner that is given codes.

    Shape: ``[bins][D]``.  Raises: as :func:`load_codec`; ValueError for a codec without a quantiser.
    """
    vectors: list[list[float]] = load_codec(name).first_codebook().tolist()
    return vectors


def _codec_of(folder: Path, codec: str) -> str | Path:
    """The codec of a model: where its description leads, a folder of that name beside the model, or a shipped name."""
    for place in (folder / codec, folder.parent / Path(codec).name):
        if (place / "config.yaml").is_file() and place.resolve() != folder.resolve():
            return place
    return codec


def _style_features(settings: Mapping[str, Any], folder: Path, dim: int, device: str) -> Mert:
    """What a model's style hears with; its weights are not looked for before they are needed."""
    from flowmusic.interop.mert import KIND, Mert

    if settings.get("kind") != KIND:
        raise ModelError(f"{folder} names style features of kind {settings.get('kind')!r}, which is not {KIND}")
    source = str(settings["source"])
    # A folder is named by the way there, as a codec is; whatever does not begin with a dot is a hub id.
    place = (folder / source).resolve() if source.startswith(".") else source
    return Mert(place, settings.get("layer"), dim, device)


def load_text_audio(name: str | Path = "nano_text_audio") -> TextAudioNet:
    """A contrastive text-audio model of ours by shipped name or folder, on the CPU.

    Raises: ModelError, CorruptWeights.
    """
    bundle = read(name)
    network: TextAudioNet = _build({"text_audio": _text_audio}, bundle)
    return network.requires_grad_(False)


def load(
    name: str | Path = "nano",
    device: str = "cpu",
    precision: str = "fp32",
    adapters: Sequence[str | AdapterUse] = (),
    trainable: bool = False,
) -> Generator:
    """A generator by shipped name, bundle folder, or published JASCO checkpoint (folder, file or hub id).

    Args:
        name: see :func:`find`.
        device: a torch device.
        precision: of the field's matrix products: ``fp32``, or ``bf16``, which is faster where the processor has it.
        adapters: to be added to the weights: ``FILE``, ``FILE:SCALE`` or ``AdapterUse(path, scale)``.
        trainable: leave out what makes inference faster and training impossible.

    Raises: ModelError, CorruptWeights; AdapterError.
    """
    from flowmusic.generate.generator import GenerationDefaults, Generator
    from flowmusic.interop import jasco, text_audio
    from flowmusic.interop.adapter import AdapterUse
    from flowmusic.model.encode import ConditionEncoder
    from flowmusic.model.field import VectorField

    if precision not in PRECISIONS:
        raise ModelError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    uses = [AdapterUse.parse(use) if isinstance(use, str) else use.checked() for use in adapters]
    folder = find(name)
    if not (folder / "config.yaml").is_file():
        return jasco.from_checkpoint(folder, device, str(name), precision, uses, trainable)
    bundle = read(folder)
    if bundle.config.get("kind") == jasco.KIND:
        return jasco.from_bundle(bundle, device, str(name), precision, uses, trainable)
    if bundle.config.get("kind") != "flow":
        raise ModelError(f"{bundle.folder} holds a {bundle.config.get('kind')!r} model, not one that generates")
    settings: Any = bundle.config.get("settings")

    def make() -> nn.Module:
        parts = {"encoder": ConditionEncoder(**settings["encoder"]), "field": VectorField(**settings["field"])}
        return nn.ModuleDict(parts)

    pair = filled(make, bundle.tensors, bundle.folder, "flow").requires_grad_(False)
    encoder, field = pair["encoder"], pair["field"]  # type: ignore[index]
    try:
        beside = _codec_of(bundle.folder, settings["codec"])
        features = settings.get("style_features")
        defaults, seconds = GenerationDefaults(**settings["generation"]), float(settings["seconds"])
        if features is not None and encoder.style is None:
            raise ValueError("it names style features, but has no style")
        width = 0 if features is None else encoder.style.embed.in_features
        features = None if features is None else _style_features(features, bundle.folder, width, device)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ModelError(f"{bundle.folder}: its settings describe no model ({plain.reason(error)})") from None
    applied = adapted(pair, uses, name, folder)
    pair.to(device)
    text_audio.attach(encoder, bundle.folder)
    codec = read(beside)
    return Generator(
        field,
        encoder,
        _codec(codec, device),
        name=str(name),
        seconds=seconds,
        defaults=defaults,
        autocast=torch.bfloat16 if precision == "bf16" else None,
        style_features=features,
        adapters=applied,
        weights={"model": bundle.config["sha256"], "codec": codec.config["sha256"]},
    )


def adapted(pair: nn.Module, uses: Sequence[AdapterUse], name: str | Path, folder: Path) -> list[dict[str, Any]]:
    """Add adapters to the weights of encoder and field.  Raises: AdapterError."""
    from flowmusic.interop import adapter

    return adapter.apply(pair, uses, str(name), fingerprint(folder)) if uses else []
