"""What the watermark survives, how far it lies below the music, and how often music without it seems marked.

Sounds are takes made here, each of another request, and clips of corpora.  Each is marked, cut to five seconds
at a random place, treated, and searched.  Music without a mark is cut at random places too; there every trial of every
place and speed counts for the distribution.  Prints the Markdown tables of docs/watermark.md.

    python benchmarks/watermark.py --corpus DIR [DIR ...] [--takes 32] [--clips 32] [--unmarked 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
import io
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from scipy import special

from flowmusic import options
from flowmusic.audio import Audio
from flowmusic.interop import bundle
from flowmusic.watermark import detect
from flowmusic.watermark.embed import embed

SECONDS, MOST_SECONDS = 5.0, 12.0
"""Of what is searched, and of a clip."""
WORDS = (
    "warm lo-fi beat, rhodes and soft drums",
    "driving techno, synth bass, hard kick",
    "acoustic guitar ballad, slow and sad",
    "jazz trio, piano, walking bass, brushes",
    "funk groove, slap bass, clavinet",
    "dreamy pads and a music box, no drums",
    "rock band, distorted guitars, loud drums",
    "string quartet, slow waltz",
)
Sound = tuple[NDArray[np.floating], int]
"""Samples ``[C, N]`` and Hz."""


def coded(kind: str, kbps: float) -> Callable[[NDArray[np.floating], int, np.random.Generator], Sound]:
    """Write and read again, at the level of compression whose file comes nearest to a bit rate."""

    def treat(samples: NDArray[np.floating], rate: int, _: np.random.Generator) -> Sound:
        low, high, tried = 0.0, 1.0, []
        for _round in range(6):
            level = 0.5 * (low + high)
            file = io.BytesIO()
            how = {"format": "OGG", "subtype": "VORBIS"} if kind == "ogg" else {
                "format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT"
            }  # fmt: skip
            with soundfile.SoundFile(file, "w", rate, len(samples), compression_level=level, **how) as out:
                for start in range(0, samples.shape[1], 1 << 14):
                    out.write(samples.T[start : start + (1 << 14)])
            found = 8e-3 * len(file.getvalue()) * rate / samples.shape[1]
            tried.append((abs(found - kbps), _round, file))
            low, high = (level, high) if found > kbps else (low, level)
        best = min(tried)[2]
        best.seek(0)
        return soundfile.read(best, always_2d=True)[0].T, rate

    return treat


def resampled(between: int) -> Callable[[NDArray[np.floating], int, np.random.Generator], Sound]:
    """To another rate and back."""
    return lambda samples, rate, _: (soxr.resample(soxr.resample(samples.T, rate, between), between, rate).T, rate)


def faster(percent: int) -> Callable[[NDArray[np.floating], int, np.random.Generator], Sound]:
    """Played faster, with its pitch."""
    return lambda samples, rate, _: (soxr.resample(samples.T, rate * (100 + percent), rate * 100).T, rate)


def noisy(decibels: float) -> Callable[[NDArray[np.floating], int, np.random.Generator], Sound]:
    """With white noise so far below the whole sound."""

    def treat(samples: NDArray[np.floating], rate: int, generator: np.random.Generator) -> Sound:
        level = math.sqrt(float((samples**2).mean()) * 10.0 ** (-decibels / 10.0))
        return samples + generator.normal(0.0, level, samples.shape), rate

    return treat


def louder(decibels: float) -> Callable[[NDArray[np.floating], int, np.random.Generator], Sound]:
    """With a gain, and clipped at full scale."""
    return lambda samples, rate, _: (np.clip(samples * 10.0 ** (decibels / 20.0), -1.0, 1.0), rate)


def recoded(name: str) -> Callable[[NDArray[np.floating], int, np.random.Generator], Sound]:
    """Through one of our codecs and back: its first channel."""

    def treat(samples: NDArray[np.floating], rate: int, _: np.random.Generator) -> Sound:
        codec = bundle.load_codec(name)
        mono = torch.from_numpy(soxr.resample(samples.mean(0), rate, codec.rate)).float()[None, None]
        with torch.no_grad():
            return codec.decode(codec.encode(Audio(mono, codec.rate))).samples[0].numpy().astype(np.float64), codec.rate

    return treat


TREATMENTS: dict[str, Callable[[NDArray[np.floating], int, np.random.Generator], Sound]] = {
    "none": lambda samples, rate, _: (samples, rate),
    "MP3 128 kbit/s": coded("mp3", 128.0),
    "MP3 64 kbit/s": coded("mp3", 64.0),
    "Ogg 128 kbit/s": coded("ogg", 128.0),
    "Ogg 64 kbit/s": coded("ogg", 64.0),
    "44.1 kHz and back": resampled(44_100),
    "22.05 kHz and back": resampled(22_050),
    "6 dB louder, clipped": louder(6.0),
    "20 dB softer": louder(-20.0),
    "noise at 20 dB": noisy(20.0),
    "2 % faster": faster(2),
    "2 % slower": faster(-2),
    "MP3 64 kbit/s, noise at 20 dB": lambda samples, rate, generator: noisy(20.0)(
        *coded("mp3", 64.0)(samples, rate, generator), generator
    ),
    "noise at 10 dB": noisy(10.0),
    "5 % faster": faster(5),
    "through our codec": recoded("nano2_codec"),
}


def takes(count: int, seed: int) -> Iterator[Sound]:
    """Takes of the shipped model."""
    from flowmusic.controls.request import request

    model = bundle.load("nano")
    grid = model.grid(10.0)
    for number in range(count):
        wanted = request(WORDS[number % len(WORDS)], grid=grid, bpm=70.0 + 7 * (number % 12))
        take = model.generate(wanted, seed=seed + number)
        yield take.audio.samples[0].double().numpy(), take.audio.rate


def clips(folder: Path, count: int) -> Iterator[Sound]:
    """Clips of a corpus, spread evenly over it."""
    lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    paths = [json.loads(line)["path"] for line in lines]
    for number in range(min(count, len(paths))):
        samples, rate = soundfile.read(folder / paths[number * len(paths) // min(count, len(paths))], always_2d=True)
        yield samples.T[:, : round(MOST_SECONDS * rate)], rate


def cut(samples: NDArray[np.floating], rate: int, generator: np.random.Generator) -> NDArray[np.floating]:
    """Five seconds at a random place."""
    size = round(SECONDS * rate)
    start = int(generator.integers(0, max(1, samples.shape[1] - size + 1)))
    return samples[:, start : start + size]


def survived(name: str, sounds: list[Sound], generator: np.random.Generator) -> None:
    """Print a table of what is found in marked sounds."""
    marked = []
    for samples, rate in sounds:
        ident = int(generator.integers(0, 1 << 16))
        with_mark = embed(samples, rate, ident)
        distance = 10.0 * math.log10(float((samples**2).sum()) / float(((with_mark - samples) ** 2).sum()))
        marked.append((with_mark, rate, ident, distance))
    distances = [each[3] for each in marked]
    print(f"\n{name}: {len(marked)} sounds; SNR {np.mean(distances):.1f} dB, least {min(distances):.2f} dB\n")
    print("| treated | 5 s found, right id | least score | median score |\n|---|---|---|---|", flush=True)
    for treatment, treat in TREATMENTS.items():
        scores, right = [], 0
        for samples, rate, ident, _ in marked:
            found = detect.of_samples(*treat(cut(samples, rate, generator), rate, generator))
            scores.append(found.best.score)
            right += found.found and found.best.ident == ident
        print(f"| {treatment} | {right} of {len(marked)} | {min(scores):.1f} | {np.median(scores):.1f} |", flush=True)


def unmarked(name: str, held: list[Sound], count: int, generator: np.random.Generator) -> None:
    """Print how many unmarked pieces of five seconds are found, and how the scores of single trials lie."""
    limits = np.array([2.0, 3.0, 4.0, 4.5, 5.0])
    above, trials, found, best, small = np.zeros(len(limits)), 0, 0, 0.0, 0
    for number in range(count):
        samples, rate = held[number % len(held)]
        part = cut(samples, rate, generator)
        key = f"key {number}"
        match = detect.of_samples(part, rate, key)
        found, best = found + match.found, max(best, match.best.score)
        small += match.false_alarm < 0.5
        if number % 10 == 0:
            scores = detect.trials(soxr.resample(part.T, rate, detect.RATE), key)
            above, trials = above + (scores[:, None] >= limits).sum(0), trials + scores.size
    told = ", ".join(
        f"{share:.1e} of {limit:g} or more (bound {3.18 * special.ndtr(-limit):.1e})"
        for limit, share in zip(limits, above / trials, strict=True)
    )
    print(
        f"\n{name}: {count} unmarked pieces, {found} found; highest score {best:.2f}, found from "
        f"{detect.threshold():.2f} on; {small} with a bound below 0.5. Single trials ({trials:.1e}): {told}",
        flush=True,
    )


def main() -> None:
    """Mark, treat and search every sound, and search unmarked ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--takes", type=options.integer("takes", low=0), default=32, metavar="N")
    parser.add_argument("--clips", type=options.integer("clips"), default=32, metavar="N")
    parser.add_argument("--unmarked", type=options.integer("clips"), default=1000, metavar="N", help="of each source")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N")
    parser.add_argument("--only", choices=("survived", "unmarked"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    began = time.process_time()
    generator = np.random.default_rng(args.seed)
    print(f"seed {args.seed}, one thread of {platform.machine()}, libsndfile {soundfile.__libsndfile_version__}")
    sources = {f"clips of {folder.name}": clips(folder, args.clips) for folder in args.corpus}
    if args.takes:
        sources["takes of nano"] = takes(args.takes, args.seed)
    for name, sounds in sources.items():
        held = list(sounds)
        if args.only != "unmarked":
            survived(name, held, generator)
        if args.only != "survived":
            unmarked(name, held, args.unmarked, generator)
    print(f"\n{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
