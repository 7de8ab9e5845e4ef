"""When memory runs out: what to change, in the words of the configuration."""

from __future__ import annotations

from collections.abc import Iterator

from omegaconf import DictConfig

SAYS = ("can't allocate memory", "not enough memory", "out of memory")
"""What torch says where it raises a plain RuntimeError: the first two on a CPU, the last from a CUDA library."""


class OutOfMemory(RuntimeError):
    """There was not enough memory for a step; the message says what to change."""


def ran_out(error: BaseException) -> bool:
    """Whether an error, or one that it came from, is a lack of memory."""
    import torch

    return any(
        isinstance(each, MemoryError | torch.OutOfMemoryError)
        or (isinstance(each, RuntimeError) and any(part in str(each) for part in SAYS))
        for each in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def advice(cfg: DictConfig) -> str:
    """What to change in this configuration, the cheapest first, in no more than a message may hold."""
    data, model, trainer = cfg.data, cfg.model, cfg.trainer
    found = []
    batch, accumulate = int(data.batch), int(trainer.get("accumulate_grad_batches", 1))
    if batch > 1:
        half = max(1, batch // 2)
        steps = -(-batch * accumulate // half)
        found.append(f"data.batch={half} trainer.accumulate_grad_batches={steps}")
    if "checkpointing" in model and not model.checkpointing:
        found.append("model.checkpointing=true")
    if str(trainer.precision).startswith("32"):
        found.append("trainer.precision=bf16-mixed")
    if data.get("crop_seconds"):
        found.append(f"data.crop_seconds={float(data.crop_seconds) / 2:g}")
    if data.get("pairs", 0) > 2:
        found.append(f"data.pairs={int(data.pairs) // 2}")
    if data.get("resident", False):
        found.append("data.resident=false")
    if data.get("group", 1) > 1:
        found.append(f"data.group={int(data.group) // 2}")
    if "field" in model and "harded" not in str(trainer.get("strategy", "")):
        found.append("trainer=fsdp callbacks.average=null export=null")
    return (
        f"out of memory with data.batch={batch}, trainer.accumulate_grad_batches={accumulate} and "
        f"trainer.precision={trainer.precision}; change one at a time, in this order: {'; '.join(found)}. "
        "dry_run=true tells what a run needs; resume=anyway goes on with one that has begun"
    )
