"""Does the MIDI of an exported take lead back to what the take was asked for?

For every test clip: a take is made for its chords, melody and beats (``flowmusic generate --controls``), exported
(``flowmusic export --only midi``), and the chords, melody and beats of that MIDI file are handed in again, with the
same words and seed: so that the takes differ by nothing but what the file lost.  Takes are judged by ear against the
first request; files by the symbols that are in them.  The last row is the file of a copy of the take that has no
record, as of any recording: all of it was heard.  Means with 95 % intervals over clips.  What is in OUT is not made
again.

    python -m benchmarks.export_round_trip --corpus CORPUS --out OUT
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmusic.annotations.annotation import Annotations
    from flowmusic.evaluate.test_set import LabelledClip

SHOWN = {"chord_acc": "chords", "melody_pc": "melody"}
ENOUGH = 0.9
"""Of the first take's adherence, which is the request's own as far as the model follows it."""
FIRST, SECOND = "first take", "second take, of that MIDI"
Scores = dict[str, dict[str, float]]


def command(*words: str | Path) -> None:
    """Run ``flowmusic`` in this process.  Raises: SystemExit where it fails."""
    from flowmusic.apps.cli import main as flowmusic

    code = flowmusic([str(word) for word in words])
    if code:
        raise SystemExit(f"flowmusic {words[0]} ended with {code}")


def round_trip(clip: LabelledClip, seed: int, folder: Path, model: str) -> Scores:
    """Scores against the request by what was compared with it, the first take first."""
    from flowmusic import audio
    from flowmusic.annotations.json_file import ControlsFile, to_json
    from flowmusic.evaluate.adherence import listeners
    from flowmusic.files import write_readable_json
    from flowmusic.metrics.adherence import measure, score
    from flowmusic.sheets import formats

    asked = clip.requested.only(*SHOWN.values())
    ears = listeners()

    def make(known: Annotations, name: str) -> Path:
        sheet, take = folder / f"{name}.json", folder / f"{name}.take.wav"
        write_readable_json(sheet, to_json(ControlsFile(name, Fraction(25), known)))
        more = ("--seed", str(seed), "--model", model, "--no-latents", "--quiet")
        command("generate", clip.text or "", "--controls", sheet, "--use", "chords,melody,beats", "--out", take, *more)
        return take

    def midi_of(source: Path, name: str) -> Annotations:
        out = folder / f"{name}.export"
        command("export", source, "--only", "midi", "--out", out, *(("--replace",) if out.exists() else ()), "--quiet")
        (midi,) = out.glob("*.mid")
        return formats.read(midi).annotations

    def heard(take: Path) -> dict[str, float]:
        return measure(audio.mono(audio.read(take)), asked, ears)

    folder.mkdir(parents=True, exist_ok=True)
    first = make(clip.requested, "first")
    again = midi_of(first, "first")
    alone = Path(shutil.copy(first, folder / "alone.wav"))
    found = {
        FIRST: heard(first),
        "its MIDI": score(asked, again),
        SECOND: heard(make(again, "second")),
        "MIDI of the first take as a recording": score(asked, midi_of(alone, "alone")),
    }
    return {row: {key: value for key, value in each.items() if not math.isnan(value)} for row, each in found.items()}


def table(found: list[Scores]) -> str:
    """Markdown: how much each row has of the request, and the second take's share of the first one's score."""
    from benchmarks.varying import interval, ratio, shown

    lines = [f"| compared with the request | {' | '.join(SHOWN.values())} | over the first take's |", "|---" * 4 + "|"]
    for row in found[0]:
        cells, shares = [], []
        for key, name in SHOWN.items():
            both = [each for each in found if key in each[row] and key in each[FIRST]]
            cells.append(shown(interval([each[row][key] for each in both])))
            shares.append(f"{name} {shown(ratio([(each[row][key], each[FIRST][key]) for each in both]))}")
        lines.append(f"| {row} | {' | '.join(cells)} | {', '.join(shares) if row == SECOND else ''} |")
    return "\n".join(lines)


def main() -> int:
    """0 where the take of the exported MIDI follows the request well enough, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR")
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0, help="clip i starts from noise of seed + i")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    from flowmusic.evaluate.test_set import read_clips
    from flowmusic.files import write_readable_json
    from flowmusic.interop import bundle

    model = bundle.load(args.model)
    names = ("chords", "melody", "beats")
    clips = read_clips(args.corpus, args.split, args.clips, model.grid(), model.codec.rate, names)
    found: list[Scores] = []
    for number, clip in enumerate(clips):
        kept = args.out / f"{clip.id}.json"
        if not kept.exists():
            scores = round_trip(clip, args.seed + number, args.out / clip.id, args.model)
            write_readable_json(kept, scores)
        found.append(json.loads(kept.read_text(encoding="utf-8")))
        print(f"{clip.id}: {found[-1]}", file=sys.stderr, flush=True)
    print(table(found))
    means = {
        (row, key): sum(values) / len(values)
        for row in (FIRST, SECOND)
        for key in SHOWN
        if (values := [each[row][key] for each in found if key in each[row]])
    }
    reached = all(means[SECOND, key] >= ENOUGH * means[FIRST, key] for key in SHOWN if (FIRST, key) in means)
    print(f"\nat least {ENOUGH:g} of the first take's: {'yes' if reached else 'no'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
