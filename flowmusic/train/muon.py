"""Muon for the matrices of a network, AdamW for everything else, as one optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Muon, Optimizer

from flowmusic.precision import has_bf16


def orthogonal(matrix: Tensor, coefficients: Sequence[float], steps: int, eps: float) -> Tensor:
    """A matrix whose singular values are brought to between about .5 and 1.5, and whose directions stay.

    Muon's quintic Newton-Schulz iteration, as in torch, but for its arithmetic: torch's is always bf16, which takes
    longer than all the rest of a step on a CPU that does not multiply it natively; there it is fp32.

    Shape: ``[M, N]`` -> ``[M, N]``, in bf16 or fp32.
    """
    a, b, c = coefficients
    x = matrix.to(torch.bfloat16 if has_bf16(matrix.device) else torch.float32)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x  # the Gram matrix is of the shorter side
    x = x / x.norm().clamp(min=eps)  # the iteration is for singular values up to 1
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Matrices(Muon):
    """torch's Muon with :func:`orthogonal`, in steps as large as AdamW's; its groups and its state are torch's."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step of every matrix that has a gradient."""
        for group in self.param_groups:
            lr, momentum = float(group["lr"]), group["momentum"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(p.grad)
                average = state["momentum_buffer"]
                average.lerp_(p.grad, 1 - momentum)
                ahead = p.grad.lerp(average, momentum)  # Nesterov's
                update = orthogonal(ahead, group["ns_coefficients"], group["ns_steps"], group["eps"])
                p.mul_(1 - lr * group["weight_decay"])
                # An orthogonal [M, N] has a root mean square of 1 / sqrt(max(M, N)), steps of AdamW one of about 0.2.
                p.add_(update, alpha=-lr * 0.2 * max(p.shape) ** 0.5)


class MuonAdamW(Optimizer):
    """Muon (Jordan et al. 2024) steps matrices along the orthogonal matrix nearest to their momentum, AdamW the rest.

    Muon's steps are scaled to the size that AdamW's have (Liu et al. 2025, arXiv 2502.16982, equation 4), so that one
    learning rate and one weight decay serve both.

    Args:
        params: what is trained.
        lr, weight_decay: of both.
        betas: of AdamW.
        momentum: of Muon.
        least: the smaller side of the smallest matrix that Muon steps; smaller ones are tables and single outputs,
            whose rows mean something by themselves.
        fused: step what AdamW steps in one kernel (Muon has none); None: as torch chooses.

    Raises: ValueError if no matrix is that large.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: Sequence[float] = (0.9, 0.98),
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        least: int = 128,
        fused: bool | None = None,
    ) -> None:
        given = list(params)
        matrices = [p for p in given if p.ndim == 2 and min(p.shape) >= least]
        kept = {id(p) for p in matrices}
        others = [p for p in given if id(p) not in kept]
        if not matrices:
            raise ValueError(f"no matrix has {least} rows and columns; set optimizer.least lower, or use AdamW")
        beta1, beta2 = betas
        self.parts: tuple[Optimizer, ...] = (
            Matrices(matrices, lr=lr, weight_decay=weight_decay, momentum=momentum),
            *([AdamW(others, lr=lr, betas=(beta1, beta2), weight_decay=weight_decay, fused=fused)] if others else []),
        )
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self.share()

    def share(self) -> None:
        """Let the parts work on the groups and the state of the whole, which schedules and checkpoints know."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.share()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of both; the closure, if given, is called once before."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss
