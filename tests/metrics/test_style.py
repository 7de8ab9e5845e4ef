"""Style metrics: what the embedding hears and ignores, and neighbours in a corpus whose answer is known."""

from __future__ import annotations

import math

import pytest
import torch

from flowmusic.audio import Audio
from flowmusic.metrics import style as s

RATE = 32_000


def sound(kind: str, seed: int, seconds: float = 3.0) -> Audio:
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(round(seconds * RATE)) / RATE
    if kind == "noise":
        wave = torch.randn(len(time), generator=generator)
    elif kind == "beat":
        wave = torch.randn(len(time), generator=generator) * ((time * 4) % 1 < 0.1)
    else:
        hz = float(kind) * 2 ** (torch.randint(-5, 6, (1,), generator=generator).item() / 12)
        wave = torch.stack([torch.sin(2 * torch.pi * hz * n * time) / n for n in range(1, 6)]).sum(0)
    return Audio(0.1 * wave[None], RATE)


KINDS = ("noise", "beat", "110", "880")


@pytest.fixture(scope="module")
def reference() -> s.Reference:
    """Six songs of each kind, two chunks each."""
    names, rows = [], []
    for kind in KINDS:
        for song in range(6):
            for part in s.chunks(sound(kind, song, 6.0)):
                names.append(f"{kind}-{song}")
                rows.append(s.mel_stats(part))
    return s.Reference.of(torch.stack(rows), names)


def test_level_and_rate_do_not_matter() -> None:
    base = sound("110", 0)
    louder = Audio(3.0 * base.samples, RATE)
    torch.testing.assert_close(s.mel_stats(base), s.mel_stats(louder), atol=1e-3, rtol=1e-3)
    assert s.mel_stats(base).shape == (192,)
    assert not s.mel_stats(Audio(torch.zeros(1, RATE), RATE)).any()


def test_the_same_feel_is_near_and_another_far(reference: s.Reference) -> None:
    one, same, other = (s.mel_stats(sound(kind, seed)) for kind, seed in (("110", 90), ("110", 91), ("noise", 92)))
    assert s.similarity(reference, one, same) > 0.5 > s.similarity(reference, one, other)
    assert s.similarity(reference, one, one) == pytest.approx(1.0)


def test_common_neighbours(reference: s.Reference) -> None:
    excerpt = reference.embeddings[0] * reference.std + reference.mean  # a chunk of noise-0
    alike, unlike = s.mel_stats(sound("noise", 77)), s.mel_stats(sound("880", 77))
    assert s.knn_common(reference, excerpt, alike, "noise-0", k=5) >= 0.8
    assert s.knn_common(reference, excerpt, unlike, "noise-0", k=5) == 0.0
    assert s.knn_common(reference, excerpt, excerpt, "noise-0", k=5) == 1.0
    assert math.isnan(s.knn_common(reference, excerpt, alike, "noise-0", k=99))
    assert "noise-0" not in reference.nearest_songs(excerpt, 5, "noise-0")


def test_copying_is_noticed(reference: s.Reference) -> None:
    excerpt = reference.embeddings[0] * reference.std + reference.mean
    assert s.knn_overfit(reference, excerpt, "noise-0") == 1.0
    assert s.knn_overfit(reference, excerpt, "noise-1") == 0.0


def test_a_reference_needs_songs() -> None:
    with pytest.raises(ValueError, match="at least two songs, got 2 chunks, 2 names of 1 songs"):
        s.Reference.of(torch.zeros(2, 3), ["a", "a"])
    assert [part.seconds for part in s.chunks(sound("noise", 0, 7.0))] == [3.0, 3.0]
    assert len(s.chunks(sound("noise", 0, 1.0))) == 1
