"""Music and words in one space: a small contrastive text-audio model, after CLIP and CLAP.

Two encoders map a recording and a description to unit vectors whose cosine says how well they fit (Radford et al. 2021,
arXiv 2103.00020; Elizalde et al. 2023, arXiv 2206.04769).  Words are read by the frozen text encoder; audio as a
log-mel spectrogram whose level is taken out, so that loudness says nothing.

Letters: N samples, F mel frames, K mel bands, W width, E embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowmusic import caches
from flowmusic.model.encode import TextPool
from flowmusic.model.text import DIM as TEXT_DIM
from flowmusic.model.text import TextEncoder

QUIETEST = 1e-10
"""Mel power below which nothing is told apart."""
RANGE_LN = 11.5
"""Bands more than 50 dB below the mean power of a window count as silent: there codecs differ, not music."""


class LogMel(nn.Module):
    """Natural logarithm of the mel power spectrogram.

    Args:
        rate: Hz of the samples.
        n_fft, hop: window and step in samples.
        bands: K, between 30 Hz and 14 kHz.

    Shape: ``[*, N] -> [*, F, K]`` with F = 1 + N // hop; frame f is centred at sample ``f * hop``.
    """

    filters: Tensor
    window: Tensor

    def __init__(self, rate: int = 32_000, n_fft: int = 2048, hop: int = 1024, bands: int = 80) -> None:
        super().__init__()
        librosa = caches.librosa()

        self.rate, self.n_fft, self.hop, self.bands = rate, n_fft, hop, bands
        filters = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=bands, fmin=30.0, fmax=min(14_000.0, rate / 2))
        # They follow from the settings, and are not stored with the weights.
        self.register_buffer("filters", torch.from_numpy(filters).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def extra_repr(self) -> str:
        return f"rate={self.rate}, n_fft={self.n_fft}, hop={self.hop}, bands={self.bands}"

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        flat = samples.reshape(-1, samples.shape[-1]).float()
        # Zeros beyond the ends, not reflections, so that a second of audio is enough for any window.
        spectrum = torch.stft(flat, self.n_fft, self.hop, window=self.window, pad_mode="constant", return_complex=True)
        mel = (self.filters @ spectrum.abs().square()).clamp(min=QUIETEST).log()
        return mel.mT.reshape(*samples.shape[:-1], -1, self.bands)


class Block(nn.Module):
    """ConvNeXt block over time (Liu et al. 2022, arXiv 2201.03545).  Shape: ``[B, F, W] -> [B, F, W]``."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3 * dilation, dilation=dilation, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 3 * width)
        self.contract = nn.Linear(3 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(self.depthwise(x.mT).mT)
        return x + self.contract(self.dropout(nn.functional.gelu(self.expand(hidden))))


class AudioEncoder(nn.Module):
    """A log-mel spectrogram of any length in one vector.

    Two convolutions over time and frequency (a quarter of the frames, an eighth of the bands), then blocks over time,
    then attention pooling: each head weighs the frames by a learned score of its own.

    Shape: ``[B, F, K] -> [B, E]``.
    """

    def __init__(self, bands: int, width: int, dilations: Sequence[int], heads: int, dim: int, dropout: float) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, (5, 7), stride=(2, 4), padding=(2, 3)),
            nn.GELU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.GELU(),
        )
        rows = (bands + 7) // 8
        self.project = nn.Linear(32 * rows, width)
        self.blocks = nn.Sequential(*(Block(width, dilation, dropout) for dilation in dilations))
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, heads)
        self.output = nn.Linear(width, dim, bias=False)
        self.heads = heads
        self.dropout = nn.Dropout(dropout)

    def forward(self, log_mel: Tensor) -> Tensor:
        maps = self.stem(level_free(log_mel)[:, None])  # [B, 32, F / 4, K / 8]
        frames = self.norm(self.blocks(self.project(maps.transpose(1, 2).flatten(2))))
        weights = self.score(frames).softmax(1)  # [B, F / 4, heads]
        parts = frames.unflatten(-1, (self.heads, -1))
        pooled = (weights[..., None] * parts).sum(1).flatten(1)
        embedding: Tensor = self.output(self.dropout(pooled))
        return embedding


def level_free(log_mel: Tensor) -> Tensor:
    """Log-mel relative to the mean power of its window, 50 dB below and less cut off, about unit scale.

    Shape: ``[B, F, K] -> [B, F, K]``; any gain of the recording leaves it as it is.
    """
    level = log_mel.flatten(1).logsumexp(1) - torch.tensor(float(log_mel[0].numel())).log()
    return (log_mel - level[:, None, None]).clamp(min=-RANGE_LN) / 4.0 + 1.0


class TextAudioNet(nn.Module):
    """Both encoders.

    Args:
        rate, n_fft, hop, bands: see :class:`LogMel`.
        width: W; a multiple of ``heads``.
        dilations: of the blocks.
        heads: of the attention pooling.
        dim: E.
        words: size of the learned feature of each token of a text.
        dropout: of hidden features of audio, in training.

    Raises: ValueError if ``width`` is no multiple of ``heads``.
    """

    def __init__(
        self,
        rate: int = 32_000,
        n_fft: int = 2048,
        hop: int = 1024,
        bands: int = 80,
        width: int = 96,
        dilations: Sequence[int] = (1, 2, 4, 1),
        heads: int = 4,
        dim: int = 128,
        words: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} must be a multiple of heads={heads}")
        self.log_mel = LogMel(rate, n_fft, hop, bands)
        self.audio = AudioEncoder(bands, width, dilations, heads, dim, dropout)
        self.words = TextEncoder()
        self.text = TextPool(TEXT_DIM, words, dim)
        self.dim = dim

    @property
    def rate(self) -> int:
        """Hz of the samples that it hears."""
        return self.log_mel.rate

    def embed_mel(self, log_mel: Tensor) -> Tensor:
        """Unit vectors of windows.  Shape: ``[B, F, K] -> [B, E]``, fp32."""
        return nn.functional.normalize(self.audio(log_mel).float(), dim=-1)

    def embed_samples(self, samples: Tensor) -> Tensor:
        """Unit vectors of windows of mono samples at ``rate``.  Shape: ``[B, N] -> [B, E]``, fp32."""
        return self.embed_mel(self.log_mel(samples))

    def embed_texts(self, texts: Sequence[str], word_dropout: float = 0.0) -> Tensor:
        """Unit vectors of descriptions; zero for one without a word.  Shape: ``[N, E]``, fp32.

        ``word_dropout`` is the share of tokens left unread, but for texts that would lose all: in training, so that no
        clip is known by its number of beats a minute alone.

        Raises: ValueError for pseudowords that nobody taught.
        """
        states, mask = self.words(texts)
        kept = mask & (torch.rand(mask.shape) >= word_dropout)
        mask = torch.where(kept.any(1, keepdim=True), kept, mask)
        device = self.text.word.weight.device
        return nn.functional.normalize(self.text(states.to(device), mask.to(device)).float(), dim=-1)
