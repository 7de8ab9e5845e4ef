"""The style conditioner of MusicGen-Style (Rouard et al. 2024, arXiv 2407.12563): an excerpt to a few coarse tokens.

Frozen features of an excerpt (here the codec's latents) go through a small transformer, a batch norm and a residual
quantiser, and every ``stride``-th frame is kept: what passes is enough to carry a feel and too little to copy.

Letters: B batch, T frames of features, S tokens, D feature channels, E width of the field.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowmusic.model.jasco.layers import Layer, positions
from flowmusic.model.rvq import Quantised, ResidualVQ
from flowmusic.types import Style


class StyleConditioner(nn.Module):
    """Features ``[B, T, D]`` to tokens ``[B, ceil(T / stride), out]``.

    Args:
        features: D.
        dim, layers, heads, expansion: size of the transformer.
        levels, bins: of the quantiser.
        stride: frames per token (25 Hz / 5 = 5 Hz).
        out: width of the tokens.
        detail: levels that are kept unless a call says otherwise.
    """

    def __init__(
        self,
        features: int,
        dim: int = 128,
        layers: int = 2,
        heads: int = 4,
        expansion: int = 4,
        levels: int = 6,
        bins: int = 64,
        stride: int = 5,
        out: int = 256,
        detail: int = 3,
    ) -> None:
        super().__init__()
        self.stride, self.detail = stride, detail
        self.embed = nn.Linear(features, dim)
        self.layers = nn.ModuleList(Layer(dim, heads, expansion) for _ in range(layers))
        self.norm = nn.BatchNorm1d(dim, affine=False)
        self.quantiser = ResidualVQ(dim, levels, bins)
        self.quantiser.check(detail)
        self.output = nn.Linear(dim, out)

    def encode(self, features: Tensor) -> Tensor:
        """The transformer's output.  Shape: ``[B, T, D] -> [B, T, dim]``."""
        x = self.embed(features)
        x = x + positions(x.shape[1], x.shape[2], x.device)
        for layer in self.layers:
            x = layer(x)
        return x

    def quantise(self, encoded: Tensor, detail: int | None = None) -> Quantised:
        """Batch norm and quantiser.  Shape: ``[B, T, dim]``."""
        # In full precision: the nearest of close codes is not to depend on rounding.
        with torch.autocast(encoded.device.type, enabled=False):
            normed = self.norm(encoded.float().transpose(1, 2)).transpose(1, 2)
            found: Quantised = self.quantiser(normed, self.detail if detail is None else detail)
        return found

    def forward(self, features: Tensor, detail: int | None = None) -> Tensor:
        """Tokens of excerpts of one length.  Shape: ``[B, T, D] -> [B, S, out]``."""
        quantised = self.quantise(self.encode(features), detail)
        return self.output(quantised.values[:, :: self.stride].to(self.output.weight))

    def tokens(self, styles: Sequence[Style | None]) -> tuple[Tensor, Tensor]:
        """Tokens of excerpts of any lengths, some absent.  Shape: ``[B, S, out]`` and mask ``[B, S]`` bool.

        Excerpts of one length and detail go through together, and in training that is all of them, for the batch norm
        and the codebooks are to follow the batch as it is.
        """
        device = self.output.weight.device
        groups: dict[tuple[int, int | None], list[int]] = {}
        for index, style in enumerate(styles):
            if style is not None:
                groups.setdefault((len(style.features), style.detail), []).append(index)
        longest = max((-(-length // self.stride) for length, _ in groups), default=1)
        tokens = torch.zeros(len(styles), longest, self.output.out_features, device=device)
        mask = torch.zeros(len(styles), longest, dtype=torch.bool, device=device)
        for (length, detail), rows in groups.items():
            features = torch.stack([styles[row].features for row in rows])  # type: ignore[union-attr]
            found = self(features.to(self.embed.weight), detail)
            tokens = tokens.index_put((torch.tensor(rows)[:, None], torch.arange(found.shape[1])), found.to(tokens))
            mask[rows, : -(-length // self.stride)] = True
        return tokens, mask
