"""Residual vector quantiser with codebooks that follow the data by moving averages (van den Oord et al. 2017, arXiv
1711.00937; residual: Zeghidour et al. 2021, arXiv 2107.03312), as MusicGen-Style's bottleneck uses it.

Letters: B batch, T frames, D channels, Q levels, K codes per level.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

KMEANS_STEPS = 10


class Quantised(NamedTuple):
    """values ``[B, T, D]``; codes ``[B, Q, T]`` int64; penalty: squared distance to the code, mean over levels."""

    values: Tensor
    codes: Tensor
    penalty: Tensor


class Codebook(nn.Module):
    """One level.  Buffers only: nothing here has a gradient."""

    embed: Tensor
    embed_avg: Tensor
    cluster_size: Tensor
    inited: Tensor

    def __init__(self, bins: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("embed", torch.zeros(bins, dim))
        self.register_buffer("embed_avg", torch.zeros(bins, dim))
        self.register_buffer("cluster_size", torch.zeros(bins))
        self.register_buffer("inited", torch.zeros(1))

    def codes(self, x: Tensor) -> Tensor:
        """The nearest code by squared Euclidean distance.  Shape: ``[N, D] -> [N]``."""
        distance = x.square().sum(1, keepdim=True) - 2.0 * x @ self.embed.T + self.embed.square().sum(1)
        return distance.argmin(1)

    def initialise(self, x: Tensor, generator: torch.Generator | None) -> None:
        """Codes by k-means on the first batch ``[N, D]``."""
        means = _samples(x, len(self.embed), generator)
        for _ in range(KMEANS_STEPS):
            self.embed.copy_(means)
            nearest = self.codes(x)
            count = torch.bincount(nearest, minlength=len(means))
            total = torch.zeros_like(means).index_add_(0, nearest, x)
            means = torch.where(count[:, None] > 0, total / count.clamp(min=1)[:, None], means)
        self.embed.copy_(means)
        count = torch.bincount(self.codes(x), minlength=len(means)).to(means)
        # Sums, as the averages will be: means alone would shrink every code in the first steps.
        self.embed_avg.copy_(means * count[:, None])
        self.cluster_size.copy_(count)
        self.inited.fill_(1.0)

    def follow(
        self, x: Tensor, codes: Tensor, decay: float, least: float, epsilon: float, generator: torch.Generator | None
    ) -> None:
        """Move the codes towards what was assigned to them; revive those that hardly anything is assigned to."""
        count = torch.bincount(codes, minlength=len(self.embed)).to(x)
        total = torch.zeros_like(self.embed).index_add_(0, codes, x)
        # k-means with a running mean: averaged sums over averaged counts (van den Oord et al., appendix A.1).
        self.cluster_size.lerp_(count, 1.0 - decay)
        self.embed_avg.lerp_(total, 1.0 - decay)
        # Laplace smoothing keeps a rare code from being divided by next to nothing.
        size = self.cluster_size.sum()
        smooth = (self.cluster_size + epsilon) / (size + len(self.embed) * epsilon) * size
        self.embed.copy_(self.embed_avg / smooth[:, None])
        dead = self.cluster_size < least
        if bool(dead.any()):
            # With its averages, as if one vector had just been assigned, or the next step would undo it.
            fresh = _samples(x, len(self.embed), generator)
            for buffer in (self.embed, self.embed_avg):
                buffer.copy_(torch.where(dead[:, None], fresh, buffer))
            self.cluster_size.masked_fill_(dead, 1.0)


class ResidualVQ(nn.Module):
    """Levels that each quantise what the ones before left over.

    Args:
        dim, levels, bins: D, Q, K.
        dropout: in training, keep a random number of levels from 1 to Q per call, so that every prefix is meaningful.
        decay: of the moving averages.
        least: a code whose average count is below this is replaced by a random vector of the batch.
        epsilon: of the Laplace smoothing.

    In training the codebooks follow the batch, and gradients pass straight through the sum of the levels.
    ``generator`` is where randomness comes from (None: torch's global one); set it before a call that is to be
    repeatable.
    """

    def __init__(
        self,
        dim: int,
        levels: int = 6,
        bins: int = 64,
        dropout: bool = True,
        decay: float = 0.99,
        least: float = 0.1,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        if levels < 1 or bins < 2:
            raise ValueError(f"a quantiser needs at least 1 level of 2 codes, got {levels} of {bins}")
        self.dropout, self.decay, self.least, self.epsilon = dropout, decay, least, epsilon
        self.levels = nn.ModuleList(Codebook(bins, dim) for _ in range(levels))
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor, levels: int | None = None) -> Quantised:
        """Quantise ``[B, T, D]``, by the first ``levels`` (None: all; in training with dropout, a random number)."""
        levels = self.check(levels)
        if self.training and self.dropout:
            levels = 1 + int(torch.randint(len(self.levels), (), generator=self.generator))
        flat = x.detach().float().reshape(-1, x.shape[-1])
        residual, total = flat, torch.zeros_like(flat)
        codes, penalties = [], []
        for level in list(self.levels)[:levels]:
            assert isinstance(level, Codebook)
            if self.training and not bool(level.inited):
                level.initialise(residual, self.generator)
            chosen = level.codes(residual)
            vectors = level.embed[chosen]
            # The distance to the codes as they were; its gradient moves x, never the codes.
            penalties.append((x.reshape_as(flat) - total - vectors).square().mean())
            if self.training:
                level.follow(residual, chosen, self.decay, self.least, self.epsilon, self.generator)
            codes.append(chosen.reshape(x.shape[:2]))
            total = total + vectors
            residual = residual - vectors
        values = total.reshape(x.shape).to(x)
        if self.training:
            # The value of the codes with the gradient of x: the nearest code has none of its own (straight through).
            values = x + (values - x).detach()
        return Quantised(values, torch.stack(codes, dim=1), torch.stack(penalties).mean())

    def check(self, levels: int | None) -> int:
        """A number of levels that there are.  Raises: ValueError."""
        if levels is None:
            return len(self.levels)
        if not 1 <= levels <= len(self.levels):
            raise ValueError(f"this quantiser has 1 to {len(self.levels)} levels, got {levels}")
        return levels


def _samples(x: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
    """``count`` random rows of ``[N, D]``, without repetition where there are enough."""
    if len(x) >= count:
        return x[torch.randperm(len(x), generator=generator)[:count].to(x.device)]
    return x[torch.randint(len(x), (count,), generator=generator).to(x.device)]
