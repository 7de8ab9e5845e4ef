"""Text and style in one space: the symmetric contrastive loss of CLIP (Radford et al. 2021, arXiv 2103.00020)."""

from __future__ import annotations

import torch
from torch import Tensor


def alignment_loss(text: Tensor, style: Tensor, temperature: float = 0.1) -> Tensor:
    """Cross entropy of finding each text's own style among the batch's, and each style's own text.

    A field hears words late, for they say little of a single window; style it hears at once.  Brought into one
    space, words mean from the first what the style of such a clip means.

    Args:
        text, style: ``[N, E]``, row n of both from one clip; only their directions count.
        temperature: divides the cosines.

    Shape: scalar, log N for vectors that tell nothing.
    """
    text, style = (torch.nn.functional.normalize(x.float(), dim=-1) for x in (text, style))
    logits = text @ style.T / temperature
    own = torch.arange(len(logits), device=logits.device)
    across, down = (torch.nn.functional.cross_entropy(x, own) for x in (logits, logits.T))
    return (across + down) / 2
