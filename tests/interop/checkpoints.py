"""Tiny checkpoints in the layout of the published ones, written without our tables of names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

CODEC = "condition_provider.conditioners.self_wav.compression_model.model."
RATE, DIM, BINS = 800, 128, 16
"""A codec of hop 16, so of 50 frames per second, as the published one."""

CONFIG = """\
# a training configuration as it is stored, with keys that only training reads
device: cuda
sample_rate: ${codec.rate}
channels: 1
codec: {rate: 800, statistics: {std: 40102e-4}}
compression_model_checkpoint: //pretrained/facebook/encodec_32khz
compression_model_latent_mean: -0.0074
compression_model_latent_std: ${codec.statistics.std}
optim:
  lr: 1e-4
  eps: 1e-8
  schedule: ${lr_scheduler}/${undefined.key}
transformer_lm:
  dim: 16
  num_heads: ${sizes.heads}
  hidden_scale: 4
  emb_lr: null
  two_step_cfg: false
sizes: {heads: 2}
note: "café, tab\\tand ünïcode \\U0001F3B5"
"""

CODEC_CONFIG = """\
sample_rate: 800
channels: 1
seanet: {dimension: 128, causal: false, ratios: [4, 4], pad_mode: constant, true_skip: true,
  activation: ELU, activation_params: {alpha: 1.}, decoder: {trim_right_ratio: 1.0, final_activation: null}}
rvq: {n_q: 4, bins: 16}
encodec: {autoencoder: seanet, sample_rate: "${sample_rate}", renormalize: false}
"""


def field_tensors(width: int, layers: int, features: int, skips: bool) -> dict[str, Tensor]:
    """The field's part of ``best_state``, random."""
    sizes: dict[str, tuple[int, ...]] = {
        "emb.weight": (width, DIM + features),
        "temb.dense.0.weight": (32, 8),
        "temb.dense.0.bias": (32,),
        "temb.dense.1.weight": (32, 32),
        "temb.dense.1.bias": (32,),
        "temb_proj.weight": (width, 32),
        "temb_proj.bias": (width,),
        "out_norm.weight": (width,),
        "out_norm.bias": (width,),
        "linear.weight": (DIM, width),
    }
    for layer in range(layers):
        own: dict[str, tuple[int, ...]] = {
            "self_attn.in_proj_weight": (3 * width, width),
            "self_attn.out_proj.weight": (width, width),
            "cross_attention.in_proj_weight": (3 * width, width),
            "cross_attention.out_proj.weight": (width, width),
            "linear1.weight": (4 * width, width),
            "linear2.weight": (width, 4 * width),
        }
        for norm in ("norm1", "norm_cross", "norm2"):
            own |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
        sizes |= {f"transformer.layers.{layer}.{name}": size for name, size in own.items()}
    for skip in range(layers // 2 if skips else 0):
        sizes[f"transformer.skip_projections.{skip}.weight"] = (width, 2 * width)
        sizes[f"transformer.skip_projections.{skip}.bias"] = (width,)
    return {name: torch.randn(size) / max(size) ** 0.5 for name, size in sizes.items()}


def conditioner_tensors(width: int, melody: bool, text_dim: int) -> dict[str, Tensor]:
    """The conditioners' part of ``best_state``, random."""
    sizes: dict[str, tuple[int, ...]] = {
        "self_wav.output_proj.weight": (2, DIM),
        "self_wav.output_proj.bias": (2,),
        "description.output_proj.weight": (width, text_dim),
        "description.output_proj.bias": (width,),
        "chords.emb.weight": (195, 16),
    }
    if melody:
        sizes |= {"melody.output_proj.weight": (16, 53), "melody.output_proj.bias": (16,)}
    return {f"condition_provider.conditioners.{name}": torch.randn(size) for name, size in sizes.items()}


def transformers_codec(**changes: Any) -> Any:
    """A tiny random EncodecModel of transformers, shaped like the 32 kHz model, codebooks filled."""
    from transformers import EncodecConfig, EncodecModel

    sizes = {
        "sampling_rate": RATE,
        "hidden_size": DIM,
        "num_filters": 2,
        "upsampling_ratios": [4, 4],
        "codebook_size": BINS,
        "target_bandwidths": [0.8],  # kbit/s of 4 codebooks of 4 bits, 50 times a second
        "use_causal_conv": False,
        "use_conv_shortcut": False,
    }
    model = EncodecModel(EncodecConfig(**{**sizes, **changes})).eval()
    for name, buffer in model.named_buffers():
        if name.endswith((".embed", ".embed_avg")):
            buffer.copy_(0.1 * torch.randn(buffer.shape))
        elif name.endswith(".inited"):
            buffer.fill_(1.0)
    return model


def hook_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weight norm as older versions of transformers named it."""
    old = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    renamed = {}
    for name, tensor in tensors.items():
        for long, short in old.items():
            name = name.replace(long, short)
        renamed[name] = tensor
    return renamed


def best_state(
    *, width: int = 16, layers: int = 4, melody: bool = True, skips: bool = False, hooks: bool = False, seed: int = 0
) -> dict[str, Tensor]:
    """A whole ``best_state`` in fp16."""
    torch.manual_seed(seed)
    tensors = field_tensors(width, layers, 34 if melody else 18, skips) | conditioner_tensors(width, melody, 12)
    codec = transformers_codec().state_dict()
    tensors |= {CODEC + name: tensor for name, tensor in (hook_names(codec) if hooks else codec).items()}
    return {name: tensor.half() for name, tensor in tensors.items()}


def full_codec() -> dict[str, Any]:
    """The content of a ``compression_state_dict.bin`` with weights, in audiocraft's names and fp32."""
    from flowmusic.codec.encodec import EncodecSettings, build_encodec

    torch.manual_seed(5)
    settings = EncodecSettings(rate=RATE, dimension=DIM, n_filters=2, ratios=(4, 4), bins=BINS)
    tensors = build_encodec(settings).state_dict()
    for name, tensor in tensors.items():
        if name.endswith(".embed"):
            tensor.copy_(0.1 * torch.randn(tensor.shape))
    return {"best_state": tensors, "xp.cfg": CODEC_CONFIG, "version": "1.4.0a2", "exported": True}


def pointer() -> dict[str, Any]:
    """The content of a ``compression_state_dict.bin`` that names a hub id."""
    return {"pretrained": "facebook/encodec_32khz", "exported": True, "version": "1.4.0a2"}


def write(
    folder: Path,
    *,
    state: dict[str, Tensor] | None = None,
    config: str = CONFIG,
    compression: dict[str, Any] | None = None,
    **shape: Any,
) -> Path:
    """``state_dict.bin`` and ``compression_state_dict.bin``; ``shape`` goes to :func:`best_state`."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = best_state(**shape) if state is None else state
    content = {"best_state": tensors, "xp.cfg": config, "version": "1.4.0a2", "exported": True}
    torch.save(content, folder / "state_dict.bin")
    torch.save(compression or pointer(), folder / "compression_state_dict.bin")
    return folder
