"""Ways to paint above a cut, each trained for the same CPU time, on held-out clips (docs/enhance.md).

    python benchmarks/enhance_methods.py --corpus DIR [--minutes 2] [--clips 12] [--weights FILE]

``bands``: a network predicts energy and tonality of bands, and an excitation is brought to them.  ``bins``: a network
of the same trunk predicts, for every bin of the copied spectrum, a factor and a turn of its phase.  Printed above each
cut: log-spectral distance, mean error of the energies of bands, harmonic-to-noise ratio of melody stems, in dB.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.codec.stft import istft
from flowmusic.corpus import reader
from flowmusic.data.crops import WaveCrops
from flowmusic.enhance import excitation, paint
from flowmusic.enhance.bands import (
    EDGES,
    FLOOR,
    HIGH,
    HOP,
    LEAST_HZ,
    LEVEL,
    RATE,
    SIZE,
    first_bin,
    known_bands,
    measured,
    power,
    transform,
)
from flowmusic.enhance.net import EDGE_BANDS, EnhanceNet, load
from flowmusic.metrics import spectrum as spectra
from flowmusic.metrics.harmonicity import harmonic_to_noise
from flowmusic.train.enhance import HIGHEST_HZ, LEVELS_DB, filtered, levelled, painted

CROP, BATCH = 128 * HOP, 12
CUTS = (4000.0, 8000.0)


class BinNet(EnhanceNet):
    """The trunk of :class:`EnhanceNet` with a log factor and an angle for every bin above the least cut."""

    def __init__(self) -> None:
        super().__init__()
        self.start = EDGES[HIGH]
        self.leave = nn.Linear(self.leave.in_features, 2 * (SIZE // 2 + 1 - self.start))

    def spectrum(self, heard: Tensor, cut_hz: float) -> Tensor:
        """Shape: ``[B, SIZE / 2 + 1, S]``, the same: what belongs above the cut."""
        energy, tonality = measured(heard)
        first, bands = first_bin(cut_hz), known_bands(cut_hz)
        known = torch.full((len(heard),), bands)
        factor, turn = self.leave(self.hidden(energy, tonality, known)).transpose(1, 2).chunk(2, 1)
        base = energy[..., max(0, bands - EDGE_BANDS) : bands].mean(-1)[:, None]
        copied = paint._unit(excitation.copied(heard, first), first)[:, self.start :]
        made = copied * torch.polar(torch.exp((0.5 * base + 2.0 * factor).clamp(-12.0, 8.0)), turn)
        return nn.functional.pad(made, (0, 0, self.start, 0))


def train(
    net: nn.Module, loss_of: Callable[[Tensor, torch.Generator], Tensor], crops: WaveCrops, minutes: float
) -> int:
    """Adam with a cosine over the CPU time, in which the crops are cut too.  Returns: steps."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=1.5e-3, betas=(0.9, 0.98))
    began, step = time.process_time(), 0
    while (share := (time.process_time() - began) / (60.0 * minutes)) < 1.0:
        rate = 1.5e-3 * min(1.0, (step + 1) / 50) * 0.5 * (1.0 + math.cos(math.pi * share))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(crops(step), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
    net.eval()
    return step


def loss_of_bands(net: EnhanceNet, wave: Tensor, generator: torch.Generator) -> Tensor:
    energy, tonality = levelled(wave, generator)
    heard, energy, known = filtered(energy, generator)
    guess, tonal = net(heard, tonality, known)
    off = painted(energy[..., HIGH:] - guess, known).abs().mean()
    return off + painted(tonality[..., HIGH:] - tonal, known).abs().mean()


def loss_of_bins(net: BinNet, wave: Tensor, generator: torch.Generator) -> Tensor:
    """L1 of log power, and of the spectrum with its magnitudes to the power of 0.3."""
    low, high = (math.log(hz) for hz in (LEAST_HZ, HIGHEST_HZ))
    cut = math.exp(low + (high - low) * float(torch.rand((), generator=generator)))
    level = LEVELS_DB[0] + (LEVELS_DB[1] - LEVELS_DB[0]) * torch.rand(len(wave), 1, generator=generator)
    scale = LEVEL / wave.square().mean(1, keepdim=True).sqrt().clamp_min(1e-4) * 10.0 ** (level / 20.0)
    truth = transform(wave * scale)
    first = first_bin(cut)
    made = net.spectrum(truth * (torch.arange(truth.shape[1]) < first)[:, None], cut)[:, first:]
    truth = truth[:, first:]
    logs = (torch.log(power(made) + FLOOR) - torch.log(power(truth) + FLOOR)).abs().mean()
    pressed = [each * (power(each) + FLOOR) ** -0.35 for each in (made, truth)]
    return logs + power(pressed[0] - pressed[1]).add(1e-6).sqrt().mean()


def scores(estimate: Tensor, truth: Tensor, cut: float) -> tuple[float, float]:
    """Log-spectral distance and mean error of bands above a cut.  Shape: ``[1, N]`` both."""
    one, other = (spectra.power(Audio(each, RATE)) for each in (estimate, truth))
    off = spectra.band_errors(one, other)
    above = [abs(e) for band, e in off.items() if float(band.split("-")[0]) >= cut and not math.isnan(e)]
    return spectra.log_spectral_distance(one, other, cut), float(np.mean(above)) if above else math.nan


def low_part(samples: Tensor, cut: float) -> Tensor:
    """What lies below a cut, by a wall in the spectrum of all of it.  Shape: ``[1, N]``."""
    whole = torch.fft.rfft(samples.double())
    whole[:, math.ceil(cut * samples.shape[1] / RATE) :] = 0.0
    return torch.fft.irfft(whole, samples.shape[1]).float()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument(
        "--minutes", type=float, default=2.0, help="CPU minutes for each training (default: %(default)s)"
    )
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--limit", type=int, default=200, help="training clips")
    parser.add_argument("--weights", type=Path, help="a trained network in place of `bands`, which is then not trained")
    args = parser.parse_args()
    torch.manual_seed(0)
    crops = WaveCrops(reader.clips(args.corpus, "train", args.limit), RATE, CROP, BATCH, 0)
    bins = BinNet()
    print("bins:", train(bins, lambda w, g: loss_of_bins(bins, w, g), crops, args.minutes), "steps", flush=True)
    if args.weights is None:
        bands = EnhanceNet()
        print("bands:", train(bands, lambda w, g: loss_of_bands(bands, w, g), crops, args.minutes), "steps", flush=True)
    else:
        bands = load(args.weights)
    table(bands, bins, reader.clips(args.corpus, "test", args.clips), args.seconds)
    return 0


def table(bands: EnhanceNet, bins: BinNet, clips: Sequence[reader.Clip], seconds: float) -> None:
    found: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for clip in clips:
        whole, melody = sound_of(clip.audio, seconds), sound_of(clip.stem("melody"), seconds)
        notes = [note for note in clip.annotations.melody or () if note[1] < seconds]
        for cut in CUTS:
            for name, make in ways(bands, bins, cut).items():
                made = make(whole)
                part = make(melody)
                ratio = harmonic_to_noise(Audio(part, RATE), notes, cut) if notes else math.nan
                found.setdefault((name, cut), []).append((*scores(made, whole, cut), ratio))
    print("| | " + " | ".join(f"{cut / 1000:g} kHz: LSD | bands | HNR" for cut in CUTS) + " |")
    print("|---|" + "---|" * (3 * len(CUTS)))
    for name in dict.fromkeys(name for name, _ in found):
        cells = [f"{value:.2f}" for cut in CUTS for value in np.nanmean(found[name, cut], 0)]
        print(f"| {name} | " + " | ".join(cells) + " |")


def ways(bands: EnhanceNet, bins: BinNet, cut: float) -> dict[str, Callable[[Tensor], Tensor]]:
    """Name -> what makes a recording from one that is cut here."""
    methods: tuple[paint.Method, ...] = ("copied", "rectified", "mixed", "both")

    def by_bands(method: paint.Method, oracle: bool) -> Callable[[Tensor], Tensor]:
        def make(whole: Tensor) -> Tensor:
            low, scale = low_part(whole, cut), LEVEL / whole.square().mean().sqrt().clamp_min(1e-6)
            energy, tonality = measured(transform(whole * scale))
            given = (energy[..., HIGH:], tonality[..., HIGH:]) if oracle else bands
            with torch.inference_mode():
                return low + paint.added(low * scale, cut, given, method=method) / scale

        return make

    def by_bins(whole: Tensor) -> Tensor:
        low, scale = low_part(whole, cut), LEVEL / whole.square().mean().sqrt().clamp_min(1e-6)
        with torch.inference_mode():
            made = bins.spectrum(transform(low * scale), cut)
            made[:, : first_bin(cut)] = 0.0
            return low + istft(made, SIZE, HOP) / scale

    return {
        "original": lambda whole: whole,
        "nothing added": lambda whole: low_part(whole, cut),
        **{f"bands, {method}": by_bands(method, False) for method in methods},
        "bins": by_bins,
        **{f"true bands, {method}": by_bands(method, True) for method in methods},
    }


def sound_of(path: Path, seconds: float) -> Tensor:
    samples = audio_tools.mono(audio_tools.read(path, rate=RATE, seconds=seconds)).samples
    return samples[:, : samples.shape[1] // HOP * HOP]


if __name__ == "__main__":
    sys.exit(main())
