"""The nearest training clip, by embedding and by tokens."""

from __future__ import annotations

import pytest
import torch

from flowmusic.metrics.copying import nearest, token_agreement
from flowmusic.metrics.style import Reference


def test_the_nearest_chunk_names_its_song() -> None:
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [5.0, 5.0, 5.0]])
    reference = Reference.of(rows, ["a", "a", "b", "c"])
    found = nearest(reference, torch.stack([torch.tensor([9.0, -3.0, 2.0]), rows[2]]))
    assert found.song == "b" and found.similarity == pytest.approx(1.0)
    with pytest.raises(ValueError, match="at least one chunk"):
        nearest(reference, torch.zeros(0, 3))


def test_a_copied_part_is_found_wherever_it_lies() -> None:
    generator = torch.Generator().manual_seed(0)
    training = torch.randint(64, (200,), generator=generator)
    fresh = torch.randint(64, (100,), generator=generator)
    assert token_agreement(fresh, training, 25) < 0.3
    assert token_agreement(torch.cat([fresh[:50], training[103:153]]), training, 25) == 1.0
    assert token_agreement(training[:10], training, 25) == 1.0  # shorter than a window: compared whole
    half = training[20:45].clone()
    half[::2] = -1
    assert token_agreement(half, training, 25) == pytest.approx(12 / 25)


def test_wrong_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="need codes"):
        token_agreement(torch.zeros(2, 3, dtype=torch.long), torch.zeros(3, dtype=torch.long), 2)
    with pytest.raises(ValueError, match="window 0"):
        token_agreement(torch.zeros(3, dtype=torch.long), torch.zeros(3, dtype=torch.long), 0)
