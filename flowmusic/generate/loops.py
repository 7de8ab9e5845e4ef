"""Loops: music of exactly so many samples whose end runs on into its beginning.

A loop of N samples is P = N / hop latent frames long, rarely a whole number.  So it is made in two draws: a take of it
with something before and behind (its controls go round), and then its last second again, with the music before it and
its own beginning behind it as known context (inpainting).  The beginning is known there at the exact sample: where P is
not whole, its sound is shifted by the rest of a frame and encoded again.  Neither pitch nor tempo gives way, and a loop
may be longer than the window.

Two other ways are kept for comparison (benchmarks/loops.py): TIED, after LoopGen (arXiv 2504.04466), where the window
is [end | loop | beginning] and the margins follow the loop in every evaluation; ROLLED, where every evaluation sees the
loop turned by another share of it.  Both need whole frames, and the loop is resampled by what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.audio import Audio
from flowmusic.generate.draw import Given, draw, velocity
from flowmusic.generate.generator import Generator, check_finite
from flowmusic.generate.long import OVERLAP_SECONDS
from flowmusic.generate.passages import Passage
from flowmusic.generate.sampling import Noise, Sampling, SeededNoise
from flowmusic.generate.windows import cover
from flowmusic.types import Controls, FrameGrid, Generation, Guidance, Progress, Track, VelocityField

PLAIN, TIED, ROLLED, INFILLED = "plain", "tied", "rolled", "infilled"
METHODS = (PLAIN, TIED, ROLLED, INFILLED)
MARGIN_SECONDS = 1.5
"""What is drawn before and behind a loop."""
JOINED_SECONDS = 1.0
"""How much of a loop's end is drawn again, between its music and its beginning; a shorter loop gives a third of it."""
FADE_SECONDS = 0.01
"""Behind the seam the sound goes from the second draw's to that of the beginning, which was its context."""
TURNS = 4
"""Into so many places a rolled loop is turned, one evaluation after the other."""


@dataclass(frozen=True)
class Length:
    """How long a loop is: samples at the codec's rate, and latent frames, of which there may be a part.

    >>> length = Length.of_bars(bars=4, beats_per_bar=4, bpm=100, rate=32_000, frame_rate=Fraction(25))
    >>> length.samples, length.period, length.frames, round(length.cents, 3)
    (307200, Fraction(240, 1), 240, 0.0)
    """

    samples: int
    rate: int
    frame_rate: Fraction

    @staticmethod
    def of_bars(bars: int, beats_per_bar: int, bpm: float, rate: int, frame_rate: Fraction) -> Length:
        """Exactly so many bars: round(rate * 60 * beats / bpm) samples."""
        return Length(round(rate * 60 * bars * beats_per_bar / Fraction(bpm)), rate, frame_rate)

    @property
    def hop(self) -> int:
        return int(self.rate / self.frame_rate)

    @property
    def period(self) -> Fraction:
        """Latent frames of a turn."""
        return Fraction(self.samples, self.hop)

    @property
    def frames(self) -> int:
        """The nearest whole number of frames."""
        return max(1, round(self.period))

    @property
    def cents(self) -> float:
        """By how much a loop of whole frames sounds higher once it is resampled to these samples."""
        return 1200.0 * math.log2(self.frames / self.period)


def around(controls: Controls, period: Fraction, first: int, length: int, frames: int | None = None) -> Controls:
    """Controls of a loop, turned round and round: frames ``first`` to ``first + length``, counted from its beginning.

    Args:
        controls: of one turn, at least ``period`` frames.
        frames: of a loop that is made of whole frames, which the turn is stretched to; None: they stay as they are.

    Shape: tracks ``[B, T]`` -> ``[B, length]``.
    """
    if not controls.tracks:
        return controls
    places = torch.arange(first, first + length, dtype=torch.float64) + 0.5
    if frames is not None:
        places = places.remainder(frames) * (float(period) / frames)
    source = places.remainder(float(period)).floor().long()

    def turned(track: Track) -> Track:
        at = source.clamp(max=track.grid.length - 1).to(track.known.device)
        return Track(track.values[:, at], track.known[:, at], FrameGrid(track.grid.frame_rate, length))

    return replace(controls, tracks={name: turned(track) for name, track in controls.tracks.items()})


@torch.no_grad()
def loop(
    model: Generator,
    controls: Controls,
    length: Length,
    *,
    guidance: Guidance | None = None,
    sampling: Sampling | None = None,
    seed: int,
    negative: tuple[Controls, float] | None = None,
    method: str = INFILLED,
    progress: Progress | None = None,
) -> Generation:
    """Make a loop per item of ``controls``.

    Args:
        model: a generator whose codec tells how far its decoder looks.
        controls: batch of B; tracks of one turn, of ``ceil(length.period)`` frames or more.
        length: of the loop.
        guidance, sampling: the model's own where they are not given.
        seed: item b starts from noise of seed + b.
        negative: as in :meth:`Generator.generate`.
        method: one of ``METHODS``; TIED and ROLLED take a loop that fits into a window.

    Returns: Generation with audio ``[B, C, N]`` of exactly ``length.samples``.  Played again and again it has no seam.
    Raises: ValueError for a loop that is too short or too long, NotFinite if the solve diverges.
    """
    if method not in METHODS:
        raise ValueError(f"unknown way to make a loop {method!r}; choose one of {', '.join(METHODS)}")
    check_seconds(length.samples / length.rate)
    work = _Work(
        model,
        controls,
        negative,
        length,
        guidance or model.defaults.guide(),
        sampling or model.sampling(),
        SeededNoise.counted(seed, controls.batch),
        progress,
    )
    latents, samples = {PLAIN: _plain, TIED: _tied, ROLLED: _rolled, INFILLED: _infilled}[method](work)
    check_finite(latents, samples, work.guidance, work.sampling)
    unread = [
        notice
        for text in dict.fromkeys(t for t in controls.text if isinstance(t, str))
        for notice in model.unread(text)
    ]
    return Generation(
        Audio(samples.float().cpu(), length.rate),
        latents.cpu(),
        controls,
        work.guidance,
        seed,
        work.evals,
        work.sampling.solver,
        work.sampling.steps,
        work.sampling.time_grid,
        tuple(unread),
    )


def check_seconds(seconds: float) -> float:
    """The length of a loop, if it is one.  Raises: LimitError for one that is too short or too long."""
    return limits.number("loop_seconds", seconds, "a loop's length")


@dataclass
class _Work:
    """One loop while it is made."""

    model: Generator
    controls: Controls
    negative: tuple[Controls, float] | None
    length: Length
    guidance: Guidance
    sampling: Sampling
    noises: Noise
    progress: Progress | None
    evals: int = 0
    to_come: int = 0

    def frames(self, seconds: float) -> int:
        return max(1, round(seconds * float(self.length.frame_rate)))

    @property
    def window(self) -> int:
        return self.model.grid().length

    def passage(self, first: int, length: int, frames: int | None = None) -> Passage:
        def cut(controls: Controls) -> Controls:
            return around(controls, self.length.period, first, length, frames)

        return Passage(
            cut(self.controls), self.guidance, negative=self.negative and (cut(self.negative[0]), self.negative[1])
        )

    def noise(self, length: int) -> Tensor:
        return self.noises.draw(length, self.model.codec.dim)

    def draw(
        self,
        first: int,
        noise: Tensor,
        given: Given | None = None,
        frames: int | None = None,
        wrap: Callable[[VelocityField], VelocityField] | None = None,
    ) -> Tensor:
        """Frames from ``first`` on.  Shape: noise ``[B, T, D]`` -> latents ``[B, T, D]``."""
        each = self.sampling.evals()
        self.to_come = max(0, self.to_come - 1)
        done, left, told = self.evals, self.to_come * each, self.progress
        solution = draw(
            self.model,
            [self.passage(first, noise.shape[1], frames)],
            noise,
            self.sampling,
            given=given,
            wrap=wrap,
            progress=None if told is None else lambda now, total: told(done + now, done + total + left),
        )
        self.evals += solution.num_evals
        return solution.z

    def decode(self, latents: Tensor) -> Tensor:
        """Shape: ``[B, T, D] -> [B, C, T * hop]``, on the CPU."""
        return self.model.codec.decode(latents).samples.float().cpu()


def _left_to_right(work: _Work, first: int, total: int) -> Tensor:
    """Frames ``first`` to ``first + total`` of a loop that knows nothing of its ends."""
    window = min(work.window, max(total, _least(work)))
    parts = cover(total, window, min(work.frames(OVERLAP_SECONDS), window // 2))
    work.to_come += len(parts)
    batch, dim = work.controls.batch, work.model.codec.dim
    known = torch.zeros(batch, max(total, parts[-1].stop), dim, device=work.model.device)
    keep = torch.zeros(known.shape[:2], dtype=torch.bool, device=known.device)
    for part in parts:
        here = slice(part.start, part.stop)
        known[:, here] = work.draw(first + part.start, work.noise(window), (known[:, here], keep[:, here]))
        keep[:, here] = True
    return known[:, :total]


def _least(work: _Work) -> int:
    shortest = work.model.defaults.shortest_window
    return work.window if shortest is None else work.model.grid(shortest).length


def _plain(work: _Work) -> tuple[Tensor, Tensor]:
    """No treatment: a take, cut at its last bar line."""
    latents = _left_to_right(work, 0, math.ceil(work.length.period))
    return latents, work.decode(latents)[..., : work.length.samples]


def _infilled(work: _Work) -> tuple[Tensor, Tensor]:
    length, hop = work.length, work.length.hop
    turn = math.ceil(length.period)
    margin = work.frames(MARGIN_SECONDS)
    work.to_come = 1
    whole = _left_to_right(work, -margin, margin + turn + margin)
    sound = work.decode(whole)
    made = sound[..., margin * hop : margin * hop + length.samples]
    # The second draw: a window with the seam in its middle, at the end of frame ``turn`` or within it.
    redrawn = min(work.frames(JOINED_SECONDS), turn // 3)
    side = (min(work.window, max(_least(work), 2 * turn)) - redrawn) // 2
    before = min(side, turn - redrawn)
    last = math.floor(length.period)
    start = last - redrawn - before
    left = whole[:, margin + start : margin + last - redrawn]
    right = _beginning(work, whole, sound, margin, min(side, last - redrawn))
    hole = turn - last + redrawn
    size = max(_least(work), before + hole + right.shape[1])
    known = torch.zeros(whole.shape[0], size, whole.shape[2], device=whole.device)
    keep = torch.zeros(known.shape[:2], dtype=torch.bool, device=whole.device)
    known[:, :before], keep[:, :before] = left, True
    known[:, before + hole : before + hole + right.shape[1]] = right
    keep[:, before + hole : before + hole + right.shape[1]] = True
    # Where the window reaches further than one turn, what it sees goes round; the rest of it is free.
    joined = work.draw(start, work.noise(size), (known, keep))
    fresh = work.decode(joined)
    samples, fade = made.clone(), round(FADE_SECONDS * length.rate)
    # The decoder hears the new frames a little before they begin, and up to there both draws are one.
    reach = min(before, getattr(work.model.codec, "context_frames", before))
    at = (before - reach) * hop
    seam = length.samples - start * hop
    samples[..., length.samples - (seam - at) :] = fresh[..., at:seam]
    rise = torch.sin(0.5 * math.pi * (torch.arange(fade) + 0.5) / fade).square()
    samples[..., :fade] = fresh[..., seam : seam + fade] * (1.0 - rise) + made[..., :fade] * rise
    latents = whole[:, margin : margin + turn].clone()
    latents[:, last - redrawn :] = joined[:, before : before + hole]
    return latents, samples


def _beginning(work: _Work, whole: Tensor, sound: Tensor, margin: int, frames: int) -> Tensor:
    """Latents of a loop's beginning as it sounds from frame ceil(P) on, one turn later."""
    length, hop = work.length, work.length.hop
    turn = math.ceil(length.period)
    late = turn * hop - length.samples
    if not late:
        return whole[:, margin : margin + frames]
    # Frame ``turn`` begins ``late`` samples into the second turn.  The encoder hears what leads there.
    first = margin * hop + late
    heard = Audio(sound[..., late : first + (frames + min(margin, 4)) * hop].to(work.model.device), length.rate)
    encoded = work.model.codec.encode(heard).to(whole)
    return encoded[:, margin : margin + frames]


def _tied(work: _Work) -> tuple[Tensor, Tensor]:
    total = work.length.frames
    margin = min(work.frames(MARGIN_SECONDS), (work.window - total) // 2)
    if margin < 1:
        raise ValueError("a loop that is tied at its ends must be shorter than the window; make it shorter, or rolled")
    work.to_come = 1
    size = max(total + 2 * margin, _least(work))
    source = (torch.arange(size) - margin).remainder(total) + margin

    def tied(field: VelocityField) -> VelocityField:
        # Margins that begin as their twins and move with them are their twins at every time.
        at = source.to(work.model.device)
        return lambda z, t: field(z, t)[:, at]

    latents = work.draw(-margin, work.noise(size)[:, source], frames=total, wrap=tied)[:, margin : margin + total]
    return latents, _round(work, latents)


def _rolled(work: _Work) -> tuple[Tensor, Tensor]:
    total = work.length.frames
    if total > work.window:
        raise ValueError("a loop that is rolled must fit into the window; make it shorter")
    work.to_come = 1
    offsets = [turn * total // TURNS for turn in range(TURNS)]

    def rolled(_: VelocityField) -> VelocityField:
        fields = [velocity(work.model, [work.passage(offset, total, total)], total) for offset in offsets]
        calls = iter(range(10**9))

        def turned(z: Tensor, t: Tensor) -> Tensor:
            number = next(calls) % TURNS
            return fields[number](z.roll(-offsets[number], 1), t).roll(offsets[number], 1)

        return turned

    latents = work.draw(0, work.noise(total), frames=total, wrap=rolled)
    return latents, _round(work, latents)


def _round(work: _Work, latents: Tensor) -> Tensor:
    """Decode a circle of whole frames and resample it to the loop's samples."""
    codec, hop, total = work.model.codec, work.length.hop, latents.shape[1]
    reach = min(total, int(getattr(codec, "context_frames", 16)))
    turned = torch.cat([latents[:, -reach:], latents, latents[:, :reach]], 1)
    sound = work.decode(turned)
    if total * hop == work.length.samples:
        return sound[..., reach * hop : (reach + total) * hop]
    ratio = Fraction(work.length.samples, total * hop)
    import soxr

    flat = sound.reshape(-1, sound.shape[-1]).T.numpy()
    changed = torch.from_numpy(soxr.resample(flat, float(total * hop), float(work.length.samples)).T.copy())
    first = round(reach * hop * ratio)
    return changed.reshape(*sound.shape[:-1], -1)[..., first : first + work.length.samples]
