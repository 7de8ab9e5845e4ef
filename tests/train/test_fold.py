"""Guidance folded into the field: in miniature, from training to a take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from flowmusic.generate.draw import velocity
from flowmusic.generate.passages import Passage
from flowmusic.interop import bundle
from flowmusic.model.guidance_input import GuidanceInput
from flowmusic.train import run
from flowmusic.train.run import compose, train
from flowmusic.types import Controls, Guidance

TINY = [
    "experiment=fold",
    "trainer.precision=32-true",
    "trainer.enable_progress_bar=false",
    "~callbacks.learning_rate",
    "logger=none",
    "model.warmup=2",
    "data.batch=4",
    "data.crop_seconds=1.6",
    "data.validation_crop_seconds=1.6",
    "data.validation_batches=1",
    "data.style_seconds=null",
    "callbacks.checkpoint.every_n_train_steps=2",
]
ASKED = Controls(("slow jazz",))
LOSS = "validation/loss"


def words(base: Path, store: Path, out: Path, *overrides: str) -> list[str]:
    return [*TINY, f"base={base}", f"latents={store}", f"out={out}", *overrides]


def asked_of(model: Any, weights: dict[str, float], z: Tensor) -> Tensor:
    passage = Passage(ASKED, Guidance.of(weights))
    return velocity(model, [passage], z.shape[1])(z, torch.full((1,), 0.5))


@pytest.fixture(scope="module")
def guided_base(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base, whose words move it visibly: an untrained field hears nothing."""
    from flowmusic.interop import model_files

    found = model_files.read(base)
    generator = torch.Generator().manual_seed(5)
    tensors = {
        name: tensor + 0.2 * torch.randn(tensor.shape, generator=generator)
        if name.startswith(("field.output", "field.modulate", "field.pool")) and tensor.is_floating_point()
        else tensor
        for name, tensor in found.tensors.items()
    }
    config = {key: value for key, value in found.config.items() if key not in ("format", "sha256")}
    folder = tmp_path_factory.mktemp("guided") / "small"
    return model_files.write(folder, config, tensors, "a base whose words are heard")


def test_a_folded_field_does_in_one_branch_what_guidance_does(guided_base: Path, store: Path, tmp_path: Path) -> None:
    settings = ["model.optimizer.lr=0.01", "callbacks.average.decay=0.5", "trainer.val_check_interval=150"]
    start = train(
        compose(words(guided_base, store, tmp_path / "a", "trainer.max_steps=1", "trainer.val_check_interval=1"))
    )
    found = train(compose(words(guided_base, store, tmp_path / "b", "trainer.max_steps=150", *settings)))
    assert found.metrics["validation/loss"] < 0.5 * start.metrics["validation/loss"]
    original, folded = bundle.load(guided_base), bundle.load(tmp_path / "b" / "bundle")
    z = torch.randn(1, folded.grid().length, 8, generator=torch.Generator().manual_seed(1))
    batches: list[int] = []
    folded.field.register_forward_pre_hook(lambda module, inputs: batches.append(len(inputs[0])))
    wanted, given = asked_of(original, {"all": 3.0}, z), asked_of(folded, {"all": 3.0}, z)
    assert batches == [1]
    plain = asked_of(original, {"all": 1.0}, z)
    # Closer to the guided field than the plain one is by far.
    assert (given - wanted).square().mean() < 0.3 * (plain - wanted).square().mean()
    # Weights that it has not learned are branches of the field without guidance.
    asked_of(folded, {"all": 9.0}, z)
    asked_of(folded, {"all": 3.0, "chords": 1.0}, z)
    assert batches[1:] == [2, 2]


def test_it_learns_what_a_base_does_that_guides_channels_less(guided_base: Path, store: Path, tmp_path: Path) -> None:
    """Where no channel keeps anything of what guidance adds, the original of a fold is the plain field."""
    from flowmusic.interop import model_files

    found = model_files.read(guided_base)
    config = {key: value for key, value in found.config.items() if key not in ("format", "sha256")}
    plain = {**config["settings"], "generation": {**config["settings"]["generation"], "guided_channels": [[8, 0.0]]}}
    unguided = model_files.write(tmp_path / "base", {**config, "settings": plain}, found.tensors, "as it is")
    back = {**config["settings"], "generation": {**config["settings"]["generation"], "guidance_rescale": 1.0}}
    rescaled = model_files.write(tmp_path / "back", {**config, "settings": back}, found.tensors, "taken back")
    losses = {}
    for name, base in (("guided", guided_base), ("unguided", unguided), ("rescaled", rescaled)):
        overrides = ["trainer.max_steps=1", "trainer.val_check_interval=1", "model.optimizer.lr=0.0"]
        result = train(compose(words(base, store, tmp_path / name, *overrides)))
        losses[name] = result.metrics["validation/loss"]
    # The copy is the plain field as yet: nothing is to be learnt of a base without guidance.
    assert losses["unguided"] < 1e-6 < 1e-3 < losses["guided"]
    assert losses["rescaled"] < 0.99 * losses["guided"]


def test_it_begins_as_the_plain_field_and_stays_it_without_guidance() -> None:
    inputs = GuidanceInput(("all", "text"), 8)
    torch.nn.init.normal_(inputs.output.weight)
    assert torch.equal(inputs(torch.tensor([[1.0, 0.0]])), torch.zeros(1, 8))
    assert bool((inputs(torch.tensor([[2.0, 0.0]])) != 0).any())
    with pytest.raises(ValueError, match="'loudness' cannot be an input of a field; allowed: all, text"):
        GuidanceInput(("loudness",), 8)


def test_resumed_equals_straight(guided_base: Path, store: Path, tmp_path: Path) -> None:
    ends = []
    for name, stops in (("straight", [4]), ("stopped", [2, 4])):
        for stop in stops:
            steps = [f"trainer.max_steps={stop}", "model.total_steps=4", "trainer.val_check_interval=2"]
            found = train(compose(words(guided_base, store, tmp_path / name, *steps)))
        ends.append(found.objects["model"].field.state_dict())
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_what_cannot_be_folded(
    guided_base: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(compose(words(guided_base, store, tmp_path / "once", "trainer.max_steps=1", "trainer.val_check_interval=1")))
    for override, message in (
        (f"base={tmp_path / 'once' / 'bundle'}", "has its guidance folded in already"),
        ("model.guidance=[chords]", "guidance 'chords' cannot be an input"),
        ("model.plain=1.0", "plain must be a share"),
    ):
        assert run.main(words(guided_base, store, tmp_path / "bad", "trainer.max_steps=1", override)) == 2
        assert message in capsys.readouterr().err


def test_channels_may_count_more_than_others(guided_base: Path, store: Path, tmp_path: Path) -> None:
    def loss(*more: str) -> float:
        overrides = ["trainer.max_steps=1", "trainer.val_check_interval=1", "model.optimizer.lr=0.0", *more]
        return float(train(compose(words(guided_base, store, tmp_path / str(len(seen)), *overrides))).metrics[LOSS])

    seen: list[float] = []
    for runs in ("null", "[[1,2.0],[7,2.0]]", "[[1,8.0],[7,0.5]]", "[[1,0.5],[7,8.0]]"):
        seen.append(loss(f"model.channel_weights={runs}"))
    alike, scaled, first, others = seen
    # Weights are scaled to a mean of 1; with all errors as they are, a mean lies between those of its parts.
    assert scaled == pytest.approx(alike) and min(first, others) < alike < max(first, others)
