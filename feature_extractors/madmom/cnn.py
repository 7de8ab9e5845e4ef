"""madmom's chord network run by torch: the same weights and numbers, about ten times faster.

madmom evaluates its convolutions one channel pair at a time with scipy; a song then takes a third of its length.
The original stays the oracle: a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 600
"""Frames per convolution block: bounds the memory of a long file."""


def to_torch(network: Any, context: int) -> Callable[[np.ndarray], np.ndarray]:
    """A convolutional madmom network as a torch function.

    Args:
        network: a ``madmom.ml.nn.NeuralNetwork`` of convolution, batch normalisation and max-pooling layers.
        context: frames lost by all convolutions together (the sum of ``kernel_time - 1``).

    Returns: a function ``[T + context, bins] -> [T, bins', features]``, float32.
    Raises: ValueError for a layer of another kind.
    """
    steps = [_step(layer) for layer in network.layers]

    def run(frames: np.ndarray) -> np.ndarray:
        source = torch.from_numpy(np.ascontiguousarray(frames, dtype=np.float32))
        blocks = []
        with torch.inference_mode():
            for start in range(0, len(source) - context, _BLOCK):
                x = source[start : start + _BLOCK + context][None, None]
                for step in steps:
                    x = step(x)
                blocks.append(x[0].permute(1, 2, 0))
        return torch.cat(blocks).numpy()

    return run


def _step(layer: Any) -> Callable[[Tensor], Tensor]:
    kind = type(layer).__name__
    if kind == "ConvolutionalLayer":
        # madmom convolves in the mathematical sense, torch correlates: flip both kernel axes.
        kernel = torch.from_numpy(layer.weights.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1].copy()).float()
        shift = torch.from_numpy(np.broadcast_to(layer.bias, (len(kernel),)).copy()).float()
        activation = _activation(layer)
        return lambda x: activation(F.conv2d(x, kernel, shift))
    if kind == "BatchNormLayer":
        gain = torch.from_numpy(np.asarray(layer.gamma * layer.inv_std)).float()[:, None, None]
        offset = torch.from_numpy(np.asarray(layer.beta)).float()[:, None, None] - gain * torch.from_numpy(
            np.asarray(layer.mean)
        ).float().view(-1, 1, 1)
        activation = _activation(layer)
        return lambda x: activation(x * gain + offset)
    if kind == "MaxPoolLayer":
        size = tuple(int(n) for n in layer.size)
        if size != tuple(int(n) for n in layer.stride):
            raise ValueError(f"cannot convert a max-pooling layer with size {size} and stride {tuple(layer.stride)}")
        return lambda x: F.max_pool2d(x, size)
    raise ValueError(f"cannot convert madmom layer {kind}; known: ConvolutionalLayer, BatchNormLayer, MaxPoolLayer")


def _activation(layer: Any) -> Callable[[Tensor], Tensor]:
    name = layer.activation_fn.__name__
    known: dict[str, Callable[[Tensor], Tensor]] = {"linear": lambda x: x, "relu": F.relu, "tanh": torch.tanh}
    if name not in known:
        raise ValueError(f"cannot convert madmom activation {name!r}; known: {', '.join(known)}")
    return known[name]
