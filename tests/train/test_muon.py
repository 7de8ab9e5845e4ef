"""MuonAdamW: both optimisers step what is theirs, and schedules and checkpoints see one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from flowmusic.train.muon import MuonAdamW, orthogonal
from flowmusic.train.schedule import scheduled

SETTINGS = {"lr": 0.01, "weight_decay": 0.1}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3))


def step(net: nn.Module, optimiser: torch.optim.Optimizer, number: int) -> None:
    def loss() -> Tensor:
        net.zero_grad()
        x = torch.randn(64, 12, generator=torch.Generator().manual_seed(number))
        value: Tensor = (net(x) - x[:, :3]).square().mean()
        value.backward()
        return value

    optimiser.step(loss)


def test_each_part_steps_what_is_its_own() -> None:
    ours, theirs = network(), network()
    both = MuonAdamW(ours.parameters(), betas=(0.9, 0.98), least=8, **SETTINGS)
    wide, *rest = theirs.parameters()
    muon = torch.optim.Muon([wide], momentum=0.95, adjust_lr_fn="match_rms_adamw", **SETTINGS)
    adam = torch.optim.AdamW(rest, betas=(0.9, 0.98), **SETTINGS)
    for number in range(3):
        step(ours, both, number)
        for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
            right.grad = left.grad
        muon.step()
        adam.step()
    (matrix, *others), (wanted, *same) = ours.parameters(), theirs.parameters()
    # Three steps of root mean square 0.002; torch's are rounded to bf16.
    torch.testing.assert_close(matrix, wanted, atol=4e-4, rtol=0)
    for left, right in zip(others, same, strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_products_are_in_bf16_where_that_is_native(
    native: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: native, raising=False)
    for shape in ((24, 40), (40, 24)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        found = orthogonal(matrix, (3.4445, -4.7750, 2.0315), 5, 1e-7)
        assert found.dtype == dtype and found.shape == matrix.shape
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        sizes = ((u.T @ found.float()) * v).sum(1)  # u' f v, on whose diagonal the new singular values are
        assert sizes.min() > 0.5 and sizes.max() < 1.5


def test_a_matrix_turns_by_the_same_angle_in_every_direction() -> None:
    # An orthogonal update has singular values of one size; Newton and Schulz leave them between about .5 and 1.5.
    net = network()
    before = net[0].weight.detach().clone()
    step(net, MuonAdamW(net.parameters(), lr=0.01, weight_decay=0.0, least=8), 0)
    sizes = torch.linalg.svdvals(net[0].weight.detach() - before) / (0.01 * 0.2 * 16**0.5)
    assert sizes.min() > 0.5 and sizes.max() < 1.5


def test_a_checkpoint_goes_on_as_if_nothing_had_been() -> None:
    net = network()
    optimiser = MuonAdamW(net.parameters(), least=8, **SETTINGS)
    step(net, optimiser, 0)
    twin, state = copy.deepcopy(net), copy.deepcopy(optimiser.state_dict())
    again = MuonAdamW(twin.parameters(), least=8, lr=1.0)
    again.load_state_dict(state)
    for number in (1, 2):
        step(net, optimiser, number)
        step(twin, again, number)
    for left, right in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(left, right)


def test_the_schedule_reaches_both() -> None:
    optimiser = MuonAdamW(network().parameters(), least=8, **SETTINGS)
    schedule = scheduled(optimiser, warmup=10, total=100)["lr_scheduler"]["scheduler"]
    assert [group["lr"] for group in optimiser.param_groups] == [0.001, 0.001]
    assert [part.param_groups[0]["lr"] for part in optimiser.parts] == [0.001, 0.001]
    optimiser.step()
    schedule.step()
    assert [part.param_groups[0]["lr"] for part in optimiser.parts] == [0.002, 0.002]


def test_without_a_matrix_it_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"no matrix has 17 rows and columns; set optimizer.least lower, or use AdamW"):
        MuonAdamW(network().parameters(), least=17)
    whole = MuonAdamW([nn.Parameter(torch.zeros(8, 8))], least=8)
    assert len(whole.parts) == 1


def test_what_adam_steps_can_be_fused() -> None:
    muon, adam = MuonAdamW(network().parameters(), least=8, fused=True).parts
    assert adam.param_groups[0]["fused"] is True and not muon.param_groups[0].get("fused")
