"""A prompt as one vector of a text-audio model, so that a recording can stand in for words.

AudioLDM (Liu et al. 2023, arXiv 2301.12503) trains on audio alone: the condition of a clip is its own CLAP embedding,
and at generation the embedding of words takes its place.  The two sides of a contrastive model lie apart, though (Liang
et al. 2022, arXiv 2203.02053).  Two remedies, which C3 (Zhang et al. 2024, arXiv 2401.08567) joins: each side is
centred by its own mean, and in training noise blurs what no text of the same meaning would share with the recording.

Letters: B items, E embedding, W windows, N samples, M tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.model import pseudowords
from flowmusic.types import AudioPrompt, Prompt, TextAudioNetwork

WINDOW_SECONDS = 10.0
"""Longest window that is heard at once: a text-audio model was trained on no longer ones."""
HOP_SECONDS = 5.0
"""Between the beginnings of two windows, at most."""
LEAST_SECONDS = 1.0


@torch.no_grad()
def embed_audio(network: TextAudioNetwork, audio: Audio) -> Tensor:
    """A recording as a text-audio model hears it, in windows of 10 s (or its whole length) that cover it evenly.

    Args:
        audio: one recording ``[C, N]``, any rate.

    Shape: ``[W, E]`` on the CPU, each of unit length; the windows begin at most 5 s apart.
    Raises: ValueError for less than a second, or NaN or infinity in the samples.
    """
    if audio.seconds < LEAST_SECONDS:
        raise ValueError(f"a recording of {audio.seconds:.2f} s is too short to hear; {LEAST_SECONDS:g} s is needed")
    if not torch.isfinite(audio.samples).all():
        raise ValueError("the recording holds NaN or infinite samples")
    samples = audio_tools.mono(audio_tools.resample(audio, network.rate)).samples.reshape(-1).float().cpu()
    length = min(len(samples), round(WINDOW_SECONDS * network.rate))
    count = 1 + math.ceil((len(samples) - length) / (HOP_SECONDS * network.rate))
    starts = [round(n * (len(samples) - length) / max(1, count - 1)) for n in range(count)]
    # One at a time: a long recording would not fit into memory as a batch.
    return torch.cat([network.embed_samples(samples[None, at : at + length]) for at in starts])


class TextAudioConditioner(nn.Module):
    """Tokens and a pooled vector from the vector of a prompt.

    The text-audio model is frozen and no part of this module's weights: :meth:`attach` gives it, by name and hash.

    Args:
        model: name of the text-audio model, see :mod:`flowmusic.interop.text_audio`.
        width: E of the field.
        dim: size of the model's vectors.
        tokens: M that a vector becomes.
        noise: expected length of the noise that is added to a recording's vector in training, before it is brought to
            unit length again; 0 adds none.
        centred: whether the mean of its side is taken from every vector, see :meth:`centre`.
        words: whether a text is also read token by token, as in models without this part.  Where no text is trained on,
            that could only disturb.
        sha256: of the model's weights, where they are known.
    """

    audio_mean: Tensor
    text_mean: Tensor

    def __init__(
        self,
        model: str,
        width: int,
        dim: int = 128,
        tokens: int = 2,
        noise: float = 1.0,
        centred: bool = True,
        words: bool = True,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        if noise < 0.0 or tokens < 1:
            raise ValueError(f"a joint condition needs noise >= 0 and one token or more, got {noise} and {tokens}")
        self.model, self.dim, self.noise, self.centred, self.words, self.sha256 = (
            model,
            dim,
            noise,
            centred,
            words,
            sha256,
        )
        self.tokens = nn.Linear(dim, tokens * width)
        self.pool = nn.Linear(dim, width, bias=False)
        self.register_buffer("audio_mean", torch.zeros(dim))
        self.register_buffer("text_mean", torch.zeros(dim))
        self.generator: torch.Generator | None = None
        self.cache: dict[str, Tensor] = {}
        # In a tuple, which keeps it out of the weights.
        self._network: tuple[TextAudioNetwork, ...] = ()

    def attach(self, network: TextAudioNetwork, sha256: str) -> None:
        """Give it the text-audio model.  Raises: ValueError if these are not the weights that it was trained with."""
        if self.sha256 not in (None, sha256):
            raise ValueError(
                f"{self.model} has weights {sha256[:12]}..., and this model was trained with "
                f"{str(self.sha256)[:12]}...; their vectors mean different things: install the version of then"
            )
        self.sha256, self._network = sha256, (network,)
        self.cache.clear()

    @property
    def network(self) -> TextAudioNetwork:
        """Raises: RuntimeError before :meth:`attach`."""
        if not self._network:
            raise RuntimeError(f"the text-audio model {self.model} is not attached; load the model as a bundle")
        return self._network[0]

    @torch.no_grad()
    def remember(self, texts: Sequence[str], batch: int = 256) -> None:
        """Embed texts ahead of training."""
        # What pseudowords stand for can change.
        kept = (text for text in dict.fromkeys(texts) if not pseudowords.mentioned(text))
        fresh = [text for text in kept if text not in self.cache]
        for begin in range(0, len(fresh), batch):
            part = fresh[begin : begin + batch]
            self.cache.update(zip(part, self.network.embed_texts(part).cpu(), strict=True))

    def centre(self, audio: Tensor, texts: Tensor) -> None:
        """Take the means of both sides from vectors of the training data, which need not be pairs.

        Shape: ``[*, E]`` each.
        """
        self.audio_mean.copy_(audio.float().reshape(-1, self.dim).mean(0))
        self.text_mean.copy_(texts.float().reshape(-1, self.dim).mean(0))

    def vectors(self, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
        """Centred unit vectors ``[B, E]``, zero for an absent prompt, and whether there is one ``[B, 1]`` bool."""
        device = self.pool.weight.device
        rows, there = [], []
        for prompt in prompts:
            absent = prompt is None or (isinstance(prompt, str) and not prompt.strip())
            there.append(not absent)
            if absent:
                rows.append(torch.zeros(self.dim, device=device))
            elif isinstance(prompt, AudioPrompt):
                rows.append(self._audio_side(prompt.vector.to(device).float()))
            else:
                rows.append(self._centred(self._text(str(prompt)).to(device).float(), self.text_mean))
        return torch.stack(rows), torch.tensor(there, device=device)[:, None]

    def _text(self, text: str) -> Tensor:
        cached = self.cache.get(text)
        if cached is not None:
            return cached
        if pseudowords.mentioned(text) and not hasattr(self.network, "words"):
            raise ValueError(
                f"the prompt mentions <{pseudowords.mentioned(text)[0]}>, but {self.model}, which this model reads "
                "words with, takes no pseudowords; leave it out, or use a model of ours such as nano"
            )
        return self.network.embed_texts([text])[0]

    def _audio_side(self, vector: Tensor) -> Tensor:
        if len(vector) != self.dim:
            raise ValueError(
                f"a recording was heard with {len(vector)} numbers, {self.model} hears with {self.dim}; use its vectors"
            )
        found = self._centred(vector, self.audio_mean)
        if self.training and self.noise:
            noise = torch.randn(self.dim, generator=self.generator).to(found)
            found = nn.functional.normalize(found + self.noise / math.sqrt(self.dim) * noise, dim=-1)
        return found

    def _centred(self, vector: Tensor, mean: Tensor) -> Tensor:
        return nn.functional.normalize(vector - mean, dim=-1) if self.centred else vector

    def forward(self, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens ``[B, M, width]`` and a pooled vector ``[B, width]``, zero where absent, and the mask ``[B, 1]``.

        Raises: ValueError for vectors of another size, and pseudowords that the text-audio model cannot read.
        """
        vectors, mask = self.vectors(prompts)
        # Unit length over E numbers is small; unit variance is what linear layers are made for.
        vectors = vectors * math.sqrt(self.dim)
        tokens = self.tokens(vectors).unflatten(-1, (-1, self.pool.out_features)) * mask[..., None]
        return tokens, self.pool(vectors), mask
