"""The encoder of all-MiniLM-L6-v2: BERT (Devlin et al. 2019, arXiv 1810.04805) of 6 layers and 384 channels.

Names of modules are those of the published file.  Written out here because importing transformers for these sixty lines
takes longer than making music; ``tests/model/test_minilm.py`` compares the two on 200 captions.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-12
"""Of the layer norms, as in BERT."""


class Encoded(NamedTuple):
    """What a text encoder says.  Shape: last_hidden_state ``[B, M, E]``."""

    last_hidden_state: Tensor


class Attention(nn.Module):
    """Multi-head self-attention with residual and norm after it.  Shape: ``[B, M, E] -> [B, M, E]``."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.self = nn.ModuleDict({name: nn.Linear(dim, dim) for name in ("query", "key", "value")})
        self.output = nn.ModuleDict({"dense": nn.Linear(dim, dim), "LayerNorm": nn.LayerNorm(dim, eps=EPSILON)})

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            self.self[name](x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for name in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.output["LayerNorm"](self.output["dense"](mixed.transpose(1, 2).flatten(2)) + x)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Attention, then two dense layers with a GELU between them, residual and norm.  Shape: as its input."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(dim, heads)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(dim, hidden)})
        self.output = nn.ModuleDict({"dense": nn.Linear(hidden, dim), "LayerNorm": nn.LayerNorm(dim, eps=EPSILON)})

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(x)
        inner = functional.gelu(self.intermediate["dense"](x))
        return self.output["LayerNorm"](self.output["dense"](inner) + x)  # type: ignore[no-any-return]


class Embeddings(nn.Module):
    """Word, position and segment (always the first) embeddings, summed and normalised."""

    def __init__(self, vocabulary: int, positions: int, dim: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, dim)
        self.position_embeddings = nn.Embedding(positions, dim)
        self.token_type_embeddings = nn.Embedding(2, dim)
        self.LayerNorm = nn.LayerNorm(dim, eps=EPSILON)

    def forward(self, words: Tensor) -> Tensor:
        """Shape: word embeddings ``[B, M, E] -> [B, M, E]``."""
        positions = self.position_embeddings.weight[: words.shape[1]]
        summed: Tensor = words + self.token_type_embeddings.weight[0] + positions
        return self.LayerNorm(summed)  # type: ignore[no-any-return]


class MiniLM(nn.Module):
    """Token states of prompts of equal length: no padding, so no mask.

    Args: sizes of the published model; smaller ones serve tests.
    """

    def __init__(
        self,
        vocabulary: int = 30_522,
        positions: int = 512,
        dim: int = 384,
        layers: int = 6,
        heads: int = 12,
        hidden: int = 1536,
    ) -> None:
        super().__init__()
        self.embeddings = Embeddings(vocabulary, positions, dim)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList([Layer(dim, heads, hidden) for _ in range(layers)])})

    def forward(self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None) -> Encoded:
        """States of token ids ``[B, M]``, or of word embeddings ``[B, M, E]`` in their place.

        Raises: ValueError unless exactly one is given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        words = self.embeddings.word_embeddings(input_ids) if input_ids is not None else inputs_embeds
        x = self.embeddings(words)
        for layer in self.encoder["layer"]:  # type: ignore[attr-defined]
            x = layer(x)
        return Encoded(x)
