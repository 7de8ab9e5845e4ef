"""Training from shards, on one process and on two, killed and not: the same numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from flowmusic.train import draws
from flowmusic.train.run import compose, train
from tests.train import forked, tiny_shards
from tests.train.forked import LOGGED, finish, kill_at, losses, numbers, pulse, start

STEPS = 8


@pytest.fixture(scope="module", autouse=True)
def loaded_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        forked.text_encoder_loaded_once(patch)
        yield


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_shards.write(tmp_path_factory.mktemp("runs") / "shards")


def run(shards: Path, out: Path, *overrides: str) -> list[str]:
    base = [*LOGGED, "data=shards", f"shards={shards}", f"out={out}", "export=null", "data.group=2", pulse(out)]
    return [*base, f"trainer.max_steps={STEPS}", "callbacks.checkpoint.every_n_train_steps=2", *overrides]


def weights(out: Path) -> dict[str, torch.Tensor]:
    """What is trained, and its averages."""
    checkpoint = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    averages = {f"average of {name}": value for name, value in checkpoint["state_dict"].items()}
    return {**checkpoint["current_model_state"], **averages}


@pytest.mark.parametrize("accumulate", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_run_killed_at_a_random_step_goes_on_bit_for_bit(shards: Path, tmp_path: Path, accumulate: int) -> None:
    options = [f"trainer.accumulate_grad_batches={accumulate}", "data.windows=2"]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish(start(run(shards, straight, *options)))
    # After the first checkpoint, before the last: anywhere in a step, or between two.
    at = random.randint(3 * accumulate, (STEPS - 2) * accumulate)
    kill_at(start(run(shards, killed, *options)), killed, at)
    assert len(losses(killed)) < STEPS
    finish(start(run(shards, killed, *options)))
    assert losses(straight).keys() == set(range(STEPS))
    assert losses(killed) == losses(straight), f"killed in batch {at}"
    one, two = weights(straight), weights(killed)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert numbers(straight) == list(range(STEPS * accumulate))


@pytest.mark.slow
def test_every_accumulated_batch_has_noise_of_its_own(shards: Path, tmp_path: Path) -> None:
    """The same batch twice, with one draw or two: then the sum of two gradients is not twice the one."""
    result = train(compose(run(shards, tmp_path, "trainer.max_steps=1", "trainer.accumulate_grad_batches=2")))
    model, data = result.objects["model"], result.objects["data"]
    batch = data.train_dataloader().dataset.make(0)
    found = [model.loss(batch, draws.of_step(model.seed, n)) for n in numbers(tmp_path)]
    assert numbers(tmp_path) == [0, 1] and found[0] != found[1]


def test_two_processes_are_one_that_accumulates_two_batches(shards: Path, tmp_path: Path) -> None:
    two = ["trainer=ddp_cpu", "trainer.precision=32-true", "trainer.enable_progress_bar=false"]
    two += ["trainer.log_every_n_steps=1"]
    one = ["trainer.accumulate_grad_batches=2", "data.lanes=2"]
    together, alone = tmp_path / "together", tmp_path / "alone"
    # The codebooks of style follow the batches of the first process only, so style is left out of the comparison.
    plain = ["control.style.seconds=null", "control.style.conditioner=null", "model.align=0", "data.pairs=0"]
    finish(start(run(shards, together, *two, *plain), world=2))
    finish(start(run(shards, alone, *one, *plain)))
    assert numbers(together, 0) == list(range(0, 2 * STEPS, 2)) and numbers(together, 1) == list(range(1, 2 * STEPS, 2))
    assert numbers(alone) == list(range(2 * STEPS))
    here, there = weights(together), weights(alone)
    assert here.keys() == there.keys()
    for name in here:
        torch.testing.assert_close(here[name], there[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_two_processes_killed_go_on_bit_for_bit(shards: Path, tmp_path: Path) -> None:
    options = ["trainer=ddp_cpu", "trainer.precision=32-true", "trainer.enable_progress_bar=false"]
    options += ["trainer.log_every_n_steps=1"]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish(start(run(shards, straight, *options), world=2))
    kill_at(start(run(shards, killed, *options), world=2), killed, random.randint(3, STEPS - 2))
    finish(start(run(shards, killed, *options), world=2))
    assert losses(killed) == losses(straight) and len(losses(straight)) == STEPS
    one, two = weights(straight), weights(killed)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_a_change_of_lanes_is_told(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(compose(run(shards, tmp_path, "trainer.max_steps=2")))
    assert "another order" not in capsys.readouterr().err
    train(compose(run(shards, tmp_path, "trainer.max_steps=4", "data.lanes=3")))
    assert "lanes 1 -> 3 since the checkpoint" in capsys.readouterr().err
    assert forked.numbers(tmp_path) == [0, 1, 2, 3]


def test_more_processes_go_on_counting_where_fewer_stopped(shards: Path, tmp_path: Path) -> None:
    train(compose(run(shards, tmp_path, "trainer.max_steps=2", "trainer.accumulate_grad_batches=2")))
    train(compose(run(shards, tmp_path, "trainer.max_steps=5", "trainer.accumulate_grad_batches=1")))
    assert numbers(tmp_path) == list(range(7))


@pytest.mark.slow
def test_the_card_of_a_model_names_the_shards(shards: Path, tmp_path: Path) -> None:
    options = [o for o in run(shards, tmp_path, "trainer.max_steps=1") if o != "export=null"]
    train(compose([*options, "codec_name=nano2_codec"]))
    card = (tmp_path / "bundle" / "card.md").read_text()
    assert "30 clips, 0.02 hours, from shards (codec random)" in card and "data=shards" in card
    assert "no recordings" not in card and "Apache" not in card


@pytest.mark.slow
def test_the_command_starts_the_other_processes(shards: Path, tmp_path: Path) -> None:
    """As a person runs it: one command, which starts the second process with a Python of its own."""
    from flowmusic.apps.cli import main

    options = ["trainer=ddp_cpu", "trainer.precision=32-true", "trainer.enable_progress_bar=false"]
    assert main(["train", *run(shards, tmp_path, *options, "trainer.max_steps=2", "trainer.log_every_n_steps=1")]) == 0
    assert (numbers(tmp_path, 0), numbers(tmp_path, 1)) == ([0, 2], [1, 3])
    assert len(losses(tmp_path)) == 2 and not torch.distributed.is_initialized()
