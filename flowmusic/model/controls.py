"""One small conditioner per control: track values to features, with absence as a flag, not as a value."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowmusic.types import Track


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
    """

    table: Tensor | None

    def __init__(
        self,
        features: int,
        dim: int,
        kernel: int = 5,
        ids: int | None = None,
        table: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        self.features, self.dim = features, dim
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
        inputs = torch.cat([values * known, known], dim=-1).to(self.linear.weight.dtype)
        hidden = nn.functional.gelu(self.linear(inputs))
        return hidden + self.mix(hidden.transpose(1, 2)).transpose(1, 2)

    def absent(self, batch: int, length: int, device: torch.device) -> Tensor:
        """Features of a track that is not there: all frames unknown."""
        hidden = torch.zeros(batch, length, self.features + 1, device=device, dtype=self.linear.weight.dtype)
        hidden = nn.functional.gelu(self.linear(hidden))
        return hidden + self.mix(hidden.transpose(1, 2)).transpose(1, 2)
