"""Music between two requests: the velocities of both, weighted; at noise that may lie between two seeds."""

from __future__ import annotations

from dataclasses import replace

import torch

from flowmusic import limits
from flowmusic.generate.draw import Given, draw
from flowmusic.generate.generator import Generator, check_seed, draw_seed
from flowmusic.generate.passages import Passage
from flowmusic.generate.sampling import Noise, Sampling, SeededNoise
from flowmusic.generate.through import through
from flowmusic.generate.windows import Window, cut_controls
from flowmusic.types import Controls, FrameGrid, Generation, Guidance, Progress, Solution


def shared(first: Controls, second: Controls, at: float, guidance: Guidance, length: int) -> list[Passage]:
    """Two requests as passages that share every frame: 1 - ``at`` and ``at``; at an end, one of them alone.

    >>> a, b = Controls(("calm",)), Controls(("loud",))
    >>> [passage.share.tolist() for passage in shared(a, b, 0.25, Guidance.plain(2.0), 2)]
    [[0.75, 0.75], [0.25, 0.25]]
    >>> [passage.controls.text for passage in shared(a, b, 1.0, Guidance.plain(2.0), 2)]
    [('loud',)]
    """
    at = limits.number("share", at, "at")
    if at in (0.0, 1.0):
        return [Passage(second if at else first, guidance)]
    shares = ((first, 1.0 - at), (second, at))
    return [Passage(controls, guidance, torch.full((length,), share)) for controls, share in shares]


def blend(
    generator: Generator,
    first: Controls,
    second: Controls,
    at: float,
    *,
    grid: FrameGrid | None = None,
    guidance: Guidance | None = None,
    sampling: Sampling | None = None,
    seed: int | None = None,
    noise: Noise | None = None,
    progress: Progress | None = None,
) -> Generation:
    """A take between two requests; with 0 that of ``first``, with 1 that of ``second``, of the same seed.

    Args:
        first, second: batches of B; tracks that they share (the same objects) are evaluated once.
        at: 0 to 1.
        grid: length; default: the trained length.
        guidance, sampling: default: the model's own.
        seed: item b has the noise of seed + b; None draws one.
        noise: instead of the seed's, for example :class:`flowmusic.generate.vary.BetweenNoises`.

    Raises: ValueError for ``at`` outside 0..1 and for tracks of another length; NotFinite.
    """
    guidance, sampling = guidance or generator.defaults.guide(), sampling or generator.sampling()
    grid = grid or next((track.grid for track in first.tracks.values()), generator.grid())
    seed = draw_seed() if seed is None else check_seed(seed)
    nearer = second if limits.number("share", at, "at") > 0.5 else first

    def one(part: Window, drawn: torch.Tensor, _: torch.Tensor, given: Given, told: Progress | None) -> Solution:
        both = (cut_controls(first, part), cut_controls(second, part))
        if second.tracks is first.tracks:
            both = (both[0], replace(both[1], tracks=both[0].tracks))
        return draw(
            generator, shared(*both, at, guidance, part.stop - part.start), drawn, sampling, given=given, progress=told
        )

    nothing = torch.zeros(first.batch, grid.length, generator.codec.dim)
    found, evals = through(
        generator, nothing, noise or SeededNoise.counted(seed, first.batch), one, sampling.evals(), progress
    )
    return generator.finished(found, nearer, guidance, sampling, seed, evals)
