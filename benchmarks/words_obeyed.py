"""Are tempo words and "no drums" obeyed, as facts alone and with the controls that `flowmusic generate` makes of them?

    python benchmarks/words_obeyed.py [--model nano] [--prompts 24] [--seed 0]

Prompts are of a tempo word, a genre, two instruments, and drums or none, drawn from the vocabulary.  Rows: words and
facts; with the beat grid of the tempo word and silent drums where none are wanted beside them.  Columns: for how many
of the prompts without drums, and of those with drums, nano_text_audio answers so (our drum network would take plucked
strings and harpsichords for hits); how often it gives the tempo word back; how often the tempo that madmom's beat
tracker hears is within 4 % of the beat grid's, or of its half, third, double or triple (Accuracy 2 of tempo
estimation, Gouyon et al. 2006).
"""

from __future__ import annotations

import argparse
import random
import sys
from typing import Any

from feature_extractors.beats import Beats
from flowmusic.audio import Audio
from flowmusic.controls.request import request
from flowmusic.facts import GENRES, INSTRUMENTS, PACES, Facts
from flowmusic.generate.generator import Generator
from flowmusic.inputs import silence
from flowmusic.inputs.facts import in_words
from flowmusic.interop import bundle
from flowmusic.metrics.text_audio import TextAudio
from flowmusic.types import Controls

OCTAVES = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)
TOLERANCE = 0.04


def asked(count: int, seed: int) -> list[Facts]:
    """Facts of so many prompts; every second one is without drums, and the tempi go round."""
    draw = random.Random(seed)
    return [
        Facts(
            instruments=frozenset(draw.sample(sorted(INSTRUMENTS), 2)),
            drums=number % 2 == 0,
            genre=draw.choice(GENRES),
            tempo=list(PACES)[number % len(PACES)],
        )
        for number in range(count)
    ]


def controls(facts: Facts, model: Generator, obeyed: bool) -> Controls:
    """What a model is asked for: words and facts; ``obeyed``: with the controls that say the same."""
    grid = model.grid()
    bpm = PACES[facts.tempo or "medium"] if obeyed else None
    found = request(in_words(facts), grid=grid, bpm=bpm, facts=facts if model.has_facts else None)
    return silence.added(facts, found, grid, model, []) if obeyed else found


def row(model: Generator, prompts: list[Facts], obeyed: bool, judge: TextAudio) -> list[str]:
    """The cells of a row."""
    beats = Beats()
    quiet: list[bool] = []
    played: list[bool] = []
    tempo: list[bool] = []
    near: list[bool] = []
    for number, facts in enumerate(prompts):
        take = model.generate(controls(facts, model, obeyed), grid=model.grid(), seed=number).audio
        sound = Audio(take.samples[0], take.rate)
        answers: dict[str, Any] = judge.nearest_answers(judge.embed_audio([sound]))[0]
        tempo.append(answers["tempo"] == facts.tempo)
        (played if facts.drums else quiet).append((answers["drums"] == "drums") == facts.drums)
        heard, wanted = beats.analyse(sound).bpm, PACES[facts.tempo or "medium"]
        near.append(heard is not None and any(abs(heard / (wanted * k) - 1) <= TOLERANCE for k in OCTAVES))
    shares = [f"{sum(each)} of {len(each)}" for each in (quiet, played, tempo, near)]
    return shares if obeyed else [*shares[:3], ""]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model, judge = bundle.load(args.model), TextAudio.load("nano_text_audio")
    prompts = asked(args.prompts, args.seed)
    print("| | no drums | drums | tempo word | beat grid's tempo |\n|---|---|---|---|---|")
    for name, obeyed in (("words and facts", False), ("and the controls that they set", True)):
        print(f"| {name} | {' | '.join(row(model, prompts, obeyed, judge))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
