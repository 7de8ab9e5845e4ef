"""Level: the opening's, how far the last seconds are from it, and samples within full scale."""

from __future__ import annotations

import pytest
import torch

from flowmusic.generate.level import OpeningLevel, bent

RATE = 3200


def test_the_last_seconds_are_set_beside_the_opening_as_far_as_is_allowed() -> None:
    level = OpeningLevel(RATE)
    for _ in range(8):
        assert level.correction_db(6.0) == 0.0
        level.hear(torch.full((1, RATE), 0.1))
    assert level.correction_db(6.0) == pytest.approx(0.0)
    for _ in range(40):
        level.hear(torch.full((1, RATE), 0.5))
    assert level.correction_db(6.0) == -6.0
    opening = level.excerpt()
    assert opening is not None and opening.samples.shape[-1] == 8 * RATE and level.excerpt() is None


def test_loud_samples_are_bent_and_soft_ones_are_left() -> None:
    loud = bent(torch.tensor([0.5, -0.9, 0.95, 3.0, -3.0]))
    assert loud[:2].tolist() == pytest.approx([0.5, -0.9]) and float(loud.abs().max()) <= 1.0
    assert 0.9 < float(loud[2]) < 0.95
