"""Which bands of the sound each channel of a codec's latents moves: what `model.channel_weights` is set by.

Noise of half a channel's deviation is put on one channel after the other; told is the energy of the change by band,
over the energy of the band.

    python benchmarks/channel_bands.py nano2_codec --corpus DIR [--clips 2]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.codec.latent import LatentCodec
from flowmusic.evaluate.test_set import read_clips
from flowmusic.interop import bundle
from flowmusic.interop.fitting import ModelError
from flowmusic.types import FrameGrid

BANDS_HZ = ((40, 250), (250, 1000), (1000, 4000), (4000, 16000))
SECONDS = 4.0
N_FFT = 4096


def bands(sound: Tensor, rate: int) -> list[Tensor]:
    """Spectra ``[N] -> [bins, frames]``, one for each band."""
    window = torch.hann_window(N_FFT)
    spectrum = torch.stft(sound, N_FFT, N_FFT // 4, window=window, return_complex=True)
    hz = torch.linspace(0.0, rate / 2, len(spectrum))
    return [spectrum[(hz >= low) & (hz < high)] for low, high in BANDS_HZ]


@torch.no_grad()
def moved(codec: LatentCodec, sound: Audio, seed: int) -> Tensor:
    """Energy of the change in each band over that of the band, by channel.  Shape: ``[D, bands]``."""
    latents = codec.encode(Audio(sound.samples[None], sound.rate)).float()
    plain = bands(codec.decode(latents).samples[0, 0], codec.rate)
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for channel in range(latents.shape[2]):
        other = latents.clone()
        noise = torch.randn(latents.shape[1], generator=generator)
        other[0, :, channel] += 0.5 * latents[0, :, channel].std() * noise
        changed = bands(codec.decode(other).samples[0, 0], codec.rate)
        rows.append(
            [float((a - b).abs().square().sum() / a.abs().square().sum()) for a, b in zip(plain, changed, strict=True)]
        )
    return torch.tensor(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("codec", help="name or folder")
    parser.add_argument("--corpus", type=Path, required=True, help="with a test split")
    parser.add_argument("--clips", type=int, default=2)
    args = parser.parse_args()
    try:
        codec = bundle.load_codec(args.codec)
        grid = FrameGrid.of_seconds(SECONDS, codec.frame_rate)
        clips = read_clips(args.corpus, "test", args.clips, grid, codec.rate, ())
    except (FileNotFoundError, ValueError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = torch.stack([moved(codec, clip.audio, seed) for seed, clip in enumerate(clips)]).mean(0)
    count = len(found)
    print(f"| band (Hz) | all {count} channels | in the 10 that move it most | in the first quarter | those |")
    print("|---|---|---|---|---|")
    for (low, high), column in zip(BANDS_HZ, found.T, strict=True):
        most = column.argsort(descending=True)[:10]
        ten, quarter = (float(part.sum() / column.sum()) for part in (column[most], column[: count // 4]))
        which = " ".join(str(each) for each in sorted(most.tolist()))
        print(f"| {low} to {high} | {float(column.sum()):.3f} | {ten:.0%} | {quarter:.0%} | {which} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
