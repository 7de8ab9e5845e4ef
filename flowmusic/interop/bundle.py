"""Models out of their folders: codecs and generators.

The kind that a bundle names is looked up in an allow-list of constructors.  ``load`` also takes the published JASCO
checkpoints; those are read in :mod:`flowmusic.interop.jasco`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from flowmusic import plain
from flowmusic.interop.fitting import ModelError, filled
from flowmusic.interop.model_files import Bundle, adapted, build, find, licence_of, read
from flowmusic.precision import usable

if TYPE_CHECKING:
    from flowmusic.codec.latent import LatentCodec
    from flowmusic.generate.generator import Generator
    from flowmusic.interop.adapter import AdapterUse
    from flowmusic.interop.mert import Mert

PRECISIONS = ("fp32", "bf16")


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


CODECS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "spectral": _spectral_codec,
    "hybrid": _hybrid_codec,
    "seanet": _seanet_codec,
}


def load_codec(name: str | Path = "nano2_codec", device: str = "cpu") -> LatentCodec:
    """A codec of ours by shipped name or folder.  It decodes to mono: for two channels, see ``LatentCodec.mono``."""
    return _codec(read(name), device)


def _codec(bundle: Bundle, device: str) -> LatentCodec:
    codec = build(CODECS, bundle)
    # Scores, recognisers and whoever takes the first channel for the sound know one channel; takes ask for two.
    codec.mono = True
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
        precision: of the field's matrix products: ``fp32``, or ``bf16``, which is faster where the device multiplies it
            natively; elsewhere fp32 is used, and a warning says so.
        adapters: to be added to the weights: ``FILE``, ``FILE:SCALE`` or ``AdapterUse(path, scale)``.
        trainable: leave out what makes inference faster and training impossible.

    Raises: ModelError, CorruptWeights; AdapterError.
    """
    from flowmusic.generate.defaults import GenerationDefaults
    from flowmusic.generate.generator import Generator
    from flowmusic.interop import jasco, text_audio
    from flowmusic.interop.adapter import AdapterUse
    from flowmusic.model.encode import ConditionEncoder
    from flowmusic.model.field import VectorField

    if precision not in PRECISIONS:
        raise ModelError(f"unknown precision {precision!r}; choose one of {', '.join(PRECISIONS)}")
    precision = usable(precision, device)
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
        defaults.check(field.dim)
        if features is not None and encoder.style is None:
            raise ValueError("it names style features, but has no style")
        if defaults.timbre_channels is not None and (features is not None or encoder.style is None):
            raise ValueError("it has timbre_channels, but no style that hears latents, whose statistics they are")
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
        weights={"model": bundle.config["sha256"], "codec": codec.config["sha256"], **codec.config.get("parts", {})},
        licence=licence_of(bundle),
    )
