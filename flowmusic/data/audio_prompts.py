"""What clips sound like to a text-audio model, stored beside their latents, and which prompt a training window gets.

In shards a clip has a tensor ``[W, E]`` fp16 under the name :data:`HEARD`, of W windows that cover the clip evenly
(:func:`~flowmusic.model.text_audio_conditioner.embed_audio`), and the index says whose vectors they are in
``settings["heard"]``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from flowmusic import plain
from flowmusic.types import AudioPrompt, Prompt

HEARD = "heard"
"""Name of the tensor of a clip, and of the setting that says which model's vectors it holds."""

SOURCES = ("captions", "audio", "mixed")


@dataclass(frozen=True)
class ClipVectors:
    """The vectors of clips, in the order of a store; None for a clip that nobody listened to.

    ``settings`` are ``model``, ``sha256`` and ``window_seconds``.
    """

    settings: Mapping[str, Any]
    vectors: tuple[Tensor | None, ...]

    @staticmethod
    def joined(parts: Sequence[ClipVectors | None], sizes: Sequence[int]) -> ClipVectors | None:
        """Those of several stores with so many clips each.  Raises: ValueError for vectors of different models."""
        found = [part for part in parts if part is not None]
        if not found:
            return None
        if any(part.settings != found[0].settings for part in found):
            models = ", ".join(f"{part.settings['model']} {part.settings['sha256'][:12]}" for part in found)
            raise ValueError(f"the stores were heard by different text-audio models ({models}); listen again with one")
        rows = [(None,) * size if part is None else part.vectors for part, size in zip(parts, sizes, strict=True)]
        return ClipVectors(found[0].settings, tuple(vector for row in rows for vector in row))

    def window(self, clip: int, frames: int, middle: float, frame_rate: float) -> AudioPrompt | None:
        """The vector of the window of a clip of so many frames whose middle is nearest to frame ``middle``."""
        vectors = self.vectors[clip]
        if vectors is None:
            return None
        length = min(float(frames), self.settings["window_seconds"] * frame_rate)
        # Windows cover the clip evenly: the first begins with it, the last ends with it.
        place = (middle - length / 2) / max(1.0, frames - length) * (len(vectors) - 1)
        return AudioPrompt(vectors[min(max(round(place), 0), len(vectors) - 1)].float())


@dataclass(frozen=True)
class Prompts:
    """What stands as text for a window.

    Args:
        text_from: ``captions`` (no text where there are none), ``audio``, or ``mixed``: captions where there are any,
            but audio for a share of the windows, and for clips without captions.
        audio_text: that share.
    """

    text_from: str = "captions"
    audio_text: float = 0.5

    def __post_init__(self) -> None:
        if self.text_from not in SOURCES:
            raise ValueError(f"text_from must be one of {', '.join(SOURCES)}, got {self.text_from!r}")
        if not 0.0 <= self.audio_text <= 1.0:
            raise ValueError(f"audio_text is a share of the windows, from 0 to 1, got {self.audio_text}")

    @property
    def listens(self) -> bool:
        """Whether vectors of audio are needed."""
        return self.text_from != "captions"

    def __call__(self, caption: str | None, heard: AudioPrompt | None, rng: np.random.Generator) -> Prompt:
        """One of the two, or neither where both are missing."""
        if not self.listens:
            return caption
        drawn = rng.random() < self.audio_text
        use_audio = self.text_from == "audio" or caption is None or drawn
        return heard if use_audio and heard is not None else caption if self.text_from == "mixed" else None


def read_prompts(path: str | Path) -> list[str]:
    """Texts of a file, one a line.  Raises: FileNotFoundError; ValueError for a file without any."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"data.prompts: {path} is not there; give a file with one text per line")
    found = [line.strip() for line in plain.read_text(path).splitlines() if line.strip()]
    if not found:
        raise ValueError(f"data.prompts: {path} holds no text; write one per line")
    return found
