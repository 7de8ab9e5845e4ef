"""Multi-resolution spectral loss for codecs."""

from __future__ import annotations

import torch
from torch import Tensor


def spectral_loss(estimate: Tensor, target: Tensor, n_fft: int) -> Tensor:
    """Spectral convergence plus log-magnitude L1 at one resolution (Yamamoto et al. 2020, arXiv 1910.11480).

    Shape: ``[B, N], [B, N] -> []``.
    """
    window = torch.hann_window(n_fft, device=target.device)
    spectra = torch.stft(
        torch.cat([estimate, target]), n_fft, n_fft // 4, window=window, center=True, return_complex=True
    )
    # The square root's gradient at zero is infinite; the floor is 80 dB under a full-scale sine.
    magnitude = (spectra.real.square() + spectra.imag.square() + 1e-7).sqrt()
    estimated, wanted = magnitude.chunk(2)
    convergence = (wanted - estimated).norm(dim=(1, 2)) / wanted.norm(dim=(1, 2)).clamp_min(1.0)
    # -60 dB below a loud bin still counts, silence does not.
    floor = 1e-2
    log_distance = (torch.log(wanted + floor) - torch.log(estimated + floor)).abs().mean(dim=(1, 2))
    return (convergence + log_distance).mean()


def multi_resolution(estimate: Tensor, target: Tensor, sizes: tuple[int, ...] = (512, 1024, 2048, 4096)) -> Tensor:
    """Mean of :func:`spectral_loss` over window sizes."""
    return torch.stack([spectral_loss(estimate, target, size) for size in sizes]).mean()


def complex_loss(estimate: Tensor, target: Tensor, n_fft: int = 2048, power: float = 0.5) -> Tensor:
    """L1 between compressed complex spectra, relative to the target's (Braun & Tashev 2020, arXiv 2006.14970).

    Compression lets quiet partials vote on phase, where a waveform loss hears the bass only.
    Shape: ``[B, N], [B, N] -> []``.
    """
    window = torch.hann_window(n_fft, device=target.device)
    spectra = torch.stft(torch.cat([estimate, target]), n_fft, n_fft // 4, window=window, return_complex=True)
    magnitude = (spectra.real.square() + spectra.imag.square() + 1e-4).sqrt()
    # |S|^(p - 1) S: the magnitude to the power of p, and the phase as it is.
    compressed = torch.view_as_real(spectra) * magnitude.pow(power - 1.0)[..., None]
    estimated, wanted = compressed.chunk(2)
    scale = wanted.abs().mean(dim=(1, 2, 3)).clamp_min(1e-2)
    return ((estimated - wanted).abs().mean(dim=(1, 2, 3)) / scale).mean()
