"""How well a recording matches words, by any embedding that puts both into one space.

Conventions: embeddings have unit length, so that their product is the cosine.  The figures belong to the named model;
they are not compared across models.

Letters: E channels of the embedding, N texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from flowmusic.audio import Audio


@dataclass(frozen=True)
class TextMatch:
    """The two halves of a text-audio model.

    Args:
        name: of the model, for the report.
        embed_audio: one recording ``[C, N]`` -> ``[1, E]``.
        embed_text: N texts -> ``[N, E]``.
    """

    name: str
    embed_audio: Callable[[Audio], Tensor]
    embed_text: Callable[[list[str]], Tensor]

    def scores(
        self,
        audio: Audio,
        text: str | None,
        attributes: Mapping[str, str] | None = None,
        choices: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[str, float]:
        """``text_cos``, the cosine with the prompt, and ``text_attr``, the share of its attributes that are heard.

        Args:
            text: the prompt; None leaves ``text_cos`` out.
            attributes: attribute -> its true word (``{"tempo": "slow"}``).
            choices: attribute -> the words it is recognised among; the most similar one is what is heard.  An
                attribute with fewer than two is left out, and ``text_attr`` with none.

        >>> import torch
        >>> axes = torch.eye(2)
        >>> rows = lambda texts: axes[[int(text == "slow") for text in texts]]
        >>> match = TextMatch("toy", lambda audio: axes[:1], rows)
        >>> match.scores(Audio(torch.zeros(1, 8), 8), "fast", {"tempo": "slow"}, {"tempo": ["fast", "slow"]})
        {'text_cos': 1.0, 'text_attr': 0.0}
        """
        heard = self.embed_audio(audio).reshape(-1)
        scores: dict[str, float] = {}
        if text is not None:
            scores["text_cos"] = float(self.embed_text([text])[0] @ heard)
        hits = []
        for name, word in (attributes or {}).items():
            words = list((choices or {}).get(name, ()))
            if len(words) > 1 and word in words:
                hits.append(words[int((self.embed_text(words) @ heard).argmax())] == word)
        if hits:
            scores["text_attr"] = math.fsum(hits) / len(hits)
        return scores
