"""Modified discrete cosine transform: as many real coefficients as samples, and its inverse is its transpose.

With a sine window the transform is orthogonal (Princen & Bradley 1986), so an error of the coefficients is the error of
the waveform, and what a matrix keeps of the coefficients is what it keeps of the sound.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Mdct(nn.Module):
    """Frames of ``2 * hop`` samples, every ``hop``; frame n is centred on the n-th block of ``hop`` samples.

    Frames half outside hear silence there, so the first and the last half block do not come back exactly.

    Args:
        hop: samples between frames, coefficients of a frame; even.
    """

    basis: Tensor

    def __init__(self, hop: int) -> None:
        super().__init__()
        if hop % 2:
            raise ValueError(f"the hop of an MDCT must be even, got {hop}")
        self.hop = hop
        n = torch.arange(2 * hop, dtype=torch.float64)
        k = torch.arange(hop, dtype=torch.float64)
        # What comes back of a frame has its mirror image added in the second half, and subtracted in the first; that of
        # neighbours cancels, and the squares of the sine's halves add up to 1.
        window = torch.sin(math.pi * (n + 0.5) / (2 * hop))
        cosine = torch.cos(math.pi / hop * (n[:, None] + 0.5 + hop / 2) * (k[None] + 0.5))
        # The factor gives every column unit length.
        basis = (math.sqrt(2.0 / hop) * window[:, None] * cosine).float()
        self.register_buffer("basis", basis, persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        """Shape: ``[B, N] -> [B, hop, N / hop]``; N a multiple of the hop."""
        half = self.hop // 2
        frames = nn.functional.pad(wave, (half, half)).unfold(-1, 2 * self.hop, self.hop)
        return (frames @ self.basis).transpose(1, 2)

    def inverse(self, coefficients: Tensor) -> Tensor:
        """Shape: ``[B, hop, T] -> [B, T * hop]``."""
        half = self.hop // 2
        pieces = coefficients.transpose(1, 2) @ self.basis.T
        first, second = pieces[..., : self.hop].flatten(1), pieces[..., self.hop :].flatten(1)
        pad = nn.functional.pad
        whole: Tensor = pad(first, (0, self.hop)) + pad(second, (self.hop, 0))
        return whole[:, half : half + coefficients.shape[-1] * self.hop]
