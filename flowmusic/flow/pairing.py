"""Which noise goes with which data of a batch: optimal transport within it (Tong et al. 2023, arXiv 2302.00482).

Noise drawn at random makes paths that cross, and a field can only learn their mean; paired within the batch by least
squared distance they cross less.  The gain shrinks with the number of dimensions, for in many of them all noise is
about equally far from all data.  With conditions there is a price: what is paired depends on the data, so noise and
condition are no longer independent in training as they are in sampling (Cheng & Schwing 2025, arXiv 2503.10636).
"""

from __future__ import annotations

import torch
from torch import Tensor


def nearest(noise: Tensor, data: Tensor) -> Tensor:
    """The noise in another order, so that the sum of squared distances to the data is least.

    Shape: ``[B, T, D], [B, T, D] -> [B, T, D]``; row n goes with row n of the data.
    Raises: ValueError if the shapes disagree.

    >>> data = torch.tensor([-1.0, 5.0]).reshape(2, 1, 1)
    >>> nearest(torch.tensor([4.0, 0.0]).reshape(2, 1, 1), data).flatten()
    tensor([0., 4.])
    """
    from scipy.optimize import linear_sum_assignment

    if noise.shape != data.shape:
        raise ValueError(f"noise and data must have one shape, got {tuple(noise.shape)} and {tuple(data.shape)}")
    # |x - y|^2 = |x|^2 + |y|^2 - 2 x.y, of which only the last term depends on who goes with whom.
    with torch.autocast(data.device.type, enabled=False):  # bf16 products would blur who is nearest
        affinity = data.flatten(1).float() @ noise.flatten(1).float().T
    _, order = linear_sum_assignment(affinity.cpu().numpy(), maximize=True)
    return noise[torch.as_tensor(order, device=noise.device)]
