"""How well each extractor does on recordings with exact labels: the ceiling of every control metric.

``python -m flowmusic.evaluate.ceilings CORPUS_DIR [--split test] [--limit N] [--out FILE.md|FILE.json]``

A model's adherence can only be read beside two numbers of its detector: the score on the true audio (``ceiling``), and
the score when the next clip's labels are taken for this one's (``no skill``).  Stems are read where the corpus has
them (``ID.drums.flac``, ``ID.melody.flac``).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from feature_extractors.beats import Beats
from feature_extractors.chords import Chords
from feature_extractors.drums import Drums
from feature_extractors.madmom import compat
from feature_extractors.melody import Melody
from feature_extractors.onsets import Onsets
from feature_extractors.stems import HarmonicPercussive, Separator
from flowmusic import plain
from flowmusic.audio import Audio
from flowmusic.controls import drums as drum_control
from flowmusic.files import write_text
from flowmusic.metrics.beats import beat_f1
from flowmusic.metrics.chords import chord_acc
from flowmusic.metrics.melody import Pitches, melody_pc, melody_rpa
from flowmusic.metrics.onsets import onset_f1
from flowmusic.types import FrameGrid

ONSET_S, BEAT_S = 0.05, 0.07
CONTROL_RATE = Fraction(25)


@dataclass(frozen=True)
class Clip:
    """A recording of the corpus with its labels; stems are None where the corpus has none."""

    name: str
    mix: Audio
    drums: Audio | None
    melody: Audio | None
    labels: Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One measure: mean and least over ``count`` clips, and the mean against another clip's labels."""

    measure: str
    detector: str
    source: str
    ceiling: float
    least: float
    no_skill: float
    count: int


Scorer = Callable[[Mapping[str, Any]], float]
Key = tuple[str, str, str]
"""(measure, detector, source)."""


def clips_of(folder: str | Path, split: str = "test", limit: int | None = None) -> list[Path]:
    """The label files of a split, in order.  Raises: ValueError if there are none."""
    root = Path(folder) / split
    paths = sorted(root.glob("*.json"))[:limit]
    if not paths:
        raise ValueError(
            f"no clips (*.json) in {root}; make a corpus with `flowmusic corpus --stems all --out {folder}`"
        )
    return paths


def read_clip(path: Path) -> Clip:
    """A clip and the stems beside it."""
    stems = {name: path.with_name(f"{path.stem}.{name}.flac") for name in ("drums", "melody")}
    found = {name: Audio.read(stem) if stem.exists() else None for name, stem in stems.items()}
    labels = plain.read_json(path)
    return Clip(path.stem, Audio.read(path.with_suffix(".flac")), found["drums"], found["melody"], labels)


def listen(clip: Clip, separator: Separator, full: bool = False) -> dict[Key, Scorer]:
    """Run every extractor on a clip once; the scorers then compare with any labels.

    Args:
        full: CREPE's full model as well, which takes ten times as long.
    """
    separated = separator.analyse(clip.mix)
    name = type(separator).__name__
    scorers: dict[Key, Scorer] = {}
    detectors = ["madmom", "flux"] if compat.available() else ["flux"]
    scorers["chords majmin", "chord net (ours)", "mix"] = _chords(Chords("ours").analyse(clip.mix).changes)
    if compat.available():
        scorers["chords majmin", "madmom CNN+CRF", "mix"] = _chords(Chords("madmom").analyse(clip.mix).changes)
    times = Onsets("drums").analyse(clip.mix).times
    scorers["onset F1, 50 ms", "drums (ours)", "mix"] = _times("onsets", times, ONSET_S)
    for source, drums, mix in (("drum stem", clip.drums, None), (f"{name} of mix", separated.drums, clip.mix)):
        if drums is None:
            continue
        for detector in detectors:
            times = Onsets(detector).analyse(drums, within=mix).times
            scorers["onset F1, 50 ms", detector, source] = _times("onsets", times, ONSET_S)
        strength = torch.from_numpy(Drums(stems=separator).strength(drums, mix))
        control = drum_control.strength_to_track(strength, FrameGrid.of_seconds(clip.mix.seconds, CONTROL_RATE))
        times = drum_control.onsets_from_track(control)
        scorers["drum control F1, 50 ms", "onset strength", source] = _times("onsets", times, ONSET_S)
    pitched = [
        ("melody stem", clip.melody, None),
        ("mix - drum stem", _without(clip), clip.mix),
        (f"mix - {name}", separated.rest, clip.mix),
    ]
    for source, audio, whole in pitched:
        for model in ("tiny", "harmonic", "full") if full else ("tiny", "harmonic"):
            if audio is not None:
                found = Melody(model=model).analyse(audio, within=whole)
                scorers["melody pitch class", model, source] = _pitch(found.times, found.pitch, octaves=False)
                scorers["melody pitch, 50 cents", model, source] = _pitch(found.times, found.pitch, octaves=True)
    for detector in detectors:
        beats = Beats(detector).analyse(clip.mix)
        scorers["beat F1, 70 ms", detector, "mix"] = _times("beats", beats.beats, BEAT_S)
        scorers["downbeat F1, 70 ms", detector, "mix"] = _times("downbeats", beats.downbeats, BEAT_S)
    return scorers


def measure(
    paths: Sequence[Path],
    separator: Separator | None = None,
    full: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """The table of ceilings over some clips.

    Raises: ValueError for fewer than two clips, which give no labels of another clip.
    """
    if len(paths) < 2:
        raise ValueError(f"ceilings need at least 2 clips, because no skill is another clip's labels; got {len(paths)}")
    truth: dict[Key, list[float]] = {}
    other: dict[Key, list[float]] = {}
    labels = [plain.read_json(path) for path in paths]
    for n, path in enumerate(paths):
        for key, score in listen(read_clip(path), separator or HarmonicPercussive(), full).items():
            truth.setdefault(key, []).append(score(labels[n]))
            other.setdefault(key, []).append(score(labels[(n + 1) % len(labels)]))
        if progress:
            progress(n + 1, len(paths))
    return [_row(key, truth[key], other[key]) for key in sorted(truth)]


def to_markdown(rows: Sequence[Row], clips: str) -> str:
    """The rows as a table, under a line that says which clips."""
    lines = [f"Ceilings of the extractors on {clips}.", ""]
    lines += [
        "| measure | detector | source | ceiling | lowest clip | no skill | clips |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.measure} | {r.detector} | {r.source} | {r.ceiling:.3f} | {r.least:.3f} | {r.no_skill:.3f} | {r.count} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def to_json(rows: Sequence[Row], clips: str) -> str:
    """The rows as JSON; what is not a number is null."""
    plain = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in vars(row).items()} for row in rows]
    return json.dumps({"clips": clips, "rows": plain}, indent=2, allow_nan=False) + "\n"


def write(rows: Sequence[Row], clips: str, path: str | Path) -> list[Path]:
    """Write the table as markdown and as JSON, side by side, whichever of the two the path names.

    Raises: ValueError if the folder does not exist or the name ends otherwise.
    """
    path = Path(path)
    if path.suffix not in (".md", ".json"):
        raise ValueError(f"cannot write {path.name!r}: the name must end in .md or .json")
    if not path.parent.is_dir():
        raise ValueError(f"output folder does not exist: {path.parent}; create it first")
    written = []
    for suffix, text in ((".md", to_markdown(rows, clips)), (".json", to_json(rows, clips))):
        written.append(write_text(path.with_suffix(suffix), text))
    return written


def _row(key: Key, truth: list[float], other: list[float]) -> Row:
    known = [v for v in truth if not math.isnan(v)]
    wrong = [v for v in other if not math.isnan(v)]
    mean = float(np.mean(known)) if known else math.nan
    return Row(*key, mean, min(known, default=math.nan), float(np.mean(wrong)) if wrong else math.nan, len(known))


def _without(clip: Clip) -> Audio | None:
    if clip.drums is None:
        return None
    return Audio(clip.mix.samples - clip.drums.samples[..., : clip.mix.samples.shape[-1]], clip.mix.rate)


def _chords(found: Sequence[Sequence]) -> Scorer:
    return lambda labels: nan_if_unscored(chord_acc, labels.get("chords") or (), found)


def _times(key: str, found: Sequence[float], tolerance_s: float) -> Scorer:
    def score(labels: Mapping[str, Any]) -> float:
        source = (labels.get("drums") or {}) if key == "onsets" else labels
        return nan_if_unscored(onset_f1 if key == "onsets" else beat_f1, source.get(key) or (), found, tolerance_s)

    return score


def _pitch(times: np.ndarray, midi: np.ndarray, octaves: bool) -> Scorer:
    heard = Pitches(times, midi)
    return lambda labels: nan_if_unscored(melody_rpa if octaves else melody_pc, labels.get("melody") or (), heard)


def nan_if_unscored(score: Callable[..., float], *arguments: Any) -> float:
    """A score that is nan, without the warning, where the labels have nothing to be found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return score(*arguments)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m flowmusic.evaluate.ceilings", description="Measure the extractors."
    )
    parser.add_argument("corpus", type=Path, help="folder made by `flowmusic corpus --stems all`")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, help="at most so many clips")
    parser.add_argument("--out", type=Path, help="write NAME.md and NAME.json; default: print the table")
    parser.add_argument("--full", action="store_true", help="CREPE's full model as well (ten times slower)")
    options = parser.parse_args(argv)
    try:
        paths = clips_of(options.corpus, options.split, options.limit)
        rows = measure(paths, full=options.full, progress=lambda n, of: print(f"clip {n} of {of}", file=sys.stderr))
        clips = f"{len(paths)} clips of {options.corpus.name}/{options.split}"
        if options.out is None:
            print(to_markdown(rows, clips), end="")
        else:
            for path in write(rows, clips, options.out):
                print(path)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
