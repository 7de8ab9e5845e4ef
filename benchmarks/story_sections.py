"""Do the sections of a story differ, and as their words say?  A row per section of a take, and a picture.

The level (dBFS), the spectral centroid, onsets a second (spectral flux), and the cosine with the section's own words,
by our text-audio model, beside the mean of the cosines with the words of the others.

    python benchmarks/story_sections.py take.wav [--picture docs/story.png]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feature_extractors import flux
from flowmusic import audio as audio_tools
from flowmusic import options
from flowmusic.audio import Audio
from flowmusic.generate.story import DEFAULT_FADE_SECONDS, shares
from flowmusic.metrics.text_audio import TextAudio
from flowmusic.paths import sibling
from flowmusic.types import FrameGrid


def centroid(sound: Audio) -> float:
    """Hz."""
    power = torch.fft.rfft(sound.samples[0]).abs().square()
    return float((power * torch.fft.rfftfreq(sound.samples.shape[-1], 1 / sound.rate)).sum() / power.sum())


def onsets(sound: Audio) -> float:
    """A second: local maxima of the spectral flux above its mean plus its deviation."""
    strength = np.asarray(flux.strength(audio_tools.resample(sound, flux.RATE).samples[0].numpy()))
    inner = strength[1:-1]
    peaks = (inner > strength[:-2]) & (inner >= strength[2:]) & (inner > strength.mean() + strength.std())
    return float(peaks.sum()) / sound.seconds


def picture(sound: Audio, sections: list[dict[str, Any]], fade: float, path: Path) -> None:
    """Shares of the frames above the spectrogram."""
    import matplotlib.pyplot as plt

    grid = FrameGrid.of_seconds(sound.seconds, 25)
    fades = [each.get("fade", fade) for each in sections]
    rows = shares([each["start"] for each in sections], fades, grid)
    figure, (above, below) = plt.subplots(2, 1, figsize=(10, 4.2), sharex=True, height_ratios=(1, 3))
    seconds = np.arange(grid.length) / 25
    for row, each in zip(rows, sections, strict=True):
        above.fill_between(seconds, row, alpha=0.5)
        above.text(each["start"] + 0.3, 0.4, (each["text"] or "")[:17], fontsize=7)
    above.set(ylabel="share", ylim=(0, 1), yticks=(0, 1))
    below.specgram(sound.samples[0].numpy() + 1e-7, NFFT=2048, Fs=sound.rate, noverlap=1024, vmin=-140)
    below.set(xlabel="seconds", ylabel="Hz", ylim=(0, 10_000), xlim=(0, sound.seconds))
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    """Print the table of one take and its record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("take", type=options.existing_file, metavar="WAV")
    parser.add_argument("--fade", type=float, default=DEFAULT_FADE_SECONDS, metavar="N", help="seconds, as generated")
    parser.add_argument("--picture", type=Path, metavar="PNG")
    args = parser.parse_args()
    sound = audio_tools.read(args.take)
    sections = json.loads(sibling(args.take, ".json").read_text(encoding="utf-8"))["story"]
    listener = TextAudio.load()
    words = listener.embed_text([each["text"] or "" for each in sections])
    ends = [*(each["start"] for each in sections[1:]), sound.seconds]
    print("| section | level (dBFS) | centroid (Hz) | onsets a second | own words | others' words |")
    print("|---|---|---|---|---|---|")
    for number, (each, end) in enumerate(zip(sections, ends, strict=True)):
        first, last = (round(time * sound.rate) for time in (each["start"] + args.fade / 2, end - args.fade / 2))
        part = Audio(sound.samples[:, first:last].contiguous(), sound.rate)
        cosines = (listener.embed_audio(part) @ words.T)[0]
        others = (cosines.sum() - cosines[number]) / max(1, len(sections) - 1)
        print(
            f"| {each['text']} | {audio_tools.rms_db(part.samples):.1f} | {centroid(part):.0f} | {onsets(part):.1f} | "
            f"{float(cosines[number]):.2f} | {float(others):.2f} |"
        )
    if args.picture is not None:
        picture(sound, sections, args.fade, args.picture)


if __name__ == "__main__":
    main()
