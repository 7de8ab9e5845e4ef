"""Takes of any length: written block by block while they are made, and judged part by part from their file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic import progress
from flowmusic.paths import sibling
from flowmusic.takes.making import Takes

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.generate.piece import Piece

LONG_SECONDS = 60.0
"""Longer takes are written block by block, unless several are made to choose one."""


def produce(takes: Takes, begin: Callable[[int], Piece], out: Path, *, seed: int, count: int = 1) -> None:
    """Make ``count`` pieces by ``begin(seed)`` with seeds from ``seed`` upwards; each is written as it comes.

    Raises: OSError for what cannot be written, with the seed that gives the take again.
    """
    for number in range(count):
        label = f"take {number + 1}/{count}" if count > 1 else "generating"
        path = out if count == 1 else sibling(out, f"-{number + 1}{out.suffix}")
        with progress.Bar(label, "eval") as bar:
            write(takes, begin(seed + number), path, bar)


def write(takes: Takes, piece: Piece, out: Path, bar: progress.Bar) -> None:
    """The audio of one piece, its latents, its record and its adherence."""
    from flowmusic import audio
    from flowmusic.evaluate.adherence import Adherence, judge_long

    codec = piece.model.codec
    seconds = takes.asked.seconds
    signature = takes.signature(piece.seed)
    blocks = signature.blocks(_first(piece, round(seconds * codec.rate), bar), codec.rate)
    with takes.telling(piece.seed), signature.tagged(out) as temporary:
        audio.write_scaled(blocks, codec.rate, codec.channels, temporary)
    bar.close()
    take = piece.made()

    requested = takes.requested(take)

    def judge() -> Adherence:
        return judge_long(lambda start, length: audio.read(out, start=start, seconds=length), requested, seconds)

    takes.tell(take, out, codec.rate, None, None, judge)


def _first(piece: Piece, samples: int, bar: progress.Bar) -> Iterator[Tensor]:
    """The first so many samples of a piece, in blocks ``[C, n]``: the last frame may reach past the end."""
    left = samples
    for block in piece.blocks(bar.to):
        yield block.samples[0, :, :left]
        left -= min(left, block.samples.shape[-1])
