"""A random CLAP of a few channels, in the hub's layout."""

from __future__ import annotations

import json
from pathlib import Path

import torch

DIM = 8


def write(folder: Path) -> Path:
    """Write the folder; embeddings have ``DIM`` channels."""
    from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel, ClapTextConfig
    from transformers import RobertaTokenizerFast as Tokenizer

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(n) for n in range(33, 127)] + ["Ġ"]
    vocabulary = {token: n for n, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    Tokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=30).save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    text = ClapTextConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=40, projection_dim=DIM,
    )  # fmt: skip
    audio = ClapAudioConfig(
        patch_embeds_hidden_size=8, depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 1, 1], hidden_size=64,
        projection_dim=DIM, num_hidden_layers=4, spec_size=256, num_mel_bins=64,
    )  # fmt: skip
    torch.manual_seed(0)
    config = ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=DIM)
    ClapModel(config).save_pretrained(folder)
    return folder
