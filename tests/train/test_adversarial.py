"""The discriminator and a codec that is trained against it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flowmusic.train.codec import LitCodec
from flowmusic.train.discriminator import (
    Adversarial,
    Discriminator,
    deception_loss,
    discriminator_loss,
    matching_loss,
)
from flowmusic.train.run import compose, train
from tests.train.tiny_runs import TINY_CODEC

SMALL = [
    "+model/adversarial@model.adversarial=spectrum",
    "model.adversarial.discriminator.n_ffts=[256,128]",
    "model.adversarial.discriminator.width=4",
]


def waves(kind: str, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    if kind == "noise":
        return 0.1 * torch.randn(4, 2048, generator=generator)
    pitch = 0.02 + 0.2 * torch.rand(4, 1, generator=generator)
    return 0.2 * torch.sin(2 * torch.pi * pitch * torch.arange(2048))


def judge() -> Discriminator:
    torch.manual_seed(0)
    return Discriminator([256, 128], width=4)


def test_it_learns_to_tell_tones_from_noise() -> None:
    net = judge()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for step in range(60):
        loss = discriminator_loss(net(waves("tones", step)), net(waves("noise", step)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[0] == pytest.approx(2.0, abs=0.3) and losses[-1] < 0.5
    assert deception_loss(net(waves("tones", 99))) < deception_loss(net(waves("noise", 99)))


def test_gradients_reach_only_who_is_meant() -> None:
    net = judge()
    real, fake = waves("tones", 0), waves("noise", 1).requires_grad_()
    seen = net.frozen(fake)
    (deception_loss(seen) + matching_loss(net(real), seen)).backward()
    assert fake.grad is not None and fake.grad.abs().sum() > 0
    assert all(p.grad is None for p in net.parameters())
    for (score, _), (same, _) in zip(net(fake), seen, strict=True):
        assert torch.equal(score, same)


def test_matching_is_zero_for_the_same_and_grows() -> None:
    net = judge()
    tones = waves("tones", 0)
    near, far = tones + 0.01 * waves("noise", 1), waves("noise", 2)
    own, close, other = (float(matching_loss(net(tones), net(x)).detach()) for x in (tones, near, far))
    assert own == 0.0 < close < other


def shell() -> LitCodec:
    model: LitCodec = train_config(Path("unused"))
    return model


def train_config(out: Path) -> LitCodec:
    from hydra.utils import instantiate

    cfg = compose([*TINY_CODEC, *SMALL, "model.adversarial.begin=0", f"out={out}"])
    torch.manual_seed(0)
    model: LitCodec = instantiate(cfg.model)
    return model


def test_the_codec_learns_to_deceive_and_sides_keep_to_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    model = shell()
    monkeypatch.setattr(model, "log_dict", lambda *_, **__: None)
    wave = waves("tones", 0)
    assert model.adversarial is not None and model.discriminator is not None
    rebuilt = model.codec.reconstruct(wave[:, :1920])
    model.contest(Adversarial(model.discriminator, weight=0.0, matching=0.0), wave[:, :1920], rebuilt).backward()
    assert all(p.grad is None or not p.grad.any() for p in model.codec.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.discriminator.parameters())
    # Against a judge that stands still, the codec's side of the game gets better.
    optimizer = torch.optim.AdamW(model.codec.parameters(), lr=3e-3)
    matched = []
    for step in range(40):
        rebuilt = model.codec.reconstruct(wave[:, :1920], torch.Generator().manual_seed(step))
        seen = model.discriminator.frozen(rebuilt)
        loss = deception_loss(seen) + matching_loss(model.discriminator(wave[:, :1920]), seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        matched.append(float(loss))
    assert matched[-1] < matched[0] - 0.1


def test_an_adversarial_run_resumes_exactly(wave_corpus: Path, tmp_path: Path) -> None:
    here = [*TINY_CODEC, *SMALL, "model.adversarial.begin=2", f"corpus={wave_corpus}", "export=null"]
    train(compose([*here, f"out={tmp_path / 'straight'}", "trainer.max_steps=6"]))
    train(compose([*here, f"out={tmp_path / 'stopped'}", "trainer.max_steps=4"]))
    result = train(compose([*here, f"out={tmp_path / 'stopped'}", "trainer.max_steps=6"]))
    one, two = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["current_model_state"]
        for name in ("straight", "stopped")
    )
    judged = [name for name in one if name.startswith("discriminator.")]
    assert judged and all(torch.equal(one[name], two[name]) for name in one)
    fresh = train_config(tmp_path).state_dict()
    assert any(not torch.equal(one[name], fresh[name]) for name in judged)
    assert {"train/discriminator", "train/deception", "train/matching"} <= result.metrics.keys()


def test_the_bundle_has_no_discriminator(wave_corpus: Path, tmp_path: Path) -> None:
    from flowmusic.interop import model_files

    here = [*TINY_CODEC, *SMALL, "model.adversarial.begin=0", f"corpus={wave_corpus}", f"out={tmp_path}"]
    train(compose([*here, "trainer.max_steps=1"]))
    assert not any("discriminator" in name for name in model_files.read(tmp_path / "bundle").tensors)


def test_wrong_settings_are_said() -> None:
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        Adversarial(judge(), weight=-1)
    with pytest.raises(ValueError, match="n_ffts"):
        Discriminator([16])
