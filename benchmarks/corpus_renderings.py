"""Plain and lively rendering of the same pieces: CPU time, loudness, onsets, distances.

``python benchmarks/corpus_renderings.py --clips 24`` renders each piece with both, in one process and in turn, and
prints CPU seconds a minute of audio by stage, quantiles of loudness, the drum detector's distance from the labels on
drum stems, and how far the renderings are apart (log-spectral distance, Frechet distance of mfcc_patches).
"""

from __future__ import annotations

import argparse
import io
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import soundfile
import torch

from feature_extractors.onsets import Onsets
from flowmusic.audio import Audio
from flowmusic.corpus import bus, kits, lively, performance, spread
from flowmusic.corpus.compose import compose
from flowmusic.corpus.fonts import choose_fonts
from flowmusic.corpus.render import SAMPLE_RATE as RATE
from flowmusic.corpus.render import render
from flowmusic.corpus.splits import stream
from flowmusic.corpus.synth import FontSynth
from flowmusic.metrics import fad
from flowmusic.metrics.spectrum import log_spectral_distance, power


def sound(samples: np.ndarray) -> Audio:
    """Mono audio of 16-bit samples [N] or [N, 2]."""
    mono = samples.reshape(len(samples), -1).mean(axis=1) / 32768
    return Audio(torch.from_numpy(mono[None].astype(np.float32)), RATE)


def errors(stem: np.ndarray, onsets: Sequence[float], detector: Onsets) -> list[float]:
    """Milliseconds from each label to the nearest detected onset, where one lies within 50 ms."""
    found = np.array(detector.analyse(sound(stem)).times)
    near = [found[np.argmin(np.abs(found - at))] - at for at in onsets] if len(found) else []
    return [1000 * error for error in near if abs(error) <= 0.05]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    fonts, _ = choose_fonts([], None, several=True)
    synths = {font.sha256: FontSynth(font.path) for font in fonts}
    samples = kits.find_samples()
    player = kits.KitPlayer(samples.folder, RATE) if samples else None
    # The compressed fonts are decoded, and the recordings read, before the clock runs.
    cpu: dict[str, float] = defaultdict(float)
    levels: dict[str, list[float]] = defaultdict(list)
    off: dict[str, list[float]] = defaultdict(list)
    hits: dict[str, int] = defaultdict(int)
    audio: dict[str, list[Audio]] = defaultdict(list)
    detector, distances = Onsets("flux"), []
    for index in range(-len(fonts), args.clips):
        wish, font = spread.wish_of(args.seed, max(index, 0)), fonts[index % len(fonts)]
        seed = stream(args.seed, "clip", index).getrandbits(48)
        for kind in ("plain", "lively"):
            marks = [time.process_time()]
            piece = compose(seed, "train", args.seconds, wish=wish, steady=kind == "lively")
            if kind == "lively":
                piece = performance.perform(piece)
            marks.append(time.process_time())
            if kind == "plain":
                result = render(piece, synths[font.sha256])
            else:
                plan = lively.draw_production(piece, font, fonts, samples)
                result, _ = lively.render(piece, plan, synths, player, True)
            marks.append(time.process_time())
            soundfile.write(io.BytesIO(), result.mix, RATE, format="FLAC", subtype="PCM_16")
            marks.append(time.process_time())
            if index < 0:
                continue
            for stage, first, last in zip(("compose", "render", "FLAC"), marks, marks[1:], strict=False):
                cpu[f"{kind} {stage}"] += (last - first) / (args.clips * args.seconds / 60)
            whole = np.atleast_2d(result.mix.T) / 32768
            levels[kind].append(
                bus.loudness(bus.weighted_power(np.broadcast_to(whole, (2, len(result.mix))), RATE), RATE)
            )
            drums = piece.part("drums")
            if drums:
                times = [note.start for note in drums.notes if 0.05 < note.start < args.seconds - 0.1]
                off[kind] += errors(result.stems["drums"], times, detector)
                hits[kind] += len(times)
            audio[kind].append(sound(result.mix))
        if index >= 0:
            distances.append(log_spectral_distance(power(audio["lively"][-1]), power(audio["plain"][-1])))
    total = {kind: sum(v for k, v in cpu.items() if k.startswith(kind)) for kind in ("plain", "lively")}
    print(f"CPU seconds a minute of audio ({args.clips} clips of {args.seconds:g} s; lively in stereo):")
    print("  " + ", ".join(f"{name} {value:.3f}" for name, value in cpu.items()))
    print(f"  plain {total['plain']:.2f}, lively {total['lively']:.2f} ({total['lively'] / total['plain'] - 1:+.0%})")
    for kind in ("plain", "lively"):
        quantiles = np.percentile(levels[kind], [0, 25, 50, 75, 100])
        print(f"{kind}: LUFS least, quartiles, most: " + ", ".join(f"{value:.1f}" for value in quantiles))
        error = np.array(off[kind])
        print(
            f"{kind}: drum onsets within 50 ms: {len(error) / max(1, hits[kind]):.3f}; detected less label: "
            f"median {np.median(error):+.1f} ms, half within {np.median(np.abs(error - np.median(error))):.1f} ms of it"
        )
    lively_, plain = ([fad.mfcc_patches(each) for each in audio[kind]] for kind in ("lively", "plain"))
    print(f"lively against plain: LSD {np.mean(distances):.1f} dB, FAD {fad.fad(lively_, plain).mean:.2f}")


if __name__ == "__main__":
    main()
