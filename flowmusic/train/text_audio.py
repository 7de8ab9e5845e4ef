"""LitTextAudio: the training shell of the contrastive text-audio model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from torch import Generator, Tensor

from flowmusic.data.mels import Batch
from flowmusic.interop import model_files
from flowmusic.metrics.text_audio import recall
from flowmusic.model.text_audio import QUIETEST, TextAudioNet
from flowmusic.train import draws
from flowmusic.train.align import alignment_loss
from flowmusic.train.export import card, corpus_note, plain
from flowmusic.train.schedule import scheduled

LN_PER_DB = math.log(10.0) / 10.0


class LitTextAudio(LightningModule):
    """Symmetric contrastive loss between windows and captions of the same clips.

    Args:
        network: what is trained; the text encoder inside is frozen.
        optimizer: partial optimiser, called with the parameters.
        temperature: divides the cosines in the loss.
        equalise_db: deviation of the random equaliser of training windows, so that no font, mix or codec is known by
            its colour.  Level needs none: the network takes it out.
        mask: longest share of the bands, and of the frames, that are silenced in training windows (SpecAugment, Park
            et al. 2019, arXiv 1904.08779).
        word_dropout: share of the tokens of a caption left unread in training.
        warmup, total_steps: learning-rate schedule in steps.
        seed: step k draws everything random from (seed, k), so resuming is exact.
    """

    def __init__(
        self,
        network: TextAudioNet,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        temperature: float = 0.07,
        equalise_db: float = 4.0,
        mask: float = 0.1,
        word_dropout: float = 0.1,
        warmup: int = 50,
        total_steps: int = 2000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network, self.make_optimizer = network, optimizer
        self.temperature, self.equalise_db = temperature, equalise_db
        self.mask, self.word_dropout = mask, word_dropout
        self.warmup, self.total_steps, self.seed = warmup, total_steps, seed

    def on_fit_start(self) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        captions = data.train_store.captions() + data.validation_store.captions()
        # Kept beside the spectrograms: minutes of encoding that later runs need not repeat.
        self.network.words.remember(captions, Path(data.folder))

    def loss(self, log_mel: Tensor, texts: list[list[str]], word_dropout: float = 0.0) -> tuple[Tensor, Tensor]:
        """Mean loss over the captions of a clip, and the cosines of the first ones.

        Shape: ``[B, F, K], B lists of captions -> [], [B, B]`` (texts by windows).
        """
        audio = self.network.embed_mel(log_mel)
        worded = [self.network.embed_texts(column, word_dropout) for column in zip(*texts, strict=True)]
        # Cosines in bf16 would tie.
        with torch.autocast(log_mel.device.type, enabled=False):
            losses = [alignment_loss(text, audio, self.temperature) for text in worded]
            return torch.stack(losses).mean(), worded[0] @ audio.T

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        log_mel, texts = batch
        generator = draws.of_step(self.seed, self.global_step)
        curves = equalisers(len(log_mel), log_mel.shape[-1], self.equalise_db, generator)
        heard = silenced(log_mel + curves[:, None].to(log_mel), self.mask, generator)
        # Dropout draws from torch's global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            loss, cosines = self.loss(heard, texts, self.word_dropout)
        self.log("train/loss", loss, batch_size=len(log_mel), prog_bar=True)
        self.log("train/recall_at_1", recall(cosines, 1), batch_size=len(log_mel))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        log_mel, texts = batch
        loss, cosines = self.loss(log_mel, texts)
        self.log("validation/loss", loss, batch_size=len(log_mel), prog_bar=True)
        for k in (1, 10):
            self.log(f"validation/recall_at_{k}", recall(cosines, k), batch_size=len(log_mel))

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(p for p in self.parameters() if p.requires_grad)
        return scheduled(optimizer, self.warmup, self.total_steps)


def equalisers(count: int, bands: int, deviation_db: float, generator: Generator) -> Tensor:
    """Smooth random curves over the bands, in natural logarithms of power: a tilt and three slower or faster waves.

    Shape: ``[count, bands]``, of mean 0 over the bands.
    """
    place = (torch.arange(bands) + 0.5) / bands
    waves = torch.stack([torch.cos(math.pi * order * place) for order in range(1, 5)])
    weights = torch.randn(count, len(waves), generator=generator) * (deviation_db * LN_PER_DB / 2**0.5)
    return weights @ waves


def silenced(log_mel: Tensor, share: float, generator: Generator) -> Tensor:
    """Each window without one run of bands and one run of frames, of random place and of length up to ``share``.

    Shape: ``[B, F, K] -> [B, F, K]``.
    """
    quietest = math.log(QUIETEST)
    for axis in (1, 2):
        size = log_mel.shape[axis]
        length = torch.rand(len(log_mel), 1, generator=generator) * share * size
        begin = torch.rand(len(log_mel), 1, generator=generator) * (size - length)
        place = torch.arange(size)
        hidden = ((place >= begin) & (place < begin + length)).to(log_mel.device)
        log_mel = log_mel.masked_fill(hidden[:, :, None] if axis == 1 else hidden[:, None], quietest)
    return log_mel


def export_text_audio(
    folder: str, name: str, module: Any, data: Any, run: dict[str, Any], settings: dict[str, Any]
) -> Path:
    """Write the trained network as a bundle."""
    network = module.network.cpu().eval()
    tensors = network.state_dict()
    text = card(
        f"{name}: contrastive text-audio model",
        f"Windows of mono audio at {network.rate} Hz and English descriptions as unit vectors of {network.dim} "
        f"channels; their cosine says how well they fit.  Words are read by a frozen all-MiniLM-L6-v2, which is not in "
        "this bundle.",
        run,
        f"flowmusic train experiment={settings['name']} corpus=CORPUS 'more_corpora=[MORE]' seed={run['seed']}",
        sum(v.numel() for v in tensors.values()),
    ) + "".join(corpus_note(Path(corpus)) for corpus in data.folders)
    return model_files.write(
        folder, {"kind": "text_audio", "settings": plain(settings["model"]["network"])}, tensors, text
    )
