"""What is said of a clip on the whole is to tell how it sounds: statistics of the latents, read off by one layer.

A field hears words and style late, for most of a window is told by its chords, drums and tune; left to the flow's own
loss, three levels of a style's bottleneck told 9 % of the variance of these statistics in nano, where the excerpt's
latents tell 30 % (docs/log.md).  A loss of its own asks for it directly.  What reads the statistics off is left behind
after training.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FLOOR = 1e-3
"""Least deviation whose logarithm is taken: latents have unit variance, and a channel may stand still."""


def statistics(latents: Tensor) -> Tensor:
    """How windows sound, without when: per channel the mean, and the logarithms of deviation and of mean change.

    They are for latents what :func:`flowmusic.metrics.style.mel_stats` takes of bands.

    Shape: ``[B, T, D] -> [B, 3 D]``, fp32; T of at least 2.
    """
    z = latents.float()
    deviation = z.std(1, correction=0).clamp(min=FLOOR).log()
    change = z.diff(dim=1).abs().mean(1).clamp(min=FLOOR).log()
    return torch.cat([z.mean(1), deviation, change], dim=1)


class Description(nn.Module):
    """Reads the statistics of windows off vectors that stand for them.

    Args:
        width: E of the vectors.
        dim: D of the latents.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        # A mean over all steps so far (momentum=None): a batch alone is too few windows for 3 D deviations.
        self.scale = nn.BatchNorm1d(3 * dim, affine=False, momentum=None)
        self.output = nn.Linear(width, 3 * dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def loss(self, latents: Tensor, *vectors: Tensor) -> Tensor:
        """Mean squared error in units of the statistics' variance over the data: 1 for vectors that tell nothing.

        Args:
            latents: ``[B, T, D]``.
            vectors: ``[B, E]`` each; a row of zeros stands for nothing said and does not count.

        Shape: scalar; zero where nothing is said at all.
        """
        with torch.autocast(latents.device.type, enabled=False):
            wanted = statistics(latents)
            if self.training and len(wanted) > 1:
                self.scale(wanted)
            mean, variance = self.scale.running_mean, self.scale.running_var
            assert mean is not None and variance is not None
            wanted = (wanted - mean) * torch.rsqrt(variance + self.scale.eps)
            total, count = wanted.new_zeros(()), wanted.new_zeros(())
            for each in vectors:
                said = each.abs().sum(1) > 0
                total = total + ((self.output(each.float()) - wanted).square().mean(1) * said).sum()
                count = count + said.sum()
        return total / count.clamp(min=1.0)
