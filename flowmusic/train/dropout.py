"""Which controls a training item keeps, and on which frames.

Whole-control dropout teaches every guidance branch; per-span dropout teaches that a control may be known on some
bars only; masks of known latents teach inpainting and continuation.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from flowmusic.types import Controls, Track

NAMES = ("everything", "text_only", "text", "style", "span", "context", "feel_only")
SPAN_ODDS = (4.0, 2.0, 1.0, 1.0)
"""How often one, two, three or four spans are masked, where several may be (as in Stable Audio 3)."""


@dataclass(frozen=True)
class Dropout:
    """Probabilities, per item.

    Args:
        everything: all controls and text are dropped (the unconditional branch).
        text_only: all tracks and the style are dropped, text stays.
        text: text alone is dropped, otherwise.
        tracks: per control, dropped on its own, otherwise.
        style: dropped on its own, otherwise.
        span: a kept control is unknown outside one random span.
        context: some latents are given.
        spans: most spans that are left to be made where latents are given around them, 1 to 4; edits have several.
        context_noise: given latents have noise of a deviation from U(0, this), which the encoder is told: errors of
            a piece that is made window by window then do not add up (CAM, arXiv 2411.18447).
        feel_only: all tracks are dropped; text and style are dropped on their own.
    """

    everything: float = 0.1
    text_only: float = 0.1
    text: float = 0.15
    tracks: dict[str, float] = field(default_factory=dict)
    style: float = 0.4
    span: float = 0.15
    context: float = 0.2
    feel_only: float = 0.0
    spans: int = 1
    context_noise: float = 0.0

    def __post_init__(self) -> None:
        named = {k: getattr(self, k) for k in NAMES}
        for name, value in {**named, **self.tracks}.items():
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"dropout probability {name} must be in [0, 1], got {value}")
        if self.everything + self.text_only + self.feel_only > 1.0:
            raise ValueError("everything + text_only + feel_only must not exceed 1")
        if not 1 <= self.spans <= len(SPAN_ODDS):
            raise ValueError(f"dropout spans must be 1 to {len(SPAN_ODDS)}, got {self.spans}")
        if not 0.0 <= self.context_noise < 1.0:
            raise ValueError(f"dropout context_noise must be at least 0 and below 1, got {self.context_noise}")

    def __call__(self, controls: Controls, generator: Generator) -> Controls:
        """A copy of the controls with some of them absent; the input is not changed."""
        batch = controls.batch
        route = torch.rand(batch, generator=generator)
        no_text = (route < self.everything) | (
            (route >= self.everything + self.text_only) & (torch.rand(batch, generator=generator) < self.text)
        )
        no_tracks = route < self.everything + self.text_only + self.feel_only
        tracks = {}
        for name, track in sorted(controls.tracks.items()):
            gone = no_tracks | (torch.rand(batch, generator=generator) < self.tracks.get(name, 0.0))
            known = track.known.cpu() & ~gone[:, None]
            spans = random_spans(batch, track.grid.length, generator)
            partial = torch.rand(batch, generator=generator) < self.span
            known = known & (spans | ~partial[:, None])
            tracks[name] = Track(track.values, known.to(track.known.device), track.grid)
        text = tuple(None if drop else t for t, drop in zip(controls.text, no_text.tolist(), strict=True))
        if not controls.style:
            return Controls(text, tracks)
        no_feel = route < self.everything + self.text_only
        no_style = no_feel | (torch.rand(batch, generator=generator) < self.style)
        style = tuple(None if drop else s for s, drop in zip(controls.style, no_style.tolist(), strict=True))
        return Controls(text, tracks, style)

    def given_latents(self, batch: int, length: int, generator: Generator) -> Tensor:
        """Frames whose latents are given: none, a beginning (continuation), or all but a span (inpainting).

        Shape: ``[B, T]`` bool; never all True.
        """
        active = torch.rand(batch, generator=generator) < self.context
        continuation = torch.rand(batch, generator=generator) < 0.5
        cut = (torch.rand(batch, generator=generator) * 0.6 * length).long()
        beginning = torch.arange(length) < cut[:, None]
        outside = ~self._masked(batch, length, generator)
        given = torch.where(continuation[:, None], beginning, outside)
        return given & active[:, None]

    def _masked(self, batch: int, length: int, generator: Generator) -> Tensor:
        """The spans to be made.  Several are shorter, so that together they leave as much as one does."""
        if self.spans == 1:
            return random_spans(batch, length, generator)
        odds = torch.tensor(SPAN_ODDS[: self.spans])
        counts = torch.multinomial(odds, batch, replacement=True, generator=generator) + 1
        masked = torch.zeros(batch, length, dtype=torch.bool)
        for number in range(self.spans):
            span = random_spans(batch, length, generator, counts)
            masked |= span & (counts > number)[:, None]
        return masked

    def context_deviation(self, batch: int, generator: Generator) -> Tensor | None:
        """Deviation of the noise on the given latents ``[B]``; None where there is to be none."""
        if not self.context_noise:
            return None
        return self.context_noise * torch.rand(batch, generator=generator)


def random_spans(batch: int, length: int, generator: Generator, parts: Tensor | None = None) -> Tensor:
    """One span per item, at least an eighth of the window, divided by ``parts [B]``.  Shape: ``[B, T]`` bool."""
    shortest = max(1, length // 8)
    size = shortest + (torch.rand(batch, generator=generator) * (length - shortest)).long()
    if parts is not None:
        size = (size // parts).clamp(min=1)
    start = (torch.rand(batch, generator=generator) * (length - size + 1)).long()
    frames = torch.arange(length)
    return (frames >= start[:, None]) & (frames < (start + size)[:, None])
