"""A training checkpoint in about a third of its size, close enough to go on from.

An fp32 run with Adam and averaged weights stores 16 bytes a parameter.  Here it is 5: weights in fp16, the averages as
their distance from the weights in 8 bits, and the two moments in 8 bits each, with scales per block of neighbours
(block-wise quantisation, Dettmers et al. 2022, arXiv 2110.02861).  First moments are spaced evenly; second moments
evenly in their logarithm, for they are divided by and must not round to zero.  Without the moments it is 3 bytes.

docs/recipes.md says what training loses by it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BLOCK = 128
SMALLEST = 1024
"""Elements from which a tensor is worth it."""
CODEBOOKS = ("quantiser.", "quantizer.")
HALF_MAX = float(torch.finfo(torch.float16).max)
MARK = "flowmusic compact checkpoint"
WEIGHTS, AVERAGES = "current_model_state", "state_dict"
"""Lightning's names: with averaging, the trained weights are under the first and the averages under the second."""


class NotCompact(ValueError):
    """This is not what :func:`compact` made; the message follows the name of the file."""


def compact(checkpoint: dict[str, Any], moments: bool = True) -> dict[str, Any]:
    """A Lightning checkpoint as smaller plain data, for :func:`expand`.  Small and integer tensors stay exact.

    Args:
        checkpoint: as ``torch.load`` gives it.
        moments: keep the optimiser's moments; without them Adam starts its averages afresh.

    Raises: ValueError for values that are not finite: such a run cannot go on anyway.
    """
    found = dict(checkpoint)
    key = WEIGHTS if WEIGHTS in checkpoint else AVERAGES
    found[key] = {name: _weights(name, value) for name, value in checkpoint[key].items()}
    if key == WEIGHTS:
        kept = {name: _restored(value) for name, value in found[WEIGHTS].items()}
        # From the stored weights, not the true ones, so that the two errors do not add up.
        found[AVERAGES] = {
            name: _even(name, value - kept[name]) if _large(value) and name in kept else value
            for name, value in checkpoint[AVERAGES].items()
        }
    found["optimizer_states"] = [
        {**state, "state": {i: _moments(slots) for i, slots in state["state"].items()} if moments else {}}
        for state in checkpoint.get("optimizer_states", [])
    ]
    return {"format": MARK, "checkpoint": found}


def expand(compacted: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint again, as Lightning reads it.  Raises: NotCompact for anything but :func:`compact`'s."""
    if not isinstance(compacted, dict) or compacted.get("format") != MARK:
        raise NotCompact("is not a compact checkpoint; was it packed by another version?")
    try:
        return _expanded(compacted)
    except (LookupError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())[:160]
        raise NotCompact(f"is damaged, or of another version ({type(error).__name__}: {said}); pack it again") from None


def _expanded(compacted: dict[str, Any]) -> dict[str, Any]:
    found = dict(compacted["checkpoint"])
    if WEIGHTS in found:
        found[WEIGHTS] = {name: _restored(value) for name, value in found[WEIGHTS].items()}
        found[AVERAGES] = {
            name: found[WEIGHTS][name] + _restored(value) if isinstance(value, dict) else value
            for name, value in found[AVERAGES].items()
        }
    else:
        found[AVERAGES] = {name: _restored(value) for name, value in found[AVERAGES].items()}
    found["optimizer_states"] = [
        {**state, "state": {i: {k: _restored(v) for k, v in slots.items()} for i, slots in state["state"].items()}}
        for state in found["optimizer_states"]
    ]
    return found


def _large(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float32 and value.numel() >= SMALLEST


def _moments(slots: dict[str, Any]) -> dict[str, Any]:
    packers = {"exp_avg": _even, "exp_avg_sq": _logarithmic, "momentum_buffer": _even}  # the last is Muon's
    return {k: packers[k](k, v) if k in packers and _large(v) else v for k, v in slots.items()}


def _weights(name: str, value: Any) -> Any:
    """fp16: relative error below 2^-11, far less than a step changes.  Codebooks stay exact: ids must not move."""
    if not _large(value) or any(part in name for part in CODEBOOKS) or float(value.abs().max()) > HALF_MAX:
        return value
    _finite(name, value)
    return {"kind": "half", "values": value.detach().cpu().half()}


def _blocks(name: str, value: Tensor) -> Tensor:
    _finite(name, value)
    flat = value.detach().flatten().cpu()
    return torch.nn.functional.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)


def _even(name: str, value: Tensor) -> dict[str, Any]:
    """Evenly spaced in [-max, max] of each block: error at most max / 254."""
    blocks = _blocks(name, value)
    scale = blocks.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127
    codes = (blocks / scale[:, None]).round().to(torch.int8)
    return {"kind": "even", "codes": codes, "scale": scale, "shape": list(value.shape)}


def _logarithmic(name: str, value: Tensor) -> dict[str, Any]:
    """Evenly spaced in the logarithm between the smallest and the largest of each block; 0 is code 0."""
    blocks = _blocks(name, value)
    if bool((blocks < 0).any()):
        raise ValueError(f"{name} has negative values, and it is a mean of squares")
    logs = torch.where(blocks > 0, blocks, 1.0).log()
    low = torch.where(blocks > 0, logs, torch.inf).amin(1).nan_to_num(posinf=0.0)
    high = torch.where(blocks > 0, logs, -torch.inf).amax(1).nan_to_num(neginf=0.0)
    # Even steps of the logarithm are even relative errors, at most exp(step / 2) - 1.
    step = ((high - low) / 254).clamp_min(1e-12)
    codes = ((logs - low[:, None]) / step[:, None]).round().clamp(0, 254) + 1
    codes = torch.where(blocks > 0, codes, 0.0).to(torch.uint8)
    return {"kind": "logarithmic", "codes": codes, "low": low, "step": step, "shape": list(value.shape)}


def _finite(name: str, value: Tensor) -> None:
    if not bool(torch.isfinite(value).all()):
        raise ValueError(f"{name} has values that are not finite; a run with such a checkpoint cannot go on")


def _restored(value: Any) -> Any:
    if not isinstance(value, dict) or "kind" not in value:
        return value
    if value["kind"] == "half":
        return value["values"].float()
    codes = value["codes"].float()
    if value["kind"] == "even":
        blocks = codes * value["scale"][:, None]
    else:
        blocks = torch.where(codes > 0, (value["low"][:, None] + (codes - 1) * value["step"][:, None]).exp(), 0.0)
    size = int(torch.Size(value["shape"]).numel())
    return blocks.flatten()[:size].view(value["shape"])
