"""Bandwidth extension beside plain and spline upsampling, on a corpus or on recordings (docs/enhance.md).

    python benchmarks/enhance.py --corpus DIR [--clips 16]
    python benchmarks/enhance.py --files A.ogg B.flac ... [--start 20] [--picture OUT.png]
    python benchmarks/enhance.py --corpus DIR --codec nano2_codec [--cut 8000]

Each recording is resampled to twice the cut, and brought back to 32 kHz in four ways: ``plain`` (band-limited), by a
cubic ``spline``, by ``enhance``, which finds the cut itself, and with the ``true bands`` in place of predicted ones.
Means over the recordings in dB: log-spectral distance above the cut and of all, and energy of the bands above the cut.
With --codec the recordings come from a codec's round trip, and what it lacks above --cut is painted.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.corpus import reader
from flowmusic.enhance import bands, paint
from flowmusic.enhance.stream import enhance
from flowmusic.metrics import spectrum as spectra

CUTS = (4000, 8000, 11_000)
RATE = bands.RATE


def scores(made: Audio, truth: Audio, cut: float) -> list[float]:
    """Log-spectral distance above the cut and of all; mean size and mean of the errors of bands above the cut."""
    length = min(made.samples.shape[1], truth.samples.shape[1])
    one, other = (spectra.power(audio_tools.fit(each, length)) for each in (made, truth))
    off = spectra.band_errors(one, other)
    above = [error for band, error in off.items() if float(band.split("-")[0]) >= cut and not math.isnan(error)]
    distances = [spectra.log_spectral_distance(one, other, hz) for hz in (cut, 0.0)]
    return [*distances, float(np.mean(np.abs(above))), float(np.mean(above))] if above else [*distances, np.nan, np.nan]


def splined(low: Audio) -> Audio:
    """Cubic spline through the samples, at 32 kHz."""
    have = np.arange(low.samples.shape[1]) / low.rate
    want = np.arange(round(low.seconds * RATE)) / RATE
    return Audio(torch.from_numpy(CubicSpline(have, low.samples.numpy(), axis=1)(want)).float(), RATE)


def with_true_bands(dull: Audio, truth: Audio, cut: float) -> Audio:
    """What an ideal prediction would give."""
    length = min(dull.samples.shape[1], truth.samples.shape[1]) // bands.HOP * bands.HOP
    scale = bands.LEVEL / dull.samples.square().mean().sqrt().clamp_min(1e-6)
    energy, tonality = bands.measured(bands.transform(truth.samples[:, :length] * scale))
    given = (energy[..., bands.HIGH :], tonality[..., bands.HIGH :])
    more = paint.added(dull.samples[:, :length] * scale, cut, given) / scale
    return Audio(dull.samples[:, :length] + more, RATE)


def compare(truth: Audio, cut: int) -> dict[str, list[float]]:
    low = audio_tools.resample(truth, 2 * cut)
    plain = audio_tools.resample(low, RATE)
    made = enhance(low)
    found = made.plan.cut_hz or 0.95 * cut
    ways = {"plain": plain, "spline": splined(low), "enhance": made.audio}
    ways["true bands"] = with_true_bands(plain, truth, found)
    return {name: scores(audio, truth, cut) for name, audio in ways.items()}


def read(path: Path, start: float, seconds: float) -> Audio:
    return audio_tools.resample(audio_tools.mono(audio_tools.read(path, start=start, seconds=seconds)), RATE)


def table(rows: dict[tuple[int, str], list[list[float]]]) -> None:
    print("| cut | | LSD above | LSD of all | bands above, size of error | bands above, mean error |")
    print("|---|---|---|---|---|---|")
    for (cut, name), values in rows.items():
        print(f"| {cut / 1000:g} kHz | {name} | " + " | ".join(f"{v:.2f}" for v in np.nanmean(values, 0)) + " |")


def draw(truth: Audio, cut: int, path: Path) -> None:
    """Spectrograms of a recording, of it cut, and of it enhanced."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    low = audio_tools.resample(truth, 2 * cut)
    shown = {"original": truth, f"cut at {cut / 1000:g} kHz": audio_tools.resample(low, RATE)}
    shown["enhanced"] = enhance(low).audio
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), sharey=True, layout="constrained")
    for axis, (name, audio) in zip(axes, shown.items(), strict=True):
        decibels = 10.0 * torch.log10(spectra.power(audio) + 1e-6)
        axis.imshow(decibels, origin="lower", aspect="auto", extent=(0, audio.seconds, 0, 16), vmin=-50, vmax=40)
        axis.set(title=name, xlabel="seconds")
    axes[0].set_ylabel("kHz")
    figure.savefig(path, dpi=80)


def after_codec(name: str, recordings: Sequence[Audio], cut: float) -> None:
    from flowmusic.evaluate.test_set import round_trip
    from flowmusic.interop.bundle import load_codec

    codec = load_codec(name)
    rows: dict[tuple[int, str], list[list[float]]] = {}
    for truth in recordings:
        made = round_trip(codec, truth)
        for label, audio in (("decoded", made), ("decoded, enhanced", enhance(made, cut).audio)):
            rows.setdefault((round(cut), label), []).append(scores(audio, truth, cut))
    table(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--corpus", type=Path)
    add("--clips", type=int, default=16, help="of the test split (default: %(default)s)")
    add("--files", type=Path, nargs="+")
    add("--start", type=float, default=0.0, help="seconds left out of each file (default: %(default)s)")
    add("--seconds", type=float, default=10.0, help="of each recording (default: %(default)s)")
    add("--codec", help="paint what this codec's round trip lacks")
    add("--cut", type=float, default=8000.0, help="with --codec (default: %(default)s)")
    add("--picture", type=Path, help="spectrograms of the first recording, cut at 4 kHz")
    args = parser.parse_args()
    if (args.corpus is None) == (args.files is None):
        parser.error("give either --corpus or --files")
    files = args.files or [clip.audio for clip in reader.clips(args.corpus, "test", args.clips)]
    recordings = [read(path, args.start, args.seconds) for path in files]
    print(f"{len(recordings)} recordings, {sum(each.seconds for each in recordings):.0f} s")
    if args.picture is not None:
        draw(recordings[0], CUTS[0], args.picture)
    if args.codec is not None:
        after_codec(args.codec, recordings, args.cut)
        return 0
    rows: dict[tuple[int, str], list[list[float]]] = {}
    spent = 0.0
    for cut in CUTS:
        for truth in recordings:
            for name, values in compare(truth, cut).items():
                rows.setdefault((cut, name), []).append(values)
            began = time.process_time()
            enhance(audio_tools.resample(truth, 2 * cut))
            spent += time.process_time() - began
    table(rows)
    print(
        f"enhance: {spent / (len(CUTS) * sum(each.seconds for each in recordings)):.3f} CPU seconds a second of audio"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
