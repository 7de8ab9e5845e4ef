"""Numbers by channel of the latents, told in runs: pairs of a number of channels and what each of them gets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def spread(runs: Sequence[Sequence[float]], dim: int, name: str) -> Tensor:
    """One number per channel.  Shape: ``[D]``, fp32.

    Args:
        runs: pairs ``[number of channels, value of at least 0]``.
        dim: D, what the numbers of channels add up to.
        name: of the setting, for errors.

    >>> spread([[1, 4.0], [3, 1.0]], 4, "channel_weights")
    tensor([4., 1., 1., 1.])

    Raises: ValueError for numbers of channels that do not add up to ``dim``, and values that are negative or no number.
    """
    pairs = [[float(number) for number in run] for run in runs]
    whole = all(len(pair) == 2 and pair[0] >= 1 and pair[0].is_integer() for pair in pairs)
    if not whole or sum(pair[0] for pair in pairs) != dim or not all(0.0 <= pair[1] < float("inf") for pair in pairs):
        raise ValueError(
            f"{name} must be pairs [number of channels, value of at least 0] for {dim} channels in all, got {pairs}"
        )
    return torch.repeat_interleave(
        torch.tensor([value for _, value in pairs]), torch.tensor([int(count) for count, _ in pairs])
    )
