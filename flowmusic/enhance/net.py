"""The network: what is heard below a cut to the energy and tonality of the bands above it."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor, nn

from flowmusic import eight_bit
from flowmusic.codec.blocks import ConvNeXtBlock
from flowmusic.enhance.bands import BANDS, HIGH
from flowmusic.tensors import read as read_tensors

WEIGHTS = Path(__file__).resolve().parents[1] / "embedded" / "enhance" / "model.safetensors"
EDGE_BANDS = 4
"""The highest known bands, whose mean energy predictions are relative to."""
_CENTRE, _SCALE = -4.0, 4.0
"""About the mean and deviation of log energies of music at the common level."""


class EnhanceNet(nn.Module):
    """ConvNeXt blocks over frames, from the bands below a cut to those above.

    Shape: energy ``[B, S, K]``, tonality ``[B, S, K]`` (:func:`flowmusic.enhance.bands.measured`), known ``[B]`` (bands
    below the cut) ``-> [B, S, H], [B, S, H]``: log energy and tonality of the bands from :data:`HIGH` on, of which
    those below the cut mean nothing.  What is said of unknown bands is not looked at.
    """

    def __init__(self, width: int = 128, layers: int = 4) -> None:
        super().__init__()
        self.enter = nn.Linear(3 * BANDS, width)
        self.blocks = nn.Sequential(*(ConvNeXtBlock(width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, 2 * (BANDS - HIGH))

    @property
    def reach(self) -> int:
        """Frames on either side that a frame depends on."""
        return sum(block.reach for block in self.blocks if isinstance(block, ConvNeXtBlock))

    def hidden(self, energy: Tensor, tonality: Tensor, known: Tensor) -> Tensor:
        """Features of every frame.  Shape: ``-> [B, S, width]``."""
        mask = (torch.arange(BANDS, device=energy.device) < known[:, None]).to(energy.dtype)[:, None]
        seen = torch.cat([(energy - _CENTRE) / _SCALE * mask, tonality * mask, mask.expand_as(energy)], -1)
        x = self.blocks(self.enter(seen).transpose(1, 2)).transpose(1, 2)
        normed: Tensor = self.norm(x)
        return normed

    def forward(self, energy: Tensor, tonality: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        delta, tonal = self.leave(self.hidden(energy, tonality, known)).float().chunk(2, -1)
        # The last known bands say how loud it is: the network adds only what the difference is.
        band = torch.arange(BANDS, device=energy.device)
        edge = ((band < known[:, None]) & (band >= known[:, None] - EDGE_BANDS)).to(energy.dtype)
        base = torch.einsum("bsk,bk->bs", energy, edge / edge.sum(1, keepdim=True).clamp_min(1.0))
        return base[..., None] + _SCALE * delta, nn.functional.softplus(tonal)


@functools.cache
def load(path: Path = WEIGHTS) -> EnhanceNet:
    """The trained network, ready to run.  Raises: ValueError if the file is missing or holds another network."""
    if not path.is_file():
        raise ValueError(f"no weights of bandwidth extension in {path}; run `flowmusic train experiment=enhance`")
    net = EnhanceNet()
    try:
        stored = eight_bit.unpack(read_tensors(path)[0])
        net.load_state_dict({name: value.float() for name, value in stored.items()})
    except RuntimeError as error:
        raise ValueError(f"{path} holds no weights of bandwidth extension: {error}") from None
    return net.eval()
