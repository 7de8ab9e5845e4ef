"""LitHybridCodec: the training shell of a transform codec, whose losses need no sound.

What the decoder reads from latents is compared where it is read: coefficients of an orthogonal transform, whose error
is the waveform's, and log magnitudes.  So a step transforms the recording and nothing of its own, where
losses on waveforms cost more than the network: 525 of 710 ms for four resolutions and a complex spectrum.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from flowmusic.codec.hybrid import HybridCodec
from flowmusic.metrics.signal import mean_si_sdr
from flowmusic.train import draws
from flowmusic.train.codec import LitCodec


class LitHybridCodec(LitCodec):
    """Signal-to-distortion ratio of the transform, log-spectral distance of the magnitudes.

    Args:
        sdr_weight: of the mean over crops of ln(error / energy).
        spectrum_weight: of the log-spectral distance in nepers: root mean square over bins, mean over frames.
        others: of :class:`LitCodec`; weights of waveforms are not used.
    """

    codec: HybridCodec

    def __init__(
        self,
        codec: HybridCodec,
        sdr_weight: float = 0.5,
        spectrum_weight: float = 1.0,
        **others: Any,
    ) -> None:
        super().__init__(codec, **others)
        self.sdr_weight, self.spectrum_weight = sdr_weight, spectrum_weight

    def loss(self, wave: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Loss and latents.  Shape: ``[B, N] -> [], [B, D, T]``."""
        generator = draws.of_step(self.seed, step)
        latents = self.codec.noisy(wave, generator, self.noise)
        painting = self.codec.paint(latents)
        with torch.autocast(wave.device.type, enabled=False):
            wanted = self.codec.mdct(wave)
            error, energy = (painting.coefficients - wanted).square().mean((1, 2)), wanted.square().mean((1, 2))
            heard = energy > 1e-8  # a silent crop has no ratio
            ratio = torch.log((error + 1e-3 * energy) / energy.clamp_min(1e-8))
            distortion = (ratio * heard).sum() / heard.sum().clamp_min(1)
            apart = painting.log_magnitude - self.codec.log_spectrum(wave)
            distance = (apart.square().mean(1) + 1e-4).sqrt().mean()
            loss = self.sdr_weight * distortion + self.spectrum_weight * distance
            figures = {"sdr_db": -4.343 * distortion.detach(), "lsd_db": 8.686 * distance.detach()}
        if self._trainer is not None:
            place = "train" if self.training else "validation"
            self.log_dict({f"{place}/{name}": value for name, value in figures.items()}, batch_size=len(wave))
        return loss, latents

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        loss, latents = self.loss(batch, batch_idx)
        self.log("validation/loss", loss, batch_size=len(batch))
        self.log("validation/si_sdr_db", mean_si_sdr(self.codec.decode_wave(latents), batch), batch_size=len(batch))
