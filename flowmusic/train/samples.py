"""Audio samples during training, so that ears can follow the loss curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from flowmusic import disk
from flowmusic.generate.defaults import GenerationDefaults
from flowmusic.generate.generator import Generator
from flowmusic.interop.bundle import load_codec
from flowmusic.train.logs import TensorBoard


class AudioSamples(Callback):
    """Generate validation requests with the averaged weights; write WAVs and log them to TensorBoard.

    Args:
        codec_name: bundle that decodes the latents.
        every_n_steps: at the validation passes that come this many steps after the last samples.
        count: how many takes.
        seconds: length of the takes.
    """

    def __init__(self, codec_name: str, every_n_steps: int, count: int, seconds: float) -> None:
        if count < 1 or every_n_steps < 1:
            raise ValueError(f"count and every_n_steps must be at least 1, got {count} and {every_n_steps}")
        self.codec_name, self.every_n_steps, self.count, self.seconds = codec_name, every_n_steps, count, seconds
        self.last_step = 0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.sanity_checking or trainer.global_step - self.last_step < self.every_n_steps:
            return
        self.last_step = trainer.global_step
        module: Any = pl_module
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        codec = load_codec(self.codec_name, device=str(module.device))
        generator = Generator(
            module.field, module.encoder, codec, name="training", seconds=self.seconds, defaults=GenerationDefaults()
        )
        batch = next(iter(data.val_dataloader()))
        take = generator.generate(batch.controls.rows(slice(0, self.count)), grid=batch.grid, seed=0, steps=12)
        folder = Path(trainer.default_root_dir)
        for logger in trainer.loggers:
            if logger.save_dir:
                folder = Path(logger.save_dir)
        folder = folder / "samples"
        for index, samples in enumerate(take.audio.samples):
            audio = type(take.audio)(samples, take.audio.rate)
            with disk.spared(folder, "this sample is left out; the training goes on"):
                folder.mkdir(parents=True, exist_ok=True)
                audio.write(folder / f"step{trainer.global_step:06d}-{index}.wav")
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoard):
                    logger.log_sound(f"sample/{index}", samples.mean(0).clamp(-1, 1), trainer.global_step, audio.rate)
        # The generator switches to evaluation mode; Lightning restores modes only around its own hooks.
        module.train()

    def state_dict(self) -> dict[str, Any]:
        return {"last_step": self.last_step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.last_step = state["last_step"]
