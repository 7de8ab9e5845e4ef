"""Folding guidance into the field: a copy learns what the guided original does, with the weights as an input.

A guided evaluation costs two or three branches; the copy costs one, and the sliders stay.  The loss is
|v(z_t, t, c, w) - sum_k w_k v_k(z_t, t)|^2 with weights drawn anew for every item (guidance distillation, Meng et al.
2023, arXiv 2210.03142, stage one, for flow matching).  The encoder is the original's and stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from flowmusic.data.latents import Batch
from flowmusic.flow.guide import between, stack
from flowmusic.flow.loss import flow_matching_loss
from flowmusic.flow.path import optimal_transport
from flowmusic.flow.rescale import rescaled
from flowmusic.flow.times import LossWeight, TimeSampler, stratified, weight_uniform
from flowmusic.interop import bundle, model_files, text_audio, ways
from flowmusic.interop.fitting import AVERAGES
from flowmusic.model.field import VectorField
from flowmusic.model.guidance_input import RANGES, GuidanceInput
from flowmusic.plain import read_text
from flowmusic.train.dropout import Dropout
from flowmusic.train.export import card
from flowmusic.train.flow import LitFlow
from flowmusic.types import FACTS, STYLE, TEXT, Condition, Controls


class LitFold(LitFlow):
    """Trains a copy of a bundle's field to do with one evaluation what guidance does with several.

    Args:
        base: shipped name or bundle folder of a model of ours.
        guidance: names of the weights that become inputs, out of :data:`flowmusic.model.guidance_input.RANGES`.
        plain: share of the items without guidance, on which the copy stays the plain field.
        dropout, optimizer, times, weight, channel_weights, sigma_min, warmup, total_steps, seed: see :class:`LitFlow`.

    Raises: ModelError for a base that does not exist; ValueError for one that is not a field of ours, or is folded.
    """

    centres = False

    def __init__(
        self,
        base: str,
        dropout: Dropout,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        guidance: Iterable[str] = ("all", "text"),
        plain: float = 0.1,
        times: TimeSampler = stratified,
        weight: LossWeight = weight_uniform,
        channel_weights: Sequence[Sequence[float]] | None = None,
        sigma_min: float = 1e-5,
        warmup: int = 100,
        total_steps: int = 2000,
        seed: int = 0,
    ) -> None:
        generator = bundle.load(base, trainable=True)
        field: Any = generator.field
        encoder: Any = generator.encoder
        if not isinstance(field, VectorField):
            raise ValueError(
                f"{base} is no field of ours, so guidance cannot be folded into it; choose one such as nano"
            )
        if field.guidance is not None:
            raise ValueError(f"{base} has its guidance folded in already; give the model that it was made from")
        if not 0.0 <= plain < 1.0:
            raise ValueError(f"plain must be a share of the items, at least 0 and below 1, got {plain}")
        self.names = tuple(guidance)
        original = copy.deepcopy(field)
        field.guidance = GuidanceInput(self.names, field.width)
        super().__init__(
            encoder, field, dropout, optimizer, times, weight, sigma_min, warmup, total_steps, seed,
            channel_weights=channel_weights,
        )  # fmt: skip
        self.field.requires_grad_(True)
        # In a list, so that neither checkpoints nor the optimiser know of it.
        self._original = [original.requires_grad_(False).eval()]
        self.plain, self.base = plain, base
        self.guided_channels = generator.defaults.channels(field.dim)
        self.rescale = generator.defaults.guidance_rescale

    def train(self, mode: bool = True) -> LitFold:
        """Only the field trains: codebooks of the encoder that follow batches in training must not move."""
        super().train(mode)
        self.encoder.eval()
        return self

    @property
    def original(self) -> VectorField:
        """The field whose guided velocities are learned, on the device of the copy."""
        self._original[0].to(self.device)
        return self._original[0]

    def drawn_weights(self, count: int, generator: Generator) -> Tensor:
        """Weights for some items, in the order of ``names``; a share of them without guidance.  Shape: ``[B, K]``."""
        low, high = torch.tensor([RANGES[name] for name in self.names]).unbind(-1)
        drawn = low + (high - low) * torch.rand(count, len(self.names), generator=generator)
        without = torch.rand(count, 1, generator=generator) < self.plain
        assert isinstance(self.field.guidance, GuidanceInput)
        return torch.where(without, self.field.guidance.plain.cpu(), drawn)

    def branches(self, controls: Controls) -> tuple[list[Controls], list[int | None]]:
        """The controls of each branch, and which weight it has; None is that of nothing, what is left to 1."""
        kept = [controls if name == "all" else controls.only({name}) for name in self.names]
        return [*kept, controls.only(())], [*range(len(self.names)), None]

    def loss(self, batch: Batch, generator: Generator) -> Tensor:
        """Squared distance to the guided velocity of the original; all randomness comes from the generator."""
        latents, device = batch.latents, batch.latents.device
        size, length = latents.shape[:2]
        told = {FACTS} if getattr(self.encoder, "facts", None) is not None else set()
        controls = self.dropout(batch.controls.only({*self.encoder.names, TEXT, STYLE, *told}), generator)
        given = self.dropout.given_latents(size, length, generator)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        sample = optimal_transport(noise, latents, self.times(size, generator).to(device), self.sigma_min)
        weights = self.drawn_weights(size, generator).to(device)
        parts, places = self.branches(controls)
        with torch.no_grad():
            conditions = [self.encoder(part, batch.grid, (latents, given)) for part in parts]
            count = len(conditions)
            velocity = self.original(
                sample.z_t.repeat(count, 1, 1), sample.t.repeat(count), stack(conditions)
            ).unflatten(0, (count, size))
            rest = 1.0 - weights.sum(1)
            shares = [rest if place is None else weights[:, place] for place in places]
            target = sum(share[:, None, None] * v for share, v in zip(shares, velocity, strict=True))
            mix = between(shares, [float(place == self.names.index("all")) for place in places])
            start = sum(torch.as_tensor(w).to(v)[..., None, None] * v for w, v in zip(mix, velocity, strict=True))
            if self.guided_channels is not None:
                target = start + self.guided_channels.to(device) * (target - start)
            if self.rescale:
                target = rescaled(target, start, sample.z_t, sample.t, self.rescale)
        said = conditions[self.names.index("all")]
        condition = Condition(said.frames, said.tokens, said.tokens_mask, said.pooled, weights)
        prediction = self.field(sample.z_t, sample.t, condition)
        made = ~given.to(device)
        return flow_matching_loss(prediction, target, sample.t, self.weight, made, self.channel_weights)


def export_folded(
    folder: str,
    name: str,
    base: str,
    module: LitFold,
    data: Any,
    run: dict[str, Any],
    settings: dict[str, Any],
    eight_bits: bool = True,
) -> Path:
    """Write the bundle of a folded field: the base's description, whose field takes guidance, and its card."""
    origin = model_files.read(base)
    described = dict(origin.config["settings"])
    described["field"] = {**described["field"], "guidance": list(module.names)}
    codec = origin.folder / described["codec"]
    if (codec / "config.yaml").is_file():
        described["codec"] = ways.to(codec, folder)
    joint = getattr(module.encoder, "joint", None)
    if joint is not None:
        stored = {**described["encoder"]["joint"], "model": text_audio.stored_name(joint.model, folder)}
        described["encoder"] = {**described["encoder"], "joint": stored}
    tensors = {f"encoder.{k}": v for k, v in module.encoder.state_dict().items() if not k.endswith(AVERAGES)}
    tensors.update({f"field.{k}": v for k, v in module.field.state_dict().items()})
    ranges = ", ".join(f"{name} {RANGES[name][0]:g} to {RANGES[name][1]:g}" for name in module.names)
    text = card(
        f"{name}: controllable music generator with guidance folded in",
        f"A copy of {Path(base).name} whose guidance weights are an input ({ranges}): one branch instead of several.",
        run,
        f"flowmusic train experiment=fold base={Path(base).name} latents=LATENTS seed={run['seed']}",
        sum(v.numel() for v in tensors.values()),
        eight_bits,
    )
    text += f"\n## What it was made from\n\n{read_text(origin.folder / 'card.md')}"
    description = {"kind": "flow", "settings": described}
    return model_files.write(folder, description, tensors, text, eight_bits=eight_bits)
