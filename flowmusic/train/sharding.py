"""Parameters, gradients and optimiser state spread over devices: torch's FSDP2 under Lightning's ModelParallelStrategy.

FSDP: Zhao et al. 2023, arXiv 2304.11277; ZeRO stage 3: Rajbhandari et al. 2020, arXiv 1910.02054.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch.strategies import FSDPStrategy, ModelParallelStrategy
from torch import nn

STEPS = ("training_step", "validation_step")


class Sharded(ModelParallelStrategy):
    """FSDP2 over all devices of all machines; checkpoints are whole, in one file.

    Args:
        process_group_backend: None: NCCL on CUDA, gloo on a CPU.
    """

    def __init__(self, process_group_backend: str | None = None) -> None:
        super().__init__(
            tensor_parallel_size=1, save_distributed_checkpoint=False, process_group_backend=process_group_backend
        )

    def setup_environment(self) -> None:
        # Lightning's default would spread the data over machines only.
        self._data_parallel_size = self.num_processes * self.num_nodes
        super().setup_environment()


def is_sharded(trainer: Any) -> bool:
    """Whether the trainer's strategy spreads the parameters of a model."""
    return isinstance(trainer.strategy, FSDPStrategy | ModelParallelStrategy)


def shard(module: nn.Module, blocks: Iterable[nn.Module], mesh: Any) -> None:
    """Spread the parameters over the mesh's data-parallel devices: each block gathers its own when it runs.

    What is outside the blocks is gathered for the whole step.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    if isinstance(module, FSDPModule):
        return
    devices = mesh["data_parallel"]
    for block in blocks:
        fully_shard(block, mesh=devices)
    fully_shard(module, mesh=devices)
    # Lightning calls these, not forward, which is where the parameters would be gathered.
    for name in STEPS:
        register_fsdp_forward_method(module, name)


@torch.no_grad()
def same_buffers(module: nn.Module) -> None:
    """Take buffers (the codebooks of style) from the first process, as DDP does and FSDP does not."""
    for buffer in module.buffers():
        torch.distributed.broadcast(buffer, src=0)
