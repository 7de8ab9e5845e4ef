"""A small network that takes the drums out of a mono mix: Hybrid Demucs' architecture, on a scale for one CPU core.

Two U-Nets of strided convolutions and gated linear units with skip connections (Defossez et al. 2019,
arXiv 1911.13254), one over the bins of a spectrogram and one over the samples, meet in one bottleneck and add up their
outputs (Hybrid Demucs, Defossez 2021, arXiv 2111.03600).  In place of its recurrent layers the bottleneck is dilated
and the normalisation is by batch, so that what a sample depends on is bounded and long recordings can be cut without
a trace.  The spectral branch gives a complex mask, the other a waveform; ``rest = mix - drums``.

Weights: an earlier form of ``flowmusic train experiment=separator`` on ``flowmusic corpus --hours 8 --seed 1`` and a
corpus of 3000 clips of 12 s (sound fonts FluidR3, FluidR3Mono and MuseScore General Lite, all MIT); a moving average,
in half precision; Apache-2.0.  The file's metadata and docs/drums.md say how it was trained and what it reaches.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_extractors import signals
from feature_extractors.rows import Joined, Rows, power
from flowmusic import eight_bit
from flowmusic.tensors import read as read_tensors

RATE = 32_000
SIZE, HOP = 1024, 256
LEVEL = 0.1
"""RMS that every recording is brought to first, so that its level does not matter."""
WEIGHTS = Path(__file__).with_name("separator_net.safetensors")
WIDTHS = (16, 32, 64, 128)
DILATIONS = (1, 2, 4, 8, 16, 32)
_WINDOW_FRAMES = 1250
CONTEXT_FRAMES = 80
"""More than the frames to either side that an output depends on: 63 in the bottleneck, 2 to 3 a level, the window."""


class Gate(nn.Module):
    """1x1 convolution to twice the channels and a gated linear unit.  Shape: ``[B, c, ...] -> [B, c, ...]``."""

    def __init__(self, conv: type[nn.Conv1d] | type[nn.Conv2d], channels: int) -> None:
        super().__init__()
        self.mix = conv(channels, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.glu(self.mix(x), 1)


class Bottleneck(nn.Module):
    """A gated residual layer with a dilation.  Shape: ``[B, c, T] -> [B, c, T]``."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm1d(channels),
            nn.GELU(),
            Gate(nn.Conv1d, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class SpectralBranch(nn.Module):
    """Encoder and decoder over the 512 bins: three levels that divide them by 4 and one that takes the last 8."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        # Kernel, stride and padding over bins and frames.
        first, middle, last = (
            ((8, 1), (4, 1), (2, 0)),
            ((8, 3), (4, 1), (2, 1)),
            ((8, 1), (8, 1), (0, 0)),
        )
        kernels = (first, middle, middle, last)
        ins, outs = (3, *widths[:-1]), (2, *widths[:-1])
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for inside, width, (kernel, stride, padding) in zip(ins, widths, kernels, strict=True):
            conv = nn.Conv2d(inside, width, kernel, stride, padding, bias=False)
            self.encoder.append(nn.Sequential(conv, nn.BatchNorm2d(width), nn.GELU(), Gate(nn.Conv2d, width)))
        for outside, width, (kernel, stride, padding) in zip(outs, widths, kernels, strict=True):
            up = nn.ConvTranspose2d(width, outside, kernel, stride, padding, bias=outside == 2)
            after = () if outside == 2 else (nn.BatchNorm2d(outside), nn.GELU())
            self.decoder.append(nn.Sequential(Gate(nn.Conv2d, width), up, *after))


class WaveBranch(nn.Module):
    """Encoder and decoder over the samples: four levels that divide them by 4, to one frame a hop."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for inside, width in zip((1, *widths[:-1]), widths, strict=True):
            conv = nn.Conv1d(inside, width, 8, 4, 2, bias=False)
            self.encoder.append(nn.Sequential(conv, nn.BatchNorm1d(width), nn.GELU(), Gate(nn.Conv1d, width)))
            up = nn.ConvTranspose1d(width, inside, 8, 4, 2, bias=False)
            after = () if inside == 1 else (nn.BatchNorm1d(inside), nn.GELU())
            self.decoder.append(nn.Sequential(Gate(nn.Conv1d, width), up, *after))


class SeparatorNet(nn.Module):
    """Mono mixes to their drums.  Shape: ``[B, N] -> [B, N]`` at 32 kHz, at an RMS of about :data:`LEVEL`.

    N is a multiple of :data:`HOP`; :func:`separate` takes any length and level.
    """

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.spectral, self.wave = SpectralBranch(), WaveBranch()
        self.bottleneck = nn.Sequential(*(Bottleneck(WIDTHS[-1], dilation) for dilation in DILATIONS))
        self.register_buffer("window", torch.hann_window(SIZE), persistent=False)

    def forward(self, mix: Tensor) -> Tensor:
        if mix.shape[-1] % HOP:
            raise ValueError(f"SeparatorNet takes a multiple of {HOP} samples, got {mix.shape[-1]}; use separate()")
        spectrum = self.transform(mix)
        spectral, wave = _features(spectrum), mix[:, None]
        spectral_skips, wave_skips = [], []
        for layer in self.spectral.encoder:
            spectral = layer(spectral)
            spectral_skips.append(spectral)
        for layer in self.wave.encoder:
            wave = layer(wave)
            wave_skips.append(wave)
        common = self.bottleneck(spectral[:, :, 0] + wave)
        spectral, wave = common[:, :, None], common
        for n in reversed(range(len(WIDTHS))):
            spectral = self.spectral.decoder[n](spectral + spectral_skips[n])
            wave = self.wave.decoder[n](wave + wave_skips[n])
        mask = torch.tanh(spectral.float())
        masked = spectrum[:, : SIZE // 2] * torch.complex(mask[:, 0], mask[:, 1])
        return self.inverse(F.pad(masked, (0, 0, 0, 1))) + LEVEL * wave[:, 0].float()

    def transform(self, samples: Tensor) -> Tensor:
        """``[B, N] -> [B, 513, N / 256]`` complex; frame k is centred on the middle of the k-th hop."""
        side = (SIZE - HOP) // 2
        padded = F.pad(samples, (side, side))
        return torch.stft(padded, SIZE, HOP, window=self.window, center=False, normalized=True, return_complex=True)

    def inverse(self, spectrum: Tensor) -> Tensor:
        """The windowed overlap-add that undoes :meth:`transform`.  Shape: ``[B, 513, T] -> [B, 256 T]``."""
        frames = torch.fft.irfft(spectrum.transpose(1, 2), SIZE, norm="ortho") * self.window
        power = (self.window**2).expand(1, frames.shape[1], -1)
        side = (SIZE - HOP) // 2
        inside = slice(side, side + HOP * frames.shape[1])  # beyond it the window's power reaches 0
        return _overlap_add(frames)[:, inside] / _overlap_add(power)[:, inside]


def _overlap_add(frames: Tensor) -> Tensor:
    """Frames ``[B, T, SIZE]`` at every hop, summed.  Shape: ``[B, HOP (T + 3)]``."""
    parts = SIZE // HOP
    blocks = frames.unflatten(2, (parts, HOP))
    shifted = [F.pad(blocks[:, :, n], (0, 0, n, parts - 1 - n)) for n in range(parts)]
    return torch.stack(shifted).sum(0).flatten(1)


def _features(spectrum: Tensor) -> Tensor:
    """Compressed magnitude, real and imaginary part of the lower 512 bins.  Shape: ``[B, 3, 512, T]``."""
    lower = spectrum[:, : SIZE // 2]
    magnitude = lower.abs().clamp(min=1e-6)
    scaled = lower / magnitude.sqrt()
    return torch.stack([torch.log10(1.0 + 100.0 * magnitude), scaled.real, scaled.imag], 1)


def separate(samples: Tensor, net: SeparatorNet | None = None) -> Tensor:
    """The drums of a recording of any length and level, in windows of bounded size.  Shape: ``[*, N] -> [*, N]``.

    Args:
        samples: at 32 kHz; one level is taken for all channels, each of which is separated by itself.
        net: None takes the trained one.
    """
    net = load() if net is None else net
    level = float(samples.double().square().mean().sqrt()) if samples.numel() else 0.0
    if level < 1e-6:
        return torch.zeros_like(samples)
    length = samples.shape[-1]
    scaled = F.pad(samples.reshape(-1, length) * (LEVEL / level), (0, -length % HOP))
    out = torch.cat(list(_windows(lambda read: scaled[:, read], scaled.shape[-1], net)), 1)
    return out[:, :length].reshape(samples.shape) * (level / LEVEL)


def separate_rows(samples: Rows, net: SeparatorNet) -> Iterator[np.ndarray]:
    """As :func:`separate` for one channel, piece by piece.  Shape: ``[N] -> pieces of [N] in all``."""
    level, left = power(samples) ** 0.5, len(samples)
    if level < 1e-6:
        yield np.zeros(left, np.float32)
        return
    padded = Joined([samples, np.zeros(-left % HOP, np.float32)])

    def scaled(read: slice) -> Tensor:
        return torch.from_numpy(padded[read])[None] * (LEVEL / level)

    for piece in _windows(scaled, len(padded), net):
        yield (piece[0, :left] * (level / LEVEL)).numpy()
        left -= piece.shape[1]


def _windows(scaled: Callable[[slice], Tensor], length: int, net: SeparatorNet) -> Iterator[Tensor]:
    """The network's output for what ``scaled`` reads, ``[C, n]``, piece by piece."""
    for read, keep, _ in signals.windows(length, _WINDOW_FRAMES * HOP, CONTEXT_FRAMES * HOP):
        with torch.inference_mode():
            part = net(scaled(read))[:, keep]
        yield part.clone()


@functools.cache
def load(path: Path = WEIGHTS) -> SeparatorNet:
    """The trained network, ready to run.  Raises: ValueError if the file is missing or holds another network."""
    if not path.is_file():
        raise ValueError(
            f"no weights of the separator in {path}; train some with `flowmusic train experiment=separator`"
        )
    net = SeparatorNet()
    try:
        stored = eight_bit.unpack(read_tensors(path)[0])
        net.load_state_dict({n: v.float() if v.is_floating_point() else v for n, v in stored.items()})
    except RuntimeError as error:
        raise ValueError(f"{path} holds no weights of this separator: {error}") from None
    return net.eval()
