"""The embedded codec: encoder on the short-time spectrum, decoder to magnitude and phase, inverse transform.

A waveform codec (SEANet) of this size learns loudness and onsets in minutes but no pitch, because nothing in it
starts from frequency; here frequency is the input and the output, and the network only has to compress it.
Decoder head after Vocos (Siuzdak 2023, arXiv 2306.00814).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic.codec.blocks import ConvNeXtBlock
from flowmusic.codec.energy import EnergyHead
from flowmusic.codec.latent import LatentCodec
from flowmusic.codec.stft import istft, stft


class SpectralCodec(LatentCodec):
    """STFT -> ConvNeXt -> latents -> ConvNeXt -> magnitude and phase -> waveform.

    Args:
        rate: Hz, mono.
        hop: samples between spectral frames; ``stack`` of them share one latent frame.
        stack: spectral frames per latent frame (2 x 640 at 32 kHz: 25 Hz).
        n_fft: analysis and synthesis window in samples.
        top_hz: the encoder looks at frequencies below this; the decoder paints all of them.
        width, encoder_blocks, decoder_blocks, expansion: size.
        dim, noise: latent channels and the deviation of the training noise on them.
        energy: arguments of an :class:`EnergyHead` that corrects the decoder's band energies; None does without.
        stereo: arguments of a :class:`~flowmusic.codec.stereo.StereoHead`; None stays mono.
    """

    def __init__(
        self,
        rate: int = 32_000,
        hop: int = 640,
        stack: int = 2,
        n_fft: int = 2048,
        top_hz: float = 11_000.0,
        width: int = 256,
        encoder_blocks: int = 3,
        decoder_blocks: int = 6,
        expansion: float = 2.0,
        dim: int = 64,
        noise: float = 0.1,
        quantizer: nn.Module | None = None,
        energy: Mapping[str, Any] | None = None,
        stereo: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(rate, hop * stack, dim, noise, quantizer)
        self.spectral_hop = hop
        self.stack = stack
        self.n_fft = n_fft
        self.bins_in = min(int(top_hz * n_fft / rate), n_fft // 2 + 1)
        bins = n_fft // 2 + 1
        self.embed = nn.Conv1d(3 * self.bins_in, width, 1)
        self.encoder = nn.Sequential(*(ConvNeXtBlock(width, expansion) for _ in range(encoder_blocks)))
        self.squeeze = nn.Conv1d(width, dim, stack, stride=stack)
        self.unsqueeze = nn.ConvTranspose1d(dim, width, stack, stride=stack)
        self.decoder = nn.Sequential(*(ConvNeXtBlock(width, expansion) for _ in range(decoder_blocks)))
        self.norm_out = nn.LayerNorm(width)
        self.head = nn.Linear(width, 2 * bins)
        self.energy: EnergyHead | None = None
        if energy is not None:
            self.add_energy_head(energy)
        if stereo is not None:
            self.add_stereo_head(stereo)

    def add_energy_head(self, settings: Mapping[str, Any]) -> EnergyHead:
        """Give this codec an untrained energy head, in place of one that it may have; its latents stay as they are."""
        width = self.norm_out.normalized_shape[0]
        self.energy = EnergyHead(width, self.spectral_hop, self.rate, **settings)
        return self.energy

    @property
    def decoder_reach(self) -> int:
        spectral = sum(block.reach for block in self.decoder) + math.ceil(self.n_fft / 2 / self.spectral_hop) + 1  # type: ignore[misc]
        corrected = 0 if self.energy is None else math.ceil(self.energy.n_fft / self.spectral_hop)
        return math.ceil((spectral + corrected) / self.stack) + 1

    def decoder_modules(self) -> list[nn.Module]:
        modules: list[nn.Module] = [self.unsqueeze, self.decoder, self.norm_out, self.head]
        return modules if self.energy is None else [*modules, self.energy]

    def hidden(self, latents: Tensor) -> Tensor:
        """What the decoder's heads read.  Shape: ``[B, D, T] -> [B, T * stack, width]``."""
        hidden: Tensor = self.norm_out(self.decoder(self.unsqueeze(latents)).transpose(1, 2))
        return hidden

    def encode_wave(self, wave: Tensor) -> Tensor:
        """Shape: ``[B, N] -> [B, D, N / (hop * stack)]``."""
        spectrum = stft(wave.float(), self.n_fft, self.spectral_hop)[:, : self.bins_in]
        magnitude = spectrum.abs()
        # Cube-root compression keeps quiet partials visible beside loud ones; phase stays with it.
        compressed = spectrum * magnitude.clamp_min(1e-5).pow(-2 / 3)
        features = torch.cat([torch.log(magnitude + 1e-2) / 3.0, compressed.real, compressed.imag], dim=1)
        return self.squeeze(self.encoder(self.embed(features)))

    def decode_wave(self, latents: Tensor) -> Tensor:
        """Shape: ``[B, D, T] -> [B, T * hop * stack]``."""
        hidden = self.hidden(latents)
        out = self.head(hidden).transpose(1, 2).float()
        log_magnitude, phase = out.chunk(2, dim=1)
        # The ceiling is above any bin of full-scale audio (a window of 2048 sums to 1024) and stops overflow.
        spectrum = torch.polar(log_magnitude.clamp(max=7.0).exp(), phase)
        wave = istft(spectrum, self.n_fft, self.spectral_hop)
        return wave if self.energy is None else self.energy.apply_to(wave, self.energy(hidden))
