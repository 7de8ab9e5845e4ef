"""One small conditioner per control: track values to features, with absence as a flag, not as a value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowmusic.types import Track

SUB_BIN_S = 0.01
"""Seconds of a sub-bin of the drum control."""


class TrackConditioner(nn.Module):
    """Linear, GELU and a short convolution over [values where known, known].

    Unknown frames give zero values and a zero flag, whatever the track holds there.
    Shape: Track of ``[B, T]`` or ``[B, T, F]`` -> ``[B, T, dim]``.

    Args:
        features: F of the values (for ids: width of the ``table``).
        dim: output channels.
        kernel: frames that the convolution sees, for edges that fall between frames.
        ids: for id tracks, how many ids there are; their features are a fixed table that is stored with the weights.
        table: its values ``[ids][F]``; None when they come from a checkpoint.
        bands, blur_s, bin_s: for tracks whose frames hold sub-bins of ``bin_s`` seconds (features = sub-bins x
            ``bands``), a moving average over ``blur_s`` seconds, rounded to an odd number of sub-bins
            (:func:`sub_bins`); 0 is none.  The blur is the model's own bottleneck: tracks are handed over unblurred,
            and training and use cannot disagree about it.
    """

    table: Tensor | None

    def __init__(
        self,
        features: int,
        dim: int,
        kernel: int = 5,
        ids: int | None = None,
        table: Sequence[Sequence[float]] | None = None,
        bands: int = 1,
        blur_s: float = 0.0,
        bin_s: float = SUB_BIN_S,
    ) -> None:
        super().__init__()
        self.features, self.dim, self.bands, self.blur = features, dim, bands, sub_bins(blur_s, bin_s)
        if features % bands:
            raise ValueError(f"{features} features are no whole number of sub-bins of {bands} bands")
        if ids is None:
            self.table = None
        else:
            values = torch.zeros(ids, features) if table is None else torch.tensor(table, dtype=torch.float32)
            if values.shape != (ids, features):
                raise ValueError(f"the table must be {ids} ids x {features} features, got {tuple(values.shape)}")
            self.register_buffer("table", values)
        self.linear = nn.Linear(features + 1, dim)
        self.mix = nn.Conv1d(dim, dim, kernel, padding=kernel // 2)

    def forward(self, track: Track) -> Tensor:
        values = track.values
        if self.table is not None:
            values = self.table[values.clamp(0, len(self.table) - 1)]
        known = track.known[..., None].to(values.dtype)
        inputs = torch.cat([self.blurred(values * known), known], dim=-1).to(self.linear.weight.dtype)
        hidden = nn.functional.gelu(self.linear(inputs))
        return hidden + self.mix(hidden.transpose(1, 2)).transpose(1, 2)

    def blurred(self, values: Tensor) -> Tensor:
        """Moving average over sub-bins, across frame borders.  Shape: ``[B, T, F] -> [B, T, F]``."""
        if self.blur == 1:
            return values
        fine = values.unflatten(-1, (-1, self.bands)).flatten(1, 2).transpose(1, 2)
        fine = nn.functional.avg_pool1d(fine, self.blur, stride=1, padding=self.blur // 2)
        return fine.transpose(1, 2).reshape(values.shape)

    def absent(self, batch: int, length: int, device: torch.device) -> Tensor:
        """Features of a track that is not there: all frames unknown."""
        hidden = torch.zeros(batch, length, self.features + 1, device=device, dtype=self.linear.weight.dtype)
        hidden = nn.functional.gelu(self.linear(hidden))
        return hidden + self.mix(hidden.transpose(1, 2)).transpose(1, 2)


def sub_bins(blur_s: float, bin_s: float = SUB_BIN_S) -> int:
    """The odd number of sub-bins nearest to a blur in seconds; halfway (an even number) takes the wider one.

    Odd, because an average over an even number would move every onset by half a sub-bin.

    >>> [sub_bins(blur_s) for blur_s in (0.0, 0.01, 0.02, 0.04, 0.05, 0.08)]
    [1, 1, 3, 5, 5, 9]

    Raises: ValueError for what is no time.
    """
    if not (math.isfinite(blur_s) and blur_s >= 0):
        raise ValueError(f"blur_s must be 0 (no blur) or more seconds, got {blur_s}")
    if not (math.isfinite(bin_s) and bin_s > 0):
        raise ValueError(f"bin_s must be the positive seconds of a sub-bin, got {bin_s}")
    # Rounded first: 0.58 s is 57.99999999999999 sub-bins in floating point.
    return 2 * math.floor(round(blur_s / bin_s, 6) / 2) + 1
