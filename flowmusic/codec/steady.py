"""Parts for linear paths that are trained on: a matrix and a normalisation that an optimiser does not shake."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Projection(nn.Module):
    """A matrix whose stored weights are ``sqrt(size)`` times what it multiplies by.

    Rows of an orthonormal matrix have entries of 1 / sqrt(size), and Adam moves every entry by the learning rate: at
    1e-3, a row of 640 loses its direction in some 40 steps.  Stored entries of about 1 keep theirs.

    Shape: ``[B, C_in, T] -> [B, C_out, T]``.
    """

    def __init__(self, inputs: int, outputs: int, size: int, bias: bool = False) -> None:
        super().__init__()
        self.gain = size**-0.5
        self.weight = nn.Parameter(torch.eye(outputs, inputs) / self.gain)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.gain
        return nn.functional.conv1d(x, self.weight[..., None] * self.gain, bias)

    @torch.no_grad()
    def place(self, matrix: Tensor, bias: Tensor | None = None) -> None:
        """Make it multiply by ``matrix [C_out, C_in]`` and add ``bias [C_out]``."""
        self.weight.copy_(matrix / self.gain)
        if bias is not None and self.bias is not None:
            self.bias.copy_(bias / self.gain)


class SteadyNorm(nn.BatchNorm1d):
    """Batch normalisation whose training pass has the values of its evaluation (batch renormalisation, Ioffe 2017).

    Plain batch normalisation scales by the batch's own deviation; with few and loud or quiet crops in a batch, a linear
    decoder would be told another scale in every step.  Gradients are those of batch normalisation, so growing does not
    pay against noise of a given deviation.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        mean, deviation = x.mean((0, 2)), (x.var((0, 2), unbiased=False) + self.eps).sqrt()
        assert self.running_mean is not None and self.running_var is not None
        before_mean, before = self.running_mean, (self.running_var + self.eps).sqrt()
        # (x - m) / s = (x - m_batch) / s_batch * r + d, with r = s_batch / s and d = (m_batch - m) / s; Ioffe's limits.
        r = (deviation / before).detach().clamp(1 / 3, 3.0)
        d = ((mean - before_mean) / before).detach().clamp(-5.0, 5.0)
        normalised = super().forward(x)  # and the running statistics move
        return normalised * r[:, None] + d[:, None]
