"""Are drums, tempo, energy and the lead instrument heard in takes that were asked for in words and facts?

    python benchmarks/facts_heard.py --corpus DIR [--model nano] [--clips 32]

Rows: the clip's caption as text alone; the same with the facts that `flowmusic generate` reads in it (word list);
with all of the clip's facts and who plays, as flags say them; the text and the clip's melody, without and with those
facts, for a lead instrument is one that has something to play; the clip through the codec; the clip.  No chords, drums
or beats are given.  Cells: balanced accuracy of nano_text_audio's answers, 0 chance and 1 always right
(docs/text_audio.md says how well it answers for recordings).  The last column is a count: of the clips without drums,
in how many our drum network hears less than one hit in two seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from feature_extractors.onsets import Onsets
from flowmusic.audio import Audio
from flowmusic.corpus import reader
from flowmusic.evaluate.test_set import TOLD, read_clip, round_trip
from flowmusic.generate.generator import Generator
from flowmusic.inputs.words.reading import read
from flowmusic.interop import bundle
from flowmusic.metrics.text_audio import TextAudio, attribute_scores
from flowmusic.types import TEXT, Controls

MELODY = "melody"
SHOWN = ("drums", "tempo", "energy", "lead")
MOST_HITS = 0.5
"""A second, in what counts as music without drums."""


def takes(generator: Generator, asked: Sequence[Controls]) -> list[Audio]:
    """One of each request, of the model's length; that of number n from seed n."""
    grid = generator.grid()
    made = [generator.generate(controls, grid=grid, seed=n).audio for n, controls in enumerate(asked)]
    return [Audio(take.samples[0], take.rate) for take in made]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clips", type=int, default=32)
    args = parser.parse_args()
    generator = bundle.load(args.model)
    if not generator.has_facts or MELODY not in generator.controls:
        print(
            f"error: {args.model} is told no facts or no melody; give --model with one that is, such as nano",
            file=sys.stderr,
        )
        return 2
    rate = int(getattr(generator.codec, "rate", 32_000))
    try:
        found = reader.clips(args.corpus, args.split, args.clips)
        clips = [read_clip(clip, generator.grid(), rate, (*TOLD, MELODY)) for clip in found]
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    labels = [clip.labels for clip in found]
    said = [clip.controls.only({TEXT}) for clip in clips]
    rows = {
        "text": takes(generator, said),
        "text, and facts read in it": takes(
            generator, [replace(each, facts=(read(each.words[0] or "").facts,)) for each in said]
        ),
        "text, facts, who plays": takes(generator, [clip.controls.only({TEXT, *TOLD}) for clip in clips]),
        "text, the melody": takes(generator, [clip.controls.only({TEXT, MELODY}) for clip in clips]),
        "text, facts, who plays, the melody": takes(generator, [clip.controls for clip in clips]),
        "the codec": [round_trip(generator.codec, clip.audio) for clip in clips],
        "the recording": [clip.audio for clip in clips],
    }
    judge, drums = TextAudio.load("nano_text_audio"), Onsets("drums")
    without = [n for n, clip in enumerate(clips) if clip.controls.facts[0] and clip.controls.facts[0].drums is False]
    print(f"| | {' | '.join(SHOWN)} | no drums, of {len(without)} |\n|{'---|' * (len(SHOWN) + 2)}")
    for name, sounds in rows.items():
        scores = attribute_scores(judge.nearest_answers(judge.embed_audio(sounds)), labels)
        quiet = sum(len(drums.analyse(sounds[n]).times) < MOST_HITS * sounds[n].seconds for n in without)
        print(f"| {name} | {' | '.join(f'{scores[each]:.2f}' for each in SHOWN)} | {quiet} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
