"""How well a codec's stereo head does: ``python benchmarks/stereo_head.py BUNDLE CORPUS [--clips N] [--takes N]``.

Over the validation clips of a stereo corpus, weighted by loudness: distance of level differences (dB) and coherences
from those of the recording, as the head reads them from the latents; as told by the median over training clips, which
needs no skill; for mono (no difference, coherence 1); and for the median of each clip by itself, which nobody can know
beforehand.  Then what is heard: side against middle, correlation of the channels, and how much level differences move
from frame to frame, of recordings, of what the codec makes of them and, with ``--takes``, of takes of nano.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import torch
from torch import Tensor

import flowmusic as fm
from flowmusic import audio
from flowmusic.codec.stereo import Cues, StereoHead
from flowmusic.corpus import reader
from flowmusic.interop import bundle, model_files

WORDS = (
    "warm lo-fi beat, electric piano",
    "rock band with electric guitar",
    "slow jazz trio",
    "string orchestra",
    "house track with synth bass",
    "folk song, acoustic guitar",
    "funk with brass",
    "ambient pads and choir",
)


def median(values: Tensor, loud: Tensor) -> Tensor:
    """Of each band, over the frames in which it sounds.  Shape: ``[S, K] -> [K]``."""
    heard = [values[loud[:, band] > 0, band] for band in range(values.shape[1])]
    return torch.stack([each.median() if len(each) else values.new_zeros(()) for each in heard])


def image(waves: Iterable[Tensor], head: StereoHead) -> str:
    """Side against middle in dB, correlation of the channels, movement of level differences, over ``[1, 2, N]``."""
    rows = []
    for each in waves:
        middle, side = (each[:, 0] + each[:, 1]) / 2, (each[:, 0] - each[:, 1]) / 2
        cues, loud = head.measure(each)
        moves, both = (cues.level_db[:, 1:] - cues.level_db[:, :-1]).abs(), loud[:, 1:]
        ratio = 10 * torch.log10(side.square().mean() / middle.square().mean())
        averaged = ((moves, both), (cues.level_db.abs(), loud))
        means = [(size * weight).sum() / weight.sum() for size, weight in averaged]
        rows.append((ratio, torch.corrcoef(each[0])[0, 1], *means))
    side_db, correlation, moved, size = torch.tensor(rows).mean(0).tolist()
    return f"{side_db:.1f} dB, {correlation:.3f}, {moved:.3f} dB a frame; level differences of {size:.2f} dB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("corpus")
    parser.add_argument("--clips", type=int, default=32, help="of either split")
    parser.add_argument("--takes", type=int, default=0, help="of nano, whose codec this must be")
    args = parser.parse_args()
    codec = bundle.load_codec(args.bundle).eval()
    head = codec.stereo
    if head is None:
        raise SystemExit(f"{args.bundle} has no stereo head")

    def waves(split: str) -> Iterable[Tensor]:
        """Channels [1, 2, N] of clips, N a multiple of the hop."""
        for clip in reader.clips(args.corpus, split, args.clips):
            samples = audio.read(clip.audio, rate=codec.rate).samples
            yield samples[None, :, : samples.shape[-1] // codec.hop * codec.hop]

    def decoded(latents: Tensor, mono: bool) -> Tensor:
        codec.mono = mono
        return codec.decode(latents.transpose(1, 2)).samples

    with torch.inference_mode():
        known = [head.measure(each) for each in waves("train")]
        usual = [median(torch.cat([cues[row][0] for cues, _ in known]), torch.cat([loud[0] for _, loud in known]))
                 for row in (0, 1)]  # fmt: skip
        names = ("head", "median", "mono", "the clip's own median")
        errors = {name: torch.zeros(2, head.bands) for name in names}
        weight, apart, made = torch.zeros(head.bands), 0.0, []
        for each in waves("validation"):
            latents = codec.latents(each.mean(1))
            wanted, loud = head.measure(each)
            found = head(latents)
            weight += loud.sum((0, 1))
            own = Cues(*(median(cue[0], loud[0]) for cue in wanted))
            guesses = (found, Cues(*usual), Cues(torch.zeros(()), torch.ones(())), own)
            for name, guess in zip(names, guesses, strict=True):
                for row in (0, 1):
                    errors[name][row] += ((guess[row] - wanted[row]).abs() * loud).sum((0, 1))
            two = decoded(latents, mono=False)
            made.append(two)
            apart = max(apart, float((two.mean(1) - decoded(latents, mono=True)[:, 0]).abs().max()))
    size = (model_files.find(args.bundle) / "stereo.safetensors").stat().st_size
    print(f"{sum(p.numel() for p in head.parameters())} parameters, {size} bytes; reach {head.reach} latent frames")
    print(f"mean of the channels less the mono decode: at most {apart:.1e}")
    for row, what in enumerate(("level difference, dB", "coherence")):
        for name in names:
            shown = " ".join(f"{value:.2f}" for value in errors[name][row] / weight.clamp_min(1e-6))
            print(f"{what}, {name}: {errors[name][row].sum() / weight.sum():.3f}; by band {shown}")
    print("side against middle, correlation, movement")
    print("recordings:", image(waves("validation"), head))
    print("decoded:", image(made, head))
    if args.takes:
        model = fm.load("nano")
        model.in_stereo()
        sounds = []
        for number in range(args.takes):
            take = model.generate(fm.request(WORDS[number % len(WORDS)], grid=model.grid(10.0)), seed=number)
            sounds.append(take.audio.samples)
        print("takes:", image(sounds, head))


if __name__ == "__main__":
    main()
