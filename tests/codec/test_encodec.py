"""EnCodec of any kind as a codec: golden values of the 32 kHz architecture, stereo, level, refusals."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.codec.encodec import NORMALIZED_LEVEL, EncodecCodec, EncodecSettings, build_encodec, pretrained
from flowmusic.types import Codec

GOLDEN = Path(__file__).parents[1] / "golden" / "encodec.safetensors"
TOLERANCE = {"atol": 1e-4, "rtol": 1e-4}


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return load_file(GOLDEN)


def golden_settings(pad_mode: str) -> EncodecSettings:
    with safe_open(GOLDEN, "pt") as file:
        config: dict[str, Any] = json.loads(file.metadata()["config"])
    renamed = {"rate": config.pop("sample_rate"), "pad_mode": pad_mode}
    for name in ("n_samples", "hop", "norm_params"):
        del config[name]
    return EncodecSettings(**config, **renamed)


def golden_codec(tensors: dict[str, Tensor], pad_mode: str, **statistics: float) -> EncodecCodec:
    network = build_encodec(golden_settings(pad_mode))
    network.load_state_dict({k[2:]: v for k, v in tensors.items() if k.startswith("w.")})
    return EncodecCodec(network, **statistics)


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
def test_equals_the_reference(golden: dict[str, Tensor], pad_mode: str) -> None:
    codec = golden_codec(golden, pad_mode)
    audio = Audio(golden["in.wav"], 32_000)

    def expected(name: str) -> Tensor:
        value = golden[f"{pad_mode}.{name}"]
        return value.transpose(1, 2) if value.shape[1] == codec.dim else value

    latents = codec.encode(audio)
    torch.testing.assert_close(latents, expected("latents"), **TOLERANCE)
    codes = codec.codes(latents)
    assert torch.equal(codes, expected("codes"))
    quantized = codec.from_codes(codes)
    torch.testing.assert_close(quantized, expected("quantized"), **TOLERANCE)
    torch.testing.assert_close(codec.decode(quantized).samples, expected("decoded"), **TOLERANCE)
    torch.testing.assert_close(codec.decode(latents).samples, expected("decoded_from_continuous"), **TOLERANCE)
    trimmed = codec.decode(quantized).samples[..., : audio.samples.shape[-1]]
    torch.testing.assert_close(trimmed, expected("forward_trimmed"), **TOLERANCE)
    first = codec.first_codes(audio)
    assert torch.equal(first, codes[:, 0])
    torch.testing.assert_close(codec.codebook(0)[first], expected("codebook0_latents"), **TOLERANCE)
    torch.testing.assert_close(codec.from_codes(codes[:, :1]), expected("codebook0_latents"), **TOLERANCE)


def test_codes_and_drums_do_not_depend_on_the_normalisation(golden: dict[str, Tensor]) -> None:
    plain, scaled = golden_codec(golden, "reflect"), golden_codec(golden, "reflect", mean=-0.0074, std=4.0102)
    audio = Audio(golden["in.wav"], 32_000)
    latents = scaled.encode(audio)
    torch.testing.assert_close(latents * 4.0102 - 0.0074, plain.encode(audio), **TOLERANCE)
    codes = scaled.codes(latents)
    assert torch.equal(codes, golden["reflect.codes"])
    torch.testing.assert_close(scaled.decode(scaled.from_codes(codes)).samples, golden["reflect.decoded"], **TOLERANCE)
    assert torch.equal(scaled.first_codes(audio), plain.first_codes(audio))
    assert torch.equal(scaled.codebook(3), plain.codebook(3))


def test_a_waveform_without_batch_is_a_batch_of_one(golden: dict[str, Tensor]) -> None:
    codec = golden_codec(golden, "reflect")
    alone = codec.encode(Audio(golden["in.wav"][0], 32_000))
    torch.testing.assert_close(alone, codec.encode(Audio(golden["in.wav"][:1], 32_000)))


def test_full_size_has_the_published_tensors() -> None:
    with torch.device("meta"):
        network = build_encodec(EncodecSettings())
    state = network.state_dict()
    assert len(state) == 116 and sum(v.numel() for v in state.values()) == 58_990_022
    assert EncodecSettings().hop == 640


def test_building_warns_about_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_encodec(EncodecSettings(n_filters=2, dimension=8, bins=16))


@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_the_published_models_of_the_package(rate: int) -> None:
    from encodec import EncodecModel

    torch.manual_seed(0)
    make = {24_000: EncodecModel.encodec_model_24khz, 48_000: EncodecModel.encodec_model_48khz}[rate]
    codec = EncodecCodec(make(pretrained=False))
    channels = 2 if rate == 48_000 else 1
    assert isinstance(codec, Codec) and codec.frame_rate == rate // 320 and codec.channels == channels
    audio = Audio(0.3 * torch.randn(2, 2, rate // 5 + 7), rate)
    latents = codec.encode(audio)
    frames = -(-(rate // 5 + 7) // 320)
    assert latents.shape == (2, frames, 128)
    decoded = codec.decode(latents)
    assert decoded.samples.shape == (2, channels, frames * 320) and torch.isfinite(decoded.samples).all()
    codes = codec.codes(latents)
    assert codes.shape == (2, {24_000: 32, 48_000: 16}[rate], frames)
    assert codec.from_codes(codes).shape == latents.shape and codec.first_codes(audio).shape == (2, frames)


def stereo() -> EncodecCodec:
    torch.manual_seed(0)
    settings = EncodecSettings(
        rate=8000, channels=2, dimension=8, n_filters=4, ratios=(4, 2), lstm=0, norm="time_group_norm",
        true_skip=False, n_q=2, bins=16, normalize=True,
    )  # fmt: skip
    return EncodecCodec(build_encodec(settings))


def test_level_is_taken_out_and_put_back_as_a_constant() -> None:
    codec = stereo()
    samples = torch.randn(2, 2, 800)
    loud, soft = codec.encode(Audio(samples, 8000)), codec.encode(Audio(samples * 0.01, 8000))
    torch.testing.assert_close(loud, soft, atol=1e-4, rtol=1e-3)
    raw = codec.model.decoder(loud.transpose(1, 2))
    torch.testing.assert_close(codec.decode(loud).samples, raw.detach() * NORMALIZED_LEVEL)
    assert torch.isfinite(codec.encode(Audio(torch.zeros(1, 2, 800), 8000))).all()


def test_mono_is_widened_for_a_stereo_model() -> None:
    codec, mono = stereo(), torch.randn(1, 1, 800)
    torch.testing.assert_close(
        codec.encode(Audio(mono, 8000)), codec.encode(Audio(mono.expand(-1, 2, -1), 8000)), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratios": ()}, "at least one stride"),
        ({"ratios": (8, 0)}, "ratios.*at least 1.*got 0"),
        ({"n_q": 0}, "n_q.*at least 1.*got 0"),
        ({"bins": 2.5}, "bins.*whole number.*got 2.5"),
        ({"lstm": -1}, "lstm.*0 for none"),
        ({"compress": 128}, "compress.*at most n_filters=64.*got 128"),
        ({"norm": "batch"}, "norm.*weight_norm.*got 'batch'"),
        ({"pad_mode": "zero"}, "pad_mode.*reflect, constant.*got 'zero'"),
        ({"activation": "Module"}, "activation.*ELU.*got 'Module'"),
        ({"norm": "time_group_norm", "causal": True}, "cannot be causal"),
    ],
)
def test_impossible_settings_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EncodecSettings(**change)


def test_a_codebook_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="codebooks 0 to 1, got 2"):
        stereo().codebook(2)


def test_published_weights_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(OSError, match=r"24khz weights are not in the torch hub cache.*connect once"):
        pretrained("24khz")
    with pytest.raises(ValueError, match=r"unknown EnCodec model '32khz'; there are: 24khz, 48khz"):
        pretrained("32khz")
