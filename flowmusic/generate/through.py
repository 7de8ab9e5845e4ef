"""Window after window over a piece that is there already, each going on from what was made of the one before."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flowmusic.generate.draw import Given
from flowmusic.generate.generator import Generator
from flowmusic.generate.long import OVERLAP_SECONDS, shifted
from flowmusic.generate.sampling import Noise
from flowmusic.generate.windows import Window, cover
from flowmusic.types import FrameGrid, Progress, Solution

One = Callable[[Window, Tensor, Tensor, Given, Progress | None], Solution]
"""A window: its frames, noise and source ``[B, W, D]``, what of it is made already, and whom to tell."""


def through(
    generator: Generator, source: Tensor, noise: Noise, one: One, evals: int, progress: Progress | None = None
) -> tuple[Tensor, int]:
    """Latents ``[B, T, D]`` of the same length as ``source``, and how often the field was evaluated.

    Windows are those of :meth:`Generator.generate`.  A piece that is shorter than one goes on in it backwards, which is
    more like music than silence is, and is cut off again.

    Args:
        generator: the model.
        source: latents ``[B, T, D]``.
        noise: of every window.
        one: makes a window.
        evals: how many evaluations a window is expected to take.
        progress: called as ``progress(done, total)`` after every evaluation.
    """
    length = source.shape[1]
    grid = FrameGrid(generator.codec.frame_rate, length)
    window = generator.window_frames(grid)
    parts = cover(length, window, min(round(OVERLAP_SECONDS * float(grid.frame_rate)), window // 2))
    whole = mirrored(source, parts[-1].stop).to(generator.device)
    made, keep = torch.zeros_like(whole), torch.zeros(whole.shape[:2], dtype=torch.bool, device=whole.device)
    done = 0
    for number, part in enumerate(parts):
        here = slice(part.start, part.stop)
        later = evals * (len(parts) - 1 - number)
        given = (made[:, here], keep[:, here])
        solution = one(
            part,
            noise.draw(window, source.shape[-1]).to(whole),
            whole[:, here],
            given,
            shifted(progress, done, later),
        )
        made[:, here] = torch.where(given[1][..., None], given[0], solution.z)
        keep[:, here] = True
        done += solution.num_evals
    return made[:, :length], done


def mirrored(latents: Tensor, length: int) -> Tensor:
    """The first ``length`` frames of a piece that goes to and fro.  Shape: ``[B, T, D] -> [B, length, D]``.

    >>> mirrored(torch.arange(3.0)[None, :, None], 8).flatten().tolist()
    [0.0, 1.0, 2.0, 2.0, 1.0, 0.0, 0.0, 1.0]
    """
    have = latents.shape[1]
    places = torch.arange(length) % (2 * have)
    return latents[:, torch.where(places < have, places, 2 * have - 1 - places)]
