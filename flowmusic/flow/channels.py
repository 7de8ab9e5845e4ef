"""Numbers by channel of the latents, told in runs: a number of channels and what each of them gets."""

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
    return columns(runs, dim, name, ("value",))[0]


def columns(runs: Sequence[Sequence[float]], dim: int, name: str, values: Sequence[str]) -> Tensor:
    """Several numbers per channel, of runs ``[number of channels, *values]``.  Shape: ``[len(values), D]``, fp32.

    >>> columns([[1, 4.0, 0.0], [3, 1.0, 0.5]], 4, "timbre_channels", ("mean", "deviation"))
    tensor([[4.0000, 1.0000, 1.0000, 1.0000],
            [0.0000, 0.5000, 0.5000, 0.5000]])

    Raises: ValueError as :func:`spread`.
    """
    rows = [[float(number) for number in run] for run in runs]
    whole = all(len(row) == 1 + len(values) and row[0] >= 1 and row[0].is_integer() for row in rows)
    if (
        not whole
        or sum(row[0] for row in rows) != dim
        or not all(0.0 <= number < float("inf") for row in rows for number in row[1:])
    ):
        raise ValueError(
            f"{name} must be runs [number of channels, {', '.join(values)}], of at least 0, for {dim} channels in all, "
            f"got {rows}"
        )
    counts = torch.tensor([int(row[0]) for row in rows])
    return torch.repeat_interleave(torch.tensor([row[1:] for row in rows]).T, counts, dim=1)
