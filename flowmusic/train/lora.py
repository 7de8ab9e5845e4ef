"""Fine-tuning by low-rank adapters (see :mod:`flowmusic.model.lora`): the base stays as it is, a small file is trained.

The architecture comes from the base.  Checkpoints hold the adapter and the optimiser's state of it, nothing of the
base, which must be the same when a run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from flowmusic import publishable
from flowmusic.flow.times import LossWeight, TimeSampler, stratified, weight_uniform
from flowmusic.interop import adapter, bundle, model_files
from flowmusic.model import lora
from flowmusic.model.lora import LoraSettings
from flowmusic.train.dropout import Dropout
from flowmusic.train.flow import LitFlow

FOLDERS = ("latents", "more_latents", "shards", "out", "corpus", "more_corpora")
"""Keys of a command whose values are folders of its user: an adapter that is passed on names the key alone."""


class LitLora(LitFlow):
    """A loaded base with adapters, trained as :class:`LitFlow` trains a whole model.

    Args:
        base: shipped name, bundle folder, or a JASCO checkpoint (folder or hub id).
        lora: which layers, rank, alpha, dropout.
        dropout: which controls an item keeps.
        optimizer, times, weight, sigma_min, warmup, total_steps, seed: see :class:`LitFlow`.

    Raises: ModelError for a base that does not exist; ValueError for targets that fit no layer.
    """

    centres = False  # the base's own: they are weights of it
    learns_facts = False  # they are the base's own too, and most people's music tells no facts

    def __init__(
        self,
        base: str,
        lora: LoraSettings,
        dropout: Dropout,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        times: TimeSampler = stratified,
        weight: LossWeight = weight_uniform,
        sigma_min: float = 1e-5,
        warmup: int = 20,
        total_steps: int = 300,
        seed: int = 0,
    ) -> None:
        generator = bundle.load(base, trainable=True)
        encoder: Any = generator.encoder
        field: Any = generator.field
        super().__init__(
            encoder, field, dropout, optimizer, times, weight, sigma_min, warmup, total_steps, seed
        )  # fmt: skip
        folder = model_files.find(base)
        # A folder's place is nobody's business; its hash says what it was.
        self.base = str(base) if str(base) in model_files.available() or not Path(base).exists() else folder.name
        self.base_sha256, self.settings = model_files.fingerprint(folder), lora
        self.layers = tuple(_inject(self.pair(), lora))
        self.train()

    def pair(self) -> nn.ModuleDict:
        """Encoder and field under the names that adapters call them by."""
        return nn.ModuleDict({"encoder": self.encoder, "field": self.field})

    def train(self, mode: bool = True) -> LitLora:
        """Only the adapters train: codebooks of the base that follow batches in training must not move."""
        super().train(False)
        for name, part in self.named_modules():
            if ".lora_dropout." in f"{name}.":
                part.train(mode)
        return self

    def matrices(self) -> dict[str, Tensor]:
        """The adapter, by the names of its file."""
        return lora.tensors_of(self.pair())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        ours = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        checkpoint["state_dict"] = {name: checkpoint["state_dict"][name] for name in sorted(ours)}
        checkpoint["lora"] = {"base_sha256": self.base_sha256, "settings": _plain(self.settings)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        found = checkpoint.get("lora")
        mine = {"base_sha256": self.base_sha256, "settings": _plain(self.settings)}
        if found != mine:
            other = [key for key in mine if found is None or found[key] != mine[key]]
            raise ValueError(
                f"the checkpoint in this run's folder has another {' and '.join(other)}; give the same settings, "
                "resume=false, or another out"
            )
        # Lightning wants every name; what is frozen is what it was.
        checkpoint["state_dict"] = {**self.state_dict(), **checkpoint["state_dict"]}


def _inject(pair: nn.Module, settings: LoraSettings) -> dict[str, nn.Module]:
    # A function, as the constructor's argument has the module's name.
    return lora.inject(pair, settings)


def _plain(settings: LoraSettings) -> dict[str, Any]:
    return {**asdict(settings), "targets": list(settings.targets)}


class AveragedAdapter(Callback):
    """Exponential moving average of what is trained, used in validation and export; no second copy of the base.

    The decay warms up (1 + k) / (10 + k), so that short runs are not averaged with their start.
    """

    def __init__(self, decay: float = 0.98) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.decay, self.count = decay, 0
        self.averages: dict[str, Tensor] = {}

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step == self.count:
            return  # a batch of several that make a step
        weight = min(self.decay, (1.0 + self.count) / (10.0 + self.count))
        self.count = trainer.global_step
        for name, parameter in _trained(pl_module):
            kept = self.averages.setdefault(name, parameter.detach().clone())
            self.averages[name] = kept.to(parameter.device).lerp_(parameter.detach(), 1.0 - weight)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swap(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swap(pl_module)

    @torch.no_grad()
    def _swap(self, pl_module: LightningModule) -> None:
        for name, parameter in _trained(pl_module):
            if name in self.averages:
                trained = parameter.detach().clone()
                parameter.copy_(self.averages[name])
                self.averages[name] = trained

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "averages": self.averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count, self.averages = state["count"], state["averages"]


def _trained(module: LightningModule) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]


def export_adapter(
    path: str, note: str, licence: str, module: Any, data: Any, run: dict[str, Any], settings: dict[str, Any]
) -> Path:
    """Write the trained adapter.

    Args:
        path: of the file.
        note: what it was trained on, in words.
        licence: of the adapter; a base's own licence holds beside it.
        module: a :class:`LitLora`.
        data: the data module.
        run: steps, seed, libraries and figures.
        settings: the configuration; of its overrides, places are left out or told by name.
    """
    tensors = module.matrices()
    overrides = [str(each) for each in settings["overrides"]]
    # A base of one's own is told by name and hash.
    named = [*FOLDERS, *(["base"] if Path(str(settings.get("base"))).exists() else [])]
    about = {
        "base": module.base,
        "base_sha256": module.base_sha256,
        **_plain(module.settings),
        "layers": len(module.layers),
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "data": note,
        "licence": licence,
        "command": publishable.command("flowmusic train", overrides, named),
        **{key: run[key] for key in ("seed", "steps", "wall_s", "commit", "torch", "lightning", "hardware")},
        "figures": {key: value for key, value in sorted(run["metrics"].items()) if "/" in key},
    }
    return adapter.write(path, tensors, about)
