"""A transform codec with networks beside it: what a matrix can carry is carried from the first step on.

Two sets of principal components initialise the latents and the way back.  Those of an MDCT frame hold the waveform: 128
of 1280 coefficients at 25 Hz leave 12.5 dB, which is all below some 2 kHz.  Those of the logarithm of two short-time
spectra hold what is heard above: 64 of 2050 leave 6.0 dB (`python benchmarks/principal_components.py`).  Encoder and
decoder networks learn what is not linear.

The decoder makes a waveform from the first set, none of whose bins may lie far above the magnitudes of the second, gives
its spectrum these magnitudes from ``from_hz`` on, and finds phases to them: those of the waveform begin a few fast
Griffin-Lim iterations, whose lower part is held.

Principal components as a transform code: Huang & Schultheiss (1963); fast Griffin-Lim: Perraudin et al. (2013).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic.codec.blocks import ConvNeXtBlock
from flowmusic.codec.latent import LatentCodec
from flowmusic.codec.mdct import Mdct
from flowmusic.codec.steady import Projection, SteadyNorm
from flowmusic.codec.stft import istft, stft

FLOOR = 1e-6
"""Least power of a bin, as in the log-spectral distance."""
SEED = 0.01
"""How much of the painted magnitudes has fixed phases from the start: where the waveform's spectrum is nothing but
rounding, phases would be rounding too, and chunks would not agree."""
MOMENTUM = 0.99
"""Of the fast Griffin-Lim iterations."""
ROOM = 6.0
"""How far (16 dB) a bin of the waveform may exceed the magnitude that is painted for it.  Of recordings hardly any does;
of latents that a field makes, the noise on those of the waveform would fill every pause of the music."""
CALIBRATED, BAND_HZ, MOST_BOOST = 10, 500.0, 1.0
"""Batches that levels are calibrated with, width of the bands compared, and the largest correction (8.7 dB)."""
SMALL = {"latents": 0.1, "wave": 0.005, "spectrum": 0.1}
"""What the networks' last layers are multiplied by, in units of what they add to.  Adam moves every weight by the
learning rate: in a step of 1e-3, a layer of 500 inputs moves its output by a third of a unit, and shakes the rest."""


@dataclass(frozen=True)
class Painting:
    """What the decoder reads from latents, before any sound.

    ``coefficients`` of the MDCT ``[B, hop, T]``; ``log_magnitude`` ``[B, F, T * stack]``.
    """

    coefficients: Tensor
    log_magnitude: Tensor


class HybridCodec(LatentCodec):
    """MDCT and log spectrum -> matrices -> latents -> matrices -> waveform, magnitudes; ConvNeXt networks add to all.

    Args:
        rate: Hz, mono.
        hop: samples between spectral frames; ``stack`` of them share one latent frame, which is one MDCT frame.
        stack: spectral frames per latent frame (2 x 640 at 32 kHz: 25 Hz).
        n_fft: window of the spectrum in samples.
        top_hz: the encoder network looks at frequencies below this.
        width, encoder_blocks, decoder_blocks, expansion: size of the networks.
        head_width: of the layer between the decoder network and magnitudes.
        wave_dim, spectrum_dim: latent channels that begin as principal components of the waveform's transform, and of
            the log spectrum; D is their sum.
        noise: deviation of the training noise on latents.
        from_hz, to_hz: where magnitudes begin to be painted, and where they are all that counts.
        iterations: of Griffin-Lim in decoding.
        stereo: arguments of a :class:`~flowmusic.codec.stereo.StereoHead`; None stays mono.
    """

    level: Tensor
    spread: Tensor
    boost: Tensor
    share: Tensor
    seed: Tensor

    def __init__(
        self,
        rate: int = 32_000,
        hop: int = 640,
        stack: int = 2,
        n_fft: int = 2048,
        top_hz: float = 14_000.0,
        width: int = 256,
        encoder_blocks: int = 3,
        decoder_blocks: int = 6,
        expansion: float = 2.0,
        head_width: int = 384,
        wave_dim: int = 128,
        spectrum_dim: int = 64,
        noise: float = 0.05,
        from_hz: float = 1500.0,
        to_hz: float = 2500.0,
        iterations: int = 16,
        quantizer: nn.Module | None = None,
        stereo: Mapping[str, Any] | None = None,
    ) -> None:
        dim = wave_dim + spectrum_dim
        super().__init__(rate, hop * stack, dim, noise, quantizer)
        self.spectral_hop, self.stack, self.n_fft = hop, stack, n_fft
        self.wave_dim, self.spectrum_dim, self.iterations = wave_dim, spectrum_dim, iterations
        bins = n_fft // 2 + 1
        self.bins = bins
        self.bins_in = min(int(top_hz * n_fft / rate), bins)
        self.norm = SteadyNorm(dim, affine=False, momentum=0.02)
        self.mdct = Mdct(self.hop)
        self.register_buffer("level", torch.full((bins,), -3.0))
        self.register_buffer("spread", torch.ones(dim))
        self.register_buffer("boost", torch.zeros(bins))
        hz = torch.arange(bins) * rate / n_fft
        share = ((hz - from_hz) / max(to_hz - from_hz, 1e-3)).clamp(0.0, 1.0)
        self.register_buffer("share", share[:, None], persistent=False)
        # Phases of a chirp as long as the window, of which no time has more than its share.
        chirp = torch.polar(torch.full((bins,), SEED), math.pi * torch.arange(bins).square() / bins)
        self.register_buffer("seed", chirp[:, None], persistent=False)
        self.measure_wave = Projection(self.hop, wave_dim, self.hop)
        self.measure_spectrum = Projection(stack * bins, spectrum_dim, stack * bins)
        self.embed = nn.Conv1d(3 * self.bins_in, width, 1)
        self.encoder = nn.Sequential(*(ConvNeXtBlock(width, expansion) for _ in range(encoder_blocks)))
        self.squeeze = nn.Conv1d(width, dim, stack, stride=stack)
        self.unsqueeze = nn.ConvTranspose1d(dim, width, stack, stride=stack)
        self.decoder = nn.Sequential(*(ConvNeXtBlock(width, expansion) for _ in range(decoder_blocks)))
        self.norm_out = nn.LayerNorm(width)
        self.paint_wave = Projection(dim, self.hop, self.hop, bias=True)
        self.paint_spectrum = Projection(dim, stack * bins, stack * bins)
        self.wave_head = nn.Linear(stack * width, self.hop)
        self.spectrum_head = nn.Sequential(nn.Linear(width, head_width), nn.GELU(), nn.Linear(head_width, bins))
        # The networks begin by adding nothing.
        for last in (self.squeeze, self.wave_head, self.spectrum_head[-1]):
            assert isinstance(last, nn.Linear | nn.Conv1d) and last.bias is not None
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        if stereo is not None:
            self.add_stereo_head(stereo)

    @torch.no_grad()
    def prepare(self, waves: Iterable[Tensor]) -> None:
        """Begin with the principal components of these waveforms ``[B, N]``, every one of which counts alike."""
        size = self.stack * self.bins
        wave_products = torch.zeros(self.hop, self.hop, dtype=torch.float64)
        products, total, frames = (
            torch.zeros(size, size, dtype=torch.float64),
            torch.zeros(size, dtype=torch.float64),
            0,
        )
        kept = []
        for wave in waves:
            coefficients = self.mdct(wave).transpose(1, 2)
            power = coefficients.square().mean((1, 2), keepdim=True).clamp_min(1e-12)
            # At one level each, or loud recordings alone would choose the components; their mean is near 0 and stays.
            alike = (coefficients / power.sqrt()).flatten(0, 1)
            wave_products += (alike.T @ alike).double()
            kept.append(coefficients.flatten(0, 1))
            logs = self._stacked(self.log_spectrum(wave)).transpose(1, 2).flatten(0, 1)
            products += (logs.T @ logs).double()
            total, frames = total + logs.sum(0), frames + len(logs)
        # eigh sorts eigenvalues in ascending order; the components of the largest are wanted.
        chosen = torch.linalg.eigh(wave_products)[1].flip(1)[:, : self.wave_dim].float()
        self.measure_wave.place(chosen.T)
        latents = torch.cat([_compressed(each @ chosen, 1) for each in kept])
        mean, deviation = latents.mean(0), latents.std(0)
        # Normalisation and projection undone in one matrix: chosen (deviation z + mean).
        self.paint_wave.place(nn.functional.pad(chosen * deviation, (0, self.spectrum_dim)), chosen @ mean)
        # One level for all frames that share a latent frame.
        level = (total / frames).view(self.stack, self.bins).mean(0)
        self.level.copy_(level)
        shift = level.repeat(self.stack)
        # About the level s that is taken out, with the mean m: E (x - s)(x - s)' = E x x' - s m' - (m - s) s'.
        covariance = products / frames - torch.outer(shift, total / frames) - torch.outer(total / frames - shift, shift)
        values, vectors = torch.linalg.eigh(covariance)
        spread = values.flip(0)[: self.spectrum_dim].clamp_min(1e-12).sqrt().float()
        main = vectors.flip(1)[:, : self.spectrum_dim].float()
        self.measure_spectrum.place(main.T)
        self.paint_spectrum.place(nn.functional.pad(main * spread, (self.wave_dim, 0)))
        assert self.norm.running_mean is not None and self.norm.running_var is not None
        self.norm.running_mean.copy_(torch.cat([mean, torch.zeros(self.spectrum_dim)]))
        self.norm.running_var.copy_(torch.cat([deviation, spread]).square())
        self.spread.copy_(torch.cat([deviation, spread]))

    @torch.no_grad()
    def calibrate(self, waves: Iterable[Tensor]) -> None:
        """Latent statistics and quantiser as for every codec, then the level of each band.

        What is predicted of a log magnitude is its mean, which lies below the logarithm of the mean energy (2.5 dB for
        noise), and magnitudes that no waveform has lose some more.  One gain per bin makes up for both; a head that
        predicts energies per frame does it with errors of its own: 0.8 dB more of log-spectral distance.
        """
        batches = list(waves)
        super().calibrate(batches)
        self.boost.zero_()
        # Twice, for decoding is not linear in the gains: the second round corrects what the first has changed.
        for _ in range(2):
            self.boost.add_(self._missing(batches[:CALIBRATED]))

    def _missing(self, batches: Iterable[Tensor]) -> Tensor:
        """How much of the energy around each bin decoding lacks, as a logarithm of magnitude.  Shape: ``[F]``."""
        window = torch.ones(1, 1, max(1, round(BAND_HZ * self.n_fft / self.rate)) // 2 * 2 + 1)
        ratios = []
        for wave in batches:
            energies = []
            for each in (wave, self.decode_wave(self.latents(wave))):
                spectrum = stft(each, self.n_fft, self.spectral_hop)
                by_bin = (spectrum.real.square() + spectrum.imag.square()).sum((0, 2))
                around = nn.functional.pad(by_bin[None, None], (window.shape[-1] // 2,) * 2, mode="reflect")
                energies.append(nn.functional.conv1d(around, window)[0, 0])
            ratios.append(0.5 * torch.log((energies[0] + FLOOR) / (energies[1] + FLOOR)))
        return torch.stack(ratios).median(0).values.clamp(-MOST_BOOST, MOST_BOOST)

    def log_spectrum(self, wave: Tensor) -> Tensor:
        """Natural logarithm of the magnitude, at least 1e-3.  Shape: ``[B, N] -> [B, F, N / spectral_hop]``."""
        spectrum = stft(wave, self.n_fft, self.spectral_hop)
        return 0.5 * torch.log(spectrum.real.square() + spectrum.imag.square() + FLOOR)

    def _stacked(self, frames: Tensor) -> Tensor:
        """Shape: ``[B, F, T * stack] -> [B, stack * F, T]``."""
        batch, bins, count = frames.shape
        apart = frames.view(batch, bins, count // self.stack, self.stack)
        return apart.permute(0, 3, 1, 2).reshape(batch, self.stack * bins, -1)

    def _unstacked(self, frames: Tensor) -> Tensor:
        """Inverse of :meth:`_stacked`."""
        batch, _, count = frames.shape
        apart = frames.view(batch, self.stack, self.bins, count)
        return apart.permute(0, 2, 3, 1).reshape(batch, self.bins, count * self.stack)

    @property
    def decoder_reach(self) -> int:
        each = math.ceil(self.n_fft / 2 / self.spectral_hop)
        reach = sum(block.reach for block in self.decoder)  # type: ignore[misc]
        # Every iteration looks one window to either side, and so do the first transform and the last.
        return math.ceil((reach + 2 * each * (self.iterations + 2)) / self.stack) + 2

    def decoder_modules(self) -> list[nn.Module]:
        modules: list[nn.Module] = [self.unsqueeze, self.decoder, self.norm_out, self.paint_wave, self.paint_spectrum]
        return [*modules, self.wave_head, self.spectrum_head]

    def encode_wave(self, wave: Tensor) -> Tensor:
        """Shape: ``[B, N] -> [B, D, N / hop]``."""
        wave = wave.float()
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = stft(wave, self.n_fft, self.spectral_hop)
            power = spectrum.real.square() + spectrum.imag.square()
            logs = 0.5 * torch.log(power + FLOOR)
            measured = _compressed(self.measure_wave(self.mdct(wave)), 1)
            heard = self.measure_spectrum(self._stacked(logs - self.level[:, None]))
            # Cube-root compression keeps quiet partials visible beside loud ones; phase stays with it.
            compressed = spectrum[:, : self.bins_in] * power[:, : self.bins_in].clamp_min(1e-10).pow(-1 / 3)
            features = torch.cat([logs[:, : self.bins_in] / 3.0, compressed.real, compressed.imag], dim=1)
        added = self.squeeze(self.encoder(self.embed(features))).float()
        return torch.cat([measured, heard], dim=1) + SMALL["latents"] * self.spread[:, None] * added

    def paint(self, latents: Tensor) -> Painting:
        """What latents ``[B, D, T]`` say; all that is trained happens here."""
        hidden = self.norm_out(self.decoder(self.unsqueeze(latents)).transpose(1, 2))
        batch, frames, _ = hidden.shape
        wave = self.wave_head(hidden.reshape(batch, frames // self.stack, -1)).transpose(1, 2).float()
        logs = self.spectrum_head(hidden).transpose(1, 2).float()
        with torch.autocast(latents.device.type, enabled=False):
            straight = self.paint_wave(latents.float())
            # The inverse of _compressed: the length of c is the root of that of m, so m = |c| c.  The added part is
            # then in units of |m|, the level of the frame.
            length = (straight.square().sum(1, keepdim=True) + 1e-12).sqrt()
            coefficients = length * (straight + SMALL["wave"] * length * wave)
            logs = (
                SMALL["spectrum"] * logs + self._unstacked(self.paint_spectrum(latents.float())) + self.level[:, None]
            )
        return Painting(coefficients, logs)

    def sound(self, painting: Painting) -> Tensor:
        """Waveform of a painting.  Shape: ``-> [B, T * hop]``."""
        wave = self.mdct.inverse(painting.coefficients)
        # The ceiling is above any bin of full-scale audio (a window of 2048 sums to 1024) and stops overflow.
        painted = (painting.log_magnitude + self.boost[:, None]).clamp(max=7.0).exp()
        base = stft(wave, self.n_fft, self.spectral_hop)
        base = base * (ROOM * painted / base.abs().clamp_min(1e-9)).clamp(max=1.0)
        held, magnitude = base * (1.0 - self.share), painted * self.share
        # Fast Griffin-Lim: c has the wanted magnitudes and the phases of y; x is what of c a waveform can have,
        # stft(istft(c)); the next y is x + momentum (x - the x before).
        current, before = base + magnitude * self.seed, None
        for step in range(self.iterations + 1):
            current = held + magnitude * current / current.abs().clamp_min(1e-9)
            if step == self.iterations:
                break
            after = stft(istft(current, self.n_fft, self.spectral_hop), self.n_fft, self.spectral_hop)
            current = after if before is None else after + MOMENTUM * (after - before)
            before = after
        return istft(current, self.n_fft, self.spectral_hop)

    def decode_wave(self, latents: Tensor) -> Tensor:
        """Shape: ``[B, D, T] -> [B, T * hop]``."""
        return self.sound(self.paint(latents))


def _compressed(measured: Tensor, dim: int) -> Tensor:
    """Vectors of half the level in dB: divided by the root of their length.  The inverse multiplies by the length.

    So quiet frames stay above the noise of the bottleneck, and latents have no long tails.
    """
    return measured / (measured.square().sum(dim, keepdim=True) + 1e-12).pow(0.25)
