"""LitCodec: the training shell of a latent codec."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor

from flowmusic.codec.latent import LatentCodec
from flowmusic.metrics.signal import mean_si_sdr
from flowmusic.train import draws
from flowmusic.train.discriminator import Adversarial, deception_loss, discriminator_loss, matching_loss
from flowmusic.train.schedule import scheduled
from flowmusic.train.spectral_loss import complex_loss, multi_resolution


class LitCodec(LightningModule):
    """Spectral and waveform losses around ``codec.reconstruct``.

    Args:
        codec: the module that is trained.
        optimizer: partial optimiser, called with the parameters.
        wave_weight: weight of the waveform L1 beside the spectral loss; it is what pins the phase of the bass.
        complex_weight: weight of the compressed complex spectrum, which pins the phase of everything else.
        warmup, total_steps: learning-rate schedule in steps.
        seed: of the bottleneck noise; step k draws from (seed, k), so resuming is exact.
        calibration_batches: training batches that set latent statistics and the quantiser at the end.
        decoder_only: freeze everything before the latents, so that fields trained on them stay valid.
        adversarial: a discriminator that is trained beside the codec; None does without.  Both learn in the same
            step, on the same optimiser with parameters of their own: codec gradients come from the codec's losses
            alone, the discriminator's from its own, and each side's are clipped by themselves.
        noise: greatest deviation of the bottleneck noise, in half of the items; below the codec's own nothing changes.
        prepare_batches: training batches that a codec is made ready with before the first step, if it offers that.
    """

    def __init__(
        self,
        codec: LatentCodec,
        optimizer: Callable[[Iterable[Any]], torch.optim.Optimizer],
        wave_weight: float = 20.0,
        complex_weight: float = 1.0,
        warmup: int = 100,
        total_steps: int = 10_000,
        seed: int = 0,
        calibration_batches: int = 100,
        decoder_only: bool = False,
        adversarial: Adversarial | None = None,
        noise: float = 0.0,
        prepare_batches: int = 40,
    ) -> None:
        super().__init__()
        self.codec = codec
        self.adversarial = adversarial
        self.discriminator = None if adversarial is None else adversarial.discriminator
        self.make_optimizer = optimizer
        self.wave_weight, self.complex_weight = wave_weight, complex_weight
        self.warmup, self.total_steps = warmup, total_steps
        self.seed, self.calibration_batches, self.decoder_only = seed, calibration_batches, decoder_only
        self.noise, self.prepare_batches = noise, prepare_batches
        # A codec that comes from a bundle is frozen and in evaluation mode, and Lightning would leave it so.
        codec.train().requires_grad_(not decoder_only)
        if decoder_only:
            codec.norm.eval()
            for part in codec.decoder_modules():
                part.requires_grad_(True)

    def train(self, mode: bool = True) -> LitCodec:
        """Training mode, but a frozen bottleneck keeps its statistics."""
        super().train(mode)
        if self.decoder_only:
            self.codec.norm.eval()
        return self

    def loss(self, wave: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Loss and reconstruction.  Shape: ``[B, N] -> [], [B, N]``."""
        generator = draws.of_step(self.seed, step)
        rebuilt = self.codec.decode_wave(self.codec.noisy(wave, generator, self.noise))
        with torch.autocast(wave.device.type, enabled=False):
            rebuilt = rebuilt.float()
            loss = multi_resolution(rebuilt, wave) + self.wave_weight * (rebuilt - wave).abs().mean()
            loss = loss + self.complex_weight * complex_loss(rebuilt, wave)
        return loss, rebuilt

    def on_fit_start(self) -> None:
        prepare = getattr(self.codec, "prepare", None)
        # A run that goes on has its weights already, and its step only later.
        if prepare is not None and self.trainer.ckpt_path is None and not self.decoder_only:
            crops = self.trainer.datamodule.train_crops  # type: ignore[attr-defined]
            prepare(crops(step).to(self.device) for step in range(self.prepare_batches))

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss, rebuilt = self.loss(batch, self.global_step)
        self.log("train/loss", loss)
        if self.adversarial is not None and self.global_step >= self.adversarial.begin:
            loss = loss + self.contest(self.adversarial, batch, rebuilt)
        return loss

    def contest(self, adversarial: Adversarial, wave: Tensor, rebuilt: Tensor) -> Tensor:
        """What both sides of the adversarial game have to lose, each with gradients for its own side only.

        Shape: ``[B, N], [B, N] -> []``.
        """
        judge = adversarial.discriminator
        real, fake = judge(wave), judge(rebuilt.detach())
        caught = discriminator_loss(real, fake)
        seen = judge.frozen(rebuilt)
        deception, matching = deception_loss(seen), matching_loss(real, seen)
        figures = {"train/discriminator": caught, "train/deception": deception, "train/matching": matching}
        self.log_dict(figures)
        return caught + adversarial.weight * deception + adversarial.matching * matching

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        loss, rebuilt = self.loss(batch, batch_idx)
        self.log("validation/loss", loss, batch_size=len(batch))
        self.log("validation/si_sdr_db", mean_si_sdr(rebuilt, batch), batch_size=len(batch), prog_bar=True)

    def configure_optimizers(self) -> Any:
        own = [p for p in self.codec.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [{"params": own}]
        if self.adversarial is not None and self.discriminator is not None:
            groups.append({"params": list(self.discriminator.parameters()), **(self.adversarial.optimizer or {})})
        return scheduled(self.make_optimizer(groups), self.warmup, self.total_steps)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip codec and discriminator apart: otherwise one side's steps would shrink when the other is surprised."""
        if gradient_clip_val and gradient_clip_algorithm in (None, "norm"):
            for group in optimizer.param_groups:
                torch.nn.utils.clip_grad_norm_(group["params"], gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
