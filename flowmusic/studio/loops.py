"""Loops of a recording: so many whole bars each, cut at the sample that is nearest to the bar line."""

from __future__ import annotations

from dataclasses import dataclass

from flowmusic.studio.grid import Grid
from flowmusic.studio.wav_chunks import Acid, Mark, cue_chunks, smpl_chunk


@dataclass(frozen=True)
class Loop:
    """Bars ``first`` to before ``first + bars``, counted from 0, and their samples ``start`` to before ``end``."""

    first: int
    bars: int
    start: int
    end: int


def loops_of(grid: Grid, bars: int, rate: int, samples: int) -> list[Loop]:
    """As many loops of so many bars as the recording holds, one behind the other.

    Neighbours meet at one sample, so that all of them in a row are the recording from its first bar line on.

    >>> from flowmusic.annotations.annotation import Annotations
    >>> grid = Grid.of(Annotations(seconds=4.0, bpm=120.0))
    >>> loops_of(grid, 1, 8000, 32_000)
    [Loop(first=0, bars=1, start=0, end=16000), Loop(first=1, bars=1, start=16000, end=32000)]
    """
    found = []
    whole = grid.bars()
    for first in range(0, len(whole) - bars + 1, bars):
        start, end = whole[first][0], whole[first + bars - 1][1]
        found.append(Loop(first, bars, round(start * rate), min(round(end * rate), samples)))
    return found


def chunks(loop: Loop, grid: Grid, rate: int, root: int | None) -> list[tuple[bytes, bytes]]:
    """What a sampler and a program that stretches loops want to know: tempo, beats, meter, loop points, bar lines."""
    bars = range(loop.first, loop.first + loop.bars)
    beats = sum(grid.beats_of(bar) for bar in bars)
    seconds = (loop.end - loop.start) / rate
    count, _, unit = grid.meters()[loop.first].name.partition("/")
    quarters = beats * grid.meter.beat_quarters
    acid = Acid(max(1, round(quarters)), 60.0 * quarters / seconds, (int(count), int(unit)), root)
    lines = grid.bars()
    marks = [Mark(max(0, round(lines[bar][0] * rate) - loop.start), f"bar {bar + 1}") for bar in bars]
    note = {} if root is None else {"note": root}
    return [
        (b"acid", acid.chunk()),
        (b"smpl", smpl_chunk(rate, (0, loop.end - loop.start - 1), **note)),
        *cue_chunks(marks),
    ]
