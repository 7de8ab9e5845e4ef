"""EnCodec's modules under both padding modes: latents, codes, decoding from codes and from continuous latents."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

import torch
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.codec.encodec import EncodecCodec, EncodecSettings, build_encodec

KIND = "encodec"


def settings_of(config: Mapping[str, object], pad_mode: str) -> EncodecSettings:
    """Sizes from a file's description.  Raises: ValueError naming what it lacks."""
    missing = sorted({"sample_rate", "ratios", "dimension", "n_filters", "n_q", "bins"} - set(config))
    if missing:
        raise ValueError(f"the file's description lacks {', '.join(missing)}")
    own = {field.name for field in dataclasses.fields(EncodecSettings)}
    known = {name: value for name, value in config.items() if name in own}
    return EncodecSettings(
        **{**known, "rate": config["sample_rate"], "ratios": tuple(config["ratios"]), "pad_mode": pad_mode}  # type: ignore[arg-type]
    )


@torch.no_grad()
def recompute(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, list[Tensor]]:
    """Everything that a file holds for each padding mode in its names."""
    config = json.loads(metadata["config"])
    weights = {name.removeprefix("w."): tensor for name, tensor in tensors.items() if name.startswith("w.")}
    results: dict[str, list[Tensor]] = {}
    for pad_mode in sorted({name.split(".")[0] for name in tensors if name.endswith(".latents")}):
        model = build_encodec(settings_of(config, pad_mode))
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(f"the weights do not fit the description: {error}") from None
        codec = EncodecCodec(model)
        wave = tensors["in.wav"]
        latents = codec.encode(Audio(wave, codec.rate))
        codes = codec.codes(latents)
        quantized = codec.from_codes(codes)
        decoded = codec.decode(quantized).samples
        first = codec.codebook(0)[codec.first_codes(Audio(wave, codec.rate))]
        found = {
            "latents": latents.transpose(1, 2),
            "codes": codes,
            "quantized": quantized.transpose(1, 2),
            "decoded": decoded,
            "decoded_from_continuous": codec.decode(latents).samples,
            "forward_trimmed": decoded[..., : wave.shape[-1]],
            "codebook0_latents": first.transpose(1, 2),
        }
        results.update({f"{pad_mode}.{name}": [value] for name, value in found.items()})
    return results
