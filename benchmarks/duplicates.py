"""How well are near duplicates found?  Copies of real clips, made worse in known ways, among all clips as they are.

For every treatment: the share of copies that are matched with their original, the share of fingerprint bits in which
they differ (mean and most), and how many are matched with anything else.  Then the pairs of different clips that are
taken for duplicates, of how many pairs, and how near the nearest came.

    python benchmarks/duplicates.py --clips 200 FOLDER [FOLDER ...]
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from flowmusic.datasets import fingerprint, scan

Samples = NDArray[np.float32]
Treatment = Callable[[Samples, int, np.random.Generator], tuple[Samples, int]]


def coded(samples: Samples, rate: int, kind: str, subtype: str, level: float) -> tuple[Samples, int]:
    """Through a lossy format and back; ``level`` 0 is the best and 1 the smallest of libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype, compression_level=level)
    file.seek(0)
    decoded, rate = soundfile.read(file, dtype="float32")
    return decoded, rate


def mp3(samples: Samples, rate: int) -> tuple[Samples, int]:
    return coded(samples, rate, "MP3", "MPEG_LAYER_III", 0.9)


def ogg(samples: Samples, rate: int) -> tuple[Samples, int]:
    return coded(samples, rate, "OGG", "VORBIS", 0.9)


def lower(samples: Samples, rate: int) -> tuple[Samples, int]:
    return soxr.resample(samples, rate, 16_000), 16_000


def trimmed(samples: Samples, rate: int, rng: np.random.Generator) -> tuple[Samples, int]:
    return samples[int(rng.uniform(0.1, 1.0) * rate) :], rate


TREATMENTS: dict[str, Treatment] = {
    "gain -20 dB": lambda samples, rate, rng: (samples * np.float32(0.1), rate),
    "first 0.1-1 s cut": trimmed,
    "Ogg Vorbis, low": lambda samples, rate, rng: ogg(samples, rate),
    "Ogg Vorbis, low, 16 kHz": lambda samples, rate, rng: ogg(*lower(samples, rate)),
    "MP3, low": lambda samples, rate, rng: mp3(samples, rate),
    "MP3, low, 16 kHz": lambda samples, rate, rng: mp3(*lower(samples, rate)),
    "cut, -10 dB, MP3, low": lambda samples, rate, rng: mp3(trimmed(samples, rate, rng)[0] * np.float32(0.32), rate),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--clips", type=int, default=200, help="that get copies (default: 200, evenly spread)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    rng = np.random.default_rng(args.seed)
    files = []
    for folder in args.folders:
        audio = scan.find(folder)[0]
        parts = {part for each in scan.stems_of(audio).values() for part in each.values()}
        files += [path for path in audio if str(path) not in parts]
    chosen = set(np.linspace(0, len(files) - 1, min(args.clips, len(files))).round().astype(int).tolist())
    prints: list[fingerprint.Words] = []
    copies: dict[str, list[tuple[int, fingerprint.Words]]] = {name: [] for name in TREATMENTS}
    for number, path in enumerate(tqdm(files, unit="clip", file=sys.stderr)):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
        prints.append(fingerprint.words(mono, rate))
        if number in chosen:
            for name, treat in TREATMENTS.items():
                copies[name].append((number, fingerprint.words(*treat(mono, rate, rng))))
    print(f"{len(files)} clips, {len(chosen)} with copies, threshold {fingerprint.MOST_WRONG}\n")
    print("| copy | found | bits that differ, mean | most | matched with another clip |\n|---|---|---|---|---|")
    made = [(name, number, words) for name, each in copies.items() for number, words in each]
    matched: dict[str, dict[int, float]] = {name: {} for name in TREATMENTS}
    others = dict.fromkeys(TREATMENTS, 0)
    wrongly = []
    began = time.process_time()
    pairs = fingerprint.pairs([*prints, *(words for _, _, words in made)])
    took = time.process_time() - began
    for pair in pairs:
        if pair.second < len(prints):
            wrongly.append(pair)
        elif pair.first < len(prints):
            name, number, _ = made[pair.second - len(prints)]
            if number == pair.first:
                matched[name][number] = pair.wrong
            else:
                others[name] += 1
    for name, found in matched.items():
        shares = list(found.values()) or [np.nan]
        said = f"{len(found)} of {len(copies[name])} | {np.mean(shares):.3f} | {np.max(shares):.3f} | {others[name]}"
        print(f"| {name} | {said} |")
    print(f"\ndifferent clips taken for duplicates: {len(wrongly)} of {len(files) * (len(files) - 1) // 2} pairs")
    for pair in wrongly[:20]:
        print(f"  {files[pair.first]} {files[pair.second]} {pair.wrong:.3f}")
    print(f"nearest of 20000 random pairs at any offset of 2 s: {nearest(prints, rng):.3f}")
    count = len(prints) + len(made)
    print(f"search: {took:.2f} s of one CPU core for {count} recordings, {1000 * took / count:.1f} ms each")
    return 0


def nearest(prints: list[fingerprint.Words], rng: np.random.Generator, count: int = 20_000) -> float:
    """The least difference among random pairs of different clips, moved by up to 2 s against each other."""
    reach = round(2 * fingerprint.RATE / fingerprint.STEP)
    least = 1.0
    for _ in range(count):
        first, second = rng.choice(len(prints), 2, replace=False)
        offset = int(rng.integers(-reach, reach + 1))
        least = min(least, fingerprint.difference(prints[first], prints[second], offset))
    return least


if __name__ == "__main__":
    sys.exit(main())
