"""The flow-matching objective (Lipman et al. 2023, eq. 9): w(t) || v - u ||^2, averaged."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from flowmusic.flow.channels import spread
from flowmusic.flow.path import per_item
from flowmusic.flow.times import LossWeight, weight_uniform


def flow_matching_loss(
    prediction: Tensor,
    velocity: Tensor,
    t: Tensor,
    weight: LossWeight = weight_uniform,
    mask: Tensor | None = None,
    channels: Tensor | None = None,
    mean: float = 0.0,
) -> Tensor:
    """Mean over items, frames and channels of w(t) (prediction - velocity)^2.

    Args:
        channels: how much each channel counts, ``[D]``, of mean 1; None: all alike.
        mean: how much the mean over time of each channel counts further, in all of what an error without memory has
            over time.  By Parseval the mean is one of T components, (sum of errors)^2 / T of their sum of squares: it
            counts 1 + mean T times.  What makes the sum least is the conditional mean with it as without.

    Shape: prediction, velocity ``[B, T, D]``; t ``[B]``; mask ``[B, T]`` bool, True where a frame counts (a batch with
    no such frame gives 0, with a gradient of 0).  Returns a scalar in float32.

    Raises: ValueError for shapes that disagree.

    >>> import torch
    >>> off_by_two, t = torch.full((1, 4, 2), 2.0), torch.tensor([0.5])
    >>> flow_matching_loss(off_by_two, torch.zeros(1, 4, 2), t, weight=lambda t: 1.0 + t)
    tensor(6.)
    >>> flow_matching_loss(off_by_two, torch.zeros(1, 4, 2), t, mean=0.5)
    tensor(12.)
    """
    if prediction.shape != velocity.shape:
        raise ValueError(f"shapes disagree: prediction {tuple(prediction.shape)}, velocity {tuple(velocity.shape)}")
    difference = prediction.float() - velocity.float()
    if channels is not None:
        difference = difference * channels.to(difference).sqrt()
    if mask is not None:
        if mask.shape != difference.shape[:-1]:
            raise ValueError(f"mask must have shape {tuple(difference.shape[:-1])}, got {tuple(mask.shape)}")
        # Masked before squaring: whatever stands there, NaN included, touches neither the loss nor its gradient.
        difference = difference.where(mask[..., None], difference.new_zeros(()))
    counted = difference.square().sum(1)
    if mean:
        counted = counted + mean * difference.sum(1).square()
    frames = difference.shape[0] * difference.shape[1] if mask is None else mask.sum().clamp(min=1)
    return (per_item(weight(t), counted) * counted).sum() / (frames * difference.shape[-1])


def weights_of_runs(runs: Sequence[Sequence[float]], dim: int) -> Tensor:
    """Weights ``[D]`` of mean 1 from pairs of a number of channels and their weight.

    >>> weights_of_runs([[1, 4.0], [3, 1.0]], 4)
    tensor([2.2857, 0.5714, 0.5714, 0.5714])

    Raises: ValueError where the numbers do not add up to ``dim``, or a weight is not positive.
    """
    weights = spread(runs, dim, "channel_weights")
    if not bool((weights > 0).all()):
        raise ValueError(f"channel_weights must be above 0, got {[list(run) for run in runs]}")
    return weights / weights.mean()
