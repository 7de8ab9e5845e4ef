"""What makes a step cheaper must not change what it computes, and a sitting that ends must lose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flowmusic.data.module import LatentData
from flowmusic.data.store_files import read_store
from flowmusic.train.flow import padded
from flowmusic.train.run import compose, train
from flowmusic.types import Condition
from tests.train.tiny_runs import TINY_FLOW


def flow(store: Path, out: Path, *overrides: str) -> list[str]:
    return [*TINY_FLOW, f"latents={store}", f"out={out}", "export=null", *overrides]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    tensors: dict[str, torch.Tensor] = found["current_model_state"]
    return tensors


def test_a_sitting_that_ends_is_saved_at_its_last_step_and_not_exported(store: Path, tmp_path: Path) -> None:
    here = flow(store, tmp_path / "run", "callbacks.checkpoint.every_n_train_steps=1000", "trainer.max_steps=100000")
    here = [o for o in here if o != "export=null"]
    paused = train(compose([*here, "callbacks.budget.sitting_wall_s=0.01", "codec_name=nano2_codec"]))
    steps = paused.objects["trainer"].global_step
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == steps >= 1
    assert saved["averaging_state"]["n_averaged"] == steps  # of this step as well
    assert not (tmp_path / "run" / "bundle").exists()
    last = [f"trainer.max_steps={steps + 1}" if o.startswith("trainer.max_steps") else o for o in here]
    train(compose([*last, "codec_name=nano2_codec"]))
    assert (tmp_path / "run" / "bundle" / "card.md").is_file()


def test_a_pause_between_checkpoints_resumes_exactly(store: Path, tmp_path: Path) -> None:
    rare = "callbacks.checkpoint.every_n_train_steps=3"
    train(compose(flow(store, tmp_path / "stopped", rare, "callbacks.budget.until=1")))
    begun = torch.load(tmp_path / "stopped" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
    wanted = -(-(begun + 1) // 3) * 3
    train(compose(flow(store, tmp_path / "stopped", rare, f"trainer.max_steps={wanted}")))
    train(compose(flow(store, tmp_path / "straight", rare, f"trainer.max_steps={wanted}")))
    one, two = weights(tmp_path / "straight"), weights(tmp_path / "stopped")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_resident_clips_give_the_same_batches(store: Path) -> None:
    read = read_store(store, "train")
    moved = read.to(torch.device("cpu"))
    assert moved.clips is read.clips and moved.names == read.names
    latents, tracks = read.windows([2, 0], [5, 7], 20)
    for row, (clip, first) in enumerate(((2, 5), (0, 7))):
        one, its = read.crop(clip, first, 20)
        begin = int(read.starts[clip]) + first
        assert torch.equal(one, read.tensors["latents"][begin : begin + 20].float())
        assert torch.equal(latents[row], one)
        assert all(torch.equal(tracks[name].values[row], its[name].values) for name in read.names)


def test_a_resident_run_computes_the_same(store: Path, tmp_path: Path) -> None:
    for name, resident in (("loaded", "false"), ("resident", "true")):
        train(compose(flow(store, tmp_path / name, "trainer.max_steps=2", f"data.resident={resident}")))
    one, two = weights(tmp_path / "loaded"), weights(tmp_path / "resident")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_pairing_changes_what_noise_goes_where(store: Path) -> None:
    from hydra.utils import instantiate

    losses = {}
    for pairing in ("none", "minibatch"):
        cfg = compose(flow(store, Path("unused"), f"model.pairing={pairing}", "model.field.preconditioned=false"))
        torch.manual_seed(0)
        model = instantiate(cfg.model)
        data: LatentData = instantiate(cfg.data)
        data.setup("fit")
        batch = next(iter(data.val_dataloader()))
        with torch.no_grad():
            losses[pairing] = float(model.loss(batch, torch.Generator().manual_seed(0)))
    # An untrained field says 0, so the loss is the mean squared velocity, which pairing makes smaller.
    assert 0 < losses["minibatch"] < losses["none"]


@pytest.mark.parametrize(("key", "allowed"), [("pairing", "none, minibatch"), ("compile", "reduce-overhead")])
def test_unknown_choices_are_said(store: Path, tmp_path: Path, key: str, allowed: str) -> None:
    with pytest.raises(Exception, match=f"model.{key} must be .*{allowed}.*got 'best'"):
        train(compose(flow(store, tmp_path, f"model.{key}=best", "trainer.max_steps=1")))


def test_padding_adds_tokens_that_nobody_attends_to() -> None:
    condition = Condition(None, torch.ones(2, 5, 3), torch.ones(2, 5, dtype=torch.bool))
    longer = padded(condition, 4)
    assert longer.tokens.shape == (2, 8, 3) and longer.tokens_mask.sum(1).tolist() == [5, 5]
    assert padded(longer, 4).tokens.shape == (2, 8, 3)


@pytest.mark.slow
def test_a_compiled_field_computes_the_same(store: Path, tmp_path: Path) -> None:
    found = {}
    for name, mode in (("plain", "null"), ("compiled", "default")):
        result = train(compose(flow(store, tmp_path / name, f"model.compile={mode}", "trainer.max_steps=3")))
        found[name] = result.metrics["train/loss"]
        assert not any("_orig_mod" in key for key in weights(tmp_path / name))
    assert found["compiled"] == pytest.approx(found["plain"], rel=1e-3)
