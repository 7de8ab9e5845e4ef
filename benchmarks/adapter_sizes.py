"""How large adapters are: layers, parameters and megabytes in fp16 by model and rank, counted without any weights."""

from __future__ import annotations

import argparse

import torch
from hydra.utils import instantiate
from torch import nn

from flowmusic.model.field import VectorField
from flowmusic.model.jasco.field import JascoField
from flowmusic.model.lora import LoraSettings, inject, tensors_of
from flowmusic.train.run import compose


def model(experiment: str) -> nn.ModuleDict:
    """Field and text projections of nano, or of JASCO at its smaller published size."""
    if experiment == "lora_jasco":
        return nn.ModuleDict({"field": JascoField(), "encoder": _words(768, 1024, pooled=False)})
    field = VectorField(128, 225, width=256, pooled=True)
    return nn.ModuleDict({"field": field, "encoder": _words(384, 256, pooled=True)})


def _words(states: int, width: int, pooled: bool) -> nn.ModuleDict:
    from flowmusic.model.encode import TextPool

    parts: dict[str, nn.Module] = {"text_projection": nn.Linear(states, width)}
    return nn.ModuleDict({**parts, "pool_text": TextPool(states, 128, width)} if pooled else parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 8, 32])
    ranks = parser.parse_args().ranks
    print("| model | rank | layers | parameters | MB |\n|---|---|---|---|---|")
    for experiment, name in (("lora", "nano"), ("lora_jasco", "JASCO 400M")):
        targets = instantiate(compose([f"experiment={experiment}"]).model.lora).targets
        for rank in ranks:
            with torch.device("meta"):
                pair = model(experiment)
                layers = inject(pair, LoraSettings(list(targets), rank=rank))
            count = sum(tensor.numel() for tensor in tensors_of(pair).values())
            print(f"| {name} | {rank} | {len(layers)} | {count:,} | {2e-6 * count:.2f} |")


if __name__ == "__main__":
    main()
