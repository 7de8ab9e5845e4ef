"""What a codec is to get right in a step, at half the price of all resolutions at once.

On a CPU the transforms of the loss cost more than the network: 525 of 710 ms a step for four resolutions and the
complex spectrum.  Here one transform serves every term at the resolution of the log-spectral distance, and a second
one, whose size changes from step to step, hears what is shorter or longer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FLOOR = 1e-3
"""Least magnitude of a bin, as in the log-spectral distance (power 1e-6)."""


class LeanLoss:
    """Called as ``loss(raw, final, target, step)``, each ``[B, N]``.

    ``raw`` is the decoder's waveform before its energies are corrected, which answers for phase; ``final`` is what is
    heard, which answers for magnitudes.

    Args:
        size: window of the first transform, every quarter of it.
        others: windows of the second transform, one a step in turn.
        lsd: weight of the log-spectral distance in nepers (root mean square over bins, mean over frames).
        magnitude: weight of log-magnitude L1 and spectral convergence at the second transform.
        complex_weight: of L1 between compressed complex spectra (Braun & Tashev 2020, arXiv 2006.14970).
        power: exponent of that compression.
        sdr: weight of the mean over crops of ln(error / energy), the signal-to-distortion ratio.
        waveform: weight of plain waveform L1.
        log_floor: magnitude added before the logarithm at the second transform.
    """

    def __init__(
        self,
        size: int = 2048,
        others: Sequence[int] = (512, 1024, 256, 4096),
        lsd: float = 1.0,
        magnitude: float = 1.0,
        complex_weight: float = 1.0,
        power: float = 0.5,
        sdr: float = 0.25,
        waveform: float = 0.0,
        log_floor: float = 1e-2,
    ) -> None:
        self.size, self.others, self.power, self.log_floor = size, tuple(others), power, log_floor
        self.lsd, self.magnitude, self.complex_weight, self.sdr = lsd, magnitude, complex_weight, sdr
        self.waveform = waveform

    def __call__(self, raw: Tensor, final: Tensor, target: Tensor, step: int) -> Tensor:
        loss = self._first(raw, final, target)
        if self.magnitude:
            loss = loss + self.magnitude * self._second(final, target, self.others[step % len(self.others)])
        if self.sdr:
            error, energy = (raw - target).square().mean(1), target.square().mean(1)
            heard = energy > 1e-8  # a silent crop has no ratio
            ratio = torch.log((error + 1e-3 * energy) / energy.clamp_min(1e-8))
            loss = loss + self.sdr * (ratio * heard).sum() / heard.sum().clamp_min(1)
        if self.waveform:
            loss = loss + self.waveform * (raw - target).abs().mean()
        return loss

    def _spectra(self, waves: Sequence[Tensor], size: int) -> list[Tensor]:
        window = torch.hann_window(size, device=waves[0].device)
        spectra = torch.stft(torch.cat(list(waves)), size, size // 4, window=window, return_complex=True)
        return list(spectra.chunk(len(waves)))

    def _first(self, raw: Tensor, final: Tensor, target: Tensor) -> Tensor:
        same = raw is final
        spectra = self._spectra([final, target] if same else [final, raw, target], self.size)
        wanted = spectra[-1]
        power = wanted.real.square() + wanted.imag.square()
        loss = final.new_zeros(())
        if self.lsd:
            heard = spectra[0].real.square() + spectra[0].imag.square()
            distance = 0.5 * torch.log((heard + FLOOR**2) / (power + FLOOR**2))
            loss = loss + self.lsd * (distance.square().mean(1) + 1e-4).sqrt().mean()
        if self.complex_weight:
            estimated = spectra[-2]  # the raw one, where there are two
            scale = (estimated.real.square() + estimated.imag.square() + 1e-4).pow(0.5 * (self.power - 1.0))
            reference = (power + 1e-4).pow(0.5 * (self.power - 1.0))
            ours, theirs = (
                torch.view_as_real(estimated) * scale[..., None],
                torch.view_as_real(wanted) * reference[..., None],
            )
            size = theirs.abs().mean((1, 2, 3)).clamp_min(1e-2)
            loss = loss + self.complex_weight * ((ours - theirs).abs().mean((1, 2, 3)) / size).mean()
        return loss

    def _second(self, final: Tensor, target: Tensor, size: int) -> Tensor:
        heard, wanted = (
            (s.real.square() + s.imag.square() + 1e-7).sqrt() for s in self._spectra([final, target], size)
        )
        convergence = (wanted - heard).norm(dim=(1, 2)) / wanted.norm(dim=(1, 2)).clamp_min(1.0)
        distance = torch.log((wanted + self.log_floor) / (heard + self.log_floor)).abs().mean((1, 2))
        return (convergence + distance).mean()
