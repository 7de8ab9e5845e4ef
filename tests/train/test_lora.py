"""Adapters as a user makes them, in miniature: train, stop, resume, export, apply."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from flowmusic.apps import build as apps_build
from flowmusic.interop import adapter, bundle, model_files
from flowmusic.interop.adapter import AdapterUse
from flowmusic.train import run
from flowmusic.train.run import compose, train
from flowmusic.types import Controls
from tests.interop import checkpoints
from tests.model import tiny_t5
from tests.train.test_runs import tones_with_drums

TINY = [
    "experiment=lora",
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "~callbacks.learning_rate",
    "logger=none",
    "model.lora.rank=2",
    "model.warmup=2",
    "data.batch=4",
    "data.crop_seconds=1.6",
    "data.validation_crop_seconds=1.6",
    "data.validation_batches=1",
    "data.style_seconds=null",
    "callbacks.checkpoint.every_n_train_steps=2",
    "resume=true",
]


def tuned(base: Path, store: Path, out: Path, *overrides: str) -> list[str]:
    return [*TINY, f"base={base}", f"latents={store}", f"out={out}", *overrides]


def test_stop_and_resume_equals_a_straight_run(base: Path, store: Path, tmp_path: Path) -> None:
    straight = train(compose(tuned(base, store, tmp_path / "straight", "trainer.max_steps=6", "model.total_steps=6")))
    train(compose(tuned(base, store, tmp_path / "stopped", "trainer.max_steps=4", "model.total_steps=6")))
    resumed = train(compose(tuned(base, store, tmp_path / "stopped", "trainer.max_steps=6", "model.total_steps=6")))
    assert resumed.objects["trainer"].global_step == straight.objects["trainer"].global_step == 6
    one, two = (adapter.read(tmp_path / name / "adapter.safetensors").tensors for name in ("straight", "stopped"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert any(float(tensor.abs().max()) > 0 for name, tensor in one.items() if name.endswith("lora_B"))
    checkpoint = torch.load(tmp_path / "straight" / "checkpoints" / "last.ckpt", weights_only=True)
    assert all("lora_" in name for name in checkpoint["state_dict"])
    other = tuned(base, store, tmp_path / "stopped", "trainer.max_steps=8", "model.lora.alpha=1.0")
    with pytest.raises(ValueError, match=r"model\.lora\.alpha was"):
        train(compose(other))


def test_it_learns_and_the_file_does_what_the_trained_module_did(base: Path, store: Path, tmp_path: Path) -> None:
    words = ["trainer.val_check_interval=60", "model.optimizer.lr=0.02", "callbacks.average.decay=0.5"]
    start = train(compose(tuned(base, store, tmp_path / "a", "trainer.max_steps=1", "trainer.val_check_interval=1")))
    found = train(compose(tuned(base, store, tmp_path / "b", "trainer.max_steps=60", *words)))
    assert found.metrics["validation/loss"] < 0.95 * start.metrics["validation/loss"]
    model, path = found.objects["model"].eval(), tmp_path / "b" / "adapter.safetensors"
    about = adapter.read(path).about
    assert about["base"] == "small" and about["base_sha256"] == model_files.fingerprint(base)
    assert about["steps"] == 60 and about["seed"] == 0 and about["rank"] == 2
    assert str(tmp_path) not in json.dumps(about) and "latents=LATENTS" in about["command"]
    merged = bundle.load(base, adapters=[str(path)])
    plain = bundle.load(base)
    grid = plain.grid()
    with torch.no_grad():
        z, t = torch.randn(1, grid.length, 8), torch.tensor(0.5)
        asked = Controls(("slow jazz",))
        trained, applied, before = (
            field(z, t, encoder(asked, grid))
            for field, encoder in (
                (model.field, model.encoder),
                (merged.field, merged.encoder),
                (plain.field, plain.encoder),
            )
        )
    assert (applied - before).abs().max() > 0.1
    torch.testing.assert_close(applied, trained, rtol=0.02, atol=0.02)  # fp16 in the file
    # Merged: the same modules and as many weights, so not a product more.
    assert [type(m) for m in merged.field.modules()] == [type(m) for m in plain.field.modules()]


def test_scales_add_up_and_zero_is_the_base_to_the_bit(base: Path, store: Path, tmp_path: Path) -> None:
    overrides = ["trainer.max_steps=4", "model.optimizer.lr=0.05", "callbacks.average.decay=0.0"]
    path = train(compose(tuned(base, store, tmp_path / "run", *overrides))).folder / "adapter.safetensors"
    plain = bundle.load(base).field.state_dict()
    nothing = bundle.load(base, adapters=[AdapterUse(path, 0.0)])
    assert all(torch.equal(value, plain[name]) for name, value in nothing.field.state_dict().items())
    assert nothing.adapters[0]["scale"] == 0.0
    whole, halves = (
        bundle.load(base, adapters=uses).field.state_dict() for uses in ([f"{path}:1"], [f"{path}:0.5"] * 2)
    )
    assert any(not torch.equal(value, plain[name]) for name, value in whole.items())
    for name, value in whole.items():
        torch.testing.assert_close(value, halves[name])


def test_another_base_warns_or_is_refused(
    base: Path, store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = train(compose(tuned(base, store, tmp_path / "run", "trainer.max_steps=1"))).folder / "adapter.safetensors"
    with pytest.raises(adapter.AdapterError, match=r"does not fit nano.*trained on small"):
        bundle.load("nano", adapters=[str(path)])
    found = model_files.read(base)
    tensors = {name: tensor + 0.01 for name, tensor in found.tensors.items()}
    config = {key: value for key, value in found.config.items() if key not in ("format", "sha256")}
    twin = model_files.write(tmp_path / "twin", config, tensors, "another")
    bundle.load(twin, adapters=[str(path)])
    assert "other weights of the same shapes" in caplog.text


def test_a_folder_may_be_called_data(base: Path, store: Path, tmp_path: Path) -> None:
    assert run.data_folder(f"data={store}") == f"latents={store}"
    assert run.data_folder("data=crops") == "data=crops" and run.data_folder("data.batch=2") == "data.batch=2"
    words = [o for o in tuned(base, store, tmp_path / "run", "trainer.max_steps=1") if not o.startswith("latents")]
    assert run.main([*words, f"data={store}"]) == 0
    assert (tmp_path / "run" / "adapter.safetensors").is_file()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("base=nowhere", "unknown model 'nowhere'"),
        ("model.lora.targets=[field.nothing]", "no layer fits 'field.nothing'"),
        ("model.lora.rank=0", "rank must be a whole number from 1"),
    ],
)
def test_bad_input_exits_2_with_a_line(
    base: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], override: str, message: str
) -> None:
    words = tuned(base, store, tmp_path / "run", "trainer.max_steps=1", override)
    assert run.main(words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "adapter.safetensors").exists()


def test_jasco_is_adapted_where_it_lies(tmp_path: Path) -> None:
    """A checkpoint in the published layout: trained, exported, and merged before its matrices are packed."""
    folder = checkpoints.write(tmp_path / "published", compression=checkpoints.full_codec())
    tiny_t5.write(folder / "t5-base", width=12)
    store = tmp_path / "store"
    made = [f"corpus={tones_with_drums(tmp_path / 'corpus')}", f"out={store}", f"codec={folder}", "drums=codes"]
    assert apps_build.main([*made, "build.workers=1"]) == 0
    kept = [o for o in TINY if o not in ("experiment=lora", "data.style_seconds=null")]
    sizes = ["data.crop_seconds=1", "data.validation_crop_seconds=1", "model.optimizer.lr=0.02", "trainer.max_steps=20"]
    words = ["experiment=lora_jasco", f"base={folder}", f"latents={store}", f"out={tmp_path / 'run'}"]
    found = train(compose([*kept, *sizes, *words, "callbacks.average.decay=0.0"]))
    model = found.objects["model"]
    path = found.folder / "adapter.safetensors"
    kinds = {name.rpartition(".")[0].rpartition(".")[2] for name in adapter.read(path).tensors}
    assert kinds == {"query_key_value", "out", "expand", "contract", "text_projection"}
    asked = Controls(("slow jazz",))
    settings = {"seed": 1, "steps": 1, "guidance": None}
    before = bundle.load(folder).generate(asked, **settings).latents
    after = bundle.load(folder, adapters=[str(path)]).generate(asked, **settings).latents
    zero = bundle.load(folder, adapters=[f"{path}:0"]).generate(asked, **settings).latents
    assert torch.equal(before, zero) and (after - before).abs().max() > 0.01
    trained = bundle.load(folder, trainable=True)
    trained.encoder, trained.field = model.encoder.eval(), model.field.eval()
    grid = trained.grid()
    with torch.no_grad():
        z, t = torch.randn(1, grid.length, checkpoints.DIM), torch.tensor([0.5])
        one = model.field(z, t, model.encoder(asked, grid))
        merged = bundle.load(folder, adapters=[str(path)], trainable=True)
        other = merged.field(z, t, merged.encoder(asked, grid))
    torch.testing.assert_close(one, other, rtol=0.02, atol=0.02)
    assert os.path.getsize(path) < 100_000
