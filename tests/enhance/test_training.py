from __future__ import annotations

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from flowmusic.enhance import bands
from flowmusic.enhance.net import EnhanceNet, load
from flowmusic.train.enhance import LitEnhance, filtered, levelled, painted
from flowmusic.train.network_export import export_enhance


@pytest.fixture(scope="module")
def waves() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(3, 64 * bands.HOP, generator=generator)


def test_a_filter_takes_6_db_at_the_cut_and_leaves_the_goal() -> None:
    flat = torch.zeros(64, 5, bands.BANDS)
    heard, wanted, known = filtered(flat, torch.Generator().manual_seed(0))
    lost = (wanted - heard)[:, 0] * 10.0 / torch.log(torch.tensor(10.0))
    last = lost[torch.arange(64), known - 1]
    # The last band that is known lies under the cut, so it has lost no more than 6 dB, but for the jitter.
    assert last.min() > -2.0 and last.max() < 6.0 + 2.0 and last.mean() > 1.0
    assert lost[:, 0].abs().max() < 2.5
    assert (lost[torch.arange(64), (known + 8).clamp(max=bands.BANDS - 1)] > 6.0).all()
    assert 0.5 < wanted.std() < 2.0
    assert int(known.min()) >= bands.HIGH and int(known.max()) < bands.BANDS


def test_what_lies_below_the_cut_is_no_goal(waves: torch.Tensor) -> None:
    known = torch.tensor([bands.HIGH, 40, bands.BANDS])
    values = torch.arange(bands.HIGH, bands.BANDS).float().expand(3, 2, -1)
    assert painted(values, known).unique().tolist() == list(range(bands.HIGH, bands.BANDS))
    assert len(painted(values, known)) == 2 * (bands.BANDS - bands.HIGH + bands.BANDS - 40)
    one, other = (levelled(gain * waves)[0] for gain in (1.0, 0.1))
    assert torch.allclose(one, other, atol=1e-3)


def test_a_step_is_the_same_again_and_learns(waves: torch.Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    lit = LitEnhance(EnhanceNet(), functools.partial(torch.optim.AdamW, lr=3e-3), warmup=1, total_steps=30)
    first = lit.training_step(waves, 0).detach()
    assert torch.equal(first, lit.training_step(waves, 0))
    optimizer = torch.optim.AdamW(lit.parameters(), lr=3e-3)
    for _ in range(25):
        optimizer.zero_grad()
        loss = lit.training_step(waves, 0)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5 * float(first)
    data = SimpleNamespace(train_crops=SimpleNamespace(waves=[0, 1]), folder="corpora/main")
    run = {"steps": 25, "seed": 0, "wall_s": 90.0, "metrics": {"validation/loss": 0.51234, "train/loss": 1.0}}
    path = tmp_path / "model.safetensors"
    export_enhance(str(path), lit, data, run, {"model": {"total_steps": 30}})
    with safe_open(path, "pt") as file:
        told = json.loads(file.metadata()["training"])
    assert told["data"] == "2 clips of main" and told["validation"] == {"validation/loss": 0.512}
    # Stored in half precision.
    assert torch.allclose(load(path).leave.weight, lit.network.leave.weight, atol=1e-3)
