"""How well a codec's stereo head does: ``python benchmarks/stereo_head.py BUNDLE CORPUS [--clips N]``.

Per band, over the validation clips of a stereo corpus: distance of level differences (dB) and coherences from those of
the recording, as predicted from clean latents, and as told by the median over the training clips, which needs no skill.
"""

from __future__ import annotations

import argparse

import torch

from flowmusic import audio
from flowmusic.codec.stereo import Cues
from flowmusic.corpus import reader
from flowmusic.interop import bundle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("corpus")
    parser.add_argument("--clips", type=int, default=32, help="of either split")
    args = parser.parse_args()
    codec = bundle.load_codec(args.bundle).eval()
    head = codec.stereo
    if head is None:
        raise SystemExit(f"{args.bundle} has no stereo head")

    def waves(split: str) -> list[torch.Tensor]:
        """Channels [1, 2, N] of clips, N a multiple of the hop."""
        read = [audio.read(clip.audio, rate=codec.rate) for clip in reader.clips(args.corpus, split, args.clips)]
        return [each.samples[None, :, : each.samples.shape[-1] // codec.hop * codec.hop] for each in read]

    def median(values: list[torch.Tensor], sounds: list[torch.Tensor]) -> torch.Tensor:
        """Over the frames in which a band sounds.  Shape: ``[K]``."""
        joined, heard = torch.cat(values, 1)[0], torch.cat(sounds, 1)[0].bool()
        return torch.stack([joined[heard[:, k], k].median() for k in range(joined.shape[1])])

    with torch.inference_mode():
        known = [head.measure(each) for each in waves("train")]
        sounds = [heard for _, heard in known]
        usual = Cues(median([c.level_db for c, _ in known], sounds), median([c.coherence for c, _ in known], sounds))
        errors = {name: torch.zeros(2, head.bands) for name in ("head", "median", "size")}
        count, apart = torch.zeros(head.bands), 0.0
        for each in waves("validation"):
            latents = codec.latents(each.mean(1))
            wanted, heard = head.measure(each)
            found = head(latents)
            count += heard.sum((0, 1))
            for row, (one, guess, truth) in enumerate(zip(found, usual, wanted, strict=True)):
                errors["head"][row] += ((one - truth).abs() * heard).sum((0, 1))
                errors["median"][row] += ((guess - truth).abs() * heard).sum((0, 1))
                errors["size"][row] += ((one.abs() - truth.abs()).abs() * heard).sum((0, 1))
            two = codec.decode(latents.transpose(1, 2)).samples
            codec.mono = True
            apart = max(apart, float((two.mean(1) - codec.decode(latents.transpose(1, 2)).samples[:, 0]).abs().max()))
            codec.mono = False
    parameters = sum(p.numel() for p in head.parameters())
    print(f"{parameters} parameters; mean of the channels less the mono decode: at most {apart:.1e}")
    for row, what in enumerate(("level difference, dB", "coherence")):
        for name in ("head", "median"):
            bands = errors[name][row] / count.clamp_min(1)
            shown = " ".join(f"{value:.2f}" for value in bands)
            print(f"{what}, {name}: mean {errors[name][row].sum() / count.sum():.3f}; by band {shown}")
    usual_size = errors["size"][0].sum() / count.sum()
    print(f"level difference without its sign, dB, head: mean {usual_size:.3f}")


if __name__ == "__main__":
    main()
