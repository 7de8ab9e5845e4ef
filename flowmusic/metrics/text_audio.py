"""How well music fits words, by a contrastive text-audio model: ``text_cos``, ``text_attr``, retrieval and search.

The figures depend on the model: name it beside them, and never compare figures of different ones.  Ours was trained on
the composed corpus and knows its vocabulary: genres, tempo, mood, instruments, drums or none (docs/text_audio.md).

Letters: B recordings, N texts, E embedding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.metrics.caption_attributes import ATTRIBUTES, Attribute, Labels, balanced
from flowmusic.types import TextAudioNetwork

WINDOW_SECONDS = 10.0
"""Longest window, as in training; longer audio is the mean over windows."""
LEAST_SECONDS = 1.0


Takes = Audio | Sequence[Audio]
"""A batch of one length ``[B, C, N]``, one recording ``[C, N]``, or recordings of any lengths and rates."""


class TextAudio:
    """A text-audio model as a listener.

    Args:
        network: trained, in evaluation mode, on the CPU.
    """

    def __init__(self, network: TextAudioNetwork) -> None:
        self.network = network

    @staticmethod
    def load(name: str | Path = "nano_text_audio") -> TextAudio:
        """A shipped model by name, the folder of one, or LAION-CLAP as ``clap:FOLDER`` or ``clap:HUB_ID``.

        Raises: ModelError, CorruptWeights (see :mod:`flowmusic.interop.bundle`).
        """
        from flowmusic.interop import text_audio

        return TextAudio(text_audio.load(name))

    @torch.no_grad()
    def embed_audio(self, audio: Takes) -> Tensor:
        """Embed recordings of any rate and any length of a second or more; to our own model their level does not
        matter.

        Recordings longer than 10 s are the mean over windows of 10 s that cover them evenly.

        Shape: ``[B, C, N]``, ``[C, N]`` (B is 1) or a list of ``[C, N]`` ``-> [B, E]`` on the CPU, of unit length.
        Raises: ValueError for less than a second, or NaN or infinity in the samples.
        """
        if isinstance(audio, Audio):
            return self._embed_batch(audio)
        if not audio:
            raise ValueError("there are no recordings to embed")
        return torch.cat([self._embed_batch(take) for take in audio])

    def _embed_batch(self, audio: Audio) -> Tensor:
        if audio.seconds < LEAST_SECONDS:
            raise ValueError(f"a recording of {audio.seconds:.2f} s is too short; {LEAST_SECONDS:g} s is needed")
        if not torch.isfinite(audio.samples).all():
            raise ValueError("the recording holds NaN or infinite samples")
        heard = audio_tools.mono(audio_tools.resample(audio, self.network.rate)).samples
        samples = heard.reshape(-1, heard.shape[-1]).float().cpu()
        length = min(samples.shape[-1], round(WINDOW_SECONDS * self.network.rate))
        count = math.ceil(samples.shape[-1] / length)
        gap = (samples.shape[-1] - length) / max(1, count - 1)
        parts = [samples[:, round(n * gap) : round(n * gap) + length] for n in range(count)]
        mean = torch.stack([self.network.embed_samples(part) for part in parts]).mean(0)
        return torch.nn.functional.normalize(mean, dim=-1)

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Embed descriptions.  Shape: ``[N, E]`` on the CPU, of unit length.

        Raises: ValueError for an empty text, or one with pseudowords.
        """
        empty = [n for n, text in enumerate(texts) if not text.strip()]
        if empty:
            raise ValueError(f"text {empty[0]} is empty; there is nothing to compare with")
        return self.network.embed_texts(texts)

    def text_cos(self, audio: Takes, texts: Sequence[str]) -> Tensor:
        """Cosine of each recording with its text, -1..1.  Shape: ``[B]``.

        Raises: ValueError unless there is a text per recording.
        """
        heard = self.embed_audio(audio)
        if len(heard) != len(texts):
            raise ValueError(f"{len(heard)} recordings need as many texts, got {len(texts)}")
        return (heard * self.embed_text(texts)).sum(-1)

    def rank(self, takes: Takes, text: str) -> list[tuple[int, float]]:
        """Indices of recordings and their cosines with a text, the best first."""
        cosines = self.embed_audio(takes) @ self.embed_text([text])[0]
        return [(int(n), float(cosines[n])) for n in cosines.argsort(descending=True, stable=True)]

    def recognise(self, audio: Takes, attributes: Sequence[Attribute] = ATTRIBUTES) -> list[dict[str, str]]:
        """Per recording, the answer of every attribute whose wordings it is nearest to on average."""
        return self.nearest_answers(self.embed_audio(audio), attributes)

    def nearest_answers(self, heard: Tensor, attributes: Sequence[Attribute] = ATTRIBUTES) -> list[dict[str, str]]:
        """As :meth:`recognise`, for recordings that are embedded already.  Shape: ``[B, E]``."""
        found: list[dict[str, str]] = [{} for _ in heard]
        for attribute in attributes:
            answers = list(attribute.wordings)
            prompts = torch.stack([self.embed_text(attribute.wordings[answer]).mean(0) for answer in answers])
            best = (heard @ torch.nn.functional.normalize(prompts, dim=-1).T).argmax(1)
            for row, index in zip(found, best.tolist(), strict=True):
                row[attribute.name] = answers[index]
        return found

    def text_attr(
        self, audio: Takes, labels: Sequence[Labels], attributes: Sequence[Attribute] = ATTRIBUTES
    ) -> dict[str, float]:
        """How well the attributes of the labels are recognised in the recordings, from chance (0) to always right (1).

        Args:
            audio: B recordings.
            labels: of the corpus clip that each was asked to be like.
            attributes: see :mod:`flowmusic.metrics.caption_attributes`.

        Returns: :func:`flowmusic.metrics.caption_attributes.balanced` by attribute, nan where no label has it, and
            their ``mean``.
        """
        heard = self.recognise(audio, attributes)
        return attribute_scores(heard, labels, attributes)


def attribute_scores(
    heard: Sequence[Mapping[str, str]], labels: Sequence[Labels], attributes: Sequence[Attribute] = ATTRIBUTES
) -> dict[str, float]:
    """Scores of recognised attributes, see :meth:`TextAudio.text_attr`."""
    scores = {
        a.name: balanced([row[a.name] for row in heard], [a.truth(row) for row in labels], len(a.wordings))
        for a in attributes
    }
    known = [score for score in scores.values() if not math.isnan(score)]
    return {**scores, "mean": sum(known) / len(known) if known else math.nan}


def hits(cosines: Tensor, k: int) -> Tensor:
    """Per row, whether its own column (the same index) is among the ``k`` largest.  Shape: ``[N, N] -> [N]``, 0..1.

    Among equal columns the order is taken as random, so a model that tells nothing apart is at chance, k / N.
    Raises: ValueError unless the matrix is square and not empty.

    >>> cosines = torch.tensor([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.3, 0.3, 0.3]])
    >>> hits(cosines, k=1)
    tensor([1.0000, 0.0000, 0.3333])
    """
    if cosines.ndim != 2 or cosines.shape[0] != cosines.shape[1] or not len(cosines):
        raise ValueError(f"retrieval needs a square matrix of cosines, got {tuple(cosines.shape)}")
    own = cosines.diagonal()[:, None]
    equal, ahead = (cosines == own).sum(1), (cosines > own).sum(1)
    # Of `equal` places in random order behind `ahead` better ones, k - ahead lie within the first k.
    return ((k - ahead) / equal).clamp(0.0, 1.0)


def recall(cosines: Tensor, k: int) -> float:
    """Recall at k: the mean of :func:`hits`."""
    return float(hits(cosines, k).mean())
