"""Our chord recogniser and madmom's on the same recordings, none of which either has heard: one table.

- ``test``: the test split of a corpus, whose font and progressions nothing was trained on;
- ``Bach``: chorales rendered with that font (see ``bach_chorales.py``; needs the extra ``benchmarks``);
- ``codec``: the first clips of the test split after nano's codec, as generated audio sounds.

Scores are mir_eval's, weighted by time within a recording; ± is half of a 95 % bootstrap interval over recordings.

    python benchmarks/chord_recognisers.py --corpus DIR --work DIR [--chorales 80] [--codec-clips 40] [--out FILE.md]

``--work`` keeps rendered audio and recognised chords: the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bach_chorales
import mir_eval
import numpy as np
import torch

from feature_extractors import Chords, cache
from feature_extractors.madmom import compat
from flowmusic.audio import Audio, fit, resample
from flowmusic.corpus.synth import FontSynth
from flowmusic.evaluate.test_set import round_trip
from flowmusic.interop.bundle import load_codec
from flowmusic.metrics.chords import to_harte

MEASURES = {"majmin": mir_eval.chord.majmin, "sevenths": mir_eval.chord.sevenths, "inv": mir_eval.chord.majmin_inv}
COLUMNS = (
    ("test", "majmin"), ("test", "sevenths"), ("test", "inv"), ("Bach", "majmin"), ("Bach", "sevenths"),
    ("Bach", "inv"), ("codec", "majmin"), ("codec", "sevenths"),
)  # fmt: skip
TIMED = 10

Spans = list[tuple[float, float, str]]


@dataclass
class Details:
    """Seconds of recordings on the test split: how far sevenths and basses can be trusted."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("given", "right", "there", "found"), 0.0))

    def add(self, given: bool, there: bool, right: bool, seconds: float) -> None:
        self.seconds["given"] += seconds * given
        self.seconds["right"] += seconds * (given and right)
        self.seconds["there"] += seconds * there
        self.seconds["found"] += seconds * (there and right)

    def __str__(self) -> str:
        s = self.seconds
        precision, recall = s["right"] / max(s["given"], 1e-9), s["found"] / max(s["there"], 1e-9)
        return f"precision {precision:.3f}, recall {recall:.3f} ({s['there']:.0f} s labelled)"


def corpus_items(corpus: Path, count: int | None = None) -> Iterator[tuple[str, Audio, Spans]]:
    """Clips of the test split with their labels in Harte's notation."""
    for path in sorted((corpus / "test").glob("*.json"))[:count]:
        labels = json.loads(path.read_text(encoding="utf-8"))["chords"]
        yield path.stem, Audio.read(path.with_suffix(".flac")), [(s, e, to_harte(name)) for s, e, name in labels]


def chorale_items(count: int, work: Path) -> Iterator[tuple[str, Audio, Spans]]:
    """Rendered chorales with their labels."""
    synth: FontSynth | None = None
    for index, chorale in enumerate(bach_chorales.chorales(count, work)):
        file, labels = work / "chorales" / f"{index:03d}.flac", work / "chorales" / f"{index:03d}.json"
        if not labels.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            synth = synth or FontSynth(str(bach_chorales.unseen_font()))
            audio, spans = bach_chorales.render(chorale, index, synth)
            audio.write(file)
            labels.write_text(json.dumps(spans), encoding="utf-8")
        yield chorale.name, Audio.read(file), [tuple(span) for span in json.loads(labels.read_text())]


def codec_items(corpus: Path, count: int, work: Path) -> Iterator[tuple[str, Audio, Spans]]:
    """Test clips after nano's codec."""
    codec = None
    for name, audio, spans in corpus_items(corpus, count):
        file = work / "codec" / f"{name}.wav"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            codec = codec or load_codec("nano2_codec")
            decoded = round_trip(codec, resample(audio, codec.rate))
            temporary = file.with_name(f".{file.name}")
            fit(decoded, round(audio.seconds * decoded.rate)).write(temporary)
            temporary.replace(file)
        yield name, Audio.read(file), spans


def score(reference: Spans, found: Spans) -> dict[str, float]:
    """mir_eval's measures; nan where nothing can be compared."""
    intervals, ref, est = merged(reference, found)
    seconds = mir_eval.util.intervals_to_durations(intervals)
    out = {}
    for name, compare in MEASURES.items():
        # As chord_acc: mir_eval takes the bass for a note of the chord, and C/D for no major chord.
        values = compare(ref, [label.partition("/")[0] for label in est] if name == "majmin" else est)
        known = values >= 0
        out[name] = float((values * seconds)[known].sum() / seconds[known].sum()) if known.any() else float("nan")
    return out


def merged(reference: Spans, found: Spans) -> tuple[np.ndarray, list[str], list[str]]:
    """Both on one time line."""
    spans, labels = np.array([s[:2] for s in reference], float), [s[2] for s in reference]
    heard, names = np.array([s[:2] for s in found], float), [s[2] for s in found]
    heard, names = mir_eval.util.adjust_intervals(heard, names, spans.min(), spans.max(), "N", "N")
    return mir_eval.util.merge_labeled_intervals(spans, labels, heard, names)


def add_details(details: dict[str, Details], reference: Spans, found: Spans) -> None:
    """Of sevenths (any chord of four notes) and of basses beside the root: given, and right."""
    intervals, ref, est = merged(reference, found)
    for (start, end), wanted, heard in zip(intervals, ref, est, strict=True):
        four = [
            label.partition(":")[2].partition("/")[0] not in ("", "maj", "min", "dim", "aug")
            for label in (heard, wanted)
        ]
        same = wanted.partition("/")[0] == heard.partition("/")[0]
        details["four notes"].add(four[0], four[1], same, end - start)
        details["basses"].add("/" in heard, "/" in wanted, wanted == heard, end - start)


def interval(values: np.ndarray, seed: int = 0) -> float:
    """Half the width of the 95 % bootstrap interval of the mean."""
    draws = np.random.default_rng(seed).choice(values, (2000, len(values))).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(high - low) / 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="corpus with a test split")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--clips", type=int, help="of the test split (default: all)")
    parser.add_argument("--chorales", type=int, default=80, help="0 leaves them out (default: %(default)s)")
    parser.add_argument("--codec-clips", type=int, default=40)
    parser.add_argument("--out", type=Path, help="write the table there too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    detectors = {"ours": Chords("ours"), "ours, triads": Chords("ours", detail="triads")}
    if compat.available():
        detectors["madmom"] = Chords("madmom")
    scores: dict[tuple[str, str, str], list[float]] = {}
    counts: dict[str, int] = {}
    speed: dict[str, list[float]] = {name: [] for name in detectors}
    details = {"four notes": Details(), "basses": Details()}
    sets = {
        "test": corpus_items(args.corpus, args.clips),
        "Bach": chorale_items(args.chorales, args.work) if args.chorales else iter(()),
        "codec": codec_items(args.corpus, args.codec_clips, args.work),
    }
    for part, items in sets.items():
        for number, (name, audio, reference) in enumerate(items):
            counts[part] = number + 1
            for detector, chords in detectors.items():
                if part == "test" and number <= TIMED:
                    began = time.process_time()
                    chords.analyse(audio)
                    if number:  # the first loads the models
                        speed[detector].append(audio.seconds / (time.process_time() - began))
                changes = cache.analyse(chords, audio, args.work / "recognised").changes
                found = [(start, end, to_harte(label)) for start, end, label in changes]
                for measure, value in score(reference, found).items():
                    scores.setdefault((detector, part, measure), []).append(value)
                if detector == "ours" and part == "test":
                    add_details(details, reference, found)
            print(f"{part} {number + 1}: {name}", file=sys.stderr, flush=True)
    text = table(list(detectors), scores, counts, speed)
    text += "\nOurs on the test split, share of seconds: " + "; ".join(f"{k}: {v}" for k, v in details.items()) + ".\n"
    print(text, end="")
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    return 0


def table(
    detectors: list[str],
    scores: dict[tuple[str, str, str], list[float]],
    counts: dict[str, int],
    speed: dict[str, list[float]],
) -> str:
    """Markdown."""
    columns = [c for c in COLUMNS if c[0] in counts]
    heads = [f"{part} ({counts[part]}) {measure}" for part, measure in columns]
    lines = ["| recogniser | " + " | ".join(heads) + " | x real time |", "|---|" + "---|" * (len(heads) + 1)]
    for detector in detectors:
        cells = []
        for part, measure in columns:
            values = np.array([v for v in scores[detector, part, measure] if not np.isnan(v)])
            cells.append(f"{values.mean():.3f} ± {interval(values):.3f}")
        lines.append(f"| {detector} | " + " | ".join(cells) + f" | {np.median(speed[detector]):.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
