"""Adapters as mathematics: what is injected, what is trained, and that merging is the same function."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowmusic.interop import bundle
from flowmusic.model import lora
from flowmusic.model.field import VectorField
from flowmusic.model.jasco.field import JascoField
from flowmusic.model.lora import LoraSettings
from flowmusic.types import Condition

TARGETS = ["field.blocks.*.attention.*", "field.blocks.*.cross.*", "field.*expand", "field.*contract"]
NANO = [*TARGETS, "field.modulate*", "field.local", "field.blocks.*.mix"]


def nano() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"field": VectorField(8, 9, width=32, layers=2, heads=2, pooled=True)})


def jasco(skips: bool = False) -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict({"field": JascoField(8, 6, width=16, layers=2, heads=2, expansion=2, skips=skips)})


def awake(root: nn.ModuleDict) -> nn.ModuleDict:
    """Every weight random: fields begin with outputs of zero, which would hide all differences."""
    with torch.no_grad():
        for parameter in root.parameters():
            parameter.normal_(0.0, 0.3)
    return root


def ask(root: nn.ModuleDict) -> Tensor:
    field = root["field"]
    generator = torch.Generator().manual_seed(3)
    width, frames = field.width, field.frames_dim
    tokens = torch.randn(2, 3, width, generator=generator)  # type: ignore[arg-type]
    condition = Condition(
        torch.randn(2, 12, frames, generator=generator),  # type: ignore[arg-type]
        tokens,
        torch.ones(2, 3, dtype=torch.bool),
        torch.randn(2, width, generator=generator),  # type: ignore[arg-type]
    )
    with torch.no_grad():
        return field(torch.randn(2, 12, 8, generator=generator), torch.tensor([0.3, 0.7]), condition)


def stirred(root: nn.Module) -> dict[str, Tensor]:
    """The adapter of an injected model, no longer zero."""
    generator = torch.Generator().manual_seed(5)
    found = lora.tensors_of(root)
    with torch.no_grad():
        for tensor in found.values():
            tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator))
    return {name: tensor.clone() for name, tensor in found.items()}


@pytest.mark.parametrize(("make", "targets"), [(nano, NANO), (jasco, TARGETS)])
def test_a_fresh_adapter_changes_nothing_and_alone_is_trained(make, targets) -> None:
    root = awake(make())
    before = ask(root)
    names = list(lora.chosen(root, targets))
    lora.inject(root, LoraSettings(targets, rank=4))
    assert torch.equal(ask(root), before)
    trained = {id(p) for p in root.parameters() if p.requires_grad}
    assert trained == {id(t) for t in lora.tensors_of(root).values()}
    assert {name.rpartition(".")[0] for name in lora.tensors_of(root)} == set(names)


@pytest.mark.parametrize(("make", "targets"), [(nano, NANO), (jasco, TARGETS)])
def test_merged_weights_are_the_same_function(make, targets) -> None:
    """Packed matrices that are sliced, and convolutions, among them: none may be forgotten."""
    adapted, merged = awake(make()), awake(make())
    merged.load_state_dict(adapted.state_dict())
    before = ask(merged)
    settings = LoraSettings(targets, rank=4, alpha=8.0)
    lora.inject(adapted, settings)
    tensors = stirred(adapted)
    lora.merge(merged, tensors, settings.factor)
    assert (ask(merged) - before).abs().max() > 0.1
    torch.testing.assert_close(ask(merged), ask(adapted), rtol=1e-3, atol=1e-4)
    for name, low, high in lora.pairs(tensors):  # each layer by itself
        alone = awake(make())
        start = ask(alone)
        lora.merge(alone, {name + lora.A: low, name + lora.B: high}, settings.factor)
        assert not torch.equal(ask(alone), start), name


def test_merging_is_linear_in_the_scale_and_zero_touches_nothing() -> None:
    root, twice = awake(nano()), awake(nano())
    twice.load_state_dict(root.state_dict())
    before = {name: value.clone() for name, value in root.state_dict().items()}
    injected = awake(nano())
    lora.inject(injected, LoraSettings(TARGETS, rank=2))
    tensors = stirred(injected)
    lora.merge(root, tensors, 0.0)
    assert all(torch.equal(value, before[name]) for name, value in root.state_dict().items())
    lora.merge(root, tensors, 1.0)
    for _ in range(2):
        lora.merge(twice, tensors, 0.5)
    name = "field.blocks.0.attention.query"
    change = tensors[name + lora.B] @ tensors[name + lora.A]
    torch.testing.assert_close(root.state_dict()[f"{name}.weight"], before[f"{name}.weight"] + change)
    torch.testing.assert_close(root.state_dict()[f"{name}.weight"], twice.state_dict()[f"{name}.weight"])


@pytest.mark.parametrize("make", [nano, jasco])
def test_training_an_adapter_reduces_the_loss(make) -> None:
    root = awake(make())
    frozen = {name: value.clone() for name, value in root.state_dict().items()}
    lora.inject(root, LoraSettings(TARGETS, rank=4))
    field, tokens = root["field"], torch.randn(2, 3, root["field"].width)
    condition = Condition(torch.randn(2, 12, field.frames_dim), tokens, torch.ones(2, 3, dtype=torch.bool))
    z, target, t = torch.randn(2, 12, 8), torch.randn(2, 12, 8), torch.tensor([0.3, 0.7])
    optimizer = torch.optim.Adam([p for p in root.parameters() if p.requires_grad], lr=0.01)
    losses = []
    for _ in range(30):
        loss = (field(z, t, condition) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    kept = {n.replace(".base_layer", "").replace(".parametrizations.weight.original", ".weight"): v
            for n, v in root.state_dict().items() if "lora_" not in n}  # fmt: skip
    assert all(torch.equal(kept[name], value) for name, value in frozen.items())


def test_targets_that_fit_nothing_are_named() -> None:
    with pytest.raises(ValueError, match=r"'field\.nowhere\.\*'.*field\.blocks\.\*\.attention\.query"):
        lora.inject(nano(), LoraSettings(["field.nowhere.*", *TARGETS]))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"rank": 0}, "rank"), ({"alpha": 0.0}, "alpha"), ({"dropout": 1.0}, "dropout"), ({"targets": []}, "list")],
)
def test_impossible_settings_are_refused(change, message) -> None:
    with pytest.raises(ValueError, match=message):
        LoraSettings(**{"targets": TARGETS, **change})


def test_text_encoders_and_codebooks_are_out_of_reach() -> None:
    generator = bundle.load("nano")
    layers = lora.adaptable(nn.ModuleDict({"encoder": generator.encoder, "field": generator.field}))
    assert "encoder.text_projection" in layers and "field.input" in layers
    assert not any(name.startswith(("encoder.text.", "encoder.style.quantiser")) for name in layers)
