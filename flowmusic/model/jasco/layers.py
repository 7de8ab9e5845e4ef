"""A plain pre-norm transformer layer, as JASCO's field and MusicGen-Style's conditioner are made of.

No biases in attention and feed-forward, exact GELU, layer norms with weight and bias, sinusoidal positions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowmusic.model.jasco.packed import PackedLinear

MAX_PERIOD = 10_000.0


def positions(length: int, dim: int, device: torch.device | None = None) -> Tensor:
    """Cosines, then sines, of the frame number, with ``dim / 2 - 1`` in the exponent.  Shape: ``[T, dim]``."""
    half = dim // 2
    periods = MAX_PERIOD ** (torch.arange(half, device=device, dtype=torch.float32) / (half - 1))
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] / periods
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def weight_of(layer: nn.Module) -> Tensor:
    """The weight of a linear layer, packed or not."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


class Attention(nn.Module):
    """Multi-head attention without biases, its three projections in one matrix.

    Shape: queries from ``[B, T, E]``, keys and values from ``[B, M, E]`` -> ``[B, T, E]``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} must be a multiple of the number of heads, {heads}")
        self.width, self.heads = width, heads
        self.query_key_value: nn.Module = nn.Linear(width, 3 * width, bias=False)
        self.out: nn.Module = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Self-attention, without a mask."""
        query, key, value = self.query_key_value(x).chunk(3, dim=-1)
        return self.out(self.mix(self.split(query), self.split(key), self.split(value)))

    def split(self, x: Tensor) -> Tensor:
        """Shape: ``[B, T, E] -> [B, H, T, E / H]``."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def mix(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """Heads ``[B, H, T, E / H]`` to ``[B, T, E]``, before the output projection."""
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)

    def pack(self) -> None:
        """For inference on a CPU, see :class:`PackedLinear`."""
        self.query_key_value = PackedLinear(weight_of(self.query_key_value))
        self.out = PackedLinear(weight_of(self.out))


class Layer(nn.Module):
    """Self-attention and feed-forward, each after a layer norm.  Shape: ``[B, T, E] -> [B, T, E]``.

    The residual stream and the norms may be in a finer dtype than the matrices.
    """

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.norm_self = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_ff = nn.LayerNorm(width)
        self.expand: nn.Module = nn.Linear(width, expansion * width, bias=False)
        self.gelu: nn.Module = nn.GELU()
        self.contract: nn.Module = nn.Linear(expansion * width, width, bias=False)

    @property
    def dtype(self) -> torch.dtype:
        """Of the matrices."""
        return weight_of(self.contract).dtype

    def attend(self, x: Tensor) -> Tensor:
        """x after self-attention."""
        return x + self.attention(self.norm_self(x).to(self.dtype))

    def feed_forward(self, x: Tensor) -> Tensor:
        """x after the feed-forward part."""
        return x + self.contract(self.gelu(self.expand(self.norm_ff(x).to(self.dtype))))

    def forward(self, x: Tensor) -> Tensor:
        return self.feed_forward(self.attend(x))

    def pack(self) -> None:
        """For inference on a CPU, see :class:`PackedLinear`."""
        self.attention.pack()
        self.expand, self.gelu = PackedLinear(weight_of(self.expand), gelu=True), nn.Identity()
        self.contract = PackedLinear(weight_of(self.contract))
