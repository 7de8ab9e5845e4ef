"""A random MERT of a few channels, in the hub's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

WIDTH, LAYERS = 16, 2


def write(folder: Path, width: int = WIDTH, rate: int = 24_000, **config: Any) -> Path:
    """Write the folder; features are ``width`` wide."""
    from transformers import HubertConfig, HubertModel

    sizes = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    torch.manual_seed(0)
    settings = HubertConfig(
        hidden_size=width, num_hidden_layers=LAYERS, num_attention_heads=2, intermediate_size=32, **sizes
    )
    HubertModel(settings).save_pretrained(folder)
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**described, "model_type": "mert_model", **config}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": rate, "do_normalize": True}))
    return folder
