"""Music like some that is there: three ways, each with one slider from 0, the same, to 1, free.

``variation`` asks again for the same with noise between two seeds; ``strength`` goes back on the path to noise and down
another way; ``morph`` moves the music by what two requests differ in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.flow import solve
from flowmusic.flow.morph import morphing
from flowmusic.generate.draw import Given, draw, velocity
from flowmusic.generate.generator import Generator, check_seed, draw_seed
from flowmusic.generate.passages import Passage
from flowmusic.generate.sampling import Noise, Sampling, SeededNoise
from flowmusic.generate.through import through
from flowmusic.generate.windows import Window, cut_controls
from flowmusic.types import Controls, Generation, Guidance, Progress, Solution, VelocityField

MORPH_SOURCE = 1.0
"""Guidance of the request that a morph leads away from."""
MORPH_NOISES = 1
"""Over how many noises a morph averages its difference."""


class BetweenNoises:
    """Noise on the way from one to another: cos(a pi/2) n_0 + sin(a pi/2) n_1, white and of unit variance for every a.

    >>> ends = SeededNoise([1]), SeededNoise([2])
    >>> bool((BetweenNoises(*ends, 0.0).draw(3, 2) == SeededNoise([1]).draw(3, 2)).all())
    True
    """

    def __init__(self, first: Noise, second: Noise, amount: float) -> None:
        self._ends, self._amount = (first, second), limits.number("share", amount, "amount")

    def draw(self, length: int, dim: int) -> Tensor:
        first, second = (end.draw(length, dim) for end in self._ends)
        if self._amount in (0.0, 1.0):
            return second if self._amount else first
        angle = torch.tensor(self._amount * torch.pi / 2, dtype=torch.float64)
        # Variances add up, and cos^2 + sin^2 = 1.
        return float(angle.cos()) * first + float(angle.sin()) * second


def variation(
    generator: Generator,
    controls: Controls,
    amount: float,
    *,
    first: int,
    seed: int | None = None,
    guidance: Guidance | None = None,
    sampling: Sampling | None = None,
    length: int | None = None,
    progress: Progress | None = None,
) -> Generation:
    """The take of the seed ``first``, with noise that is ``amount`` of the way to that of ``seed``.

    With 0 it is that take, to the bit where it is made as it was then; with 1 it is the take of ``seed``.

    Args:
        controls: what that take was asked for, a batch of B, tracks on the frames of the take.
        amount: 0 to 1.
        first: seed of item 0; item b has the b-th after it, and so with ``seed``.
        guidance, sampling: as that take was made with; default: the model's own.
        length: frames; default: those of the tracks, or the trained length.

    Raises: ValueError as :meth:`Generator.generate`, and for an amount outside 0..1.
    """
    seed = draw_seed() if seed is None else check_seed(seed)
    ends = SeededNoise.counted(check_seed(first), controls.batch), SeededNoise.counted(seed, controls.batch)
    sampling = sampling or generator.sampling()
    rate = generator.codec.frame_rate
    return generator.generate(
        controls,
        grid=None if length is None else generator.grid(length / float(rate)),
        guidance=guidance,
        solver=sampling.solver,
        steps=sampling.steps,
        time_grid=sampling.time_grid,
        seed=seed,
        noise=BetweenNoises(*ends, amount),
        progress=progress,
    )


def strength(
    generator: Generator,
    latents: Tensor,
    controls: Controls,
    amount: float,
    *,
    guidance: Guidance | None = None,
    sampling: Sampling | None = None,
    seed: int | None = None,
    negative: tuple[Controls, float] | None = None,
    progress: Progress | None = None,
) -> Generation:
    """Music that keeps of the source what is left of it under noise, and takes the rest from the request.

    The solve starts at t = 1 - ``amount`` on the path from noise to the source (SDEdit, Meng et al. 2022, arXiv
    2108.01073).  Symbols that are among the controls, those of the source or new ones, hold what the noise covers.

    Args:
        latents: of the source ``[B, T, D]``.
        controls: what is asked for, a batch of B, tracks on T frames.
        amount: 0, the source, to 1, a take of the request alone.
        guidance, sampling: default: the model's own.
        seed: item b has the noise of seed + b; None draws one.
        negative: what to lead away from, and how strongly, as in :meth:`Generator.generate`.

    Raises: ValueError for an amount outside 0..1 and tracks of another length; NotFinite.
    """
    start = 1.0 - limits.number("share", amount, "strength")
    guidance, sampling, seed = _settled(generator, latents, controls, guidance, sampling, seed)
    if start >= 1.0:
        return generator.finished(latents, controls, guidance, sampling, seed, 0)

    def one(part: Window, noise: Tensor, source: Tensor, given: Given, told: Progress | None) -> Solution:
        unwanted = negative and (cut_controls(negative[0], part), negative[1])
        asked = [Passage(cut_controls(controls, part), guidance, negative=unwanted)]
        return draw(generator, asked, noise, sampling, given=given, source=source, start=start, progress=told)

    noise = SeededNoise.counted(seed, controls.batch)
    found, evals = through(generator, latents, noise, one, sampling.evals(start), progress)
    return generator.finished(found, controls, guidance, sampling, seed, evals)


@torch.no_grad()
def morph(
    generator: Generator,
    latents: Tensor,
    before: Controls,
    after: Controls,
    amount: float,
    *,
    guidance: Guidance | None = None,
    away: Guidance | None = None,
    sampling: Sampling | None = None,
    seed: int | None = None,
    noises: int = MORPH_NOISES,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Generation:
    """Music moved by what two requests differ in (:mod:`flowmusic.flow.morph`): only the chords, only the words.

    Args:
        latents: of the source ``[B, T, D]``.
        before: what the source was asked for, or what was heard in it; a batch of B, tracks on T frames.
        after: what it is to become.
        amount: how much of the path is gone, from t = 1 - ``amount``: 0 leaves the source as it is.
        guidance: of ``after``; default: the model's own.
        away: of ``before``; default: plain guidance of :data:`MORPH_SOURCE`.
        sampling: default: the model's own.
        seed: item b has the noise of seed + b; None draws one.
        noises: how many of them the difference is averaged over.
        fresh: new noise at every evaluation, instead of one for the whole way.

    Raises: ValueError as :func:`strength`.
    """
    start = 1.0 - limits.number("share", amount, "morph")
    _settled(generator, latents, before, guidance, sampling, seed)
    guidance, sampling, seed = _settled(generator, latents, after, guidance, sampling, seed)
    if start >= 1.0:
        return generator.finished(latents, after, guidance, sampling, seed, 0)
    away = away or Guidance.plain(MORPH_SOURCE)
    drawn = SeededNoise.counted(seed, after.batch)
    device = generator.device

    def one(part: Window, noise: Tensor, source: Tensor, given: Given, told: Progress | None) -> Solution:
        length = part.stop - part.start

        def field(controls: Controls, weights: Guidance, known: Tensor) -> VelocityField:
            asked = [Passage(cut_controls(controls, part).to(device), weights)]
            return velocity(generator, asked, length, (known, given[1]))

        fixed = [noise] + [drawn.draw(length, source.shape[-1]).to(source) for _ in range(noises - 1)]

        def many() -> Sequence[Tensor]:
            return [drawn.draw(length, source.shape[-1]).to(source) for _ in range(noises)] if fresh else fixed

        held = given if bool(given[1].any()) else None
        moved = morphing(field(before, away, source), field(after, guidance, given[0]), source, many, held)
        with torch.autocast(device.type, generator.autocast, enabled=generator.autocast is not None):
            return solve.solve(
                moved, source, sampling.times(start), sampling.solver, tolerance=sampling.tolerance, progress=told
            )

    found, evals = through(generator, latents, drawn, one, sampling.evals(start), progress)
    return generator.finished(found, after, guidance, sampling, seed, evals)


def _settled(
    generator: Generator,
    latents: Tensor,
    controls: Controls,
    guidance: Guidance | None,
    sampling: Sampling | None,
    seed: int | None,
) -> tuple[Guidance, Sampling, int]:
    """The model's own where nothing was given.  Raises: ValueError for controls of another length or batch."""
    if latents.ndim != 3 or latents.shape[-1] != generator.codec.dim or len(latents) != controls.batch:
        raise ValueError(
            f"the source must be latents [{controls.batch}, T, {generator.codec.dim}], got {tuple(latents.shape)}"
        )
    for name, track in controls.tracks.items():
        if track.grid.length != latents.shape[1]:
            raise ValueError(
                f"control {name!r} has {track.grid.length} frames, but the source has {latents.shape[1]}; "
                "make it on the grid of the source"
            )
    seed = draw_seed() if seed is None else check_seed(seed)
    return guidance or generator.defaults.guide(), sampling or generator.sampling(), seed
