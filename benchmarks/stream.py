"""Does a stream drift, grow or run dry?  So many minutes of one, by a model, as quickly as this machine makes them.

Prints what each minute was like, and for docs/stream.md the last minute beside the second: loudness, spectral centroid,
memory; by how much minutes differ, and how many pairs of them have centroids within 5 % of each other (one pair may
agree by luck); how closely its first bars follow their chords and beats; how many samples the bars have beside what
they should have; and, with the processor time that each block took, whether a listener on a simulated clock would have
been kept waiting.

    python benchmarks/stream.py [--model nano] [--words TEXT] [--minutes 60] [--bpm 90] [--chords "Am F C G"] [--seed 0]
        [--plain]
"""

from __future__ import annotations

import argparse
import resource
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flowmusic import options
from flowmusic.annotations.annotation import Annotations
from flowmusic.audio import Audio
from flowmusic.controls import beats, chords
from flowmusic.controls.meter import parse_meter
from flowmusic.corpus.endless import Endless
from flowmusic.evaluate.adherence import listeners
from flowmusic.generate.rehearsal import simulated
from flowmusic.generate.stream import Harmony, Stream, repeating
from flowmusic.inputs.follow import bars_of
from flowmusic.interop import bundle
from flowmusic.metrics import adherence

WORDS = "warm lo-fi beat, rhodes and soft drums"
JUDGED_BARS = (6, 54)
"""Behind the opening, and the last one excluded."""


def main() -> None:
    """Draw block by block, and keep nothing of the sound but what describes its minutes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--words", type=options.words, default=WORDS, metavar="TEXT", help=f"({WORDS})")
    parser.add_argument("--minutes", type=options.integer("takes"), default=60, metavar="N")
    parser.add_argument("--bpm", type=options.bpm, default=90.0, metavar="N")
    parser.add_argument(
        "--chords", type=options.words, metavar="S", help="again and again (the composer proposes some)"
    )
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N")
    parser.add_argument("--steps", type=options.steps, metavar="N", help="solver steps (the model's own)")
    parser.add_argument(
        "--plain", action="store_true", help="without servo, and mean, balance, timbre and style of the opening"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = bundle.load(args.model)
    harmony = Endless(args.seed) if args.chords is None else repeating(bars_of(args.chords)[0])
    stream = Stream(
        model,
        args.words,
        args.bpm,
        parse_meter("4/4"),
        harmony,
        seed=args.seed,
        sampling=model.sampling(steps=args.steps),
        steady=not args.plain,
    )
    costs: list[float] = []
    lengths: list[int] = []
    blocks: list[float] = []
    minutes: list[tuple[float, float, float, float]] = []
    heard = begin = torch.zeros(1, 0)
    while len(minutes) < args.minutes:
        began = time.process_time()
        block = stream.next_block()
        costs.append(time.process_time() - began)
        lengths.append(block.samples.shape[-1])
        blocks.append(described(block.samples[0].numpy(), stream.rate)[1])
        heard = torch.cat([heard, block.samples], -1)
        if begin.shape[-1] < JUDGED_BARS[1] * stream.bar_samples:
            begin = torch.cat([begin, block.samples], -1)
        if heard.shape[-1] >= 60 * stream.rate:
            minute, heard = heard[:, : 60 * stream.rate], heard[:, 60 * stream.rate :]
            minutes.append((*described(minute[0].numpy(), stream.rate), resident(), block.gain_db))
            shown = "  ".join(f"{value:8.2f}" for value in minutes[-1])
            print(f"minute {len(minutes):3}: dB, centroid Hz, MiB, gain dB  {shown}", flush=True)
    codec: Any = model.codec
    exact = round(stream.bar * stream.bar_samples) - codec.context_frames * codec.hop
    print(f"\nsamples handed out {sum(lengths)}, by the tempo {exact}")
    seconds = [length / stream.rate for length in lengths]
    print(f"processor time {sum(costs):.0f} s for {sum(seconds):.0f} s; of a block {np.median(costs):.2f} s (median),")
    print(f"{np.percentile(costs, 99):.2f} s (99 %), {max(costs):.2f} s (most); one lasts {np.median(seconds):.2f} s")
    second, last = minutes[min(1, len(minutes) - 1)], minutes[-1]
    print("\n| | second minute | last minute |\n|---|---|---|")
    for name, column in (("loudness (dBFS)", 0), ("spectral centroid (Hz)", 1), ("resident memory (MiB)", 2)):
        print(f"| {name} | {second[column]:.1f} | {last[column]:.1f} |")
    print(spread([centroid for _, centroid, _, _ in minutes[1:]]))
    print(memory_of(blocks[4:]))
    print(followed(begin, stream, harmony))

    for slowdown in (1.0, 3.0, 8.0, 16.0):
        slow = [slowdown * cost for cost in costs]
        print(f"{slowdown:g} times as slow: {simulated(slow, seconds, stream.sampling)}; ", end="")
        print(f"with all evaluations: {simulated(slow, seconds).repeats} bars again")


def spread(centroids: list[float]) -> str:
    """Mean and deviation over minutes, and the share of pairs whose later one is within 5 % of the earlier one.

    >>> spread([600.0, 620.0, 640.0])
    'centroid 620 Hz on the mean, deviation 2.6 %; 2 of 3 pairs of minutes (67 %) within 5 %'
    """
    pairs = list(combinations(centroids, 2))
    if not pairs:
        return "a single minute has nothing to be compared with"
    close = sum(abs(later / earlier - 1.0) <= 0.05 for earlier, later in pairs)
    mean, deviation = np.mean(centroids), np.std(centroids)
    return (
        f"centroid {mean:.0f} Hz on the mean, deviation {100 * deviation / mean:.1f} %; "
        f"{close} of {len(pairs)} pairs of minutes ({100 * close / len(pairs):.0f} %) within 5 %"
    )


def memory_of(blocks: list[float]) -> str:
    """How far blocks are from each other, and whether one that is bright is followed by bright ones.

    >>> memory_of([600.0, 700.0, 600.0, 700.0, 600.0])
    'centroid of blocks: deviation 7.6 %, correlation with the next one -1.00'
    """
    levels = np.log(blocks)
    correlation = np.corrcoef(levels[:-1], levels[1:])[0, 1] if len(blocks) > 2 else np.nan
    return (
        f"centroid of blocks: deviation {100 * np.std(levels):.1f} %, correlation with the next one {correlation:.2f}"
    )


def followed(sound: torch.Tensor, stream: Stream, harmony: Harmony) -> str:
    """How closely bars 7 to 54 of the stream, or as many as there are, follow their chords and beats."""
    first, last = JUDGED_BARS[0], min(JUDGED_BARS[1], int(sound.shape[-1] / stream.bar_samples))
    start, stop = (round(line * stream.bar_samples) for line in (first, last))
    seconds = stream.bar_seconds * (last - first)
    written = " | ".join(" ".join(harmony(number)) for number in range(first, last))
    asked = Annotations(
        seconds,
        chords=chords.parse(written, seconds, stream.bpm, stream.meter.beats_per_bar).changes,
        beats=beats.grid_times(stream.bpm, stream.meter, seconds)[0],
    )
    scores = adherence.measure(Audio(sound[:, start:stop], stream.rate), asked, listeners())
    return f"bars {first + 1} to {last}: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items())


def described(samples: np.ndarray, rate: int) -> tuple[float, float]:
    """Level in dBFS, and the mean over power of the frequency."""
    samples = samples[: len(samples) // (rate // 10) * (rate // 10)]
    power = np.square(np.abs(np.fft.rfft(samples.reshape(-1, rate // 10) * np.hanning(rate // 10), axis=1))).sum(0)
    hz = np.fft.rfftfreq(rate // 10, 1.0 / rate)
    return float(10 * np.log10(np.square(samples).mean() + 1e-12)), float((power * hz).sum() / power.sum())


def resident() -> float:
    """Memory of this process in MiB now, or the most so far where the system does not tell."""
    table = Path("/proc/self/statm")
    if table.exists():
        return int(table.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


if __name__ == "__main__":
    main()
