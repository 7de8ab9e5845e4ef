"""LitFlow: the training shell of encoder and vector field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

import torch
from lightning import LightningModule
from torch import Generator, Tensor

from flowmusic.controls import instruments
from flowmusic.data.latents import Batch
from flowmusic.flow import pairing as pairings
from flowmusic.flow.loss import flow_matching_loss, weights_of_runs
from flowmusic.flow.path import optimal_transport
from flowmusic.flow.times import LossWeight, TimeSampler, stratified, weight_uniform
from flowmusic.interop import bundle, fitting, model_files, text_audio
from flowmusic.model.controls import TrackConditioner
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.field import VectorField
from flowmusic.model.jasco.encoder import JascoEncoder
from flowmusic.model.jasco.field import JascoField
from flowmusic.model.text_audio_conditioner import TextAudioConditioner
from flowmusic.train import draws
from flowmusic.train.align import alignment_loss
from flowmusic.train.describe import Description
from flowmusic.train.dropout import Dropout
from flowmusic.train.outset import FRAMES, outset, outset_loss
from flowmusic.train.schedule import scheduled
from flowmusic.train.sharding import same_buffers, shard
from flowmusic.types import FACTS, STYLE, TEXT, Condition, FrameGrid

PAIRINGS = ("none", "minibatch")
COMPILE_MODES = ("default", "reduce-overhead", "max-autotune-no-cudagraphs")
PADDED_TOKENS = 32


class LitFlow(LightningModule):
    """Optimal-transport flow matching on precomputed latents.

    Args:
        encoder, field: what is trained; the text encoder inside is frozen.  Controls of the data that the encoder
            does not read are left out.
        dropout: which controls an item keeps.
        optimizer: partial optimiser, called with the parameters.
        times: sampler of t.
        weight: w(t) of the loss.
        sigma_min: width of the path's end.
        warmup, total_steps: learning-rate schedule in steps.
        seed: batch m draws noise, t and dropout from (seed, m), so resuming is exact.
        align: weight of the loss that brings text and style together, on the pairs of a batch (see
            :func:`flowmusic.train.align.alignment_loss`); 0 leaves it out.
        describe: weight of the loss by which text, style and facts, each on the whole, tell how their window sounds
            (see :mod:`flowmusic.train.describe`); 0 leaves it out.
        init_from: bundle whose weights the training starts from; only a style conditioner, the pooling of tokens,
            what reads a text-audio model, facts or who plays may be missing in it.
        init_except: patterns (``field.blocks.*.cross.*``) of names that start afresh all the same.
        frozen: patterns of names of weights that stay as they are.
        pairing: ``none``, or ``minibatch`` for :func:`flowmusic.flow.pairing.nearest`.
        compile: mode of torch.compile for the field (``default``; ``reduce-overhead`` is CUDA graphs;
            ``max-autotune-no-cudagraphs``); None does without.  Token counts are then padded to multiples of
            :data:`PADDED_TOKENS`, as every new shape would be compiled or recorded again.
        checkpointing: keep only what enters each block of the field, and compute the block again in the backward pass
            (Chen et al. 2016, arXiv 1604.06174): a quarter more compute, far less memory.
        channel_weights: how much channels of the latents count in the loss: pairs of a number of channels and their
            weight, in order; they are scaled to a mean of 1.  None: all alike.
        mean_weight: how much the mean of a window over time counts beside it (see :func:`flow_matching_loss`), in
            training; the validation loss has none of it.
        outset: weight of the loss on what the field takes the mean of a window to be at t near 0, told what the
            dropout leaves, of half the windows without tracks (see :mod:`flowmusic.train.outset`); 0 leaves it out.
        tones_from: the codec whose encoder hears the tones that a field with filters for tones begins with; not used
            where ``init_from`` brings them.
    """

    centres = True
    """Whether training settles what a text-audio model's vectors are centred by."""
    learns_facts = True
    """Whether the data must tell facts, if the encoder is told any; the words are learned from them."""

    def __init__(
        self,
        encoder: ConditionEncoder | JascoEncoder,
        field: VectorField | JascoField,
        dropout: Dropout,
        optimizer: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
        times: TimeSampler = stratified,
        weight: LossWeight = weight_uniform,
        sigma_min: float = 1e-5,
        warmup: int = 300,
        total_steps: int = 10_000,
        seed: int = 0,
        align: float = 0.0,
        describe: float = 0.0,
        init_from: str | None = None,
        init_except: Sequence[str] = (),
        frozen: Sequence[str] = (),
        pairing: str = "none",
        compile: str | None = None,
        checkpointing: bool = False,
        channel_weights: Sequence[Sequence[float]] | None = None,
        mean_weight: float = 0.0,
        outset: float = 0.0,
        tones_from: str | None = None,
    ) -> None:
        super().__init__()
        if pairing not in PAIRINGS:
            raise ValueError(f"model.pairing must be one of {', '.join(PAIRINGS)}, got {pairing!r}")
        if compile is not None and compile not in COMPILE_MODES:
            raise ValueError(f"model.compile must be null or one of {', '.join(COMPILE_MODES)}, got {compile!r}")
        if encoder.frames_dim != field.frames_dim:
            raise ValueError(
                f"the encoder makes {encoder.frames_dim} frame features, the field expects "
                f"frames_dim={field.frames_dim}; set model.field.frames_dim={encoder.frames_dim}"
            )
        self.encoder, self.field, self.dropout = encoder, field, dropout
        self.make_optimizer, self.times, self.weight = optimizer, times, weight
        self.channel_weights = None if channel_weights is None else weights_of_runs(channel_weights, field.dim)
        self.sigma_min, self.warmup, self.total_steps, self.seed = sigma_min, warmup, total_steps, seed
        self.align, self.pairing, self.compile_mode = align, pairing, compile
        self.describe, self.mean_weight, self.outset = describe, mean_weight, outset
        if outset and not isinstance(encoder, ConditionEncoder):
            raise ValueError(f"model.outset={outset:g} is for our own encoder; set model.outset=0")
        self.description = None
        if describe:
            if not isinstance(encoder, ConditionEncoder) or encoder.style is None or encoder.pool_text is None:
                raise ValueError(
                    f"model.describe={describe:g} needs a model with style and pooled words; set model.describe=0"
                )
            self.description = Description(encoder.width, encoder.dim)
        field.checkpointing = checkpointing
        if isinstance(encoder, ConditionEncoder):
            text_audio.attach(encoder)
        if init_from is not None:
            start_from(self, init_from, init_except)
        freeze(self, frozen)
        tones = getattr(field, "tones", None)
        if tones is not None and not tones.drawn:
            if tones_from is None:
                raise ValueError("a field with tone_channels needs model.tones_from, the codec of its latents")
            tones.draw(bundle.load_codec(tones_from))

    def configure_model(self) -> None:
        if self.device_mesh is not None:
            shard(self, self.field.blocks, self.device_mesh)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.device_mesh is not None:
            same_buffers(self)

    def on_fit_start(self) -> None:
        if self.compile_mode is not None:
            # In place: names of weights stay, and the averaged copy is never called.
            self.field.compile(mode=self.compile_mode)
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        # Kept beside the latents: minutes of encoding that later runs, and other processes, need not repeat.
        if self.trainer.is_global_zero:
            self.encoder.text.remember(data.captions(), data.text_folder)
        self.trainer.strategy.barrier()
        self.encoder.text.remember(data.captions(), data.text_folder)
        self.encoder.text.keep_recent(data.text_cache)
        joint = getattr(self.encoder, "joint", None)
        if joint is not None:
            prepare_joint(joint, data, self.centres)
        elif data.train_prompts.listens:
            raise ValueError(f"text_from={data.train_prompts.text_from} needs a model that hears; set text=mixed")
        style: Any = getattr(self.encoder, "style", None)
        if style is not None and style.embed.in_features != data.style_dim:
            raise ValueError(
                f"the style reads {style.embed.in_features} channels, the data give {data.style_dim}; set "
                f"model.encoder.style.features={data.style_dim}, or data.style_features to what is wanted"
            )
        if self.align and not data.pairs:
            raise ValueError(f"align={self.align:g} needs pairs of text and style; set data.pairs, or model.align=0")
        told = getattr(self.encoder, "facts", None) is not None or instruments.NAME in self.encoder.names
        if told and self.learns_facts:
            data.check_facts()

    @property
    def whole(self) -> set[str]:
        """What the encoder is told of a window on the whole."""
        return {TEXT, STYLE} | ({FACTS} if getattr(self.encoder, "facts", None) is not None else set())

    def loss(self, batch: Batch, generator: Generator) -> Tensor:
        """Loss of a batch; all randomness comes from the generator (on the CPU)."""
        latents, device = batch.latents, batch.latents.device
        size, length = latents.shape[:2]
        known = batch.controls.only({*self.encoder.names, *self.whole})
        controls = self.dropout(known, generator)
        given = self.dropout.given_latents(size, length, generator)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        if self.pairing == "minibatch":
            noise = pairings.nearest(noise, latents)
        t = self.times(size, generator).to(device)
        sample = optimal_transport(noise, latents, t, self.sigma_min)
        style = getattr(self.encoder, "style", None)
        if style is not None:
            style.quantiser.generator = generator
        joint = getattr(self.encoder, "joint", None)
        if joint is not None:
            joint.generator = generator
        deviation = self.dropout.context_deviation(size, generator)
        context = (latents, given) if deviation is None else noisy_context(latents, given, deviation, generator)
        condition = self.encoder(controls, batch.grid, context)
        if self.compile_mode is not None:
            condition = padded(condition, PADDED_TOKENS)
        prediction = self.field(sample.z_t, sample.t, condition)
        made = ~given.to(device)
        mean = self.mean_weight if self.training else 0.0
        return flow_matching_loss(prediction, sample.velocity, sample.t, self.weight, made, self.channel_weights, mean)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        # The number differs between processes and between the batches that one step accumulates.
        number = self.global_step if batch.number is None else batch.number
        loss = self.loss(batch, draws.of_step(self.seed, number))
        self.log("train/loss", loss, batch_size=len(batch.latents), sync_dist=True)
        # One pair tells nothing apart: such are clips that nobody described, in the group of shards that has come.
        if self.align and batch.pairs.batch > 1:
            apart = self.alignment(batch)
            self.log("train/alignment", apart, batch_size=batch.pairs.batch)
            loss = loss + self.align * apart
        if self.outset:
            error = self.outset_error(batch, draws.of_step(self.seed, number, part=1))
            self.log("train/outset", error, batch_size=len(batch.latents))
            loss = loss + self.outset * error
        if self.description is not None:
            untold = self.untold(batch)
            self.log("train/untold", untold, batch_size=len(batch.latents))
            loss = loss + self.describe * untold
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        # The same noise, times and dropout in every pass: the curve shows the weights, not the draw.
        loss = self.loss(batch, Generator().manual_seed(batch_idx))
        self.log("validation/loss", loss, batch_size=len(batch.latents), prog_bar=True)
        if self.align and batch.pairs.batch > 1:
            self.log("validation/alignment", self.alignment(batch), batch_size=batch.pairs.batch)
        if self.outset:
            error = self.outset_error(batch, Generator().manual_seed(batch_idx))
            self.log("validation/outset", error, batch_size=len(batch.latents))
        if self.description is not None:
            self.log("validation/untold", self.untold(batch), batch_size=len(batch.latents))

    def alignment(self, batch: Batch) -> Tensor:
        """How hard it is to tell which text belongs to which style, on the pairs of a batch.

        Raises: ValueError for data without pairs, or an encoder without style.
        """
        if not isinstance(self.encoder, ConditionEncoder):
            raise ValueError("only our own encoder brings text and style into one space; set model.align=0")
        if not batch.pairs.batch:
            raise ValueError(f"align={self.align:g} needs pairs of text and style; set data.pairs, or model.align=0")
        return alignment_loss(*self.encoder.summary(batch.pairs))

    def outset_error(self, batch: Batch, generator: Generator) -> Tensor:
        """Error of the mean of the windows that the field guesses at t near 0; randomness as in :meth:`loss`."""
        told = self.dropout(batch.controls.only({*self.encoder.names, *self.whole}), generator)
        told, piece, mean = outset(told, batch.latents, generator)
        condition = self.encoder(told, FrameGrid(batch.grid.frame_rate, FRAMES))
        if self.compile_mode is not None:
            condition = padded(condition, PADDED_TOKENS)
        return outset_loss(self.field, condition, piece, mean, generator, self.channel_weights)

    def untold(self, batch: Batch) -> Tensor:
        """Share of how the windows sound that text, style and facts, each alone, do not tell."""
        assert self.description is not None and isinstance(self.encoder, ConditionEncoder)
        said: tuple[Tensor, ...] = self.encoder.summary(batch.controls)
        if self.encoder.facts is not None and batch.controls.facts:
            said = (*said, self.encoder.facts(batch.controls.facts)[2])
        return self.description.loss(batch.latents, *said)

    def configure_optimizers(self) -> Any:
        optimizer = self.make_optimizer(p for p in self.parameters() if p.requires_grad)
        return scheduled(optimizer, self.warmup, self.total_steps)


def noisy_context(latents: Tensor, given: Tensor, deviation: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Latents with noise of a deviation per item ``[B]``, and how far they can be trusted, 1 - deviation where given.

    Shape: ``[B, T, D]`` and ``[B, T]``, as a ConditionEncoder takes its context.
    """
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    spread = deviation.to(latents)
    trust = given.to(latents) * (1.0 - spread[:, None])
    return latents + spread[:, None, None] * noise, trust


def prepare_joint(joint: TextAudioConditioner, data: Any, centres: bool = True) -> None:
    """Embed the texts, check that the data were heard by the model's own text-audio model, and centre both sides.

    The text side is centred by captions of training clips and texts of no clip; those of validation stay out.
    ``centres=False`` leaves both sides where they are.

    Raises: ValueError for vectors of another model, and for no text to centre by.
    """
    joint.remember(data.captions())
    if not centres and not data.train_prompts.listens:
        return
    heard, texts = data.central()
    advice = "build the shards again with"
    if heard is None:
        raise ValueError(f"the data do not say how they sound; {advice} text_audio={joint.model}, or set text=words")
    if heard.settings["sha256"] != joint.sha256:
        raise ValueError(
            f"the data were heard by {heard.settings['model']} with weights {heard.settings['sha256'][:12]}..., the "
            f"model wants {joint.model} with {str(joint.sha256)[:12]}...; {advice} text_audio={joint.model}"
        )
    if not (joint.centred and centres):
        return
    if not texts:
        raise ValueError(
            "there is no text to centre the text side by; give data.prompts=FILE with one per line, which need not "
            "belong to any clip, or set text.joint.centred=false"
        )
    joint.remember(texts)
    vectors = torch.cat([row for row in heard.vectors if row is not None])
    joint.centre(vectors, torch.stack([joint.cache[text] for text in texts]))


def padded(condition: Condition, multiple: int) -> Condition:
    """The condition with masked tokens added, up to a multiple."""
    short = -condition.tokens.shape[1] % multiple
    tokens = torch.nn.functional.pad(condition.tokens, (0, 0, 0, short))
    mask = torch.nn.functional.pad(condition.tokens_mask, (0, short))
    return replace(condition, tokens=tokens, tokens_mask=mask)


ADDED = (
    *("encoder.style.", "encoder.joint.", "encoder.pool_text.", "field.pool.", "field.frame_inputs.", "field.tones."),
    *("encoder.facts.", f"encoder.tracks.{instruments.NAME}."),
)
"""Parts that came after the first bundles."""
INPUT = "field.input.weight"
"""Whose columns are z, the features of each track, and known latents with their mask: a track more makes it wider."""


def start_from(module: LitFlow, name: str, afresh: Sequence[str] = ()) -> None:
    """Fill encoder and field with the weights of a bundle, but for the names that fit a pattern of ``afresh``.

    Where the model reads tracks that the bundle does not, the field begins with weights of zero on their features, and
    so does at first what the bundle does.

    Raises: ValueError if it lacks anything but :data:`ADDED`, or the shape of one that does not start afresh differs.
    """
    found = model_files.read(name)
    own = {k: v for k, v in module.state_dict().items() if k.startswith(("encoder.", "field."))}
    given = dict(found.tensors)
    if isinstance(module.encoder, ConditionEncoder) and found.config.get("kind") == "flow" and INPUT in given:
        given[INPUT] = widened(given[INPUT], found.config["settings"]["encoder"], module.encoder)
    missing, unknown, other = fitting.differences(own, given)
    missing = [k for k in missing if not k.startswith(ADDED)]
    # What starts afresh may be of another size: latents of another codec, for one.
    other = [k for k in other if not any(fnmatch(k, pattern) for pattern in afresh)]
    if missing or unknown or other:
        raise ValueError(
            f"{found.folder} does not fit this model: missing {missing[:3]}, unknown {unknown[:3]}, "
            f"other shape {other[:3]}; set the sizes as in its config.yaml"
        )
    kept = {k: v for k, v in given.items() if not any(fnmatch(k, pattern) for pattern in afresh)}
    module.load_state_dict(kept, strict=False)
    facts = getattr(module.encoder, "facts", None)
    if facts is not None and not any(k.startswith("encoder.facts.") for k in kept):
        # The field listens already, and words that mean nothing yet would be noise to it: they begin as silence.
        facts.hush()


def freeze(module: torch.nn.Module, patterns: Sequence[str]) -> None:
    """Leave the weights whose names fit a pattern as they are.  Raises: ValueError for a pattern that fits none."""
    named = dict(module.named_parameters())
    for pattern in patterns:
        fitting_it = [p for name, p in named.items() if fnmatch(name, pattern)]
        if not fitting_it:
            raise ValueError(f"model.frozen={pattern} fits no weight; weights are named like {next(iter(named))}")
        for parameter in fitting_it:
            parameter.requires_grad_(False)


def widened(weight: Tensor, told: Mapping[str, Any], encoder: ConditionEncoder) -> Tensor:
    """The input weight of a bundle with columns of zero for the tracks that only our encoder has.

    Args:
        told: settings of the bundle's encoder; the order of its tracks is that of their columns.

    Shape: ``[E, D + F]`` -> ``[E, D + F']``; as it is where latents, or tracks that both have, differ in size.
    """
    dim = encoder.dim
    had = {name: int(settings["dim"]) for name, settings in told["tracks"].items()}
    wanted = {name: each.dim for name, each in encoder.tracks.items() if isinstance(each, TrackConditioner)}
    sizes = [dim, *had.values(), dim + 1]
    if any(wanted.get(name) != size for name, size in had.items()) or weight.shape[1] != sum(sizes):
        return weight
    z, *tracks, known = weight.split(sizes, dim=1)
    columns = dict(zip(had, tracks, strict=True))
    new = [columns.get(name, weight.new_zeros(len(weight), size)) for name, size in wanted.items()]
    return torch.cat([z, *new, known], dim=1)
