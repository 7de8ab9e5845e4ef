"""EnCodec weights in every published form, into the modules of the ``encodec`` package.

audiocraft's ``compression_state_dict.bin`` (weights, or a pointer to a hub id), a folder or hub id in transformers'
layout, and the package's own ``24khz`` and ``48khz``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic import plain
from flowmusic.audio import Audio
from flowmusic.codec.encodec import EncodecCodec, EncodecSettings, build_encodec, pretrained
from flowmusic.interop import hub, names
from flowmusic.interop.fitting import CorruptWeights, ModelError, fill
from flowmusic.interop.pickles import read_pickle, tensors_of
from flowmusic.interop.stored_config import StoredConfig
from flowmusic.tensors import TensorsError
from flowmusic.tensors import read as read_tensors

COMPRESSION = "compression_state_dict.bin"
TRANSFORMERS_FILES: hub.Wanted = ("config.json", ("model.safetensors", "pytorch_model.bin"))
PACKAGE_MODELS = ("24khz", "48khz")

ENCODEC_32KHZ = "facebook/encodec_32khz"
KNOWN: Mapping[str, Mapping[str, Any]] = {
    ENCODEC_32KHZ: {"rate": 32_000, "causal": False, "pad_mode": "reflect", "normalize": False},
}
"""What tensors cannot tell, by hub id: from its published config.json, so that a pointer to it needs no network."""


@dataclass(frozen=True)
class Compression:
    """A ``compression_state_dict.bin``.

    Attributes:
        path: the file.
        pretrained: the hub id it points to, or None if it holds weights.
        tensors: the weights as stored, in the encodec package's names, or None.
        plain: all its other entries.
    """

    path: Path
    pretrained: str | None
    tensors: dict[str, Tensor] | None
    plain: dict[str, Any]

    def known(self) -> dict[str, Any]:
        """The settings that do not follow from the tensors' shapes.  Raises: ModelError.

        A pointer to a hub id that is not in :data:`KNOWN` has its config.json fetched.
        """
        if self.pretrained is None:
            return known_of_audiocraft(StoredConfig.parse(self.plain.get("xp.cfg"), str(self.path)))
        if self.pretrained in KNOWN:
            return dict(KNOWN[self.pretrained])
        return known_of_transformers(hub.locate(self.pretrained, ["config.json"]) / "config.json")


def load(name: str | Path, mean: float = 0.0, std: float = 1.0) -> EncodecCodec:
    """An EnCodec by file, folder, hub id, or as ``24khz`` or ``48khz``.

    Args:
        name: a ``compression_state_dict.bin`` or a folder with one; a folder or hub id with ``config.json`` and
            ``model.safetensors`` or ``pytorch_model.bin``; or a name of the package.
        mean, std: normalisation of the latents (JASCO's: -0.0074 and 4.0102).

    Raises: ModelError if there is no such model, CorruptWeights if its files are damaged, OSError with advice where
    the package's own weights cannot be downloaded.
    """
    if str(name) in PACKAGE_MODELS:
        codec = pretrained(str(name))
        return EncodecCodec(codec.model, mean, std)
    path = Path(name)
    file = path if path.is_file() else path / COMPRESSION
    if not file.is_file():
        return _from_transformers(hub.locate(name, TRANSFORMERS_FILES), mean, std)
    compression = read_compression(file)
    if compression.tensors is None:
        assert compression.pretrained is not None
        beside = file.parent / compression.pretrained.rpartition("/")[2]
        source = beside if beside.is_dir() else compression.pretrained
        return _from_transformers(hub.locate(source, TRANSFORMERS_FILES), mean, std)
    return assemble(compression.tensors, compression.known(), file, mean, std)


def drum_codes(name: str | Path, seconds: float = 10.0) -> tuple[Tensor, Tensor]:
    """What a JASCO model needs of a codec: the first codebook ``[K, D]``, and the ids ``[T]`` of silence.

    Raises: as :func:`load`.
    """
    return drum_codes_of(load(name), seconds)


def drum_codes_of(codec: EncodecCodec, seconds: float) -> tuple[Tensor, Tensor]:
    """The same of a loaded codec."""
    silence = Audio(torch.zeros(1, codec.channels, round(seconds * codec.rate)), codec.rate)
    return codec.codebook(0), codec.first_codes(silence)[0].clone()


def read_compression(path: Path) -> Compression:
    """Read a ``compression_state_dict.bin`` in either of its two forms.  Raises: ModelError, CorruptWeights."""
    content = read_pickle(path)
    state = content.pop("best_state", None)
    pointer = content.get("pretrained")
    if state is None and isinstance(pointer, str) and hub.is_repository(pointer):
        return Compression(path, pointer, None, content)
    if state is None:
        raise ModelError(
            f"{path} is no audiocraft codec: it has neither 'best_state' (weights) nor 'pretrained' (a hub id), "
            f"but: {', '.join(map(str, content)) or 'nothing'}"
        )
    tensors = names.rename(tensors_of(state, path), names.WEIGHT_NORM)
    return Compression(path, None, tensors, content)


def assemble(
    tensors: Mapping[str, Tensor], known: Mapping[str, Any], source: Path, mean: float = 0.0, std: float = 1.0
) -> EncodecCodec:
    """A codec from tensors in the package's names.  Raises: ModelError, CorruptWeights."""
    network = build_encodec(settings_of(tensors, source, **known))
    fill(network, {k: v.float() for k, v in tensors.items()}, source)
    network.requires_grad_(False)
    return EncodecCodec(network, mean, std)


def settings_of(tensors: Mapping[str, Tensor], source: Path, **known: Any) -> EncodecSettings:
    """The settings that the tensors' shapes tell, completed by those ``known`` from a configuration.

    Raises: ModelError if these are not the tensors of an EnCodec, or the two contradict each other.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}

    def convolutions(middle: str) -> list[tuple[int, ...]]:
        pattern = re.compile(rf"encoder\.model\.(\d+)\.{middle}conv\.conv\.weight(?:_v)?")
        found = {int(match[1]): shape for name, shape in shapes.items() if (match := pattern.fullmatch(name))}
        return [shape for _, shape in sorted(found.items())]

    books = [shape for name, shape in shapes.items() if re.fullmatch(r"quantizer\..*\.embed", name)]
    plain, blocks = convolutions(""), convolutions(r"block\.1\.")
    if len(plain) < 3 or not blocks or not books or {len(shape) for shape in plain + blocks} != {3}:
        raise ModelError(f"{source} holds no EnCodec: its encoder or codebooks were not found among the tensors")
    first, *strided, last = plain
    grouped = any(".norm." in name for name in shapes)
    weighted = any(name.endswith("weight_v") for name in shapes)
    derived = {
        "channels": first[1],
        "n_filters": first[0],
        "kernel_size": first[2],
        "dimension": last[0],
        "last_kernel_size": last[2],
        "ratios": tuple(shape[2] // 2 for shape in reversed(strided)),
        "n_residual_layers": len(blocks) // len(strided),
        "residual_kernel_size": blocks[0][2],
        "compress": blocks[0][1] // blocks[0][0],
        "lstm": sum(bool(re.fullmatch(r"encoder\..*\.lstm\.weight_ih_l\d+", name)) for name in shapes),
        "true_skip": not any(".shortcut." in name for name in shapes),
        "norm": "weight_norm" if weighted else "time_group_norm" if grouped else "none",
        "n_q": len(books),
        "bins": books[0][0],
    }
    try:
        return EncodecSettings(**{**known, **derived})
    except (TypeError, ValueError) as error:
        raise ModelError(f"{source}: {error}") from None


def known_of_audiocraft(config: StoredConfig) -> dict[str, Any]:
    """What a codec's own training configuration says beyond the shapes.  Raises: ModelError."""
    pad_mode = config.get("seanet.pad_mode")
    if pad_mode is None:
        raise ModelError(f"{config.source}: the stored configuration has no seanet.pad_mode, which is needed")
    causal = bool(config.get("seanet.causal", False))
    ratio = config.number("seanet.decoder.trim_right_ratio", 1.0)
    if config.get("seanet.decoder.final_activation") or (causal and ratio != 1.0):
        raise ModelError(
            f"{config.source}: a codec with a final activation or a trim_right_ratio other than 1 cannot be loaded"
        )
    return {
        "rate": int(config.number("sample_rate")),
        "causal": causal,
        "pad_mode": pad_mode,
        "dilation_base": int(config.number("seanet.dilation_base", 2)),
        "activation": config.get("seanet.activation", "ELU"),
        "activation_params": config.get("seanet.activation_params", {"alpha": 1.0}),
        "normalize": bool(config.get("encodec.renormalize", False)),
    }


def known_of_transformers(path: Path) -> dict[str, Any]:
    """What a config.json says beyond the shapes.  Raises: ModelError, CorruptWeights."""
    try:
        config = plain.read_json(path)
    except plain.PlainError as error:
        raise CorruptWeights(f"{path} cannot be parsed ({error}); download it again") from None
    if not isinstance(config, dict) or config.get("model_type") != "encodec":
        raise ModelError(f"{path} does not describe an EnCodec: its model_type is not 'encodec'")
    causal = bool(config.get("use_causal_conv", True))
    if causal and config.get("trim_right_ratio", 1.0) != 1.0:
        raise ModelError(f"{path}: a codec with a trim_right_ratio other than 1 cannot be loaded")
    # Absent entries have the defaults of transformers' EncodecConfig.
    return {
        "rate": config.get("sampling_rate", 24_000),
        "causal": causal,
        "pad_mode": config.get("pad_mode", "reflect"),
        "dilation_base": config.get("dilation_growth_rate", 2),
        "normalize": bool(config.get("normalize", False)),
    }


def _from_transformers(folder: Path, mean: float, std: float) -> EncodecCodec:
    weights = folder / "model.safetensors"
    if weights.is_file():
        try:
            tensors = read_tensors(weights)[0]
        except TensorsError as error:
            raise CorruptWeights(f"{weights} cannot be read ({error}); download it again") from None
    else:
        weights = folder / "pytorch_model.bin"
        tensors = tensors_of(read_pickle(weights), weights)
    known = known_of_transformers(folder / "config.json")
    return assemble(names.encodec_from_transformers(tensors), known, weights, mean, std)
