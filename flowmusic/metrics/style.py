"""Style similarity without copying: nearest neighbours in a reference corpus, after MusicGen-Style (arXiv 2407.12563).

An output in the feel of an excerpt should have the same neighbours as the excerpt (``knn_common``), but the excerpt's
own recording should not be its nearest (``knn_overfit``).  Both depend on the embedding, on K, on the length of chunks
and on the corpus: name them beside every number.

Letters: N chunks of the corpus, E channels of the embedding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.metrics.mel import BANDS, HOP, RATE, SIZE, filters

EMBEDDING = "mel_stats"
K = 10
CHUNK_SECONDS = 3.0


def mel_stats(audio: Audio) -> Tensor:
    """How a recording sounds, without what is played when: statistics of its log-mel spectrogram.

    Per band the mean, the deviation over time, and the mean size of the change between frames; level is taken out.
    Args: one recording, ``[C, N]`` at any rate.  Returns: ``[192]``; zeros for silence.
    """
    samples = audio_tools.mono(audio_tools.resample(audio, RATE)).samples.reshape(-1).float().cpu()
    samples = torch.nn.functional.pad(samples, (0, max(0, SIZE - len(samples))))
    spectrum = torch.stft(samples, SIZE, HOP, window=torch.hann_window(SIZE), return_complex=True).abs()
    mel = filters() @ spectrum
    loudest = float(mel.max())
    if loudest < 1e-5:
        return torch.zeros(3 * BANDS)
    # 60 dB below the loudest moment is silence, whatever the level.
    log_mel = torch.log(mel.clamp(min=1e-3 * loudest) / loudest)
    change = log_mel.diff(dim=1).abs().mean(1) if log_mel.shape[1] > 1 else torch.zeros(BANDS)
    return torch.cat([log_mel.mean(1), log_mel.std(1, correction=0), change])


@dataclass(frozen=True)
class Reference:
    """Chunks of a corpus: embeddings ``[N, E]``, the song of each, and the scale of every channel over the corpus."""

    embeddings: Tensor
    songs: tuple[str, ...]
    mean: Tensor
    std: Tensor

    @staticmethod
    def of(embeddings: Tensor, songs: Sequence[str]) -> Reference:
        """Raises: ValueError if there are fewer than two songs, or the lengths differ."""
        if len(embeddings) != len(songs) or len(set(songs)) < 2:
            raise ValueError(
                f"a reference needs a song per chunk and at least two songs, got {len(embeddings)} chunks, "
                f"{len(songs)} names of {len(set(songs))} songs"
            )
        mean, std = embeddings.mean(0), embeddings.std(0, correction=0).clamp(min=1e-6)
        return Reference((embeddings - mean) / std, tuple(songs), mean, std)

    def scaled(self, embedding: Tensor) -> Tensor:
        """An embedding on the corpus' scale.  Shape: ``[E] -> [E]``."""
        return (embedding - self.mean) / self.std

    def order(self, embedding: Tensor) -> Tensor:
        """Indices of the chunks, nearest by cosine first.  Shape: ``[E] -> [N]``."""
        return torch.nn.functional.cosine_similarity(self.embeddings, self.scaled(embedding)[None], dim=1).argsort(
            descending=True
        )

    def nearest_songs(self, embedding: Tensor, k: int, without: str) -> tuple[str, ...]:
        """The first ``k`` different songs by their nearest chunk, ``without`` one of them."""
        found: list[str] = []
        for index in self.order(embedding).tolist():
            song = self.songs[index]
            if song != without and song not in found:
                found.append(song)
                if len(found) == k:
                    break
        return tuple(found)


def similarity(reference: Reference, one: Tensor, other: Tensor) -> float:
    """Cosine of two embeddings on the corpus' scale, in -1..1; 0 for unrelated ones."""
    return float(torch.nn.functional.cosine_similarity(reference.scaled(one), reference.scaled(other), dim=0))


def knn_common(reference: Reference, condition: Tensor, output: Tensor, song: str, k: int = K) -> float:
    """Share of the ``k`` songs nearest to the excerpt that are among those nearest to the output, in 0..1.

    The excerpt's own song counts for neither.  Returns nan if the corpus has no ``k`` other songs.

    >>> corpus = Reference.of(torch.tensor([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.2]]), ("a", "b", "c", "d"))
    >>> excerpt, take = torch.tensor([0.0, 0.9]), torch.tensor([0.9, 0.1])
    >>> knn_common(corpus, excerpt, take, song="a", k=2)
    0.5
    """
    ours = set(reference.nearest_songs(condition, k, song))
    if len(ours) < k:
        return math.nan
    return len(ours & set(reference.nearest_songs(output, k, song))) / k


def knn_overfit(reference: Reference, output: Tensor, song: str) -> float:
    """1 if the chunk nearest to the output is the excerpt's own song's, else 0."""
    return float(reference.songs[int(reference.order(output)[0])] == song)


def chunks(audio: Audio, seconds: float = CHUNK_SECONDS) -> list[Audio]:
    """A recording cut into whole chunks; a shorter one is one chunk.  Shape: ``[C, N]``."""
    size = round(seconds * audio.rate)
    count = max(1, audio.samples.shape[-1] // size)
    return [Audio(audio.samples[:, n * size : (n + 1) * size], audio.rate) for n in range(count)]
