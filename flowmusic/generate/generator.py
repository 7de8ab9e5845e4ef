"""Controls in, a take out: the one place where encoder, field, solver and codec meet."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic import limits
from flowmusic.audio import Audio
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.long import Part, asking
from flowmusic.generate.sampling import Noise, Sampling, SeededNoise
from flowmusic.generate.scheme import drawn, parts_of
from flowmusic.model.text import FrozenText
from flowmusic.model.text_audio_conditioner import embed_audio
from flowmusic.types import (
    AudioPrompt,
    Codec,
    Controls,
    FrameGrid,
    Generation,
    Guidance,
    Progress,
    Prompt,
    Style,
    StyleFeatures,
)


class NotFinite(RuntimeError):
    """The solve ended in NaN or infinity; the message says what to change."""


class Generator:
    """A loaded model.

    Args:
        field: module ``(z [B, T, D], t [B], condition) -> [B, T, D]``.
        encoder: module ``(controls, grid) -> Condition``; it alone knows how absence is expressed.  It is given
            ``context=(latents [B, T, D], keep [B, T] bool)`` where frames are already known.  An encoder whose
            guidance branches depend on what they drop offers ``branch(controls, keep, grid)`` beside the call; one
            that takes no notice of the context says so by ``reads_context = False``.
        codec: latents to audio and back.
        name: how the model is called in a take's record.
        seconds: the length that the field was trained on.
        defaults: guidance, solver and steps used where a call says nothing.
        autocast: dtype of the field's products, where it is not to be that of its weights.
        style_features: what the style conditioner hears an excerpt with; None: the codec's latents.
        adapters: ``name``, ``hash`` and ``scale`` of those that are in the weights, for a take's record.
        weights: sha256 of the ``model`` and its ``codec``, where they are known, for the same.
        licence: of the weights, for the same.

    >>> import flowmusic
    >>> nano = flowmusic.load("nano")
    >>> grid = nano.grid(seconds=4.0)
    >>> take = nano.generate(flowmusic.request("a slow waltz", chords="C G", grid=grid), grid=grid, steps=2, seed=1)
    >>> take.audio.samples.shape, take.audio.rate
    (torch.Size([1, 1, 128000]), 32000)
    """

    def __init__(
        self,
        field: nn.Module,
        encoder: nn.Module,
        codec: Codec,
        *,
        name: str,
        seconds: float,
        defaults: GenerationDefaults | None = None,
        autocast: torch.dtype | None = None,
        style_features: StyleFeatures | None = None,
        adapters: Sequence[Mapping[str, Any]] = (),
        weights: Mapping[str, str] | None = None,
        licence: str = "not stated",
    ) -> None:
        self.field = field.eval()
        self.encoder = encoder.eval()
        self.codec = codec
        self.name = name
        self.seconds = seconds
        self.defaults = defaults or GenerationDefaults()
        self.autocast = autocast
        self.style_features = style_features
        self.adapters = tuple(adapters)
        self.weights = dict(weights or {})
        self.licence = licence

    @property
    def device(self) -> torch.device:
        parameter = next(self.field.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    @property
    def controls(self) -> tuple[str, ...]:
        """The tracks that this model reads."""
        names: tuple[str, ...] = self.encoder.names  # type: ignore[assignment]
        return names

    @property
    def has_style(self) -> bool:
        """Whether this model takes the feel of an excerpt."""
        return getattr(self.encoder, "style", None) is not None

    @property
    def has_facts(self) -> bool:
        """Whether this model is told facts."""
        return getattr(self.encoder, "facts", None) is not None

    @property
    def drums_as_codes(self) -> bool:
        """Whether the drum track holds ids of the codec's first codebook, instead of a drawing of onsets."""
        return bool(getattr(self.encoder, "drums_as_codes", False))

    @property
    def reads_context(self) -> bool:
        """Whether the encoder hears known latents, as a field that was trained with masks does."""
        return bool(getattr(self.encoder, "reads_context", True))

    def in_stereo(self, wanted: bool = True) -> None:
        """Make takes of two channels, or of one again, where the codec has a stereo head; as loaded, it is not used."""
        if getattr(self.codec, "stereo", None) is not None:
            self.codec.mono = not wanted  # type: ignore[attr-defined]

    def grid(self, seconds: float | None = None) -> FrameGrid:
        """The model's clock over ``seconds`` (default: the trained length)."""
        return FrameGrid.of_seconds(self.seconds if seconds is None else seconds, self.codec.frame_rate)

    @torch.no_grad()
    def style(self, excerpt: Audio, detail: int | None = None, timbre: float | None = None) -> Style:
        """What of a recording is style, to be given as ``Controls.style`` or ``request(style=...)``.

        Args:
            excerpt: 1.5 to 4.5 s as in training (``audio.loudest`` finds some); one recording ``[C, N]``, any rate.
            detail: levels of the bottleneck that are kept, from 1, a hint; None: the model's own.
            timbre: how far its statistics are matched, from 0 to 1; None: the model's own.

        Raises: ValueError for a model without style, a detail or length that is not allowed, and features whose
            weights are not to be had.
        """
        conditioner: Any = getattr(self.encoder, "style", None)
        if conditioner is None:
            raise ValueError(f"{self.name} has no style control; leave the style out, or use a model such as nano")
        if detail is not None:
            conditioner.quantiser.check(detail)
        if excerpt.seconds * float(self.codec.frame_rate) < conditioner.stride:
            raise ValueError(f"an excerpt of {excerpt.seconds:.2f} s is too short for a style; give 1.5 to 4.5 s")
        if self.style_features is not None:
            frames = FrameGrid.of_seconds(excerpt.seconds, self.codec.frame_rate).length
            return Style(self.style_features(excerpt, frames), detail, timbre)
        latents = self.codec.encode(Audio(excerpt.samples[None].to(self.device), excerpt.rate))
        return Style(latents[0].cpu(), detail, timbre)

    def audio_prompt(self, recording: Audio) -> AudioPrompt:
        """A recording that stands where words would, to be given in ``Controls.text``.

        Args:
            recording: ``[C, N]`` of a second or more, any rate; of a long one, the mean over its windows.

        Raises: ValueError for a model that reads words only.
        """
        joint: Any = getattr(self.encoder, "joint", None)
        if joint is None:
            raise ValueError(f"{self.name} reads words only; train a model with text=mixed, or give a style instead")
        return AudioPrompt(torch.nn.functional.normalize(embed_audio(joint.network, recording).mean(0), dim=-1))

    def unread(self, prompt: Prompt) -> list[str]:
        """What of a prompt this model does not read, in sentences for its author.

        Empty where nothing is known about that: for a recording, and a text-audio model that is not ours.
        """
        if not isinstance(prompt, str) or not prompt.strip():
            return []
        joint: Any = getattr(self.encoder, "joint", None)
        reader = (
            getattr(self.encoder, "text", None)
            if joint is None or joint.words
            else getattr(joint.network, "words", None)
        )
        return reader.unread(prompt) if isinstance(reader, FrozenText) else []

    @torch.no_grad()
    def generate(
        self,
        controls: Controls,
        *,
        grid: FrameGrid | None = None,
        guidance: Guidance | None = None,
        solver: str | None = None,
        steps: int | None = None,
        time_grid: str | None = None,
        seed: int | None = None,
        context: tuple[Tensor, Tensor] | None = None,
        negative: tuple[Controls, float] | None = None,
        noise: Noise | None = None,
        progress: Progress | None = None,
    ) -> Generation:
        """Generate one take per item of ``controls``.

        Any length: the grid is covered by windows of the trained length (:mod:`flowmusic.generate.long`), which overlap
        by 2.5 s or more and continue each other on bar lines where the controls tell them.  Each has its own part of
        the controls, and what earlier windows made is held fixed and given to the encoder as context.
        A grid shorter than that gets a window of its own length, down to ``defaults.shortest_window``, from which it
        is cut.

        Args:
            controls: batch of B; every track on ``grid``.
            grid: length of the take; default: the tracks' grid, or the trained length.
            guidance, solver, steps, time_grid: default to ``self.defaults``; an adaptive solver ignores ``steps``.
            seed: item b starts from noise of seed + b, so a batch repeats takes made one by one; None draws a seed.
            context: latents ``[B, T, D]`` and keep ``[B, T]`` bool: frames to leave as they are (inpainting).
            negative: controls to lead away from, and how strongly (a weight; 1 is as strong as plain guidance of 2).
            noise: where the windows' noise comes from; default: the seed.
            progress: called as ``progress(done, total)`` after every field evaluation.

        Returns: Generation with audio ``[B, C, N]`` and latents ``[B, T, D]`` on the CPU.
        Raises: ValueError for settings that make no sense, NotFinite if the solve diverges.
        """
        guidance = guidance or self.defaults.guide()
        sampling = self.sampling(solver, steps, time_grid)
        grid = self._common_grid(controls, grid)
        limits.number("seconds", grid.seconds, "a take's length")
        limits.whole("batch", controls.batch, "controls")
        seed = draw_seed() if seed is None else check_seed(seed)
        noises = noise or SeededNoise.counted(seed, controls.batch)
        if context is not None:
            self._check_context(context, controls.batch, grid.length)
        evals, made = 0, []
        ask = asking(controls, guidance, negative)
        for latents, count in drawn(
            self,
            ask,
            controls,
            grid,
            self.window_frames(grid),
            noises,
            sampling,
            given=context,
            steady=context is None,
            progress=progress,
        ):
            made.append(latents)
            evals += count
        known = torch.cat(made, dim=1)
        return self.finished(known, controls, guidance, sampling, seed, evals)

    def sampling(self, solver: str | None = None, steps: int | None = None, time_grid: str | None = None) -> Sampling:
        """The model's own way to integrate, with what is given in place of it.  Raises: ValueError as `Sampling`."""
        own = self.defaults
        return Sampling(
            solver or own.solver, own.steps if steps is None else steps, time_grid or own.time_grid, own.tolerance
        )

    @torch.no_grad()
    def finished(
        self, latents: Tensor, controls: Controls, guidance: Guidance, sampling: Sampling, seed: int, evals: int
    ) -> Generation:
        """A take of latents ``[B, T, D]``: decoded, checked, and with what is needed to repeat it.

        Raises: NotFinite for what diverged.
        """
        audio = self.codec.decode(latents)
        audio = Audio(audio.samples.float().cpu(), audio.rate)
        check_finite(latents, audio.samples, guidance, sampling)
        prompts = dict.fromkeys(text for text in controls.text if isinstance(text, str))
        unread = [notice for text in prompts for notice in self.unread(text)]
        return Generation(
            audio,
            latents.cpu(),
            controls,
            guidance,
            seed,
            evals,
            sampling.solver,
            sampling.steps,
            sampling.time_grid,
            tuple(unread),
        )

    def parts(
        self,
        grid: FrameGrid,
        controls: Controls,
        cuts: Sequence[int] = (),
        sections: Sequence[int] = (),
        edges: Sequence[int] = (),
    ) -> tuple[Part, ...]:
        """The parts of a take that is drawn from left to right: :func:`flowmusic.generate.scheme.parts_of`."""
        return parts_of(grid, controls, self.window_frames(grid), cuts, sections, edges)

    def window_frames(self, grid: FrameGrid) -> int:
        """Frames that are drawn at once for a take on ``grid``."""
        trained, shortest = self.grid().length, self.defaults.shortest_window
        least = trained if shortest is None else min(trained, self.grid(shortest).length)
        return min(trained, max(least, grid.length))

    def _common_grid(self, controls: Controls, grid: FrameGrid | None) -> FrameGrid:
        for name, track in controls.tracks.items():
            grid = grid or track.grid
            if track.grid != grid:
                raise ValueError(
                    f"control {name!r} has {track.grid.length} frames at {track.grid.frame_rate} Hz, but the take has "
                    f"{grid.length} at {grid.frame_rate} Hz; build all controls on one grid (generator.grid(seconds))"
                )
        grid = grid or self.grid()
        if grid.frame_rate != self.codec.frame_rate:
            raise ValueError(
                f"model {self.name!r} runs at {self.codec.frame_rate} Hz, got a grid at {grid.frame_rate} Hz"
            )
        return grid

    def _check_context(self, context: tuple[Tensor, Tensor], batch: int, length: int) -> None:
        latents, kept = context
        if latents.shape != (batch, length, self.codec.dim) or kept.shape != (batch, length):
            raise ValueError(
                f"context must be latents {(batch, length, self.codec.dim)} and keep {(batch, length)}, "
                f"got {tuple(latents.shape)} and {tuple(kept.shape)}"
            )


def draw_seed() -> int:
    """A fresh seed, short enough to be typed again."""
    return secrets.randbelow(2**31)


def check_seed(seed: int) -> int:
    """Raise ValueError for a seed that torch cannot take."""
    return limits.whole("noise_seed", seed, "seed")


def check_finite(latents: Tensor, samples: Tensor, guidance: Guidance, sampling: Sampling) -> None:
    """Raise NotFinite, with advice, for latents or samples that hold NaN or infinity."""
    if not bool(torch.isfinite(latents).all() and torch.isfinite(samples).all()):
        raise NotFinite(
            "the solve diverged to NaN or infinity: use smaller guidance weights or more steps, "
            f"got {_weights(guidance)} with {sampling.steps} steps of {sampling.solver}"
        )


def _weights(guidance: Guidance) -> str:
    return ", ".join(f"{'+'.join(sorted(t.keep)) or 'none'}={t.weight:g}" for t in guidance.terms)
