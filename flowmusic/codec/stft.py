"""Short-time Fourier transform with exactly N / hop frames, and its inverse by windowed overlap-add.

Frame n is centred on sample (n + 1/2) hop, as in Vocos (Siuzdak 2023, arXiv 2306.00814): a latent frame then sees
the audio that it covers, and N samples give N / hop frames, not one more.
"""

from __future__ import annotations

import torch
from torch import Tensor


def stft(x: Tensor, n_fft: int, hop: int) -> Tensor:
    """Shape: ``[B, N] -> [B, n_fft // 2 + 1, N // hop]`` complex.  N must be a multiple of hop and exceed n_fft / 2."""
    pad = (n_fft - hop) // 2
    # Frame n then begins at n hop - (n_fft - hop) / 2, and its middle is (n + 1/2) hop.
    x = torch.nn.functional.pad(x[:, None], (pad, n_fft - hop - pad), mode="reflect")[:, 0]
    window = torch.hann_window(n_fft, device=x.device, dtype=x.dtype)
    return torch.stft(x, n_fft, hop, window=window, center=False, return_complex=True)


def istft(spectrum: Tensor, n_fft: int, hop: int) -> Tensor:
    """Inverse of :func:`stft`.  Shape: ``[B, n_fft // 2 + 1, T] -> [B, T * hop]``.

    ``torch.istft`` refuses a window that vanishes at the edges without centring; here the edges are cut off
    before the division by the window envelope, so it never is zero where it matters.
    """
    frames = spectrum.shape[-1]
    window = torch.hann_window(n_fft, device=spectrum.device, dtype=spectrum.real.dtype)
    pieces = torch.fft.irfft(spectrum, n_fft, dim=1) * window[None, :, None]
    total = (frames - 1) * hop + n_fft
    pad = (n_fft - hop) // 2

    def overlap_add(columns: Tensor) -> Tensor:
        folded = torch.nn.functional.fold(columns, (1, total), (1, n_fft), stride=(1, hop))
        return folded[:, 0, 0, pad : pad + frames * hop]

    # sum w y / sum w^2: the signal whose frames are nearest to those given, in squares (Griffin & Lim 1984).
    envelope = overlap_add(window.square()[None, :, None].expand(1, n_fft, frames))
    return overlap_add(pieces) / envelope.clamp_min(1e-8)
