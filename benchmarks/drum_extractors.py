"""Drum onsets by class, and separators, on recordings with exact labels and stems.

``python benchmarks/drum_extractors.py CORPUS_DIR [--split test] [--limit N] [--pitch harmonic] [--codec NAME]
[--out FILE.md]``

Two tables.  Onsets: F1 at 50 ms of every detector against the labels and, as no skill, against the next clip's.
Separators: scale-invariant SDR of drums and rest, and its gain over the mix itself; what the extractors then hear in
the stems; and seconds of audio that one core separates in a second.  Means over the clips that have what is measured.
With ``--codec`` all is heard after the codec's round trip, as the output of a model is; SDR has no meaning then.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from feature_extractors import signals
from feature_extractors.drums import Drums
from feature_extractors.madmom import compat
from feature_extractors.melody import Melody
from feature_extractors.networks import drum_net
from feature_extractors.onsets import Onsets
from feature_extractors.separator import DrumSeparator
from feature_extractors.stems import HarmonicPercussive, Separator, Stems
from flowmusic.audio import Audio
from flowmusic.controls import drums as drum_control
from flowmusic.evaluate.ceilings import CONTROL_RATE, ONSET_S, Clip, clips_of, nan_if_unscored, read_clip
from flowmusic.evaluate.test_set import round_trip
from flowmusic.files import write_text
from flowmusic.interop.bundle import load_codec
from flowmusic.metrics.melody import Pitches, melody_pc
from flowmusic.metrics.onsets import onset_f1
from flowmusic.metrics.signal import si_sdr
from flowmusic.types import FrameGrid

Scores = dict[tuple[str, ...], list[float]]


class NoSeparation:
    """The mix for every part: what a separator has to beat."""

    leaks: ClassVar[bool] = True
    name: ClassVar[str] = "none"
    version: ClassVar[str] = "1"

    def analyse(self, audio: Audio) -> Stems:
        return Stems({"drums": audio, "rest": audio})


SEPARATORS: dict[str, Separator] = {
    "none": NoSeparation(),
    "HarmonicPercussive": HarmonicPercussive(),
    "DrumSeparator (ours)": DrumSeparator(),
}


def _add(scores: Scores, key: tuple[str, ...], value: float) -> None:
    if math.isfinite(value):
        scores.setdefault(key, []).append(value)


def onset_scores(scores: Scores, clip: Clip, wrong: Mapping[str, Any], stems: Mapping[str, Stems]) -> None:
    """Add the onset F1 of every detector on a clip, under (hits, detector, source, "truth" or "no skill")."""
    ours = Onsets("drums").analyse(clip.mix)
    found = {("any drum", "ours", "mix"): ours.times}
    for name, times in (ours.classes or {}).items():
        found[name, "ours", "mix"] = times
    sources = {f"drums by {name}" if name != "none" else "mix": parts.drums for name, parts in stems.items()}
    if clip.drums is not None:
        sources["true drum stem"] = clip.drums
    for detector in ("madmom", "flux") if compat.available() else ("flux",):
        for source, audio in sources.items():
            found["any drum", detector, source] = Onsets(detector).analyse(audio).times
    for (hits, detector, source), times in found.items():
        for against, labels in (("truth", clip.labels), ("no skill", wrong)):
            drums = labels.get("drums") or {}
            wanted = drums.get("onsets") if hits == "any drum" else (drums.get("classes") or {}).get(hits)
            _add(scores, (hits, detector, source, against), nan_if_unscored(onset_f1, wanted or (), times, ONSET_S))


def separator_scores(scores: Scores, clip: Clip, stems: Mapping[str, Stems], pitch: str, coded: bool) -> None:
    """Add what the stems of each separator are worth, under (separator, measure); no SDR of a coded mix."""
    if clip.drums is None or not (clip.labels.get("drums") or {}).get("onsets"):
        return
    mix = signals.samples_of(clip.mix, clip.mix.rate)
    drums = signals.samples_of(clip.drums, clip.mix.rate)[: len(mix)]
    grid = FrameGrid.of_seconds(clip.mix.seconds, CONTROL_RATE)
    true_bands = _bands(Drums(separate=False).strength(clip.drums))
    for name, parts in stems.items():
        for part, truth in () if coded else (("drums", drums), ("rest", mix - drums)):
            estimate = signals.samples_of(parts.drums if part == "drums" else parts.rest, clip.mix.rate)
            value = _si_sdr(estimate, truth)
            _add(scores, (name, f"SI-SDR {part}"), value)
            _add(scores, (name, f"gain {part}"), value - _si_sdr(mix, truth))
        strength = Drums(stems=SEPARATORS[name]).strength(parts.drums, clip.mix)
        by_band = [nan_if_unscored(onset_f1, a, b, ONSET_S) for a, b in zip(true_bands, _bands(strength), strict=True)]
        _add(scores, (name, "control, by band"), float(np.mean([score for score in by_band if math.isfinite(score)])))
        times = drum_control.onsets_from_track(drum_control.strength_to_track(torch.from_numpy(strength), grid))
        _add(scores, (name, "drum control"), nan_if_unscored(onset_f1, clip.labels["drums"]["onsets"], times, ONSET_S))
        heard = Melody(model=pitch).analyse(parts.rest)
        notes = clip.labels.get("melody") or ()
        _add(scores, (name, "melody"), nan_if_unscored(melody_pc, notes, Pitches(heard.times, heard.pitch)))


def _si_sdr(estimate: np.ndarray, truth: np.ndarray) -> float:
    return nan_if_unscored(si_sdr, torch.from_numpy(estimate), torch.from_numpy(truth))


def _bands(strength: np.ndarray) -> list[list[float]]:
    """Times of the hits in each band of ``[3, S]``."""
    return [(np.flatnonzero(band) / drum_control.STRENGTH_RATE).tolist() for band in strength]


def measure(
    paths: Sequence[Path], pitch: str = "harmonic", codec: str | None = None
) -> tuple[Scores, Scores, dict[str, float]]:
    """Scores of onsets, scores of separators, and how many times faster than the recording each separator is."""
    onsets: Scores = {}
    separators: Scores = {}
    spent, seconds = dict.fromkeys(SEPARATORS, 0.0), 0.0
    coder = None if codec is None else load_codec(codec)
    for n, path in enumerate(paths):
        clip = read_clip(path)
        if coder is not None:
            with torch.inference_mode():
                clip = replace(clip, mix=round_trip(coder, clip.mix))
        stems = {}
        for name, separator in SEPARATORS.items():
            began = time.process_time()
            stems[name] = separator.analyse(clip.mix)
            spent[name] += time.process_time() - began
        seconds += clip.mix.seconds
        wrong = json.loads(paths[(n + 1) % len(paths)].read_text(encoding="utf-8"))
        onset_scores(onsets, clip, wrong, stems)
        separator_scores(separators, clip, stems, pitch, coded=coder is not None)
        print(f"clip {n + 1} of {len(paths)}", file=sys.stderr, flush=True)
    return onsets, separators, {name: seconds / max(value, 1e-9) for name, value in spent.items()}


def to_markdown(onsets: Scores, separators: Scores, speed: Mapping[str, float]) -> str:
    """Both tables."""
    lines = ["| hits | detector | heard in | F1, 50 ms | no skill | clips |", "|---|---|---|---|---|---|"]
    order = ["any drum", *drum_net.CLASSES]
    for hits, detector, source in sorted(dict.fromkeys(key[:3] for key in onsets), key=lambda key: order.index(key[0])):
        truth = onsets[hits, detector, source, "truth"]
        wrong = np.mean(onsets.get((hits, detector, source, "no skill"), [math.nan]))
        lines.append(f"| {hits} | {detector} | {source} | {np.mean(truth):.3f} | {wrong:.3f} | {len(truth)} |")
    measures = ("SI-SDR drums", "gain drums", "SI-SDR rest", "gain rest", "drum control", "control, by band", "melody")
    lines += ["", f"| separator | {' | '.join(measures)} | times real time |", "|---" * (len(measures) + 2) + "|"]
    for name in speed:
        means = [float(np.mean(separators.get((name, key), [math.nan]))) for key in measures]
        shown = [f"{mean:.1f} dB" for mean in means[:4]] + [f"{mean:.3f}" for mean in means[4:]]
        cells = [cell if math.isfinite(mean) else "-" for cell, mean in zip(shown, means, strict=True)]
        fast = "" if name == "none" else f"{speed[name]:.0f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {fast} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure drum detectors and separators.")
    parser.add_argument("corpus", type=Path, help="folder made by `flowmusic corpus --stems drums`")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, help="at most so many clips")
    parser.add_argument("--pitch", default="harmonic", choices=("tiny", "harmonic"), help="model of the melody")
    parser.add_argument("--codec", help="listen after this codec's round trip")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the tables here; default: print them")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    try:
        paths = clips_of(options.corpus, options.split, options.limit)
        if len(paths) < 2:
            raise ValueError(
                f"at least 2 clips are needed, because no skill is another clip's labels; got {len(paths)}"
            )
        if options.out is not None and not options.out.parent.is_dir():
            raise ValueError(f"output folder does not exist: {options.out.parent}; create it first")
        text = to_markdown(*measure(paths, options.pitch, options.codec))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.out is None:
        print(text, end="")
    else:
        print(write_text(options.out, text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
