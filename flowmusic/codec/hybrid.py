"""A transform codec with a network beside it: what a matrix can carry is carried from the first step on.

The best D linear measurements of an MDCT frame (its principal components) already hold more of a waveform than a
network learns in hours: 64 of 640 coefficients at 50 Hz leave 11.6 dB.  They initialise a linear path from waveform to
latents and back; encoder and decoder networks learn what is not linear: sparser measurements, and what lies above them.

Transform coding by principal components after Huang & Schultheiss (1963); decoder head after Vocos (arXiv 2306.00814).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic.codec.blocks import ConvNeXtBlock
from flowmusic.codec.energy import EnergyHead
from flowmusic.codec.latent import LatentCodec
from flowmusic.codec.mdct import Mdct
from flowmusic.codec.stft import istft, stft

RESIDUALS = ("mdct", "polar", "complex")


def _compressed(measured: Tensor, dim: int) -> Tensor:
    """Vectors of half the level in dB: divided by the root of their length.  The inverse multiplies by the length.

    So quiet frames stay above the noise of the bottleneck, and latents have no long tails.
    """
    return measured / (measured.square().sum(dim, keepdim=True) + 1e-12).pow(0.25)


class SteadyNorm(nn.BatchNorm1d):
    """Batch normalisation whose training pass has the values of its evaluation (batch renormalisation, Ioffe 2017).

    Plain batch normalisation scales by the batch's own deviation; with few and loud or quiet crops in a batch, a linear
    decoder would be told another scale in every step.  Gradients are those of batch normalisation, so growing does not
    pay against noise of a given deviation.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        mean, deviation = x.mean((0, 2)), (x.var((0, 2), unbiased=False) + self.eps).sqrt()
        assert self.running_mean is not None and self.running_var is not None
        before_mean, before = self.running_mean, (self.running_var + self.eps).sqrt()
        r = (deviation / before).detach().clamp(1 / 3, 3.0)
        d = ((mean - before_mean) / before).detach().clamp(-5.0, 5.0)
        normalised = super().forward(x)  # and the running statistics move
        return normalised * r[:, None] + d[:, None]


class HybridCodec(LatentCodec):
    """MDCT -> matrix -> latents -> matrix -> MDCT, and a ConvNeXt encoder and decoder that add to both.

    Args:
        rate: Hz, mono.
        hop: samples of a latent frame, and coefficients of the transform (640 at 32 kHz: 50 Hz).
        n_fft: window in samples of the spectrum that the encoder network sees, and of a ``polar`` decoder's.
        top_hz: the encoder network looks at frequencies below this.
        width, encoder_blocks, decoder_blocks, expansion: size of the networks.
        dim, noise: latent channels and the deviation of the training noise on them.
        linear: how many of the channels begin as principal components; the others are the network's alone.
        residual: what the decoder network adds: coefficients of the same transform (``mdct``), or a short-time
            spectrum as magnitude and phase (``polar``) or as real and imaginary part (``complex``).
        head_width: of a second layer in the decoder's head; None: one layer.
        energy: arguments of an :class:`EnergyHead`; None does without.
    """

    def __init__(
        self,
        rate: int = 32_000,
        hop: int = 640,
        n_fft: int = 2048,
        top_hz: float = 14_000.0,
        width: int = 256,
        encoder_blocks: int = 3,
        decoder_blocks: int = 6,
        expansion: float = 2.0,
        dim: int = 64,
        linear: int = 48,
        noise: float = 0.05,
        residual: str = "mdct",
        head_width: int | None = None,
        quantizer: nn.Module | None = None,
        energy: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(rate, hop, dim, noise, quantizer)
        if residual not in RESIDUALS:
            raise ValueError(f"residual must be one of {', '.join(RESIDUALS)}, got {residual!r}")
        if not 0 <= linear <= min(dim, hop):
            raise ValueError(f"linear must lie between 0 and dim={dim}, got {linear}")
        self.n_fft, self.linear, self.residual = n_fft, linear, residual
        self.norm = SteadyNorm(dim, affine=False, momentum=0.02)
        self.mdct = Mdct(hop)
        self.analysis = nn.Conv1d(hop, dim, 1, bias=False)
        self.synthesis = nn.Conv1d(dim, hop, 1)
        self.bins_in = min(int(top_hz * n_fft / rate), n_fft // 2 + 1)
        self.embed = nn.Conv1d(3 * self.bins_in, width, 1)
        self.encoder = nn.Sequential(*(ConvNeXtBlock(width, expansion) for _ in range(encoder_blocks)))
        self.squeeze = nn.Conv1d(width, dim, 1)
        self.unsqueeze = nn.Conv1d(dim, width, 1)
        self.decoder = nn.Sequential(*(ConvNeXtBlock(width, expansion) for _ in range(decoder_blocks)))
        self.norm_out = nn.LayerNorm(width)
        outputs = hop if residual == "mdct" else n_fft + 2
        wide = width if head_width is None else head_width
        last = nn.Linear(wide, outputs)
        self.head: nn.Module = last
        if head_width is not None:
            self.head = nn.Sequential(nn.Linear(width, head_width), nn.GELU(), last)
        self.energy = None if energy is None else EnergyHead(width, hop, rate, **energy)
        with torch.no_grad():
            # Before `prepare`: the lowest coefficients.  The networks begin by adding next to nothing to them.
            self.analysis.weight.zero_()
            self.synthesis.weight.zero_()
            self.synthesis.bias.zero_()  # type: ignore[union-attr]
            for channel in range(linear):
                self.analysis.weight[channel, channel] = 1.0
                self.synthesis.weight[channel, channel] = 1.0
            self.squeeze.weight[:linear] = 0.0
            self.squeeze.bias[:linear] = 0.0  # type: ignore[index]
            last.weight.mul_(0.01 if residual == "polar" else 0.0)
            last.bias.zero_()
            if residual == "polar":
                last.bias[: outputs // 2] = -4.0

    @torch.no_grad()
    def prepare(self, waves: Iterable[Tensor]) -> None:
        """Begin with the principal components of the transform's frames of these waveforms ``[B, N]``.

        Every crop counts alike, however loud it is.
        """
        crops = [self.mdct(wave).transpose(1, 2) for wave in waves]
        covariance = torch.zeros(self.hop, self.hop, dtype=torch.float64)
        for frames in crops:
            power = frames.square().mean((1, 2), keepdim=True).clamp_min(1e-12)
            alike = (frames / power.sqrt()).flatten(0, 1).double()
            covariance += alike.T @ alike
        chosen = torch.linalg.eigh(covariance)[1].flip(1)[:, : self.linear].float()
        self.analysis.weight[: self.linear, :, 0] = chosen.T
        latents = torch.cat([_compressed(frames.flatten(0, 1) @ chosen, 1) for frames in crops])
        deviation = latents.std(0)
        self.norm.running_mean[: self.linear] = latents.mean(0)  # type: ignore[index]
        self.norm.running_var[: self.linear] = deviation.square()  # type: ignore[index]
        self.synthesis.weight[:, : self.linear, 0] = chosen * deviation
        self.synthesis.bias.copy_(chosen @ latents.mean(0))  # type: ignore[union-attr]

    @property
    def context_frames(self) -> int:
        spectral = sum(block.reach for block in self.decoder) + math.ceil(self.n_fft / 2 / self.hop) + 1  # type: ignore[misc]
        return spectral + (0 if self.energy is None else math.ceil(self.energy.n_fft / self.hop)) + 1

    def decoder_modules(self) -> list[nn.Module]:
        modules: list[nn.Module] = [self.synthesis, self.unsqueeze, self.decoder, self.norm_out, self.head]
        return modules if self.energy is None else [*modules, self.energy]

    def encode_wave(self, wave: Tensor) -> Tensor:
        """Shape: ``[B, N] -> [B, D, N / hop]``."""
        wave = wave.float()
        with torch.autocast(wave.device.type, enabled=False):
            straight = self.analysis(self.mdct(wave))
            measured, other = straight.split([self.linear, self.dim - self.linear], dim=1)
            straight = torch.cat([_compressed(measured, 1), other], dim=1)
            spectrum = stft(wave, self.n_fft, self.hop)[:, : self.bins_in]
            magnitude = spectrum.abs()
            # Cube-root compression keeps quiet partials visible beside loud ones; phase stays with it.
            compressed = spectrum * magnitude.clamp_min(1e-5).pow(-2 / 3)
            features = torch.cat([torch.log(magnitude + 1e-3) / 3.0, compressed.real, compressed.imag], dim=1)
        return straight + self.squeeze(self.encoder(self.embed(features))).float()

    def hidden(self, latents: Tensor) -> Tensor:
        """What the decoder's heads read.  Shape: ``[B, D, T] -> [B, T, width]``."""
        hidden: Tensor = self.norm_out(self.decoder(self.unsqueeze(latents)).transpose(1, 2))
        return hidden

    def raw_wave(self, latents: Tensor, hidden: Tensor) -> Tensor:
        """The waveform before the energy head.  Shape: ``[B, D, T], [B, T, width] -> [B, T * hop]``."""
        added = self.head(hidden).transpose(1, 2).float()
        with torch.autocast(latents.device.type, enabled=False):
            straight = self.synthesis(latents.float())
            straight = straight * (straight.square().sum(1, keepdim=True) + 1e-12).sqrt()
            if self.residual == "mdct":
                return self.mdct.inverse(straight + added)
            one, other = added.chunk(2, dim=1)
            if self.residual == "polar":
                spectrum = torch.polar(one.clamp(max=7.0).exp(), other)
            else:
                spectrum = torch.complex(one, other)
            return self.mdct.inverse(straight) + istft(spectrum, self.n_fft, self.hop)

    def decode_parts(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        hidden = self.hidden(latents)
        wave = self.raw_wave(latents, hidden)
        if self.energy is None:
            return wave, wave, None
        energies = self.energy(hidden)
        # The head learns from the energies themselves: through the gains it would trade them for a better phase.
        return wave, self.energy.apply_to(wave, energies.detach()), energies

    def decode_wave(self, latents: Tensor) -> Tensor:
        """Shape: ``[B, D, T] -> [B, T * hop]``."""
        return self.decode_parts(latents)[1]
