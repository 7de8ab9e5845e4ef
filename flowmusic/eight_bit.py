"""Weights as 8-bit integers with one scale a row: half the size of fp16, at about 43 dB.

What is rounded is only what is stored; models compute in fp32 or bf16 as before.  Small tensors (norms, biases,
tables) and codebooks stay as they are: they weigh little, and ids must not change.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ":scale"
"""End of the name under which the scales of a tensor are stored."""
SMALLEST = 4096
"""Elements from which a matrix is worth it."""
CODEBOOKS = ("quantiser.", "quantizer.")


def fits(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is stored in 8 bits: a large matrix or kernel of floats that is no codebook."""
    large = tensor.is_floating_point() and tensor.ndim >= 2 and tensor.numel() >= SMALLEST
    return large and tensor[0].numel() >= 16 and not any(part in name for part in CODEBOOKS)


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace what fits by integers in -127..127 and fp32 scales ``[rows]`` under ``NAME:scale``.

    Raises: ValueError for a tensor that is not finite.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not fits(name, tensor):
            packed[name] = tensor
            continue
        rows = tensor.detach().float().flatten(1)
        if not bool(torch.isfinite(rows).all()):
            raise ValueError(f"{name} has values that are not finite; such weights cannot be stored")
        scale = rows.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        packed[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape)
        packed[name + SCALE] = scale
    return packed


def unpack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What :func:`pack` stored, in fp32; tensors without scales pass as they are."""
    found = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE):
            continue
        scale = tensors.get(name + SCALE)
        if scale is not None:
            tensor = tensor.float() * scale.float().view(-1, *[1] * (tensor.ndim - 1))
        found[name] = tensor
    return found
