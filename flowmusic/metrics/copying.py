"""Does an output repeat what it was trained on?  The nearest training clip, by sound and by codec tokens.

Both figures mean something only beside the same ones of recordings that cannot have been copied: unseen real music of
the same kind (the ``truth`` row of a report) has a nearest training clip as well.

Letters: C chunks of the output, E channels of an embedding, T and U frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowmusic.metrics.style import Reference


@dataclass(frozen=True)
class Nearest:
    """The training clip with the most similar chunk, and the cosine of that pair on the corpus' scale."""

    song: str
    similarity: float


def nearest(reference: Reference, chunks: Tensor) -> Nearest:
    """The closest pair of a chunk of the output and one of the training clips.

    Args:
        chunks: embeddings ``[C, E]``, not scaled.

    The largest similarity, not the mean: three copied seconds are a copy.
    """
    if chunks.ndim != 2 or not len(chunks):
        raise ValueError(f"chunks must be [C, E] with at least one chunk, got shape {tuple(chunks.shape)}")
    ours = torch.nn.functional.normalize((chunks - reference.mean) / reference.std, dim=1)
    theirs = torch.nn.functional.normalize(reference.embeddings, dim=1)
    similarity = ours @ theirs.T
    # Over the flattened [C, N]: the remainder is the column, a chunk of the corpus.
    best = int(similarity.argmax())
    return Nearest(reference.songs[best % len(reference.songs)], float(similarity.flatten()[best]))


def token_agreement(tokens: Tensor, other: Tensor, window: int) -> float:
    """The largest share of equal tokens over all windows of one recording and all places of the other, in 0..1.

    Memorisation as audio language models are tested for it (MusicLM, arXiv 2301.11325, section 6), with any shift.

    Args:
        tokens, other: codes of one codebook, ``[T]`` and ``[U]`` int.
        window: frames that are compared at once; a recording that is shorter is compared whole.

    >>> token_agreement(torch.tensor([1, 2, 3, 4]), torch.tensor([9, 1, 2, 3, 9]), window=4)
    0.75
    """
    if tokens.ndim != 1 or other.ndim != 1 or not len(tokens) or not len(other) or window < 1:
        raise ValueError(
            f"need codes [T] and [U] and a window of at least 1 frame, got shapes {tuple(tokens.shape)} and "
            f"{tuple(other.shape)}, window {window}"
        )
    width = min(window, len(tokens), len(other))
    places = other.unfold(0, width, 1)
    best = 0.0
    for start in range(0, len(tokens) - width + 1, max(1, width // 4)):
        best = max(best, float((places == tokens[start : start + width]).float().mean(1).max()))
    return best
