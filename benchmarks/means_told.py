"""How much of the mean sound of a window does a field know of words, facts or a style before anything is drawn?

    python -m benchmarks.means_told --latents LATENTS [--model nano] [--seconds 5] [--errors 0,0.3,0.6]

At t = 0 the field sees noise alone, and what it takes the data to be is its guess from what it is told.  The mean of
a window over time is settled there: at t it lies t m + (1 - t) n with n of deviation T^-1/2, which tells m from t of
about .1 on, long before anything else.  Cells: share of the variance over validation windows of that mean that the
guess explains, for groups of channels of the latents (1 all of it, 0 as much as the mean of all clips, less for a guess
that is worse).  Last row: ridge regression on the facts of training windows, what a straight line makes of them.

With ``--errors`` a second table says how far off the field's guess of the data is, frame by frame, at these t where all
is told but a style: mean squared errors, of latents that have unit variance.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import torch
from torch import Tensor

from flowmusic.controls import instruments
from flowmusic.data.latents import LatentStore
from flowmusic.data.store_files import read_store
from flowmusic.facts import Facts
from flowmusic.flow.path import optimal_transport
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle
from flowmusic.types import FACTS, STYLE, TEXT, Controls, FrameGrid

BATCH = 32
STYLE_SECONDS = 3.0
"""Length of the excerpt, which lies behind the window in the same clip."""
RIDGE = 30.0
"""What is added to the diagonal: a word that is said of 30 windows counts half."""


def groups(generator: Generator, dim: int) -> dict[str, slice]:
    """Runs of channels that the model weighs apart, all where it does not."""
    runs = generator.defaults.timbre_channels or [[dim]]
    ends = accumulate((int(run[0]) for run in runs), initial=0)
    return {f"{a}-{b - 1}": slice(a, b) for a, b in pairwise(ends)}


def words(facts: Facts | None) -> set[str]:
    """What is said, a word each.

    >>> sorted(words(Facts(instruments=frozenset({"piano", "harp"}), tempo="slow")))
    ['instruments harp', 'instruments piano', 'tempo slow']
    """
    said = facts.said() if facts else {}
    many = {key: value if isinstance(value, list) else [value] for key, value in said.items()}
    return {f"{key} {value}" for key, values in many.items() for value in values}


def said_by(rows: Sequence[set[str]], vocabulary: Sequence[str]) -> Tensor:
    """1 where a row says a word, and a column of 1.  Shape: ``[N, words + 1]``."""
    return torch.tensor([[*(word in row for word in vocabulary), True] for row in rows], dtype=torch.float32)


def asked(store: LatentStore, clips: Sequence[int], grid: FrameGrid) -> Controls:
    """All that is known of the first window of clips, with a style from behind it."""
    _, tracks = store.windows(clips, [0] * len(clips), grid.length)
    length = round(STYLE_SECONDS * float(grid.frame_rate))
    style = tuple(store.excerpt(clip, grid.length, length) for clip in clips)
    captions = tuple(store.clips[clip]["captions"][0] for clip in clips)
    return Controls(captions, tracks, style, store.facts(clips, [0] * len(clips), grid.length))


@torch.no_grad()
def predictions(
    generator: Generator, store: LatentStore, clips: Sequence[int], grid: FrameGrid, told: set[str], t: float, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of the clips' data, and of what the field takes them to be at t.  Shape: ``[B, T, D]`` both."""
    rng = torch.Generator().manual_seed(seed)
    for first in range(0, len(clips), BATCH):
        chosen = clips[first : first + BATCH]
        data, _ = store.windows(chosen, [0] * len(chosen), grid.length)
        condition = generator.encoder(asked(store, chosen, grid).only(told), grid)
        times = torch.full((len(chosen),), t)
        z = optimal_transport(torch.randn(data.shape, generator=rng), data.float(), times).z_t
        # The velocity is data less noise, so that z + (1 - t) v are the data.
        yield data, z + (1.0 - t) * generator.field(z, times, condition)


def means(store: LatentStore, clips: Sequence[int], length: int) -> Tensor:
    """Shape: ``[N, D]``."""
    return torch.cat([store.windows([clip], [0], length)[0].mean(1) for clip in clips])


def fitted(train: LatentStore, clips: Sequence[int], length: int) -> Callable[[Sequence[Facts | None]], Tensor]:
    """Ridge regression of the mean sound on the words that are said of windows."""
    rows = [words(each) for each in train.facts(clips, [0] * len(clips), length)]
    vocabulary = sorted(set().union(*rows))
    x, y = said_by(rows, vocabulary), means(train, clips, length)
    weights = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]), x.T @ y)
    return lambda facts: said_by([words(each) for each in facts], vocabulary) @ weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=Path, required=True, help="folder of flowmusic build, with facts")
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--errors", type=lambda text: [float(t) for t in text.split(",")], default=[], metavar="T,...")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    generator = bundle.load(args.model)
    grid = generator.grid(args.seconds)
    held = read_store(args.latents, "validation")
    needed = grid.length + round(STYLE_SECONDS * float(grid.frame_rate))
    clips = [n for n, clip in enumerate(held.clips) if clip["frames"] >= needed and clip["captions"]]
    truth = means(held, clips, grid.length)
    columns = groups(generator, truth.shape[1])

    def row(name: str, guess: Tensor) -> None:
        left, all_of_it = (guess - truth).square().mean(0), truth.var(0, correction=0)
        shares = [1.0 - float(left[c].sum() / all_of_it[c].sum()) for c in columns.values()]
        print(f"| {name} | {' | '.join(f'{share:.2f}' for share in shares)} |", flush=True)

    print(f"| {len(clips)} windows | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    ways = {"nothing": set(), "text": {TEXT}}
    if generator.has_facts:
        ways |= {"facts": {FACTS}, "facts, who plays": {FACTS, instruments.NAME}, "text and facts": {TEXT, FACTS}}
    if generator.has_style:
        ways["style"] = {STYLE}
    for name, told in ways.items():
        guesses = predictions(generator, held, clips, grid, told, 0.0, args.seed)
        row(name, torch.cat([guess.mean(1) for _, guess in guesses]))
    train = read_store(args.latents, "train")
    facts = held.facts(clips, [0] * len(clips), grid.length)
    if facts:
        of = [n for n, clip in enumerate(train.clips) if clip["frames"] >= grid.length]
        row("a straight line of the facts", fitted(train, of, grid.length)(facts))
    if args.errors:
        print(f"\n| t | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for t in args.errors:
        guesses = predictions(generator, held, clips, grid, {*generator.controls, TEXT, FACTS}, t, args.seed)
        off = torch.cat([(guess - data).square().mean(1) for data, guess in guesses]).mean(0)
        print(f"| {t:g} | {' | '.join(f'{float(off[c].mean()):.3f}' for c in columns.values())} |", flush=True)


if __name__ == "__main__":
    main()
