"""What a training run will need, before it is begun: parameters, memory, arithmetic and time.

The field is counted on torch's meta device, so 400 M parameters take no memory and no data are needed.  Activations
are measured on small copies: a few layers, a few frames, on the CPU; what a layer and a frame add is then known.

Letters: B batch, T frames, M tokens of text, L layers, N devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from flowmusic import limits
from flowmusic.data.errors import WrongData
from flowmusic.facts import Facts
from flowmusic.precision import of_trainer
from flowmusic.types import Condition, Controls, FrameGrid, Style, Track

DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
SMALL_LAYERS, SMALL_FRAMES = (2, 4), (32, 64)
"""Sizes of the small copies that activations are measured on."""


@dataclass(frozen=True)
class Saved:
    """Bytes that the forward pass keeps for the backward pass: casts of weights, and activations of the batch.

    ``block`` is what the block that is being computed again has on top, with checkpointing.
    """

    casts: float
    items: float
    block: float = 0.0


@dataclass(frozen=True)
class Plan:
    """Figures of one step, and of the run.

    Attributes:
        parts: parameters by part; frozen text encoders are no part.
        trainable: those that learn.
        batch, accumulate, devices, frames, seconds: B of one device, batches a step, N, T, and seconds of a window.
        state_bytes: of the optimiser, a parameter.
        averaged: whether an average of the weights is kept.
        block: parameters of the largest block.
        full, again: what the forward pass keeps for B items, without and with checkpointing.
        flops: of a step of all devices, forward and backward; ``again_flops`` with checkpointing.
        steps: of the run.
    """

    name: str
    precision: str
    parts: dict[str, int]
    trainable: int
    batch: int
    accumulate: int
    devices: int
    frames: int
    seconds: float
    state_bytes: float
    averaged: bool
    block: int
    full: Saved
    again: Saved
    checkpointing: bool
    flops: float
    again_flops: float
    steps: int

    @property
    def parameters(self) -> int:
        return sum(self.parts.values())

    def memory(self, sharded: bool = False, checkpointing: bool | None = None) -> dict[str, float]:
        """Bytes on one device, by what holds them.

        Sharded, a device keeps 1 / N of the state, and whole only what is outside the blocks, and two blocks: the one
        that runs and the one that comes next.
        """
        count, share = self.parameters, self.devices if sharded else 1
        outside = count - self.parts["field blocks"]
        saved = self.again if (self.checkpointing if checkpointing is None else checkpointing) else self.full
        return {
            "weights": 4.0 * count / share,
            "gradients": 4.0 * self.trainable / share,
            "optimiser state": self.state_bytes * self.trainable / share,
            "averaged weights": 0.0 if sharded or not self.averaged else 4.0 * count,
            "gathered weights": 4.0 * (outside + 2 * self.block) if sharded and share > 1 else 0.0,
            "casts of weights": saved.casts,
            "activations": saved.items + saved.block,
        }

    def hours(self, device_flops: float, utilisation: float) -> float:
        """Time of the run at a share of the devices' arithmetic."""
        flops = self.again_flops if self.checkpointing else self.flops
        return self.steps * flops / (device_flops * utilisation * self.devices) / 3600.0


def make(cfg: DictConfig) -> Plan:
    """Count and measure what a configuration describes.  Raises: WrongData if it trains no field."""
    from hydra.utils import instantiate

    settings = OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))
    assert isinstance(settings, DictConfig)
    if "field" not in settings.model:
        raise WrongData(f"dry_run is for experiments that train a field, such as nano or jasco_400m, not {cfg.name}")
    _without_files(settings.model.encoder)
    encoder = instantiate(settings.model.encoder, _convert_="all")
    with torch.device("meta"):
        field = instantiate(settings.model.field)
    data, plan = settings.data, settings.plan
    frames = round(float(data.crop_seconds) * float(limits.frame_rate(plan.frame_rate)))
    batch, accumulate = int(data.batch), int(settings.trainer.accumulate_grad_batches)
    excerpt = data.get("style_seconds")
    style = None if excerpt is None else round(sum(excerpt) / 2 * float(limits.frame_rate(plan.frame_rate)))
    tokens = int(plan.tokens)
    grid = FrameGrid(limits.frame_rate(plan.frame_rate), frames)
    # A plan is for the machine that is to train, which is not this one.
    precision = of_trainer(str(settings.trainer.precision), "cuda")
    autocast = DTYPES.get(precision)
    each = batch * encoder_flops(encoder, grid, tokens, style)
    flops, again = (each + field_flops(field, batch, frames, tokens, recompute) for recompute in (False, True))
    devices, steps = int(plan.devices), int(settings.trainer.max_steps)
    full, recomputed = activations(settings.model.field, encoder, grid, batch, tokens, style, autocast)
    return Plan(
        name=str(settings.name),
        precision=precision,
        parts=_parts(encoder, field),
        trainable=sum(p.numel() for m in (encoder, field) for p in m.parameters() if p.requires_grad),
        batch=batch,
        accumulate=accumulate,
        devices=devices,
        frames=frames,
        seconds=grid.seconds,
        state_bytes=_state_bytes(instantiate(settings.model.optimizer)),
        averaged=settings.callbacks.get("average") is not None,
        block=max(sum(p.numel() for p in block.parameters()) for block in field.blocks),
        full=full,
        again=recomputed,
        checkpointing=bool(settings.model.get("checkpointing", False)),
        flops=flops * accumulate * devices,
        again_flops=again * accumulate * devices,
        steps=steps if steps > 0 else int(settings.model.total_steps),
    )


def _without_files(encoder: DictConfig) -> None:
    """Leave out what would be read from weights of other models; only its shape counts."""
    if "drum_codes" in encoder:
        encoder.drum_codes = None
    for track in encoder.get("tracks", {}).values():
        if "table" in track:
            track.table = None


def _parts(encoder: nn.Module, field: Any) -> dict[str, int]:
    found = {}
    for name, child in encoder.named_children():
        count = sum(p.numel() for p in child.parameters())
        if count:
            found[f"encoder {name}"] = count
    alone = sum(p.numel() for p in encoder.parameters(recurse=False))
    if alone:
        found["encoder, other"] = alone
    blocks = sum(p.numel() for p in field.blocks.parameters())
    return {
        **found,
        "field blocks": blocks,
        "field, other": sum(p.numel() for p in field.parameters()) - blocks,
    }


def _state_bytes(make_optimizer: Any) -> float:
    """Bytes that an optimiser keeps for one parameter, by asking it to make a step."""
    weight = nn.Parameter(torch.zeros(64, 64))
    weight.grad = torch.zeros_like(weight)
    optimizer = make_optimizer([weight])
    optimizer.step()
    tensors = [v for v in optimizer.state[weight].values() if isinstance(v, Tensor) and v.numel() == weight.numel()]
    return sum(tensor.element_size() for tensor in tensors)


def _flops(counter: Any) -> float:
    counts = {str(op).rpartition(".")[2]: value for op, value in counter.get_flop_counts()["Global"].items()}
    # torch counts the backward pass of a grouped convolution as if it had one group; it is twice the forward pass.
    surplus = counts.get("convolution_backward", 0) - 2 * counts.get("convolution", 0)
    return float(counter.get_total_flops() - max(0, surplus))


def field_flops(field: Any, batch: int, frames: int, tokens: int, recompute: bool = False) -> float:
    """Floating-point operations of one forward and backward pass; an addition and a product count as two."""
    from torch.utils.flop_counter import FlopCounterMode

    device = next(field.parameters()).device
    # One flag that is always there, as our own encoder has; a mask where the field cannot do without.
    mask = torch.ones(batch, tokens, dtype=torch.bool, device="cpu" if hasattr(field, "bind") else device)
    condition = Condition(
        torch.empty(batch, frames, field.frames_dim, device=device),
        torch.empty(batch, tokens, field.width, device=device),
        mask,
        torch.empty(batch, field.width, device=device),
    )
    field.checkpointing = recompute
    with FlopCounterMode(display=False) as counter:
        z = torch.empty(batch, frames, field.dim, device=device)
        field(z, torch.empty(batch, device=device), condition).sum().backward()
    return _flops(counter)


def encoder_flops(encoder: Any, grid: FrameGrid, tokens: int, style: int | None) -> float:
    """The same for one item's controls; the frozen text encoder is not counted."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        condition = _encode(encoder, grid, tokens, style)
        _sum(condition).backward()
    encoder.zero_grad()
    return _flops(counter)


def _encode(encoder: Any, grid: FrameGrid, tokens: int, style: int | None) -> Condition:
    """Controls of one item through the encoder, with ``tokens`` states in the place of its text encoder's."""
    tracks, known = {}, torch.ones(1, grid.length, dtype=torch.bool)
    for name in encoder.names:
        values = torch.zeros(1, grid.length, dtype=torch.int64)
        conditioner = encoder.tracks[name] if hasattr(encoder, "tracks") else getattr(encoder, name)
        width = conditioner.features if hasattr(conditioner, "features") else 0
        if width and conditioner.table is None:
            values = torch.zeros(1, grid.length, width)
        elif isinstance(conditioner, nn.Linear) and name == "melody":
            values = torch.zeros(1, grid.length, conditioner.in_features)
        tracks[name] = Track(values, known, grid)
    hears = getattr(encoder, "style", None)
    styles: tuple[Style | None, ...] = ()
    if style is not None and hears is not None:
        hears.quantiser.dropout = False
        styles = (Style(torch.randn(style, hears.embed.in_features)),)
    facts = () if getattr(encoder, "facts", None) is None else (Facts(drums=False, genre="pop", tempo="slow"),)
    dim = getattr(encoder, "dim", 1)
    context = (torch.zeros(1, grid.length, dim), torch.zeros(1, grid.length, dtype=torch.bool))
    text, states = encoder.text, torch.zeros(1, tokens, encoder.text.dim)
    encoder.text = _Text(states)
    try:
        found: Condition = encoder(Controls(("",), tracks, styles, facts), grid, context)
    finally:
        encoder.text = text
    return found


class _Text(nn.Module):
    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states

    def forward(self, texts: Any) -> tuple[Tensor, Tensor]:
        return self.states, torch.ones(self.states.shape[:2], dtype=torch.bool)


def _sum(condition: Condition) -> Tensor:
    parts = [part.float().sum() for part in (condition.frames, condition.tokens, condition.pooled) if part is not None]
    return torch.stack(parts).sum()


@contextmanager
def counting(modules: list[nn.Module]) -> Iterator[dict[int, int]]:
    """Collect the storages that autograd keeps, by address: their bytes.  Parameters and buffers do not count."""
    own = {t.untyped_storage().data_ptr() for m in modules for t in [*m.parameters(), *m.buffers()]}
    found: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and storage.data_ptr() not in found:
            found[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # so that no other tensor gets its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found


def activations(
    field_settings: Any,
    encoder: Any,
    grid: FrameGrid,
    batch: int,
    tokens: int,
    style: int | None,
    autocast: torch.dtype | None,
) -> tuple[Saved, Saved]:
    """What the forward pass of B items keeps, without and with checkpointing, from copies of few layers and frames.

    Bytes are linear in layers and, with fused attention, in frames; what does not depend on frames are casts of
    weights, which a batch shares, but for the tokens, which are few.  With checkpointing, one block's own activations
    come on top: they exist while the backward pass is in that block.
    """
    from hydra.utils import instantiate

    measured = {}
    for layers in SMALL_LAYERS:
        # What the weights are does not matter, and to draw them takes the longest.
        with torch.device("meta"):
            field = instantiate(field_settings, layers=layers)
        field = field.to_empty(device="cpu")
        for length in SMALL_FRAMES:
            for again in (False, True):
                field.checkpointing = again
                small = FrameGrid(grid.frame_rate, length)
                measured[layers, length, again] = _saved(field, encoder, small, tokens, style, autocast)
    layers = int(field_settings.layers)

    def whole(layers: int, length: int, again: bool) -> float:
        few, many = (measured[n, length, again] for n in SMALL_LAYERS)
        return few + (many - few) * (layers - SMALL_LAYERS[0]) / (SMALL_LAYERS[1] - SMALL_LAYERS[0])

    def split(layers: int, again: bool) -> tuple[float, float]:
        short, long = (whole(layers, length, again) for length in SMALL_FRAMES)
        frame = (long - short) / (SMALL_FRAMES[1] - SMALL_FRAMES[0])
        return short - frame * SMALL_FRAMES[0], frame * grid.length

    (few_casts, few), (many_casts, many) = (split(n, False) for n in SMALL_LAYERS)
    block = ((many_casts - few_casts) + (many - few) * batch) / (SMALL_LAYERS[1] - SMALL_LAYERS[0])
    (casts, items), (again_casts, again_items) = split(layers, False), split(layers, True)
    return Saved(casts, items * batch), Saved(again_casts, again_items * batch, block)


def _saved(
    field: Any, encoder: Any, grid: FrameGrid, tokens: int, style: int | None, autocast: torch.dtype | None
) -> float:
    with (
        counting([field, encoder]) as found,
        torch.autocast("cpu", autocast or torch.bfloat16, enabled=autocast is not None),
    ):
        condition = _encode(encoder, grid, tokens, style)
        z = torch.randn(1, grid.length, field.dim)
        field(z, torch.rand(1), condition).square().mean()
    return float(sum(found.values()))
