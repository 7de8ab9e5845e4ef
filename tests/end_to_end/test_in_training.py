"""What is in training can be used, and is told apart from what ships."""

from __future__ import annotations

from pathlib import Path

import torch

from flowmusic.facts import Facts
from flowmusic.interop import bundle, model_files
from flowmusic.types import Controls

FOLDER = Path(__file__).resolve().parents[2] / "training" / "nano2"


def test_nano2_makes_takes_and_hears_facts() -> None:
    model = bundle.load(FOLDER)
    assert model.has_facts and "instruments" in model.controls and "nano2" not in model_files.available()
    grid = model.grid(2.0)
    drums, none = (
        model.generate(Controls(("slow jazz",), facts=(Facts(drums=said),)), grid=grid, seed=0, steps=2).latents
        for said in (True, False)
    )
    assert bool(torch.isfinite(none).all()) and not torch.allclose(drums, none, atol=0.1)
