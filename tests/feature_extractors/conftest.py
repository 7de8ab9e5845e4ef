"""Composed and rendered music with a sound font that no training heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from flowmusic.corpus.compose import compose
from flowmusic.corpus.fonts import open_font, wheel_font
from flowmusic.corpus.record import to_record
from flowmusic.corpus.render import render
from flowmusic.corpus.synth import FontSynth


@dataclass(frozen=True)
class Song:
    """Mix and drums ``[N]`` at 32 kHz, and the corpus' labels."""

    mix: torch.Tensor
    drums: torch.Tensor
    labels: dict[str, Any]


@pytest.fixture(scope="session")
def songs() -> list[Song]:
    """Two clips of the test split with kick, snare and hat, 5 s each."""
    path = wheel_font()
    assert path is not None
    synth = FontSynth(str(path))
    found: list[Song] = []
    for seed in range(40):
        piece = compose(seed, "test", 5.0)
        if piece.part("drums") is None:
            continue
        labels = to_record(str(seed), piece, open_font(path), {})
        if all(labels["drums"]["classes"][name] for name in ("kick", "snare", "hat")):
            clip = render(piece, synth)
            mix, drums = (torch.from_numpy(x / 32768.0).float() for x in (clip.mix, clip.stems["drums"]))
            found.append(Song(mix, drums, labels))
        if len(found) == 2:
            break
    synth.close()
    return found
