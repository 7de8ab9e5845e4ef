"""``python -m flowmusic.evaluate.codec_gate --corpus DIR``: does a codec keep what the controls are made of?

Every clip is scored against its own labels twice, as it is (``truth``) and after the codec's round trip
(``codec``), and against another clip's labels (``shuffled``).  The gate passes when the codec keeps 90 % of the
normalised chord, onset and melody scores.  No field should be trained on latents of a codec that fails.

A second table says how it sounds: SI-SDR, log-spectral distance overall and above 4 kHz, the energy of every band
against the original's, and two Frechet distances; with stems of melody and drums also the harmonic-to-noise ratio of
the melody and the rise time of isolated hits.  ``--sound`` makes bars for these a part of the gate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from flowmusic import options, progress
from flowmusic.audio import Audio
from flowmusic.corpus import reader
from flowmusic.corpus.reader import SPLITS, Clip
from flowmusic.errors import DONE, FAILED, guarded, reading_input
from flowmusic.metrics.adherence import Detectors, remembering
from flowmusic.options import Parser


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m flowmusic.evaluate.codec_gate", description=__doc__)
    add = parser.add_argument
    add("--corpus", required=True, type=options.existing_path, metavar="DIR")
    add("--codec", default="nano2_codec", metavar="NAME|DIR", help="default: %(default)s")
    add("--split", choices=SPLITS, default="test", help="default: %(default)s")
    add("--clips", type=options.integer("clips"), default=32, metavar="N", help="default: %(default)s")
    add("--seconds", type=options.seconds, default=10.0, metavar="N", help="of every clip (default: %(default)s)")
    add("--chord-detector", choices=options.CHORD_DETECTORS, help="who hears chords (default: ours)")
    add("--sound", action="store_true", help="fail also where the codec does not sound near enough to the original")
    add("--out", type=options.output_folder, metavar="DIR", help="write codec_gate.json and codec_gate.md there")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("codec_gate", lambda: run(build_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Score, print the table and the verdict; 1 when the gate fails."""
    from flowmusic.evaluate.adherence import chord_recogniser
    from flowmusic.evaluate.detectors import default_listeners, describe
    from flowmusic.evaluate.test_set import read_clips, round_trip
    from flowmusic.interop.bundle import load_codec
    from flowmusic.metrics import report, sound
    from flowmusic.metrics.adherence import measure
    from flowmusic.types import FrameGrid

    with reading_input():
        codec = load_codec(args.codec)
        grid = FrameGrid.of_seconds(args.seconds, codec.frame_rate)
        clips = read_clips(args.corpus, args.split, args.clips, grid, codec.rate)
    chords = chord_recogniser(args.chord_detector)
    listeners = Detectors(**default_listeners(chords=chords))
    scores: dict[str, list[dict[str, float]]] = {"truth": [], "codec": [], "shuffled": []}
    heard_sound = sound.Sound()
    files = reader.clips(args.corpus, args.split, args.clips)
    for index, clip in enumerate(progress.over(clips, "codec", "clip")):
        other = clips[(index + 1) % len(clips)]
        heard = remembering(clip.audio, listeners)
        truth = measure(clip.audio, clip.requested, heard)
        scores["truth"].append(truth)
        # Only what this clip has to show counts, or a drum clip would be judged on silence.
        shuffled = measure(clip.audio, other.requested, heard)
        scores["shuffled"].append({k: v for k, v in shuffled.items() if k in truth})
        rebuilt = round_trip(codec, clip.audio)
        row = measure(rebuilt, clip.requested, listeners)
        row["si_sdr"] = heard_sound.add(rebuilt, clip.audio)["si_sdr"]
        scores["codec"].append(row)
        notes, onsets = clip.requested.melody, clip.requested.events("drums")
        melody = stem_of(files[index], "melody", clip.audio) if notes else None
        if melody is not None and notes:
            heard_sound.add_melody(round_trip(codec, melody), melody, notes)
        drums = stem_of(files[index], "drums", clip.audio) if onsets else None
        if drums is not None and onsets:
            heard_sound.add_drums(round_trip(codec, drums), drums, onsets)
    described = {
        **describe(chords=chords),
        "codec": Path(args.codec).name,
        "split": args.split,
        "clips": str(len(clips)),
    }
    summary = report.table(scores, described)
    verdict = report.gate(summary)
    print(report.to_markdown(summary))
    kept = ", ".join(f"{k} {v:.2f}" for k, v in verdict.kept.items())
    print(f"gate {'passed' if verdict.passed else 'FAILED'}: kept {kept} (at least {verdict.keep:.2f} each)")
    rows = heard_sound.rows()
    missed = sound.misses(rows["codec"])
    table = sound.to_markdown(rows)
    print(f"\n{table}")
    print(f"sound {'FAILED: ' + ', '.join(missed) if missed else 'passed'}")
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        plain = {system: {name: report.plain(value) for name, value in row.items()} for system, row in rows.items()}
        extra = {"passed": verdict.passed, "sound": plain, "sound_missed": missed}
        print(report.write(summary, args.out, "codec_gate", extra, f"\n{table}"))
    return DONE if verdict.passed and not (args.sound and missed) else FAILED


def stem_of(clip: Clip, name: str, whole: Audio) -> Audio | None:
    """A clip's stem ``[1, N]`` at the rate and length of the whole; None where the corpus was written without it."""
    from flowmusic import audio as audio_tools

    try:
        path = clip.stem(name)
    except FileNotFoundError:
        return None
    return audio_tools.fit(audio_tools.mono(audio_tools.read(path, rate=whole.rate)), whole.samples.shape[-1])


if __name__ == "__main__":
    sys.exit(main())
