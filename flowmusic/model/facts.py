"""The conditioner of facts: every word of the closed vocabulary is one learned vector.

Letters: B batch, M tokens, E width of the field.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowmusic.facts import CHOICES, INSTRUMENTS, Facts

WORDS: tuple[tuple[str, str], ...] = (
    *(("instruments", name) for name in INSTRUMENTS),
    ("instruments", "none"),
    ("drums", "yes"),
    ("drums", "no"),
    *((fact, word) for fact, words in CHOICES.items() for word in words),
)
"""Fact and word of every vector, in their order."""
TYPICAL = 8
"""So many words are said of a piece when every fact is: their sum has unit variance."""

_IDS = {word: index for index, word in enumerate(WORDS)}


def words_of(facts: Facts | None) -> list[int]:
    """Ids of the words that are said, each instrument by itself; none where nothing is said.

    >>> [WORDS[word] for word in words_of(Facts(instruments=frozenset(), drums=False, tempo="slow"))]
    [('instruments', 'none'), ('drums', 'no'), ('tempo', 'slow')]
    """
    found: list[tuple[str, str]] = []
    for fact, value in ({} if facts is None else facts.said()).items():
        if fact == "instruments":
            found += [(fact, name) for name in value or ("none",)]
        elif fact == "drums":
            found.append((fact, "yes" if value else "no"))
        else:
            found.append((fact, value))
    return [_IDS[word] for word in found]


class FactsConditioner(nn.Module):
    """Facts to a token for each word that is said, and to one vector that is the sum of what each word means.

    A sum and no mean, and not brought to one length, so that a word adds the same whatever else is said: who asks for
    no drums and nothing else is heard as well as who says all eight facts.

    Args:
        width: E.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(len(WORDS), width)
        self.pooled = nn.Embedding(len(WORDS), width)
        # As large as projected words are, which attention reads beside them.
        nn.init.normal_(self.tokens.weight, std=0.3)
        nn.init.normal_(self.pooled.weight, std=TYPICAL**-0.5)

    @torch.no_grad()
    def hush(self) -> None:
        """Make all words nearly zero, for a field that listens to others already.

        Not quite zero: keys are brought to one length, and none has no direction to learn from.
        """
        for table in (self.tokens, self.pooled):
            table.weight.mul_(0.01)

    def forward(self, facts: Sequence[Facts | None]) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens ``[B, M, E]``, mask ``[B, M]`` bool, and the sum ``[B, E]``; zero where nothing is said."""
        device = self.tokens.weight.device
        said = [words_of(each) for each in facts]
        longest = max(1, max(map(len, said), default=1))
        ids = torch.tensor([[*words, *[0] * (longest - len(words))] for words in said], device=device)
        mask = torch.tensor([[n < len(words) for n in range(longest)] for words in said], device=device)
        kept = mask[..., None]
        return self.tokens(ids) * kept, mask, (self.pooled(ids) * kept).sum(1)
