"""ConvNeXt block for one-dimensional features."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, layer norm, pointwise expansion, residual (Liu et al. 2022, arXiv 2201.03545).

    Shape: ``[B, C, T] -> [B, C, T]``.
    """

    def __init__(self, width: int, expansion: float = 2.0, kernel: int = 7, init_scale: float = 0.3) -> None:
        super().__init__()
        hidden = int(width * expansion)
        self.mix = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), init_scale))

    @property
    def reach(self) -> int:
        """Frames on either side that a frame depends on."""
        kernel: int = self.mix.kernel_size[0]
        return kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.mix(x).transpose(1, 2))
        y = self.scale * self.contract(nn.functional.gelu(self.expand(y)))
        return x + y.transpose(1, 2)
