"""Sharding, checkpointing, speed, lack of memory, and curves elsewhere."""

from __future__ import annotations

import csv
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.apps.cli import main
from flowmusic.data.latents import Batch
from flowmusic.model.field import VectorField
from flowmusic.model.jasco.field import JascoField
from flowmusic.train import memory
from flowmusic.train.plan import counting
from flowmusic.train.run import compose, train
from flowmusic.types import Condition
from tests import clean
from tests.train import forked, tiny_shards
from tests.train.forked import LOGGED, finish, losses, start
from tests.train.tiny_runs import TINY_FLOW


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        forked.text_encoder_loaded_once(patch)
        yield


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_shards.write(tmp_path_factory.mktemp("scale") / "shards")


def run(shards: Path, out: Path, *overrides: str) -> list[str]:
    return [*LOGGED, "data=shards", f"shards={shards}", f"out={out}", "export=null", *overrides]


TWO = ["trainer.precision=32-true", "trainer.enable_progress_bar=false", "trainer.log_every_n_steps=1"]


@pytest.mark.slow
def test_sharded_processes_learn_what_ddp_learns_and_resume(shards: Path, tmp_path: Path) -> None:
    """FSDP2 on two CPU processes: the losses are DDP's, and a second sitting goes on with weights and moments."""
    fsdp = ["trainer=fsdp_cpu", *TWO, "callbacks.average=null"]
    finish(start(run(shards, tmp_path / "ddp", "trainer=ddp_cpu", *TWO, "trainer.max_steps=4"), world=2))
    finish(start(run(shards, tmp_path / "fsdp", *fsdp, "trainer.max_steps=2"), world=2))
    finish(start(run(shards, tmp_path / "fsdp", *fsdp, "trainer.max_steps=4"), world=2))
    one, two = losses(tmp_path / "ddp"), losses(tmp_path / "fsdp")
    assert one.keys() == two.keys() == set(range(4))
    for step, loss in one.items():
        assert float(two[step]) == pytest.approx(float(loss), rel=1e-4)


@pytest.mark.parametrize(
    ("set_", "says"), [([], "callbacks.average=null"), (["callbacks.average=null"], "export=null")]
)
def test_what_a_sharded_run_cannot_do_is_said(
    shards: Path, tmp_path: Path, set_: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # One process: its refusal must come before any other is started.
    options = [o for o in run(shards, tmp_path, "trainer=fsdp_cpu", *TWO, "trainer.devices=1") if o != "export=null"]
    options += ["export=null"] if not set_ else []
    assert main(["train", *options, *set_, "trainer.max_steps=1"]) == 2
    assert says in capsys.readouterr().err


def fields() -> Iterator[Any]:
    sizes = {"dim": 8, "frames_dim": 12, "width": 32, "layers": 4, "heads": 2}
    yield pytest.param(lambda: VectorField(**sizes, pooled=True), id="ours")
    yield pytest.param(lambda: JascoField(**sizes), id="jasco")


@pytest.mark.parametrize("make", fields())
def test_checkpointing_gives_the_same_gradients_and_keeps_less(make: Any) -> None:
    torch.manual_seed(0)
    field = make()
    for parameter in field.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # gates begin closed, and would hide what is behind them
    mask = torch.ones(3, 5, dtype=torch.bool)
    condition = Condition(torch.randn(3, 40, 12), torch.randn(3, 5, 32), mask, torch.randn(3, 32))
    z, t = torch.randn(3, 40, 8), torch.rand(3)
    found = []
    for again in (False, True):
        field.checkpointing = again
        field.zero_grad()
        with counting([field]) as kept:
            loss = field(z, t, condition).square().mean()
        loss.backward()
        found.append(
            (loss.detach(), [p.grad.clone() for p in field.parameters() if p.grad is not None], sum(kept.values()))
        )
    (loss, gradients, full), (again_loss, again_gradients, less) = found
    assert torch.equal(loss, again_loss) and len(gradients) == len(again_gradients) > 20
    assert all(torch.equal(one, two) for one, two in zip(gradients, again_gradients, strict=True))
    assert less < 0.3 * full


@pytest.mark.slow
def test_checkpointing_is_a_setting_that_leaves_training_as_it_is(shards: Path, tmp_path: Path) -> None:
    for again in ("false", "true"):
        train(compose(run(shards, tmp_path / again, f"model.checkpointing={again}", "trainer.max_steps=3")))
    assert losses(tmp_path / "true") == losses(tmp_path / "false")


def test_speed_and_memory_are_logged(shards: Path, tmp_path: Path) -> None:
    result = train(compose(run(shards, tmp_path, "trainer.max_steps=5", "callbacks.throughput.every_n_steps=2")))
    rows = list(csv.DictReader((tmp_path / "csv" / "version_0" / "metrics.csv").read_text().splitlines()))
    figures = next(row for row in rows if row.get("speed/step_s"))
    step, clips, audio = (float(figures[f"speed/{name}"]) for name in ("step_s", "clips_per_s", "audio_s_per_s"))
    assert clips * step == pytest.approx(4, rel=1e-3) and audio == pytest.approx(clips * 1.6, rel=1e-3)
    assert 0.0 < float(figures["speed/data_wait"]) < 1.0 and 0.1 < float(figures["memory/rss_gib"]) < 100
    assert result.metrics["speed/step_s"] > 0


@pytest.mark.slow
def test_waiting_for_data_is_measured(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    from flowmusic.data.stream import ShardCrops

    plain = ShardCrops.__call__

    def slow(self: ShardCrops, number: int) -> Batch:
        time.sleep(0.5)
        return plain(self, number)

    monkeypatch.setattr(ShardCrops, "__call__", slow)
    options = ["trainer.max_steps=4", "callbacks.throughput.every_n_steps=2"]
    found = train(compose(run(shards, tmp_path, *options))).metrics
    waited = found["speed/data_wait"] * found["speed/step_s"]
    assert 0.5 <= waited < 0.9 and waited < found["speed/step_s"]


@pytest.mark.slow
def test_a_lack_of_memory_ends_with_what_to_change(shards: Path, tmp_path: Path) -> None:
    """A process whose address space is almost used up asks for a step that needs more."""
    said = tmp_path / "stderr"

    options = ["data.batch=256", "model.field.width=256", "data.pairs=6", "trainer.max_steps=1"]
    arguments = ["train", *run(shards, tmp_path / "out", *options)]
    process = clean.context().Process(target=with_little_memory, args=(arguments, said))
    process.start()
    process.join(forked.LIMIT_S)
    message = said.read_text()
    assert process.exitcode == 1, message
    assert "data.batch=128 trainer.accumulate_grad_batches=2" in message.splitlines()[-1]
    for hint in ("model.checkpointing=true", "trainer.precision=bf16-mixed", "data.crop_seconds=0.8", "data.pairs=3"):
        assert hint in message, hint


def with_little_memory(arguments: list[str], said: Path) -> None:
    """The command in a process that may take 700 MB more than it has; ends with its exit code."""
    with said.open("w") as file:
        os.dup2(file.fileno(), 2)
        sys.stderr = file
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (700 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        code = main(arguments)
        file.flush()
        os._exit(code)


def test_advice_follows_the_configuration() -> None:
    cfg = compose([*TINY_FLOW, "data.batch=1", "model.checkpointing=true", "trainer=cpu", "data.pairs=0"])
    said = memory.advice(cfg)
    assert "data.batch=1," in said and "data.batch=0" not in said
    assert "model.checkpointing" not in said and "data.pairs" not in said
    assert "in this order: trainer.precision=bf16-mixed; data.crop_seconds=0.8" in said
    assert memory.ran_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert memory.ran_out(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not memory.ran_out(ValueError("out of memory is what the text says"))


def test_wandb_is_asked_for_and_says_what_to_install(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowmusic.train import wandb

    assert "wandb" not in compose(["experiment=nano"]).logger
    assert compose(["experiment=nano", "logger=wandb"]).logger.keys() == {"tensorboard", "csv", "wandb"}
    monkeypatch.setattr(wandb.util, "find_spec", lambda name: None)
    options = [o for o in TINY_FLOW if o != "logger=none"]
    options += ["data=shards", f"shards={shards}", f"out={tmp_path}", "logger=wandb", "logger.wandb.offline=true"]
    assert main(["train", *options]) == 2
    assert "pip install 'flowmusic[wandb]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ddp", "ddp_cpu", "fsdp", "fsdp_cpu"])
def test_trainers_of_several_devices_compose_and_instantiate(name: str) -> None:
    from hydra.utils import instantiate

    cfg = compose(["experiment=jasco_400m", f"trainer={name}"])
    assert cfg.trainer.precision == "auto" and cfg.trainer.max_steps == -1
    trainer = instantiate(cfg.trainer, accelerator="cpu", devices=2, logger=False, precision="32-true")
    assert trainer.num_devices == 2 and type(trainer.strategy).__name__ in ("DDPStrategy", "Sharded")
