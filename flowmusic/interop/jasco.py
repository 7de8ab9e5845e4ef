"""JASCO's published checkpoints (Tal et al. 2024, arXiv 2406.10970) as generators of ours.

A checkpoint is a folder with ``state_dict.bin`` (weights, the codec's included, and the training configuration as YAML)
and ``compression_state_dict.bin``.  Sizes come from the tensors' shapes; the number of heads and the normalisation of
the latents from the YAML; keys of it that we do not know are ignored (the reference's own do not fit its own code).
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from flowmusic.interop import fitting, model_files, names
from flowmusic.interop.encodec import COMPRESSION, drum_codes_of, read_compression, settings_of
from flowmusic.interop.fitting import ModelError
from flowmusic.interop.model_files import CHECKPOINT, REPOSITORIES, Bundle
from flowmusic.interop.pickles import read_pickle, tensors_of
from flowmusic.interop.stored_config import StoredConfig
from flowmusic.tensors import without_memory

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.interop.adapter import AdapterUse

KIND = "jasco"
"""The kind of our bundles with this architecture."""

STORED_COMPRESSION = "compression."
"""Prefix, in our bundle, of the weights of a full ``compression_state_dict.bin``."""
T5_FOLDER = "t5-base"
SECONDS = 10.0
"""Length of the clips that all published models were trained on."""
LATENT_MEAN, LATENT_STD = -0.0074, 4.0102
"""Statistics of the 32 kHz codec's latents that all published models use (each checkpoint states them as well)."""
HEAD_DIM = 64
"""Channels of a head in every published size; used where a checkpoint does not tell the number of heads."""

_LOG = logging.getLogger(__name__)
_LICENCE = (
    "the JASCO weights are licensed CC BY-NC 4.0 by Meta (non-commercial): fine for research and evaluation; "
    "use the models shipped with flowmusic for anything else"
)


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint in memory.

    Attributes:
        folder: where it lies.
        tensors: ``best_state`` under its own names, in the stored dtypes.
        plain: the other entries of ``state_dict.bin``: ``xp.cfg``, ``version``, ``exported``.
    """

    folder: Path
    tensors: dict[str, Tensor]
    plain: dict[str, Any]


def from_checkpoint(
    folder: Path,
    device: str,
    name: str,
    precision: str = "fp32",
    adapters: Sequence[AdapterUse] = (),
    trainable: bool = False,
) -> Generator:
    """A generator from a published checkpoint's folder, see :func:`flowmusic.interop.bundle.load`.

    Raises: ModelError, CorruptWeights, AdapterError.
    """
    checkpoint = read_checkpoint(folder)
    tensors = names.jasco_from_checkpoint(checkpoint.tensors)
    settings = describe(checkpoint, tensors)
    sha256 = model_files.fingerprint(folder)
    return _generator(settings, tensors, folder, sha256, device, name, precision, adapters, trainable)


def from_bundle(
    found: Bundle,
    device: str,
    name: str,
    precision: str = "fp32",
    adapters: Sequence[AdapterUse] = (),
    trainable: bool = False,
) -> Generator:
    """A generator from our bundle of a checkpoint.  Raises: ModelError, CorruptWeights, AdapterError."""
    if found.config.get("kind") != KIND:
        raise ModelError(f"{found.folder} holds a {found.config.get('kind')!r} model, not one of JASCO's kind")
    # A codec in a full compression_state_dict.bin is kept to be written again; the model brings its own.
    tensors = {key: tensor for key, tensor in found.tensors.items() if not key.startswith(STORED_COMPRESSION)}
    settings = found.config.get("settings")
    if not isinstance(settings, dict):
        raise ModelError(f"{found.folder}: config.yaml has no settings; convert the checkpoint again")
    sha256 = found.config["sha256"]  # which reading has compared
    return _generator(settings, tensors, found.folder, sha256, device, name, precision, adapters, trainable)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read ``state_dict.bin``.  Raises: ModelError, CorruptWeights."""
    path = folder / CHECKPOINT
    content = read_pickle(path, ["best_state", "xp.cfg"])
    tensors = tensors_of(content.pop("best_state"), path)
    if not any(name.startswith("transformer.layers.") for name in tensors) or "temb_proj.weight" not in tensors:
        raise ModelError(
            f"{path} holds another model of audiocraft's, not a JASCO flow-matching model; "
            f"those are: {', '.join(REPOSITORIES)}"
        )
    return Checkpoint(folder, tensors, content)


def describe(checkpoint: Checkpoint, tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The settings of a checkpoint as plain data: ``field``, ``encoder``, ``codec``, ``latents``, ``generation``.

    Args:
        checkpoint: as read.
        tensors: its tensors under our names.

    Raises: ModelError if a part is missing or the parts contradict each other.
    """
    source = checkpoint.folder / CHECKPOINT
    config = StoredConfig.parse(checkpoint.plain["xp.cfg"], str(source))
    codec = {n.removeprefix(names.OUR_CODEC): t for n, t in tensors.items() if n.startswith(names.OUR_CODEC)}
    if not codec or "encoder.drums.weight" not in tensors:
        raise ModelError(f"{source} has no codec inside; every published JASCO model has one, for its drum control")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    try:
        field, encoder = _field_settings(shapes, config), _encoder_settings(shapes)
    except ModelError:
        raise
    except KeyError as error:
        raise ModelError(f"{source} lacks the tensor that we call {error}; it is incomplete") from None
    except (ValueError, IndexError):
        raise ModelError(f"{source}: its tensors do not have the dimensions of a JASCO model's") from None
    features = encoder["chords_dim"] + encoder["drums_dim"] + encoder["melody_dim"]
    if field["frames_dim"] != features:
        raise ModelError(
            f"{source}: the input projection reads {field['frames_dim']} features of controls, its embeddings make "
            f"{features}; a control of this checkpoint is not known here"
        )
    known = read_compression(checkpoint.folder / COMPRESSION).known()
    known["rate"] = int(config.number("sample_rate", known["rate"]))
    melody = bool(encoder["melody_dim"])
    return {
        "field": field,
        "encoder": encoder,
        "codec": _plain(asdict(settings_of(codec, source, **known))),
        "latents": {
            "mean": config.number("compression_model_latent_mean"),
            "std": config.number("compression_model_latent_std"),
        },
        "seconds": SECONDS,
        # The weights of the melody model's published evaluation, and of the API's defaults.
        "generation": {
            "guidance": {"all": 1.75, "text": 3.5} if melody else {"all": 5.0},
            # Least error per evaluation: docs/solvers.md.
            "solver": "midpoint",
            "steps": 16,
            "time_grid": "sway",
        },
    }


def _field_settings(shapes: Mapping[str, tuple[int, ...]], config: StoredConfig) -> dict[str, Any]:
    dim, width = shapes["field.output.weight"]
    layers = {int(m[1]) for name in shapes if (m := re.match(r"field\.blocks\.(\d+)\.", name))}
    return {
        "dim": dim,
        "frames_dim": shapes["field.input.weight"][1] - dim,
        "width": width,
        "layers": 1 + max(layers),
        "heads": _heads(config, width),
        "expansion": shapes["field.blocks.0.expand.weight"][0] // width,
        "skips": any(name.startswith("field.skips.") for name in shapes),
        "time_dim": shapes["field.time.0.weight"][1],
        "time_hidden": shapes["field.time.0.weight"][0],
    }


def _heads(config: StoredConfig, width: int) -> int:
    """Tensors do not tell it: one matrix serves any number of heads."""
    name = "transformer_lm.num_heads"
    if config.get(name) is None:
        heads = max(1, width // HEAD_DIM)
        _LOG.warning("%s does not tell %s; assuming %d for a width of %d", config.source, name, heads, width)
        return heads
    number = config.number(name)
    if number < 1 or number != int(number) or width % int(number):
        raise ModelError(
            f"{config.source}: {name} must be a whole number that divides the width of {width}, got {number:g}"
        )
    return int(number)


def _encoder_settings(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    width, text_dim = shapes["encoder.text_projection.weight"]
    chords, chords_dim = shapes["encoder.chords.weight"]
    drums_dim, drums_latent_dim = shapes["encoder.drums.weight"]
    settings = {
        "width": width,
        "text_dim": text_dim,
        "chords_card": chords - 1,
        "chords_dim": chords_dim,
        "drums_dim": drums_dim,
        "drums_latent_dim": drums_latent_dim,
        "melody_dim": 0,
    }
    if "encoder.melody.weight" in shapes:
        settings["melody_dim"], settings["melody_bins"] = shapes["encoder.melody.weight"]
    return settings


def _generator(
    settings: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    folder: Path,
    sha256: str,
    device: str,
    name: str,
    precision: str,
    adapters: Sequence[AdapterUse],
    trainable: bool,
) -> Generator:
    from flowmusic.codec.encodec import EncodecCodec, EncodecSettings, build_encodec
    from flowmusic.generate.defaults import GenerationDefaults
    from flowmusic.generate.generator import Generator
    from flowmusic.model.jasco.encoder import JascoEncoder
    from flowmusic.model.jasco.field import JascoField
    from flowmusic.model.jasco.t5 import T5Encoder

    _say_licence()
    codec_tensors = {n.removeprefix(names.OUR_CODEC): t for n, t in tensors.items() if n.startswith(names.OUR_CODEC)}
    own = {n: t.float() for n, t in tensors.items() if not n.startswith(names.OUR_CODEC)}
    try:
        with without_memory():  # a billion random numbers would only be overwritten
            field = JascoField(**settings["field"])
        text = T5Encoder(_t5_source(folder), settings["encoder"]["text_dim"])
        encoder = JascoEncoder(text=text, **settings["encoder"])
        network = build_encodec(EncodecSettings(**settings["codec"]))
        defaults = GenerationDefaults(**settings["generation"])
        mean, std, seconds = settings["latents"]["mean"], settings["latents"]["std"], float(settings["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder}: its settings describe no JASCO model ({error})") from error
    pair = fitting.fill(nn.ModuleDict({"encoder": encoder, "field": field}), own, folder, assign=True)
    pair.requires_grad_(False)
    applied = model_files.adapted(pair, adapters, name, folder)
    if precision == "bf16":
        field.lower(torch.bfloat16)
    pair.to(device)
    if device == "cpu" and not trainable:
        field.pack()
    fitting.fill(network, {n: t.float() for n, t in codec_tensors.items()}, folder)
    network.requires_grad_(False)
    codec = EncodecCodec(network, mean, std).to(device)
    encoder.set_drum_codes(*drum_codes_of(codec, seconds))
    # The codec is in the same file.
    weights = {"model": sha256}
    return Generator(
        field, encoder, codec, name=name, seconds=seconds, defaults=defaults, adapters=applied, weights=weights,
        licence="CC-BY-NC-4.0",
    )  # fmt: skip


def _t5_source(folder: Path) -> Path | None:
    """A local T5 beside or within the checkpoint's folder; None leaves it to the hub's cache."""
    return next((place / T5_FOLDER for place in (folder, folder.parent) if (place / T5_FOLDER).is_dir()), None)


def _plain(value: Any) -> Any:
    """Tuples and mappings as the lists and dictionaries that YAML has."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


@functools.cache
def _say_licence() -> None:
    _LOG.warning(_LICENCE)
