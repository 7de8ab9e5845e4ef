"""Core value types and protocols.  Imports torch only; guidance is told in :mod:`flowmusic.guidance`.

Letters: B batch, C channels, N samples, T latent frames, D latent size, F features, M text tokens,
E model width, ``*`` any leading dims.  Times are seconds, rates are Hz, values are float32 unless said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.audio import Audio
from flowmusic.facts import Facts
from flowmusic.guidance import ALL as ALL
from flowmusic.guidance import WORDLESS as WORDLESS
from flowmusic.guidance import Guidance as Guidance
from flowmusic.guidance import Projection as Projection
from flowmusic.guidance import Term as Term

TEXT, STYLE, FACTS = "text", "style", "facts"
"""The names under which text prompt, style and facts are kept or dropped, beside the names of the tracks."""


@dataclass(frozen=True)
class FrameGrid:
    """The one clock: ``length`` frames at ``frame_rate`` per second, frame n covering [n, n+1) / frame_rate.

    >>> FrameGrid.of_seconds(2.02, 25)
    FrameGrid(frame_rate=Fraction(25, 1), length=51)
    """

    frame_rate: Fraction
    length: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_rate", limits.frame_rate(self.frame_rate, "FrameGrid.frame_rate"))
        limits.whole("frames", self.length, "FrameGrid.length")

    @property
    def seconds(self) -> float:
        return float(self.length / self.frame_rate)

    @staticmethod
    def of_seconds(seconds: float, frame_rate: Fraction | int) -> FrameGrid:
        """The shortest grid that covers ``seconds``."""
        limits.number("recording", seconds, "seconds")
        rate = limits.frame_rate(frame_rate)
        # Rounding first keeps 10.000000001 s from growing a frame.
        return FrameGrid(rate, max(1, math.ceil(round(seconds * float(rate), 6))))


@dataclass(frozen=True)
class Track:
    """One time-aligned control on a grid.

    Shape: values ``[*, T]`` int64 ids or ``[*, T, F]`` float; known ``[*, T]`` bool.  Where ``known`` is
    False the value carries no meaning: absence is per frame, and silence is not absence.
    """

    values: Tensor
    known: Tensor
    grid: FrameGrid

    def __post_init__(self) -> None:
        lead = self.values.shape if not self.values.is_floating_point() else self.values.shape[:-1]
        if lead != self.known.shape or self.known.shape[-1] != self.grid.length:
            raise ValueError(
                f"Track shapes disagree: values {tuple(self.values.shape)}, known {tuple(self.known.shape)}, "
                f"grid of {self.grid.length} frames"
            )
        if self.known.dtype != torch.bool:
            raise ValueError(f"Track.known must be bool, got {self.known.dtype}")

    def to(self, device: torch.device | str) -> Track:
        return replace(self, values=self.values.to(device), known=self.known.to(device))

    def unknown(self) -> Track:
        """The same track with every frame absent."""
        return replace(self, known=torch.zeros_like(self.known))


@dataclass(frozen=True)
class Style:
    """An excerpt whose feel is wanted: its features ``[T', D]``, by default latents of the model's codec.

    They are not tied to the clock of what is generated.

    ``detail`` is the number of quantiser levels that are kept, from 1 (a hint) up; None leaves it to the model.
    ``timbre`` is how far statistics of what is generated are brought to those of the excerpt
    (:mod:`flowmusic.flow.timbre`), from 0 to 1, all the way; None leaves that to the model too.
    """

    features: Tensor
    detail: int | None = None
    timbre: float | None = None

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or not len(self.features):
            raise ValueError(f"Style.features must be [frames, channels], got shape {tuple(self.features.shape)}")
        if self.detail is not None and self.detail < 1:
            raise ValueError(f"Style.detail must be at least 1 level, got {self.detail}")
        if self.timbre is not None:
            limits.number("style_timbre", self.timbre, "Style.timbre")


@dataclass(frozen=True)
class AudioPrompt:
    """A recording in place of words: its unit vector ``[E]`` in the space of a text-audio model, see
    :mod:`flowmusic.model.text_audio_conditioner`.
    """

    vector: Tensor

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or not self.vector.is_floating_point():
            raise ValueError(
                f"AudioPrompt.vector must be [E] floats, got {self.vector.dtype} {tuple(self.vector.shape)}"
            )


Prompt = str | AudioPrompt | None
"""What an item is asked to sound like: words, a recording that stands in for them, or nothing."""


@dataclass(frozen=True)
class Controls:
    """What a person asks for: text, style and facts per item, and tracks by name.  A missing name is absent everywhere.

    Shape: text has length B, and so have style and facts unless they are empty; every track has a leading batch
    dimension B.

    >>> grid = FrameGrid.of_seconds(2, 25)
    >>> chords = Track(torch.full((1, 50), 3), torch.ones(1, 50, dtype=torch.bool), grid)
    >>> both = Controls(("a slow waltz",), {"chords": chords}, facts=(Facts(drums=False),))
    >>> sorted(both.names()), sorted(both.only({"text"}).names())
    (['chords', 'facts', 'text'], ['text'])
    """

    text: tuple[Prompt, ...]
    tracks: Mapping[str, Track] = field(default_factory=dict)
    style: tuple[Style | None, ...] = ()
    facts: tuple[Facts | None, ...] = ()

    def __post_init__(self) -> None:
        for name, given in (("styles", self.style), ("facts", self.facts)):
            if given and len(given) != len(self.text):
                raise ValueError(f"{len(given)} {name} for {len(self.text)} texts; give one, or None, per item")
        for name, track in self.tracks.items():
            if track.known.ndim != 2 or track.known.shape[0] != len(self.text):
                raise ValueError(
                    f"track {name!r} must have known of shape [B={len(self.text)}, T], got {tuple(track.known.shape)}"
                )

    @property
    def batch(self) -> int:
        return len(self.text)

    @property
    def words(self) -> tuple[str | None, ...]:
        """The texts, for those who read words alone.  Raises: ValueError where a recording stands in for words."""
        found = tuple(text for text in self.text if not isinstance(text, AudioPrompt))
        if len(found) < len(self.text):
            raise ValueError(
                "a recording stands in for the words, and only a model with a text-audio model understands that; "
                "give words, or train one with experiment=nano text=mixed"
            )
        return found

    def names(self) -> frozenset[str]:
        """Everything present: track names, and ``text``, ``style`` and ``facts`` if any item has one."""
        present = set(self.tracks)
        if any(text is not None for text in self.text):
            present.add(TEXT)
        if any(style is not None for style in self.style):
            present.add(STYLE)
        # Facts of which none is said are as good as none.
        if any(facts is not None and facts.said() for facts in self.facts):
            present.add(FACTS)
        return frozenset(present)

    def only(self, keep: Iterable[str]) -> Controls:
        """Keep the named controls and make the rest absent.

        Serves training dropout, guidance branches, ablations and evaluation floors alike.
        """
        kept = frozenset(keep)
        return Controls(
            self.text if TEXT in kept else (None,) * len(self.text),
            {name: track for name, track in self.tracks.items() if name in kept},
            self.style if STYLE in kept else (),
            self.facts if FACTS in kept else (),
        )

    def swap(self, name: str, other: Controls) -> Controls:
        """These controls with only ``name`` taken from ``other`` (the ``shuffled`` row of the metrics)."""
        if name in (TEXT, STYLE, FACTS):
            return replace(self, **{name: getattr(other, name)})
        if name not in other.tracks:
            raise ValueError(f"cannot swap {name!r}: the other controls have {sorted(other.names())}")
        return replace(self, tracks={**self.tracks, name: other.tracks[name]})

    def rows(self, which: slice) -> Controls:
        """Some items of the batch."""
        tracks = {n: Track(t.values[which], t.known[which], t.grid) for n, t in self.tracks.items()}
        return Controls(self.text[which], tracks, self.style[which], self.facts[which])

    def to(self, device: torch.device | str) -> Controls:
        style = tuple(s and replace(s, features=s.features.to(device)) for s in self.style)
        text = tuple(AudioPrompt(t.vector.to(device)) if isinstance(t, AudioPrompt) else t for t in self.text)
        return replace(self, text=text, tracks={n: track.to(device) for n, track in self.tracks.items()}, style=style)

    @staticmethod
    def stack(items: Sequence[Controls]) -> Controls:
        """Concatenate along the batch; a track that some items lack is unknown there."""
        if not items:
            raise ValueError("Controls.stack needs at least one item")
        text = tuple(t for item in items for t in item.text)
        style: tuple[Style | None, ...] = ()
        if any(item.style for item in items):
            style = tuple(s for item in items for s in (item.style or (None,) * item.batch))
        facts: tuple[Facts | None, ...] = ()
        if any(item.facts for item in items):
            facts = tuple(f for item in items for f in (item.facts or (None,) * item.batch))
        tracks: dict[str, Track] = {}
        for name in sorted(frozenset().union(*(item.tracks for item in items))):
            like = next(item.tracks[name] for item in items if name in item.tracks)
            parts = []
            for item in items:
                track = item.tracks.get(name)
                if track is None:
                    values = like.values[:1].expand(item.batch, *like.values.shape[1:])
                    known = torch.zeros(item.batch, like.grid.length, dtype=torch.bool, device=like.known.device)
                    track = Track(torch.zeros_like(values), known, like.grid)
                parts.append(track)
            tracks[name] = Track(torch.cat([p.values for p in parts]), torch.cat([p.known for p in parts]), like.grid)
        return Controls(text, tracks, style, facts)


@dataclass(frozen=True)
class Condition:
    """Controls after the encoder, grouped by the route into the field, not by their source.

    Shape: frames ``[B, T, F]`` or None (concatenated to z); tokens ``[B, M, E]``; tokens_mask ``[B, M]`` bool
    (True = attend; every row has at least one True); pooled ``[B, E]`` or None (what the tokens say on the whole);
    guidance ``[B, K]`` or None (weights, for a field that takes them as an input; None: no guidance).
    """

    frames: Tensor | None
    tokens: Tensor
    tokens_mask: Tensor
    pooled: Tensor | None = None
    guidance: Tensor | None = None


@dataclass(frozen=True)
class PathSample:
    """A point of the probability path: t ``[B]``; z_t and velocity ``[B, T, D]``."""

    t: Tensor
    z_t: Tensor
    velocity: Tensor


@dataclass(frozen=True)
class Solution:
    """The end of an ODE solve: z ``[B, T, D]`` and the number of field evaluations it took."""

    z: Tensor
    num_evals: int


@dataclass(frozen=True)
class Generation:
    """A finished take with everything needed to repeat it; ``warnings`` says what of its prompts was not read."""

    audio: Audio
    latents: Tensor
    controls: Controls
    guidance: Guidance
    seed: int
    num_evals: int
    solver: str
    steps: int
    time_grid: str
    warnings: tuple[str, ...] = ()


class VelocityField(Protocol):
    """``v(z [B, T, D], t [B]) -> [B, T, D]``: what a solver integrates."""

    def __call__(self, z: Tensor, t: Tensor) -> Tensor: ...


@runtime_checkable
class Codec(Protocol):
    """Audio to continuous, normalised latents and back."""

    rate: int
    frame_rate: Fraction
    dim: int

    @property
    def channels(self) -> int:
        """Of the audio that it makes."""
        ...

    def encode(self, audio: Audio) -> Tensor:
        """Audio ``[B, C, N]`` at any rate -> latents ``[B, T, D]``, about zero mean and unit variance."""
        ...

    def decode(self, latents: Tensor) -> Audio:
        """Latents ``[B, T, D]`` -> Audio ``[B, C, T * rate / frame_rate]``."""
        ...


@runtime_checkable
class Extractor(Protocol):
    """Audio to one control on a grid."""

    name: str
    version: str

    def __call__(self, audio: Audio, grid: FrameGrid) -> Track: ...


class TextAudioNetwork(Protocol):
    """A contrastive text-audio model: recordings and words as vectors of one space, of unit length."""

    @property
    def rate(self) -> int:
        """Hz of the samples that it hears."""
        ...

    def embed_samples(self, samples: Tensor) -> Tensor:
        """Shape: ``[B, N] -> [B, E]``."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Shape: B texts to ``[B, E]``."""
        ...


StyleFeatures = Callable[[Audio, int], Tensor]
"""Frozen features of one recording on a number of frames.  Shape: samples ``[C, N]`` -> ``[frames, D]``."""

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` after every field evaluation (total is an estimate for adaptive solvers)."""
