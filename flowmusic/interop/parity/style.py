"""MusicGen-Style's conditioner: intermediates, codes for each number of levels, nulls, and one training step."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from flowmusic.interop.names import STYLE, STYLE_QUANTISER, rename
from flowmusic.model.rvq import ResidualVQ
from flowmusic.model.style import StyleConditioner

KIND = "style_conditioner"


def build(tensors: Mapping[str, Tensor], config: Mapping[str, object]) -> StyleConditioner:
    """The conditioner of a file.  Raises: ValueError for another architecture, or weights that do not fit."""
    wanted = {"norm_first": True, "activation": "gelu", "positional_embedding": "sin", "batch_norm_affine": False}
    other = {k: config.get(k) for k, value in wanted.items() if config.get(k, value) != value}
    if other:
        raise ValueError(f"this file's model is not MusicGen-Style's conditioner: {other}, expected {wanted}")
    weights = {name.removeprefix("w."): tensor for name, tensor in tensors.items() if name.startswith("w.")}
    dim = int(str(config["dim"]))
    model = StyleConditioner(
        int(str(config["feat_dim"])),
        dim,
        int(str(config["num_layers"])),
        int(str(config["num_heads"])),
        weights["transformer.layers.0.linear1.weight"].shape[0] // dim,
        int(str(config["n_q"])),
        int(str(config["bins"])),
        int(str(config["ds_factor"])),
        int(str(config["output_dim"])),
        detail=1,
    )
    try:
        model.load_state_dict(rename(weights, STYLE))
    except RuntimeError as error:
        raise ValueError(f"the weights do not fit the description: {error}") from None
    return model.eval()


def recompute(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, list[Tensor]]:
    """Everything that a file holds."""
    config = json.loads(metadata["config"])
    results: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        model = build(tensors, config)
        features = tensors["in.features"]
        embedded = model.embed(features)
        encoded = model.encode(features)
        normed = model.norm(encoded.transpose(1, 2)).transpose(1, 2)
        results = {"mid.embed": [embedded], "mid.transformer": [encoded], "mid.batch_norm": [normed]}
        samples = [int(config["wav_samples"])] * len(features)
        for name in tensors:
            if levels := re.fullmatch(r"out\.q(\d+)\.codes", name):
                results |= _levels(model, encoded, int(levels[1]), samples, config)
        # A clip that is not there is padded with silence beside one that is, and its tokens are masked.
        detail = max(int(found[1]) for name in tensors if (found := re.match(r"out\.q(\d+)\.", name)))
        present = mask([samples[0], *[0] * (len(features) - 1)], -(-features.shape[1] // model.stride), config)
        results["out.second_null.mask"] = [present]
        results["out.second_null.condition"] = [model(features, detail) * present[..., None]]
        alone = torch.zeros(len(features), 1, dtype=torch.int32)
        results["out.all_null.mask"] = [alone]
        results["out.all_null.condition"] = [torch.zeros(len(features), 1, model.output.out_features)]
        results["out.lm_loss_mask"] = [outside_excerpt(tensors["out.lm_loss_mask"].shape, config)]
    return results | _training_step(tensors)


def _levels(
    model: StyleConditioner, encoded: Tensor, levels: int, samples: list[int], config: Mapping[str, object]
) -> dict[str, list[Tensor]]:
    quantised = model.quantise(encoded, levels)
    kept = quantised.values[:, :: model.stride]
    present = mask(samples, kept.shape[1], config)
    return {
        f"out.q{levels}.codes": [quantised.codes],
        f"out.q{levels}.quantized": [quantised.values],
        f"out.q{levels}.downsampled": [kept],
        f"out.q{levels}.condition": [model.output(kept) * present[..., None]],
        f"out.q{levels}.mask": [present],
    }


def mask(samples: list[int], tokens: int, config: Mapping[str, object]) -> Tensor:
    """Which tokens count, from the length of the whole clip, not of the excerpt (a quirk).  Shape: ``[B, S]`` int32."""
    per_token = int(str(config["sample_rate"])) * int(str(config["ds_factor"])) / float(str(config["feature_rate"]))
    return torch.tensor([[int(j < count / per_token) for j in range(tokens)] for count in samples], dtype=torch.int32)


def outside_excerpt(shape: torch.Size, config: Mapping[str, object]) -> Tensor:
    """Latent frames outside the middle excerpt of a clip.  Shape: ``[B, codebooks, frames]`` bool."""
    clip = int(str(config["wav_samples"]))
    excerpt = round(float(str(config["excerpt_seconds"])) * int(str(config["sample_rate"])))
    per_frame = clip // shape[-1]
    first = (clip - excerpt) // 2 // per_frame
    outside = torch.ones(shape, dtype=torch.bool)
    outside[..., first : first + excerpt // per_frame] = False
    return outside


def _training_step(tensors: Mapping[str, Tensor]) -> dict[str, list[Tensor]]:
    """One step of a quantiser without dropout: codes, codebooks afterwards, and the gradient of its input."""
    if "train.x" not in tensors:
        return {}
    prefix = "train.before."
    before = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    levels = len({name.split(".")[2] for name in before})
    bins, dim = before["vq.layers.0._codebook.embed"].shape
    model = ResidualVQ(dim, levels, bins, dropout=False)
    model.load_state_dict(rename({name: value.clone() for name, value in before.items()}, STYLE_QUANTISER))
    model.train()
    x = tensors["train.x"].clone().requires_grad_(True)
    quantised = model(x.transpose(1, 2))
    values = quantised.values.transpose(1, 2)
    (gradient,) = torch.autograd.grad(values.square().mean() + quantised.penalty, x)
    after = rename(model.state_dict(), STYLE_QUANTISER, reverse=True)
    return {
        "train.quantized": [values.detach()],
        "train.codes": [quantised.codes],
        "train.penalty": [quantised.penalty.detach()],
        "train.grad_x": [gradient],
        **{f"train.after.{name}": [value] for name, value in after.items()},
    }
