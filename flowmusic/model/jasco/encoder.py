"""From Controls to the condition of JASCO's field, with the quirks of the reference named and switchable.

Chords, drums and melody are embedded per frame and joined on the channel axis in this order; text is projected T5
states.  Known latents (the context of long takes) are not an input of this model: they are held on the path alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from flowmusic.controls.bottleneck import NUM_BINS, block_blur
from flowmusic.controls.vocabulary import LABELS, NULL_ID
from flowmusic.model.text import FrozenText
from flowmusic.types import FACTS, Condition, Controls, FrameGrid, Track

CHORDS, DRUMS, MELODY = "chords", "drums", "melody"
NO_CHORD_ID = LABELS.index("N")

ENCODED_SILENCE = "encoded silence"
"""Where drums are asked for, the branches of guidance without them see silence that went through the codec, not the
null of training (Q1)."""
MELODY_STAYS = "melody stays"
"""A melody without chords is in every branch of guidance, which then acts on text and drums alone (Q2)."""
STARTS_WITH_NO_CHORD = "starts with no chord"
"""Frames before the first chord are N, not unknown (the reference's inference)."""
QUIRKS = frozenset({ENCODED_SILENCE, MELODY_STAYS, STARTS_WITH_NO_CHORD})


class JascoEncoder(nn.Module):
    """Conditioners of JASCO.

    Tracks: ``chords`` ids ``[B, T]`` of the 194 labels; ``drums`` ids ``[B, T]`` of the codec's first codebook;
    ``melody`` ``[B, T, 53]`` one-hot.  An unknown frame has the value that training used for a dropped control: id
    194, a zero vector (so the projection's bias), zeros.

    Args:
        width: E of the field.
        text: the frozen text encoder, T5 for the published models.
        chords_dim, drums_dim, melody_dim: features of each; a melody_dim of 0 is a model without melody.
        drums_latent_dim: size of the codec's codebook vectors.
        text_dim: width of the text states.
        blur: frames of the drum blur.
        chords_card, melody_bins: labels, and rows of the melody.
        quirks: which of :data:`QUIRKS` to follow in generation.
        drum_codes: see :meth:`set_drum_codes`, which must be called before drums are encoded.
    """

    drums_as_codes = True
    reads_context = False
    codebook: Tensor
    silence: Tensor

    hears_padding = True
    """Attention goes to padded tokens too, so a prompt is not the same beside a longer one."""

    def __init__(
        self,
        width: int,
        text: FrozenText,
        chords_dim: int = 16,
        drums_dim: int = 2,
        melody_dim: int = 16,
        drums_latent_dim: int = 128,
        text_dim: int = 768,
        blur: int = 3,
        chords_card: int = NULL_ID,
        melody_bins: int = NUM_BINS,
        quirks: Iterable[str] = QUIRKS,
        drum_codes: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__()
        unknown = frozenset(quirks) - QUIRKS
        if unknown:
            raise ValueError(f"unknown quirks {sorted(unknown)}; there are: {', '.join(sorted(QUIRKS))}")
        self.text, self.blur, self.quirks = text, blur, frozenset(quirks)
        self.text_projection = nn.Linear(text_dim, width)
        self.chords = nn.Embedding(chords_card + 1, chords_dim)
        self.drums = nn.Linear(drums_latent_dim, drums_dim)
        self.melody = nn.Linear(melody_bins, melody_dim) if melody_dim else None
        self.register_buffer("codebook", torch.zeros(1, drums_latent_dim), persistent=False)
        self.register_buffer("silence", torch.zeros(1, dtype=torch.int64), persistent=False)
        if drum_codes is not None:
            self.set_drum_codes(*drum_codes)

    @property
    def frames_dim(self) -> int:
        """F of the frames that this encoder makes."""
        melody = 0 if self.melody is None else self.melody.out_features
        return self.chords.embedding_dim + self.drums.out_features + melody

    @property
    def names(self) -> tuple[str, ...]:
        """The tracks that this model reads."""
        return (CHORDS, DRUMS) if self.melody is None else (CHORDS, DRUMS, MELODY)

    def set_drum_codes(self, codebook: Tensor, silence: Tensor) -> None:
        """Vectors ``[K, D]`` of the codec's first codebook, and the ids ``[T]`` of silence as long as the window."""
        self.codebook = codebook.detach().to(self.drums.weight)
        self.silence = silence.detach().to(self.drums.weight.device)

    def forward(self, controls: Controls, grid: FrameGrid, context: tuple[Tensor, Tensor] | None = None) -> Condition:
        """Encode controls as in training: what is absent has its null.  ``context`` is not an input of this model."""
        return self._encode(controls, grid, silent_drums=False)

    def branch(
        self, controls: Controls, keep: frozenset[str], grid: FrameGrid, context: tuple[Tensor, Tensor] | None = None
    ) -> Condition:
        """Encode one branch of guidance, which keeps some of the controls, with the quirks of the reference."""
        here = {name for name, track in controls.tracks.items() if bool(track.known.any())}
        if MELODY_STAYS in self.quirks and MELODY in here and CHORDS not in here:
            keep = keep | {MELODY}
        return self._encode(controls.only(keep), grid, ENCODED_SILENCE in self.quirks and DRUMS in here)

    def _encode(self, controls: Controls, grid: FrameGrid, silent_drums: bool) -> Condition:
        strangers = sorted((set(controls.tracks) | (controls.names() & {FACTS})) - set(self.names))
        if strangers:
            raise ValueError(f"this model has no control named {strangers}; it has: {', '.join(self.names)}, text")
        for name, track in controls.tracks.items():
            if track.grid.length != grid.length:
                raise ValueError(f"control {name!r} has {track.grid.length} frames, the grid has {grid.length}")
        batch, length, device = controls.batch, grid.length, self.text_projection.weight.device
        tracks = {name: track.to(device) for name, track in controls.tracks.items()}
        ids = torch.full((batch, length), NULL_ID, device=device)
        features = {
            CHORDS: self.chord_features(self._chord_ids(tracks[CHORDS]) if CHORDS in tracks else ids),
            DRUMS: self.drums(self._drum_vectors(tracks.get(DRUMS), batch, length, silent_drums)),
        }
        if self.melody is not None:
            matrix = torch.zeros(batch, length, self.melody.in_features, device=device)
            if MELODY in tracks:
                matrix = tracks[MELODY].values.to(matrix) * tracks[MELODY].known[..., None]
            features[MELODY] = self.melody(matrix)
        states, mask = self.text(controls.words)
        tokens = self.text_tokens(states.to(device), mask.to(device))
        # Padding of shorter prompts is attended, with nothing but time in it (Q4).
        return Condition(self.joined(features, length), tokens, torch.ones_like(mask, device=device))

    def text_tokens(self, states: Tensor, mask: Tensor) -> Tensor:
        """Projected text, zero where masked.  Shape: ``[B, M, text_dim], [B, M] -> [B, M, E]``."""
        weight = self.text_projection.weight
        return self.text_projection(states.to(weight)) * mask[..., None].to(weight)

    def chord_features(self, ids: Tensor) -> Tensor:
        """Shape: ``[B, T]`` int64 in 0..194 ``-> [B, T, chords_dim]``."""
        return self.chords(ids)

    def drum_features(self, vectors: Tensor) -> Tensor:
        """Codebook vectors to features.  Shape: ``[B, T, drums_latent_dim] -> [B, T, drums_dim]``."""
        return self.drums(block_blur(vectors, self.blur))

    def melody_features(self, matrix: Tensor) -> Tensor:
        """Shape: ``[B, T, 53] -> [B, T, melody_dim]``.  Raises: ValueError for a model without melody."""
        if self.melody is None:
            raise ValueError("this model has no melody control")
        return self.melody(matrix)

    def joined(self, features: Mapping[str, Tensor], length: int) -> Tensor:
        """Features on the channel axis; longer ones are cut, shorter ones end in zeros, which are no null.

        Shape: ``[B, any, F_k] -> [B, T, F]``.
        """
        parts = []
        for name in self.names:
            part = features[name][:, :length]
            parts.append(nn.functional.pad(part, (0, 0, 0, length - part.shape[1])))
        return torch.cat(parts, dim=-1)

    def _chord_ids(self, track: Track) -> Tensor:
        ids = torch.where(track.known, track.values, NULL_ID)
        if STARTS_WITH_NO_CHORD in self.quirks:
            before_first = track.known.cumsum(1) == 0
            ids = torch.where(before_first & track.known.any(1, keepdim=True), NO_CHORD_ID, ids)
        return ids

    def _drum_vectors(self, track: Track | None, batch: int, length: int, silent: bool) -> Tensor:
        """Blurred codebook vectors; absent frames are zeros, or silence.  Shape: ``[B, T, drums_latent_dim]``."""
        known = torch.zeros(batch, length, dtype=torch.bool, device=self.codebook.device)
        ids = torch.zeros_like(known, dtype=torch.int64)
        if track is not None:
            known, ids = track.known, torch.where(track.known, track.values, 0)
        if int(ids.max()) >= len(self.codebook):
            raise ValueError(
                f"drum ids must be below {len(self.codebook)}, the size of the first codebook, got {int(ids.max())}"
            )
        if silent:
            ids = torch.where(known, ids, fitted(self.silence, length))
            return block_blur(self.codebook[ids], self.blur)
        return block_blur(self.codebook[ids] * known[..., None], self.blur) * known[..., None]


def fitted(ids: Tensor, length: int) -> Tensor:
    """Cut, or repeat the last one.  Shape: ``[n] -> [length]``."""
    return ids[torch.arange(length, device=ids.device).clamp(max=len(ids) - 1)]
