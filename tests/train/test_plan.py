"""What a run is said to need is what it needs."""

from __future__ import annotations

import time

import pytest
import torch
from hydra.utils import instantiate

from flowmusic.apps.cli import main
from flowmusic.train import plan
from flowmusic.train.plan import Plan, make
from flowmusic.train.plan_text import described
from flowmusic.train.run import compose
from flowmusic.types import FrameGrid
from tests.train.tiny_runs import TINY_FLOW

SMALL_JASCO = ["experiment=jasco_400m", "model.field.width=64", "model.field.layers=6", "model.field.heads=4"]


@pytest.fixture(scope="module")
def jasco() -> Plan:
    return make(compose(["experiment=jasco_400m", "plan.devices=8", "trainer.accumulate_grad_batches=2"]))


def test_the_published_size_of_jasco(jasco: Plan) -> None:
    assert jasco.parameters == jasco.trainable == 404_745_362
    assert jasco.frames == 500 and jasco.state_bytes == 8.0


def test_flops_are_those_counted_by_hand(jasco: Plan) -> None:
    """Two operations per weight and frame, four attention products, three times that with the backward pass."""
    width, layers, frames, tokens, items = 1024, 24, 500, 24, 16
    weights = (
        frames * (3 + 1 + 1 + 1 + 8) * width**2 + tokens * 2 * width**2
    )  # self, cross (q, out), feed-forward; k, v
    scores = 2 * frames * (frames + tokens) * width
    ends = frames * ((128 + 34) + 128) * width
    time_ = 128 * 512 + 512 * 512 + 512 * width
    forward = 2 * items * (layers * (weights + scores) + ends + time_)
    assert jasco.flops == pytest.approx(3 * forward * 2 * 8, rel=0.002)
    # The second pass stops before the last product of a block, whose result nothing needs.
    second = forward - 2 * items * (layers * frames * 4 * width**2 + ends + time_)
    assert jasco.again_flops == pytest.approx((3 * forward + second) * 2 * 8, rel=0.002)


def test_memory_is_spread_by_sharding_only(jasco: Plan) -> None:
    ddp, fsdp = jasco.memory(), jasco.memory(sharded=True)
    assert ddp["weights"] + ddp["gradients"] + ddp["optimiser state"] == 16.0 * jasco.parameters
    assert fsdp["weights"] == ddp["weights"] / 8 and fsdp["optimiser state"] == ddp["optimiser state"] / 8
    assert fsdp["activations"] == ddp["activations"] > 4 * jasco.memory(checkpointing=True)["activations"]
    assert jasco.hours(1e15, 0.5) == pytest.approx(1_000_000 * jasco.flops / (8 * 1e15 * 0.5) / 3600)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_activations_are_those_of_a_whole_small_model(again: bool, precision: str) -> None:
    """What a model of six layers keeps for four items of 250 frames, against what two and four layers promised."""
    cfg = compose([*SMALL_JASCO, "data.batch=4", "data.crop_seconds=5", f"trainer.precision={precision}"])
    estimate = make(cfg)
    encoder = instantiate(compose([*SMALL_JASCO, "model.encoder.drum_codes=null"]).model.encoder)
    field = instantiate(cfg.model.field)
    field.checkpointing = again
    with (
        plan.counting([field, encoder]) as kept,
        torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"),
    ):
        conditions = [plan._encode(encoder, FrameGrid(50, 250), 24, None) for _ in range(4)]
        whole = type(conditions[0])(
            *(torch.cat([getattr(each, name) for each in conditions]) for name in ("frames", "tokens", "tokens_mask"))
        )
        field(torch.randn(4, 250, 128), torch.rand(4), whole).square().mean()
    measured = sum(kept.values())
    saved = estimate.again if again else estimate.full
    assert saved.casts + saved.items == pytest.approx(measured, rel=0.08)
    assert bool(saved.block) == again and saved.block < 0.25 * estimate.full.items


def test_a_dry_run_needs_no_data_and_leaves_nothing(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.process_time()
    options = [*TINY_FLOW, "dry_run=true", f"out={tmp_path / 'out'}", "latents=/nowhere", "trainer.max_steps=100"]
    assert main(["train", *options, "plan.devices=4", "plan.flops=1e12", "plan.utilisation=0.5"]) == 0
    said = capsys.readouterr().out
    assert (
        "DDP" in said and "FSDP, checkpointing" in said and "100 steps" in said and "on 4 x 1e+12 FLOP/s at 50%" in said
    )
    assert not (tmp_path / "out").exists() and time.process_time() - began < 30
    assert main(["train", "experiment=nano_codec", "dry_run=true"]) == 2
    assert "experiments that train a field" in capsys.readouterr().err


def test_every_control_of_nano_is_counted() -> None:
    cfg = compose(TINY_FLOW)
    found = make(cfg)
    model = instantiate(cfg.model)
    assert found.parameters == sum(p.numel() for p in model.parameters())
    assert found.full.items > found.again.items > 0 and found.again_flops > found.flops > 0
    assert "one device" in described(found, 1e12, 0.4) and "FSDP" not in described(found, 1e12, 0.4)
