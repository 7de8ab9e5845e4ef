"""A discriminator on complex spectra at several resolutions, and the losses that go with it.

Kind and losses after EnCodec (Defossez et al. 2022, arXiv 2210.13438, section 3.4): convolutions over time and
frequency on real and imaginary parts, hinge loss, feature matching relative to the real features.
Letters: B batch, N samples, F frames, K bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

Judged = list[tuple[Tensor, list[Tensor]]]
"""Of each resolution: scores ``[B, 1, F', K']``, above 0 for what is held to be real, and hidden features."""


class SpectrumDiscriminator(nn.Module):
    """One resolution.

    Args:
        n_fft: window in samples, hop a quarter of it.
        width: channels.
    """

    def __init__(self, n_fft: int, width: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        # Dilation over time, stride over frequency: a few seconds of one band cost as little as one frame of all.
        shapes = [(2, (3, 9), (1, 1), (1, 1)), *((width, (3, 9), (1, 2), (d, 1)) for d in (1, 2, 4))]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(c, width, kernel, stride, ((kernel[0] // 2) * d[0], kernel[1] // 2), d))
            for c, kernel, stride, d in shapes
        )
        self.score = weight_norm(nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, wave: Tensor) -> tuple[Tensor, list[Tensor]]:
        window = torch.hann_window(self.n_fft, device=wave.device)
        spectrum = torch.stft(wave.float(), self.n_fft, self.n_fft // 4, window=window, return_complex=True)
        # Loud bins would drown the rest: square-root compression, phase kept.
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-5).sqrt()
        x = torch.view_as_real(spectrum / magnitude.sqrt()).permute(0, 3, 2, 1)  # [B, 2, F, K]
        features = []
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.2)
            features.append(x)
        return self.score(x), features


class Discriminator(nn.Module):
    """Several resolutions side by side.  Shape: waves ``[B, N]`` -> scores and features of each."""

    def __init__(self, n_ffts: Sequence[int] = (2048, 1024, 512), width: int = 32) -> None:
        super().__init__()
        if not n_ffts or min(n_ffts) < 64 or width < 1:
            raise ValueError(f"n_ffts must be window lengths from 64 up and width positive, got {n_ffts} and {width}")
        self.scales = nn.ModuleList(SpectrumDiscriminator(n_fft, width) for n_fft in n_ffts)

    def forward(self, wave: Tensor) -> Judged:
        return [scale(wave) for scale in self.scales]

    def frozen(self, wave: Tensor) -> Judged:
        """The same judgement, through which gradients reach the wave and none of the weights."""
        weights = {name: value.detach() for name, value in self.named_parameters()}
        judged: Judged = torch.func.functional_call(self, weights, (wave,))
        return judged


def discriminator_loss(real: Judged, fake: Judged) -> Tensor:
    """Hinge loss: real scores above 1, others below -1 cost nothing.  Shape: scalar, 2 for a blind judge."""
    return torch.stack([(1 - r).relu().mean() + (1 + f).relu().mean() for (r, _), (f, _) in zip(real, fake)]).mean()


def deception_loss(fake: Judged) -> Tensor:
    """How far the judge is from taking the output for real.  Shape: scalar, any sign."""
    return torch.stack([-score.mean() for score, _ in fake]).mean()


def matching_loss(real: Judged, fake: Judged) -> Tensor:
    """L1 between hidden features, relative to the real ones.  Shape: scalar; no gradient into the real side."""
    distances = [
        (r.detach() - f).abs().mean() / r.detach().abs().mean().clamp_min(1e-4)
        for (_, reals), (_, fakes) in zip(real, fake)
        for r, f in zip(reals, fakes)
    ]
    return torch.stack(distances).mean()


@dataclass(frozen=True)
class Adversarial:
    """The adversarial part of codec training.

    Attributes:
        discriminator: who judges.
        weight, matching: weights of deception and of feature matching beside the spectral losses.
        begin: step from which it counts; before, the codec would only learn to hide that it knows nothing yet.
        optimizer: settings of the discriminator's parameters where they differ from the codec's (``lr``, ``betas``).
    """

    discriminator: Discriminator
    weight: float = 0.1
    matching: float = 1.0
    begin: int = 0
    optimizer: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.weight < 0 or self.matching < 0 or self.begin < 0:
            raise ValueError(
                f"weight, matching and begin must not be negative, got {self.weight}, {self.matching}, {self.begin}"
            )
