"""How few evaluations make a preview?  Scores over those of the final take of the same seed, and how far it is.

Every control of a test clip is given; a row is a way to draw, its scores and the latents' distance to the final's (root
mean square over their deviation), with 95 % intervals over clips.  ``--sound`` adds how the sound differs: the
log-spectral distance to the final's take, and the Frechet distances of all takes from the clips and from the final's
(flowmusic.metrics.fad, its own embedding).  What is in OUT is not made again.

    python -m benchmarks.preview --corpus CORPUS --out OUT
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from flowmusic.evaluate.test_set import LabelledClip
    from flowmusic.generate.generator import Generator

DRAWS = (
    "euler/shifted/1 euler/shifted/2 ab2/shifted/2 midpoint/shifted/1 ab2/shifted/3 ab2/shifted/4 midpoint/shifted/2 "
    "ab2/shifted/6 ab2/shifted/8"
).split()
FINAL = "midpoint/shifted/6"
ENOUGH = 0.9
"""Of the final's chord score."""


def sounds(model: Generator, out: Path, names: list[str], clips: list[LabelledClip]) -> str:
    """Markdown: how far the sound of each way is from the final's, and from recordings of the same requests."""
    from safetensors.torch import load_file

    from benchmarks.few_steps import Draw, folder_of
    from benchmarks.varying import interval, shown
    from flowmusic.audio import Audio
    from flowmusic.metrics.fad import fad, mfcc_patches
    from flowmusic.metrics.spectrum import log_spectral_distance, power

    def takes(name: str) -> list[Audio]:
        files = [folder_of(out, Draw.of(name)) / f"{clip.id}.safetensors" for clip in clips]
        samples = [model.codec.decode(load_file(file)["latents"][None]).samples[0] for file in files]
        return [Audio(each, model.codec.rate) for each in samples]

    final = takes(FINAL)
    spectra, patches = [power(take) for take in final], [mfcc_patches(take) for take in final]
    recorded = [mfcc_patches(clip.audio) for clip in clips]
    lines = ["| way | LSD to the final, dB | FAD from the clips | FAD from the final |", "|---|---|---|---|"]
    for name in [*names, FINAL]:
        made = final if name == FINAL else takes(name)
        far = [log_spectral_distance(power(one), other) for one, other in zip(made, spectra, strict=True)]
        heard = [mfcc_patches(take) for take in made]
        pair = [fad(heard, recorded), fad(heard, patches)]
        cells = [shown(interval(far)), *(f"{each.mean:.2f} [{each.low:.2f}, {each.high:.2f}]" for each in pair)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table(out: Path, names: list[str], clips: list[str]) -> str:
    """Markdown: a row a way to draw, and which is the preview."""
    from safetensors.torch import load_file

    from benchmarks.few_steps import SHOWN, Draw, folder_of
    from benchmarks.varying import interval, ratio, shown

    def found(name: str) -> list[tuple[dict[str, Any], torch.Tensor]]:
        folder = folder_of(out, Draw.of(name))
        return [
            (
                json.loads((folder / f"{clip}.json").read_text(encoding="utf-8")),
                load_file(folder / f"{clip}.safetensors")["latents"],
            )
            for clip in clips
        ]

    final = found(FINAL)
    lines = [f"| way | evaluations | {' | '.join(SHOWN.values())} | distance |", "|---" * 6 + "|"]
    enough: list[tuple[float, float, str]] = []
    for name in names:
        made = found(name)
        scores = {}
        for key, what in SHOWN.items():
            pairs = [(m[0]["scores"].get(key), f[0]["scores"].get(key)) for m, f in zip(made, final, strict=True)]
            scores[what] = ratio([(a, b) for a, b in pairs if a is not None and b is not None])
        far = [float((m[1] - f[1]).square().mean().sqrt() / f[1].std()) for m, f in zip(made, final, strict=True)]
        evals = made[0][0]["evals"]
        cells = [shown(scores[what]) for what in SHOWN.values()] + [shown(interval(far))]
        lines.append(f"| {name} | {evals} | {' | '.join(cells)} |")
        if scores["chords"][0] >= ENOUGH:
            enough.append((evals, interval(far)[0], name))
    # Of as few evaluations, the nearest.
    lines += ["", f"The preview, chords at least {ENOUGH:g} of the final's: {min(enough)[2] if enough else 'none'}"]
    return "\n".join(lines)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("draws", nargs="*", default=DRAWS, metavar="SOLVER/GRID/STEPS")
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="written with --stems drums")
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="clip i starts from noise of seed + i")
    parser.add_argument("--sound", action="store_true", help="and how the sound differs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    from benchmarks.few_steps import Draw, evaluate, folder_of
    from flowmusic.evaluate.adherence import listeners
    from flowmusic.evaluate.test_set import read_clips
    from flowmusic.interop import bundle

    torch.set_num_threads(1)
    model = bundle.load(args.model)
    clips = read_clips(args.corpus, args.split, args.clips, model.grid(), model.codec.rate)
    ears = listeners()
    for first in range(0, len(clips), args.batch):
        rows = range(first, min(first + args.batch, len(clips)))
        for draw in (Draw.of(name) for name in [FINAL, *args.draws]):
            evaluate(draw, model, clips, rows, ears, folder_of(args.out, draw), args.seed)
    print(table(args.out, args.draws, [clip.id for clip in clips]))
    if args.sound:
        print("\n" + sounds(model, args.out, args.draws, clips))


if __name__ == "__main__":
    main()
