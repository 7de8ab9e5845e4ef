"""Notes by our network and by basic-pitch on recordings that neither has heard: the table of docs/transcription.md.

- ``corpus``: the test split of a corpus, whose font, instruments of the lead and progressions nothing was trained on;
- ``Bach``: chorales rendered with that font (see ``bach_chorales.py``; needs the extra ``benchmarks``).

Scores are mir_eval's: a note is right if its pitch is and it begins within 50 ms ("onset"), and ends within 50 ms or a
fifth of its length ("with end").  Means over recordings; ± is half of a 95 % bootstrap interval over them.  Pitched
parts count together, where two notes of one pitch that begin within 30 ms are one; ``found`` is the share of a part's
notes that any note matches, and ``F1`` of a part asks that the note is given to it, which basic-pitch does not tell.

    python benchmarks/transcription.py --corpus DIR --work DIR [--basic-pitch bp/bin/python] [--out FILE]

``--basic-pitch`` is the interpreter of an environment as ``basic_pitch_notes.py`` describes; ``--work`` keeps rendered
chorales and what basic-pitch heard.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bach_chorales
import mir_eval
import numpy as np
import torch

from feature_extractors.networks.note_data import Row, joined, notes_of
from feature_extractors.networks.note_net import PARTS
from feature_extractors.notes import Notes, Transcriber
from flowmusic.audio import Audio
from flowmusic.corpus.synth import FontSynth
from flowmusic.metrics.notes import ONSET_S, note_f1
from flowmusic.metrics.onsets import onset_f1

SHORTEST_MS = (127.7, 58.0)
"""Of basic-pitch: its default, and what it needs to give short notes too."""
DRUMS = {"kick": "kick", "snare": "snare", "hihat": "hat"}
OURS = "ours"


@dataclass(frozen=True)
class Item:
    """A recording: its file, exact notes by part of the network, hits of the drums by class, and who plays."""

    file: Path
    notes: dict[str, list[Row]]
    drums: dict[str, list[float]]
    played_by: str = ""


def corpus_items(corpus: Path, split: str, count: int | None) -> Iterator[Item]:
    for path in sorted((corpus / split).glob("*.json"))[:count]:
        labels = json.loads(path.read_text(encoding="utf-8"))
        yield Item(path.with_suffix(".flac"), notes_of(labels), labels["drums"]["classes"])


def chorale_items(count: int, work: Path) -> Iterator[Item]:
    synth: FontSynth | None = None
    for index, chorale in enumerate(bach_chorales.chorales(count, work)):
        file = work / "chorales" / f"{index:03d}.flac"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            synth = synth or FontSynth(str(bach_chorales.unseen_font()))
            bach_chorales.render(chorale, index, synth)[0].write(file)
        quarter_s = 60.0 / bach_chorales.BPM[index % len(bach_chorales.BPM)]
        rows = [Row(s * quarter_s, e * quarter_s, pitch, 80) for voice in chorale.voices for s, e, pitch in voice]
        yield Item(
            file, {"all": joined(iter(rows))}, {}, bach_chorales.PROGRAMS[index % len(bach_chorales.PROGRAMS)][0]
        )


def by_basic_pitch(python: str, items: Sequence[Item], out: Path) -> dict[str, Any]:
    """``notes`` (file -> of each of :data:`SHORTEST_MS`) and ``cpu_s``, kept in ``out`` as long as the files are."""
    files = [str(item.file.resolve()) for item in items]
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"notes": {}}
    if set(known["notes"]) == set(files):
        return known
    script = Path(__file__).with_name("basic_pitch_notes.py")
    lengths = ",".join(map(str, SHORTEST_MS))
    subprocess.run([python, str(script), str(out), lengths, *files], check=True)
    return json.loads(out.read_text(encoding="utf-8"))


def found_share(wanted: Sequence[Row], heard: Sequence[Any]) -> float:
    """Recall of notes by pitch and beginning."""
    if not wanted or not heard:
        return 0.0
    reference, found = (
        (np.array([n[:2] for n in notes], float), 440.0 * 2.0 ** ((np.array([n[2] for n in notes]) - 69.0) / 12.0))
        for notes in (wanted, heard)
    )
    pairs = mir_eval.transcription.match_notes(*reference, *found, onset_tolerance=ONSET_S, offset_ratio=None)
    return len(pairs) / len(wanted)


def scores_of(item: Item, heard: Sequence[Any], parts: Notes | None) -> dict[str, float]:
    """Every figure that a recording gives; those of parts that are not played are left out."""
    wanted = joined(row for rows in item.notes.values() for row in rows)
    one_voice = joined(Row(*note[:4]) for note in heard)
    scores = {"onset": note_f1(wanted, one_voice), "with end": note_f1(wanted, one_voice, offsets=True)}
    for part in PARTS:
        if item.notes.get(part):
            scores[f"{part} found"] = found_share(item.notes[part], one_voice)
            if parts is not None:
                scores[f"{part} F1"] = note_f1(item.notes[part], parts.part(part))
    for name, called in DRUMS.items():
        if parts is not None and item.drums.get(called):
            scores[f"{name} F1"] = onset_f1(item.drums[called], [note.start for note in parts.part(name)])
    return scores


def interval(values: np.ndarray, seed: int) -> float:
    """Half the width of the 95 % bootstrap interval of the mean."""
    draws = np.random.default_rng(seed).choice(values, (2000, len(values))).mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(high - low) / 2.0


def told(values: Sequence[float], seed: int) -> str:
    return f"{np.mean(values):.3f} ± {interval(np.asarray(values), seed):.3f}" if len(values) else ""


def table(scores: dict[tuple[str, str], list[dict[str, float]]], seed: int) -> Iterator[str]:
    """Markdown: a line for each figure of each set, a column for each transcriber."""
    columns = list(dict.fromkeys(system for _, system in scores))
    yield "| recordings | figure | " + " | ".join(columns) + " |"
    yield "|---" * (2 + len(columns)) + "|"
    for part in dict.fromkeys(part for part, _ in scores):
        figures = dict.fromkeys(name for row in scores[part, OURS] for name in row)
        ordered = [*(n for n in figures if n in ("onset", "with end")), *sorted(set(figures) - {"onset", "with end"})]
        for figure in ordered:
            cells = [[row[figure] for row in scores[part, system] if figure in row] for system in columns]
            count = len(cells[columns.index(OURS)])
            yield f"| {part} ({count}) | {figure} | " + " | ".join(told(each, seed) for each in cells) + " |"
        for other in columns:
            if other != OURS:
                pairs = zip(scores[part, OURS], scores[part, other], strict=True)
                gain = [ours["onset"] - theirs["onset"] for ours, theirs in pairs]
                yield f"| {part} | onset, ours minus {other} | {told(gain, seed)} |" + " |" * (len(columns) - 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="what `flowmusic corpus` made")
    parser.add_argument("--split", default="test", help="of the corpus (default: %(default)s); thresholds: validation")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--clips", type=int, help="of the split (default: all)")
    parser.add_argument("--chorales", type=int, default=24, help="0 leaves them out (default: %(default)s)")
    parser.add_argument("--basic-pitch", help="interpreter of its environment (default: ours alone)")
    parser.add_argument("--weights", type=Path, help="of our network (default: those that are shipped)")
    parser.add_argument("--onset", type=float, help="threshold of our network (default: its own)")
    parser.add_argument("--frame", type=float, help="the same of its frames")
    parser.add_argument("--seed", type=int, default=0, help="of the intervals (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write the table there too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    sets = {"corpus": list(corpus_items(args.corpus, args.split, args.clips))}
    if args.chorales:
        sets["Bach"] = list(chorale_items(args.chorales, args.work))
    transcriber = Transcriber(weights=args.weights, onset=args.onset, frame=args.frame)
    scores: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    speed: dict[str, float] = defaultdict(float)
    seconds = 0.0
    for part, items in sets.items():
        for item in items:
            audio = Audio.read(item.file)
            seconds += audio.seconds
            spent = time.process_time()
            heard = transcriber.analyse(audio)
            speed[OURS] += time.process_time() - spent
            pitched = [note for note in heard.notes if note.part in PARTS]
            scores[part, OURS].append(scores_of(item, pitched, heard))
        if args.basic_pitch:
            theirs = by_basic_pitch(args.basic_pitch, items, args.work / f"basic_pitch-{part}-{len(items)}.json")
            speed["basic-pitch"] += theirs["cpu_s"]
            for n, shortest in enumerate(SHORTEST_MS):
                found = [theirs["notes"][str(item.file.resolve())][n] for item in items]
                rows = [scores_of(item, heard, None) for item, heard in zip(items, found, strict=True)]
                scores[part, f"basic-pitch, from {shortest:g} ms"] = rows
    # Instruments differ more than anything else: softly beginning ones apart from the piano.
    for (part, system), rows in list(scores.items()):
        for item, row in zip(sets[part], rows, strict=True):
            if item.played_by:
                scores[f"{part}, {item.played_by}", system].append(row)
    lines = list(table(scores, args.seed))
    lines += ["", *(f"{name}: {seconds / spent:.0f} times real time" for name, spent in speed.items())]
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
