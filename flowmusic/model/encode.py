"""ConditionEncoder: Controls to Condition.  The one place that knows how absence is expressed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic.model.controls import TrackConditioner
from flowmusic.model.facts import FactsConditioner
from flowmusic.model.style import StyleConditioner
from flowmusic.model.text import DIM as TEXT_DIM
from flowmusic.model.text import TextEncoder
from flowmusic.model.text_audio_conditioner import TextAudioConditioner
from flowmusic.types import FACTS, Condition, Controls, FrameGrid


class ConditionEncoder(nn.Module):
    """Every route into the field.

    Frames: the tracks' features in the order of ``tracks``, then known latents (inpainting) and their mask.
    Tokens: one learned token that is always there, so that attention never looks at nothing, then the prompt, then
    what a text-audio model makes of it, then style and facts, in models that have them.

    Args:
        dim: latent channels D.
        width: E of the field.
        tracks: per control name the arguments of its ``TrackConditioner``, in order.
        style: arguments of the ``StyleConditioner``, or None for a model without style; ``features`` among them where
            it does not read latents.
        pooled: also say in one vector of a shared space what text and style are on the whole, see :meth:`summary`, to
            which facts are added; and the token that is always there is zero, so that attention to it can be outweighed
            but not sharpened.
        joint: arguments of the ``TextAudioConditioner``, for a model whose text may also be a recording; or None.
        facts: arguments of the ``FactsConditioner`` (it needs none), for a model that is told facts; or None.
    """

    reads_context = True
    """Known latents are an input, beside a mask of where they are."""

    def __init__(
        self,
        dim: int,
        width: int,
        tracks: Mapping[str, Mapping[str, Any]],
        style: Mapping[str, Any] | None = None,
        pooled: bool = False,
        joint: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.width = dim, width
        self.tracks = nn.ModuleDict({name: TrackConditioner(**settings) for name, settings in tracks.items()})
        self.text = TextEncoder()
        self.text_projection = nn.Linear(TEXT_DIM, width)
        self.pool_text = TextPool(TEXT_DIM, 128, width) if pooled else None
        self.null_token: Tensor
        if pooled:
            self.register_buffer("null_token", torch.zeros(width))
        else:
            self.null_token = nn.Parameter(torch.randn(width) / width**0.5)
        self.style = None if style is None else StyleConditioner(**{"features": dim, **style}, out=width)
        # Last, so that the other parts start from the same weights with and without them.
        self.joint = None if joint is None else TextAudioConditioner(**joint, width=width)
        self.facts = None if facts is None else FactsConditioner(**facts, width=width)

    @property
    def names(self) -> tuple[str, ...]:
        """The tracks that this model reads."""
        return tuple(self.tracks)

    @property
    def drums_as_codes(self) -> bool:
        """Whether drums are given as ids of the codec's first codebook, and not as onset strength."""
        drums = dict(self.tracks.items()).get("drums")
        return isinstance(drums, TrackConditioner) and drums.table is not None

    @property
    def frames_dim(self) -> int:
        """F of the frames that this encoder makes."""
        return sum(c.dim for c in self.tracks.values() if isinstance(c, TrackConditioner)) + self.dim + 1

    def forward(self, controls: Controls, grid: FrameGrid, context: tuple[Tensor, Tensor] | None = None) -> Condition:
        """Encode.

        Args:
            controls: batch of B; tracks on ``grid``.
            grid: T frames.
            context: latents ``[B, T, D]`` and ``[B, T]`` bool, True where they are given; or 0 where they are not, and
                1 - d where they are given with noise of the deviation d.

        Raises: ValueError for a track this model does not know or of another length.
        """
        device, dtype = self.text_projection.weight.device, self.text_projection.weight.dtype
        batch, length = controls.batch, grid.length
        strangers = sorted(set(controls.tracks) - set(self.tracks))
        if strangers:
            raise ValueError(f"this model has no control named {strangers}; it has: {', '.join(self.tracks)}, text")
        parts = []
        for name, conditioner in self.tracks.items():
            assert isinstance(conditioner, TrackConditioner)
            track = controls.tracks.get(name)
            if track is None:
                parts.append(conditioner.absent(batch, length, device))
                continue
            if track.grid.length != length:
                raise ValueError(f"control {name!r} has {track.grid.length} frames, the grid has {length}")
            parts.append(conditioner(track.to(device)))
        if context is None:
            parts.append(torch.zeros(batch, length, self.dim + 1, device=device, dtype=dtype))
        else:
            latents, given = context
            mask = given[..., None].to(device=device, dtype=dtype)
            parts.append(torch.cat([latents.to(device=device, dtype=dtype) * (mask > 0), mask], dim=-1))
        frames = torch.cat([p.to(dtype) for p in parts], dim=-1)
        states, mask_text = self._words(controls)
        states, mask_text = states.to(device=device, dtype=dtype), mask_text.to(device)
        projected = self.text_projection(states).to(dtype)
        tokens = torch.cat([self.null_token.expand(batch, 1, -1), projected * mask_text[..., None]], dim=1)
        tokens_mask = torch.cat([torch.ones(batch, 1, dtype=torch.bool, device=device), mask_text], dim=1)
        pooled = None if self.pool_text is None else self.pool_text(states, mask_text)
        if self.joint is not None:
            joint_tokens, joint_pooled, joint_mask = self.joint(controls.text)
            tokens = torch.cat([tokens, joint_tokens.to(tokens)], dim=1)
            tokens_mask = torch.cat([tokens_mask, joint_mask.expand(-1, joint_tokens.shape[1])], dim=1)
            if pooled is not None:
                pooled = pooled + unit(joint_pooled, joint_mask).to(pooled)
        if any(style is not None for style in controls.style):
            style_tokens, style_mask = self._style_tokens(controls)
            tokens = torch.cat([tokens, style_tokens.to(tokens)], dim=1)
            tokens_mask = torch.cat([tokens_mask, style_mask], dim=1)
            if pooled is not None:
                pooled = pooled + unit(masked_mean(style_tokens, style_mask), style_mask).to(pooled)
        if FACTS in controls.names():
            if self.facts is None:
                raise ValueError(f"this model has no facts control; it has: {', '.join(self.tracks)}, text")
            fact_tokens, fact_mask, facts_pooled = self.facts(controls.facts)
            tokens = torch.cat([tokens, fact_tokens.to(tokens)], dim=1)
            tokens_mask = torch.cat([tokens_mask, fact_mask], dim=1)
            if pooled is not None:
                pooled = pooled + facts_pooled.to(pooled)
        return Condition(frames, tokens, tokens_mask, pooled)

    def summary(self, controls: Controls) -> tuple[Tensor, Tensor]:
        """What text and what style are on the whole: two vectors of one space, which training brings together.

        The field hears their sum.  Text learns from style there, which tells more of a window and so is heard sooner.

        Shape: ``[B, E]`` each, zero where absent; of unit variance, but for text that a text-audio model reads as well.
        Raises: ValueError for a model without style or pooling.
        """
        if self.pool_text is None:
            raise ValueError("this model has no summary of text; make it with pooled=True")
        states, mask_text = self._words(controls)
        weight = self.text_projection.weight
        style_tokens, style_mask = self._style_tokens(controls)
        text = self.pool_text(states.to(weight), mask_text.to(weight.device))
        if self.joint is not None:
            _, joint_pooled, joint_mask = self.joint(controls.text)
            text = text + unit(joint_pooled, joint_mask)
        return text, unit(masked_mean(style_tokens, style_mask), style_mask)

    def _words(self, controls: Controls) -> tuple[Tensor, Tensor]:
        """States and mask of the words that are read token by token."""
        if self.joint is None:
            return self.text(controls.words)
        read = self.joint.words
        return self.text([text if read and isinstance(text, str) else None for text in controls.text])

    def _style_tokens(self, controls: Controls) -> tuple[Tensor, Tensor]:
        if self.style is None:
            raise ValueError(f"this model has no style control; it has: {', '.join(self.tracks)}, text")
        return self.style.tokens(controls.style)


class TextPool(nn.Module):
    """A prompt in one vector: the mean over its tokens of a learned feature, so that a single word can count.

    The plain mean of the states would not do: what prompts have in common outweighs what tells them apart.

    Shape: ``[B, M, D], [B, M] -> [B, E]``, of unit variance, zero for an absent prompt.
    """

    def __init__(self, dim: int, hidden: int, width: int) -> None:
        super().__init__()
        self.word = nn.Linear(dim, hidden)
        self.output = nn.Linear(hidden, width, bias=False)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        words = nn.functional.silu(self.word(states))
        return unit(self.output(masked_mean(words, mask)), mask)


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens that are there; zero where there are none.  Shape: ``[B, M, E], [B, M] -> [B, E]``."""
    kept = mask[..., None].to(tokens.dtype)
    return (tokens * kept).sum(1) / kept.sum(1).clamp(min=1.0)


def unit(vectors: Tensor, mask: Tensor) -> Tensor:
    """Unit variance, as small vectors would go unheard beside time; rows whose mask is empty become zero.

    Shape: ``[B, E], [B, M] -> [B, E]``, fp32.
    """
    return nn.functional.layer_norm(vectors.float(), vectors.shape[-1:]) * mask.any(1, keepdim=True)
