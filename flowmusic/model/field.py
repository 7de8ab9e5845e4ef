"""The vector field v(z, t, condition): a transformer with rotary positions and long skips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowmusic.model.guidance_input import GuidanceInput
from flowmusic.model.layers import Block, rotary_table, sinusoid
from flowmusic.model.recompute import run
from flowmusic.model.tones import ToneFilters
from flowmusic.types import Condition


class VectorField(nn.Module):
    """Velocity of the flow.

    Frame conditions are concatenated to z on the channel axis (JASCO's ablation: better than cross-attention
    and zero convolutions); text and style tokens enter by cross-attention in every ``cross_every``-th layer; time
    enters by adaptive layer norm.  With ``pooled`` so does what the tokens say on the whole: attention alone had
    learned to look at the token that is always there, and never found back to the words.  Long skips join layer i
    to layer L-1-i (U-ViT, Bao et al. 2022, arXiv 2209.12152).

    ``r`` is a second time for fields that predict average velocities (MeanFlow, arXiv 2505.13447); a plain
    field is asked with r = t, which is what leaving it out means.

    With ``frames_in_blocks`` each block is told the frame conditions again, by a projection of its own that starts from
    zero: in a narrow field the latents, which are as many channels as fit, otherwise crowd out what is asked for.

    With ``preconditioned`` the layers predict what is left of the velocity after its best linear guess from z alone,
    as in EDM (Karras et al. 2022, arXiv 2206.00364): they need not carry z from end to end.

    With ``tone_channels`` the first so many channels of the latents are heard through filters for tones, too
    (:class:`flowmusic.model.tones.ToneFilters`).

    ``guidance`` names weights that are an input: such a field has learned what the weighted sum of another one's
    branches is (:mod:`flowmusic.train.fold`), and is evaluated once.  Without weights it is the plain field.

    Shape: z ``[B, T, D]``, t ``[B]`` or scalar, condition frames ``[B, T, F]``, tokens ``[B, M, E]`` -> ``[B, T, D]``.
    """

    def __init__(
        self,
        dim: int = 64,
        frames_dim: int = 161,
        width: int = 256,
        layers: int = 6,
        heads: int = 4,
        expansion: float = 3.0,
        kernel: int = 5,
        cross_every: int = 2,
        pooled: bool = False,
        guidance: Sequence[str] = (),
        frames_in_blocks: bool = False,
        preconditioned: bool = False,
        tone_channels: int = 0,
    ) -> None:
        super().__init__()
        self.dim, self.frames_dim, self.width = dim, frames_dim, width
        self.checkpointing, self.preconditioned = False, preconditioned
        self.head_dim = width // heads
        self.input = nn.Linear(dim + frames_dim, width)
        self.local = nn.Conv1d(width, width, 2 * kernel + 1, padding=kernel, groups=width)
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.modulate = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(
            Block(width, heads, expansion, kernel, cross=i % cross_every == 0) for i in range(layers)
        )
        self.skips = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(layers // 2))
        self.norm_out = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate_out = nn.Linear(width, 2 * width)
        self.pool = nn.Linear(width, width, bias=False) if pooled else None
        self.output = nn.Linear(width, dim)
        self.frame_inputs = nn.ModuleList(
            nn.Linear(frames_dim, width, bias=False) for _ in range(layers if frames_in_blocks else 0)
        )
        # Starting from v = 0 and closed gates, the first steps learn the mean velocity, not noise.
        for linear in (self.output, self.modulate, self.modulate_out):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        for part in (self.frame_inputs, self.pool):
            for weight in part.parameters() if part is not None else ():
                nn.init.zeros_(weight)
        self.guidance = GuidanceInput(guidance, width) if guidance else None
        if not 0 <= tone_channels <= dim:
            raise ValueError(f"tone_channels must be 0 to {dim}, as many as the latents have, got {tone_channels}")
        self.tones = ToneFilters(tone_channels, width) if tone_channels else None

    def forward(self, z: Tensor, t: Tensor, condition: Condition, r: Tensor | None = None) -> Tensor:
        t = t.expand(z.shape[0]) if t.ndim == 0 else t
        features = sinusoid(t, 256)
        if r is not None:
            # At r = t the two added terms cancel: a plain field's weights go on as an average one's without a jump.
            features = features + sinusoid(t - r.expand_as(t), 256) - sinusoid(torch.zeros_like(t), 256)
        time = self.time(features)
        if self.pool is not None and condition.pooled is not None:
            time = time + self.pool(condition.pooled)
        if self.guidance is not None and condition.guidance is not None:
            time = time + self.guidance(condition.guidance)
        modulation = self.modulate(time).unflatten(-1, (6, self.width))
        frames = condition.frames
        if frames is None:
            frames = z.new_zeros(z.shape[0], z.shape[1], self.frames_dim)
        x = self.input(torch.cat([z, frames], dim=-1))
        x = x + self.local(x.transpose(1, 2)).transpose(1, 2)
        if self.tones is not None:
            tones, loudness = self.tones.heard(z)
            x = x + loudness
        rotary = rotary_table(z.shape[1], self.head_dim, z.device)
        half = len(self.skips)
        kept: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            if index >= len(self.blocks) - half:
                # The last that was kept is the first to be joined: layer i meets layer L - 1 - i.
                skip = self.skips[index - (len(self.blocks) - half)]
                x = skip(torch.cat([x, kept.pop()], dim=-1))
            if self.frame_inputs:
                x = x + self.frame_inputs[index](frames)
            x = run(block, self.checkpointing, x, modulation, rotary, condition.tokens, condition.tokens_mask)
            if index < half:
                kept.append(x)
        shift, scale = self.modulate_out(time)[:, None].chunk(2, dim=-1)
        hidden = self.norm_out(x) * (1 + scale) + shift
        velocity: Tensor = self.output(hidden).float()
        if self.tones is not None:
            added = self.tones(tones, hidden).float()
            velocity = velocity + nn.functional.pad(added, (0, self.dim - self.tones.channels))
        return velocity + linear_guess(t)[:, None, None] * z.float() if self.preconditioned else velocity


def linear_guess(t: Tensor) -> Tensor:
    """The factor of z in the best linear guess of the velocity: cov(z_1 - z_0, z) / var(z), both of unit variance.

    With z = (1 - t) z_0 + t z_1 that is (t - (1 - t)) / ((1 - t)^2 + t^2): -1 at the noise, 1 at the data.

    >>> linear_guess(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    return (2.0 * t - 1.0) / ((1.0 - t) ** 2 + t**2)
