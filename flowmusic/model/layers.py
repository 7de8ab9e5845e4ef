"""Parts of the transformer.  Letters: B batch, T frames, M tokens, H heads, E width."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def sinusoid(t: Tensor, dim: int, scale: float = 1000.0) -> Tensor:
    """Fourier features of t in [0, 1].  Shape: ``[B] -> [B, dim]``.

    ``scale`` spreads [0, 1] over the usual diffusion range, so that high frequencies tell neighbouring t apart.
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(10_000.0) * torch.arange(half, device=t.device) / half)
    angles = scale * t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def rotary_table(length: int, dim: int, device: torch.device, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines ``[T, dim / 2]`` of rotary positions (Su et al. 2021, arXiv 2104.09864)."""
    # Pair i turns by T base^(-2i / dim): query times key then depends on the difference of their positions alone.
    inverse = base ** (-torch.arange(0, dim, 2, device=device, dtype=torch.float32) / dim)
    angles = torch.arange(length, device=device, dtype=torch.float32)[:, None] * inverse
    return angles.cos(), angles.sin()


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate pairs (i, i + dim / 2).  Shape: ``[B, H, T, dim] -> same``."""
    cos, sin = (part.to(x.dtype) for part in table)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Attention(nn.Module):
    """Multi-head attention with query-key normalisation (Dehghani et al. 2023, arXiv 2302.05442).

    Self-attention with rotary positions when ``source`` is None, else cross-attention without positions.
    Shape: x ``[B, T, E]``, source ``[B, M, E]``, mask ``[B, M]`` bool -> ``[B, T, E]``.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads or (width // heads) % 2:
            raise ValueError(f"width {width} must be an even multiple of the number of heads {heads}")
        self.heads, self.head_dim = heads, width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.query_scale = nn.Parameter(torch.ones(self.head_dim))
        self.key_scale = nn.Parameter(torch.ones(self.head_dim))

    def split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)

    def keys(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values ``[B, H, M, head_dim]``."""
        key, value = self.key_value(source).chunk(2, dim=-1)
        return self.normalise(self.split(key), self.key_scale), self.split(value)

    @staticmethod
    def normalise(x: Tensor, scale: Tensor) -> Tensor:
        """Root-mean-square norm over the head in x's own dtype: mixed dtypes would miss the fused kernel."""
        return F.rms_norm(x, (x.shape[-1],), scale.to(x.dtype), eps=1e-5)

    def forward(
        self,
        x: Tensor,
        rotary: tuple[Tensor, Tensor] | None = None,
        source: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        # Both have a length of sqrt(head_dim) times their scales, so logits stay bounded however large the weights
        # grow.
        query = self.normalise(self.split(self.query(x)), self.query_scale)
        key, value = self.keys(x if source is None else source)
        if rotary is not None:
            query, key = rotate(query, rotary), rotate(key, rotary)
        allowed = None if mask is None else mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return self.out(mixed.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Depthwise convolution over time, expansion, GELU, contraction.

    The convolution gives every layer a sense of neighbouring frames, so that attention need not spend heads on
    locating onsets; it acts before the expansion, where it is cheap.  Shape: ``[B, T, E] -> [B, T, E]``.
    """

    def __init__(self, width: int, expansion: float, kernel: int) -> None:
        super().__init__()
        hidden = int(width * expansion)
        self.expand = nn.Linear(width, hidden)
        self.mix = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.contract = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix(x.transpose(1, 2)).transpose(1, 2)
        return self.contract(F.gelu(self.expand(x)))


class Block(nn.Module):
    """Pre-norm self-attention, optional cross-attention, feed-forward; each modulated by time.

    Modulation is adaLN-single (PixArt-alpha, Chen et al. 2023, arXiv 2310.00426): one projection of time for all
    layers plus a learned table per layer, which costs a fraction of a projection per layer.
    Shape: ``[B, T, E] -> [B, T, E]``.
    """

    def __init__(self, width: int, heads: int, expansion: float, kernel: int, cross: bool) -> None:
        super().__init__()
        self.norm_self = nn.LayerNorm(width, elementwise_affine=False)
        self.attention = Attention(width, heads)
        self.norm_cross = nn.LayerNorm(width) if cross else None
        self.cross = Attention(width, heads) if cross else None
        self.norm_ff = nn.LayerNorm(width, elementwise_affine=False)
        self.feed_forward = FeedForward(width, expansion, kernel)
        self.table = nn.Parameter(torch.randn(6, width) / width**0.5)

    def forward(
        self, x: Tensor, modulation: Tensor, rotary: tuple[Tensor, Tensor], tokens: Tensor, tokens_mask: Tensor
    ) -> Tensor:
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = (modulation + self.table).unsqueeze(2).unbind(1)
        x = x + gate_a * self.attention(self.norm_self(x) * (1 + scale_a) + shift_a, rotary)
        if self.cross is not None and self.norm_cross is not None:
            x = x + self.cross(self.norm_cross(x), source=tokens, mask=tokens_mask)
        return x + gate_f * self.feed_forward(self.norm_ff(x) * (1 + scale_f) + shift_f)
