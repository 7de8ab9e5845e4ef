"""What a style costs the controls beside it, and what is left of it: rows by how far its timbre is matched.

Every take has the chords, melody, drums and beats of one clip and the style of the next one (``--own``: of the same
clip).  Columns: the controls as they are heard in the takes, and the similarity of takes and excerpts
(``flowmusic.metrics.style``, on the scale of these clips).  The row ``none`` has no style.

    python -m benchmarks.style_beside_controls --corpus DIR [--model nano] [--clips 16] [--timbre 0,0.5,1]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.guidance_sound import scored
from flowmusic import options, progress
from flowmusic.audio import Audio
from flowmusic.evaluate.adherence import chord_recogniser
from flowmusic.evaluate.detectors import default_listeners
from flowmusic.evaluate.test_set import read_clips
from flowmusic.interop import bundle
from flowmusic.metrics.adherence import Detectors, measure
from flowmusic.metrics.normalise import mean
from flowmusic.metrics.style import Reference, chunks, mel_stats, similarity

DETAIL = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="with drum stems")
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--timbre", type=lambda text: [options.style_timbre(each) for each in text.split(",")],
                        default=[0.0, 1.0], metavar="S,...", help="0,1")  # fmt: skip
    parser.add_argument("--own", action="store_true", help="the style of the same clip")
    args = parser.parse_args()
    generator = bundle.load(args.model)
    try:
        rate = generator.codec.rate
        clips = read_clips(args.corpus, args.split, args.clips, generator.grid(), rate, generator.controls)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    ears = Detectors(**default_listeners(chords=chord_recogniser("ours")))
    parts = [chunks(clip.audio) for clip in clips]
    sounds = [[mel_stats(part) for part in own] for own in parts]
    names = [str(number) for number, own in enumerate(sounds) for _ in own]
    scale = Reference.of(torch.stack([each for own in sounds for each in own]), names)
    # The second chunk, as in the style table; of clip i + 1 for clip i, in a circle.
    of = [(i + (0 if args.own else 1)) % len(clips) for i in range(len(clips))]
    styles = [generator.style(parts[i][1], DETAIL) for i in of]
    for timbre in (None, *args.timbre):
        takes = []
        for i, clip in enumerate(progress.over(clips, "takes", "take")):
            style = () if timbre is None else (replace(styles[i], timbre=timbre),)
            take = generator.generate(replace(clip.controls, style=style), grid=generator.grid(), seed=i)
            takes.append(Audio(take.audio.samples[0], take.audio.rate))
        heard = [measure(take, clip.requested, ears) for take, clip in zip(takes, clips, strict=True)]
        near = [
            mean([similarity(scale, sounds[i][1], mel_stats(part)) for part in chunks(take)])
            for i, take in zip(of, takes, strict=True)
        ]
        print(
            f"{'none' if timbre is None else f'timbre {timbre:g}'}: {scored(heard)}; similarity {mean(near):.3f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
