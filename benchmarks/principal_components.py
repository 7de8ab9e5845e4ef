"""How much of music a matrix can carry: principal components of waveform transforms and of log spectra.

A codec's latents are so many numbers a second.  The best linear ones are principal components; what they leave is the
least that a trained codec of as many numbers has to beat.

    python benchmarks/principal_components.py --corpus DIR --test DIR [--clips 16] [--train-clips 120]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.codec.mdct import Mdct
from flowmusic.codec.stft import stft
from flowmusic.corpus import reader

RATE, HOP, SIZE, FLOOR = 32_000, 640, 2048, 1e-6
PER_FRAME = (16, 24, 32, 48, 64, 72, 80, 96)
"""Numbers per 20 ms."""


def waves(folder: Path, split: str, count: int, seconds: float) -> list[Tensor]:
    """The beginnings of the first clips, ``[N]`` each, N a multiple of the longest hop."""
    clips = reader.clips(folder, split, count)
    length = round(seconds * RATE) // (4 * HOP) * (4 * HOP)
    read = (audio_tools.mono(audio_tools.read(clip.audio, rate=RATE)).samples[0] for clip in clips)
    return [wave[:length] for wave in read if len(wave) >= length]


def components(rows: list[Tensor]) -> Tensor:
    """Eigenvectors of the second moments of rows ``[T, F]``, the strongest first.  Shape: ``[F, F]``."""
    size = rows[0].shape[1]
    products = torch.zeros(size, size, dtype=torch.float64)
    for each in rows:
        products += (each.T @ each).double()
    return torch.linalg.eigh(products)[1].flip(1).float()


def waveform(train: list[Tensor], test: list[Tensor], hop: int) -> dict[int, float]:
    """Numbers per 20 ms -> mean signal-to-distortion ratio in dB, of MDCT frames every ``hop`` samples."""
    transform = Mdct(hop)

    def frames(wave: Tensor) -> Tensor:
        coefficients: Tensor = transform(wave[None])[0].T
        return coefficients

    scaled = [each / each.square().mean().sqrt().clamp_min(1e-6) for each in map(frames, train)]
    basis = components(scaled)
    found = {}
    for count in PER_FRAME:
        kept = basis[:, : count * hop // HOP]
        ratios = []
        for wave in test:
            each = frames(wave)
            error = each - each @ kept @ kept.T
            ratios.append(float(10.0 * torch.log10(each.square().sum() / error.square().sum())))
        found[count] = sum(ratios) / len(ratios)
    return found


def log_spectrum(train: list[Tensor], test: list[Tensor], stack: int) -> dict[int, float]:
    """Numbers per 20 ms -> mean log-spectral distance in dB, of ``stack`` spectra together."""

    def frames(wave: Tensor) -> Tensor:
        spectrum = stft(wave[None], SIZE, HOP)[0]
        logs = 10.0 * torch.log10(spectrum.real.square() + spectrum.imag.square() + FLOOR)
        return logs.T.reshape(-1, stack * logs.shape[0])

    rows = [frames(wave) for wave in train]
    mean = torch.cat(rows).mean(0)
    basis = components([each - mean for each in rows])
    found = {}
    for count in PER_FRAME:
        kept = basis[:, : count * stack]
        distances = []
        for wave in test:
            each = frames(wave) - mean
            error = (each - each @ kept @ kept.T).view(-1, SIZE // 2 + 1)
            distances.append(float(error.square().mean(1).sqrt().mean()))
        found[count] = sum(distances) / len(distances)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="whose training split gives the components")
    parser.add_argument("--test", type=Path, required=True, help="whose test split they are measured on")
    parser.add_argument("--train-clips", type=int, default=120)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    train = waves(args.corpus, "train", args.train_clips, args.seconds)
    test = waves(args.test, "test", args.clips, args.seconds)
    if not train or not test:
        print(f"error: no clips of {args.seconds:g} s in {args.corpus} or {args.test}", file=sys.stderr)
        return 2
    columns = {f"SDR, {1000 * hop // RATE} ms": waveform(train, test, hop) for hop in (HOP, 2 * HOP, 4 * HOP)}
    columns |= {f"LSD, {20 * stack} ms": log_spectrum(train, test, stack) for stack in (1, 2)}
    print(f"| numbers per 20 ms | {' | '.join(columns)} |")
    print(f"|---|{'---|' * len(columns)}")
    for count in PER_FRAME:
        print(f"| {count} | {' | '.join(f'{found[count]:.2f}' for found in columns.values())} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
