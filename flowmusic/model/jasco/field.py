"""JASCO's vector field (Tal et al. 2024, arXiv 2406.10970): a plain pre-norm transformer with cross-attention.

``forward`` is the model's equations as they are written.  ``bind`` is the same field for one condition with everything
taken out of the loop that depends on neither z nor t:

* the input projection is linear, so the part of the frame conditions and the positions are added once;
* time enters only through the source of cross-attention, S = tokens + tau(t).  Its share of a key shifts all logits of
  a query alike and cancels in the softmax; its share of a value passes through unchanged, because attention weights
  sum to 1.  So keys and values come from the tokens alone, once, and tau adds one vector per layer;
* where no token says anything (the unconditional branch of guidance) keys and values are zero, so cross-attention is
  that vector and needs no queries.

Letters: B batch, T frames, M tokens, D latent size, E width, H heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowmusic.model.jasco.layers import MAX_PERIOD, Attention, Layer, positions, weight_of
from flowmusic.model.jasco.packed import PackedLinear, available
from flowmusic.model.recompute import run
from flowmusic.types import Condition, VelocityField


def time_features(t: Tensor, dim: int = 128) -> Tensor:
    """Sines, then cosines, of raw t in [0, 1] at frequencies from 1 down to 1 / 10000.

    A quirk of JASCO's: without the usual factor of 1000 the features are smooth and nearly linear in t.
    Shape: ``[B] -> [B, dim]``.
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(MAX_PERIOD) / (half - 1) * torch.arange(half, device=t.device))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class CrossAttention(Attention):
    """The same, with keys and values from elsewhere."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__(width, heads)
        self.packed_query: PackedLinear | None = None
        self.memory_weight: Tensor | None = None

    def forward(self, x: Tensor, source: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Attention to ``source``; mask ``[B, 1, 1, M]`` bool, True where attended."""
        return self.out(self.mix(self.queries(x), *self.memory(x if source is None else source), mask))

    def queries(self, x: Tensor) -> Tensor:
        """Shape: ``[B, T, E] -> [B, H, T, E / H]``."""
        if self.packed_query is not None:
            return self.split(self.packed_query(x))
        return self.split(F.linear(x, weight_of(self.query_key_value)[: self.width]))

    def memory(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values ``[B, H, M, E / H]`` of a source ``[B, M, E]``."""
        key, value = F.linear(source, self._memory_weight()).chunk(2, dim=-1)
        return self.split(key), self.split(value)

    def values(self, source: Tensor) -> Tensor:
        """Values alone, heads together.  Shape: ``[*, E] -> [*, E]``."""
        return F.linear(source, self._memory_weight()[self.width :])

    def pack(self) -> None:
        weight = weight_of(self.query_key_value).detach()
        self.packed_query = PackedLinear(weight[: self.width])
        self.memory_weight = weight[self.width :].clone()
        self.query_key_value = nn.Identity()
        self.out = PackedLinear(weight_of(self.out))

    def _memory_weight(self) -> Tensor:
        return weight_of(self.query_key_value)[self.width :] if self.memory_weight is None else self.memory_weight


class JascoBlock(Layer):
    """Self-attention, cross-attention, feed-forward, each after a layer norm.  Shape: ``[B, T, E] -> [B, T, E]``."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__(width, heads, expansion)
        self.norm_cross = nn.LayerNorm(width)
        self.cross = CrossAttention(width, heads)

    def forward(self, x: Tensor, source: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        if source is None:
            raise ValueError("JASCO's layers attend to text; a source of cross-attention is needed")
        x = self.attend(x)
        x = x + self.cross(self.norm_cross(x).to(self.dtype), source.to(self.dtype), mask)
        return self.feed_forward(x)

    def listen(self, x: Tensor, moment: Tensor, memory: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """x after cross-attention to words whose keys and values are known, time's part ``[B, 1, E]`` added.

        The first items have words; the others, as many as ``memory`` is short of, hear time alone.
        """
        count = memory[0].shape[0]
        if count == 0:
            return x + self.cross.out(moment)
        query = self.cross.queries(self.norm_cross(x[:count]).to(self.dtype))
        heard = self.cross.out(self.cross.mix(query, *memory, mask) + moment[:count])
        if count == len(x):
            return x + heard
        return torch.cat([x[:count] + heard, x[count:] + self.cross.out(moment[count:])])

    def pack(self) -> None:
        super().pack()
        self.cross.pack()


class JascoField(nn.Module):
    """Velocity of the flow in JASCO's architecture.

    Shape: z ``[B, T, D]``, t ``[B]`` or scalar, condition frames ``[B, T, F]``, tokens ``[B, M, E]`` -> ``[B, T, D]``.

    Args:
        dim, frames_dim: channels of z and of the frame conditions.
        width, layers, heads, expansion: size; 1024, 24, 16, 4 is the 400M model.
        skips: long skip connections (off in the published models): layer i of the second half first joins the output
            of layer ``layers - 1 - i``.
        time_dim, time_hidden: features of t, and units behind them.
    """

    def __init__(
        self,
        dim: int = 128,
        frames_dim: int = 34,
        width: int = 1024,
        layers: int = 24,
        heads: int = 16,
        expansion: int = 4,
        skips: bool = False,
        time_dim: int = 128,
        time_hidden: int = 512,
    ) -> None:
        super().__init__()
        if width % 2 or width < 4:
            raise ValueError(f"width must be an even number of at least 4, got {width}")
        self.dim, self.frames_dim, self.width = dim, frames_dim, width
        self.checkpointing = False
        self.input = nn.Linear(dim + frames_dim, width, bias=False)
        self.time_dim = time_dim
        self.time = nn.Sequential(nn.Linear(time_dim, time_hidden), nn.SiLU(), nn.Linear(time_hidden, time_hidden))
        self.time_projection = nn.Linear(time_hidden, width)
        self.blocks = nn.ModuleList(JascoBlock(width, heads, expansion) for _ in range(layers))
        self.skips = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(layers // 2 if skips else 0))
        self.norm_out = nn.LayerNorm(width)
        self.output = nn.Linear(width, dim, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        """Truncated normals of deviation 1 / sqrt(fan-in), smaller with depth, as JASCO was trained from.

        The packed projections keep torch's uniform initialisation there, and so they do here.
        """
        scales: list[tuple[nn.Module, float]] = [(self.input, 1.0), (self.output, 1.0)]
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, JascoBlock)
            narrow = (block.attention.out, block.cross.out, block.expand, block.contract)
            scales += [(linear, math.sqrt(2.0 * number)) for linear in narrow]
        for linear, divisor in scales:
            weight = weight_of(linear)
            deviation = 1.0 / math.sqrt(weight.shape[1]) / divisor
            nn.init.trunc_normal_(weight, std=deviation, a=-3.0 * deviation, b=3.0 * deviation)

    def tau(self, t: Tensor) -> Tensor:
        """What time adds to every token.  Shape: ``[B] -> [B, E]``."""
        return self.time_projection(self.time(time_features(t, self.time_dim)))

    def forward(self, z: Tensor, t: Tensor, condition: Condition, r: Tensor | None = None) -> Tensor:
        """The field as its equations say; ``r`` is for fields of average velocities, which this is not."""
        if r is not None:
            raise ValueError("JASCO's field predicts instantaneous velocities; it takes no second time r")
        t = t.expand(z.shape[0]) if t.ndim == 0 else t.reshape(z.shape[0])
        x = self.input(torch.cat([z, self._frames(condition, z)], dim=-1))
        x = x + positions(z.shape[1], self.width, z.device)
        source = condition.tokens + self.tau(t)[:, None]
        mask = attended(condition.tokens_mask)
        kept: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x = self._joined(x, index, kept)
            x = run(block, self.checkpointing, x, source, mask)
            self._keep(x, index, kept)
        return self.output(self.norm_out(x)).float()

    def bind(self, condition: Condition) -> VelocityField:
        """The field for one condition, ``(z [B, T, D], t [B]) -> [B, T, D]``: equal to ``forward`` up to rounding.

        Only for inference: the result holds tensors made from the present weights.
        """
        tokens, mask = condition.tokens, attended(condition.tokens_mask)
        batch, frames = tokens.shape[0], condition.frames
        if frames is None:
            raise ValueError("JASCO's field needs frame conditions; absent controls have features of their own")
        weight_z, weight_frames = self.input.weight.split([self.dim, self.frames_dim], dim=1)
        base = F.linear(frames, weight_frames) + positions(frames.shape[1], self.width, frames.device)
        said = tokens.abs().amax(dim=(1, 2)) > 0
        # Items without a word come last in guidance; in any other order all are treated alike.
        count = int(said.sum()) if bool(said[: int(said.sum())].all()) else batch
        mask = None if mask is None else mask[:count]
        memory = []
        for block in self.blocks:
            assert isinstance(block, JascoBlock)
            memory.append(block.cross.memory(tokens[:count].to(block.dtype)))

        def velocity(z: Tensor, t: Tensor) -> Tensor:
            if z.shape[0] != batch:
                raise ValueError(f"this field is bound to {batch} conditions, got a batch of {z.shape[0]}")
            x = F.linear(z, weight_z) + base
            tau = self.tau(t.expand(batch) if t.ndim == 0 else t)
            kept: list[Tensor] = []
            for index, block in enumerate(self.blocks):
                assert isinstance(block, JascoBlock)
                x = block.attend(self._joined(x, index, kept))
                moment = block.cross.values(tau.to(block.dtype))[:, None]
                x = block.listen(x, moment, memory[index], mask)
                x = block.feed_forward(x)
                self._keep(x, index, kept)
            return self.output(self.norm_out(x)).float()

        return velocity

    def lower(self, dtype: torch.dtype) -> JascoField:
        """The matrices of the blocks in a coarser dtype; norms, residual stream, input, time and output stay."""
        for block in self.blocks:
            for part in block.modules():
                if isinstance(part, nn.Linear):
                    part.to(dtype)
        return self

    def pack(self) -> JascoField:
        """The matrices of the blocks in oneDNN's layout, for inference on a CPU; they cannot be trained or saved then.

        Where torch lacks oneDNN nothing changes.
        """
        if available():
            for block in self.blocks:
                assert isinstance(block, JascoBlock)
                block.pack()
        return self

    def _frames(self, condition: Condition, z: Tensor) -> Tensor:
        if condition.frames is None:
            raise ValueError("JASCO's field needs frame conditions; absent controls have features of their own")
        return condition.frames

    def _joined(self, x: Tensor, index: int, kept: list[Tensor]) -> Tensor:
        first = len(self.blocks) // 2
        if not len(self.skips) or index < len(self.blocks) - first:
            return x
        skip = self.skips[index - (len(self.blocks) - first)]
        return skip(torch.cat([x, kept.pop()], dim=-1))

    def _keep(self, x: Tensor, index: int, kept: list[Tensor]) -> None:
        if len(self.skips) and index < len(self.blocks) // 2:
            kept.append(x)


def attended(tokens_mask: Tensor) -> Tensor | None:
    """A mask for attention, or None where every token is attended.  Shape: ``[B, M] -> [B, 1, 1, M]``."""
    return None if bool(tokens_mask.all()) else tokens_mask[:, None, None, :]
