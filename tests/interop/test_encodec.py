"""EnCodec weights in every published form give the same codec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.interop import encodec, names
from flowmusic.interop.encodec import ENCODEC_32KHZ
from flowmusic.interop.fitting import CorruptWeights, ModelError
from tests.interop import checkpoints

GOLDEN = Path(__file__).parents[1] / "golden" / "encodec.safetensors"


@pytest.fixture
def wave() -> Audio:
    return Audio(0.3 * torch.randn(2, 1, 403, generator=torch.Generator().manual_seed(1)), checkpoints.RATE)


def golden(pad_mode: str) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Weights, values for a padding mode, and the description as transformers words it."""
    tensors = load_file(GOLDEN)
    with safe_open(GOLDEN, "pt") as file:
        sizes: dict[str, Any] = json.loads(file.metadata()["config"])
    config = {
        "model_type": "encodec",
        "sampling_rate": sizes["sample_rate"],
        "use_causal_conv": sizes["causal"],
        "pad_mode": pad_mode,
    }
    values = {k.removeprefix(f"{pad_mode}."): v for k, v in tensors.items() if k.startswith(pad_mode)}
    return {k[2:]: v for k, v in tensors.items() if k.startswith("w.")}, {**values, "wav": tensors["in.wav"]}, config


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
@pytest.mark.parametrize("form", ["safetensors", "pytorch_model", "audiocraft"])
def test_golden_values_through_every_form(tmp_path: Path, pad_mode: str, form: str) -> None:
    weights, expected, config = golden(pad_mode)
    if form == "audiocraft":
        text = f"sample_rate: 32000\nseanet: {{pad_mode: {pad_mode}, causal: false}}\n"
        torch.save({"best_state": weights, "xp.cfg": text}, tmp_path / "compression_state_dict.bin")
    else:
        (tmp_path / "config.json").write_text(json.dumps(config))
        if form == "safetensors":
            save_file(names.encodec_to_transformers(weights), tmp_path / "model.safetensors")
        else:  # as older versions of transformers wrote it
            torch.save(names.encodec_to_transformers(weights, names.HOOKS), tmp_path / "pytorch_model.bin")
    codec = encodec.load(tmp_path)
    assert (codec.rate, codec.hop, codec.dim) == (32_000, 640, 32)
    audio = Audio(expected["wav"], 32_000)
    latents = codec.encode(audio)
    close = {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(latents.transpose(1, 2), expected["latents"], **close)
    codes = codec.codes(latents)
    assert torch.equal(codes, expected["codes"])
    quantized = codec.from_codes(codes)
    torch.testing.assert_close(quantized.transpose(1, 2), expected["quantized"], **close)
    torch.testing.assert_close(codec.decode(quantized).samples, expected["decoded"], **close)
    torch.testing.assert_close(codec.decode(latents).samples, expected["decoded_from_continuous"], **close)
    first = codec.codebook(0)[codec.first_codes(audio)].transpose(1, 2)
    torch.testing.assert_close(first, expected["codebook0_latents"], **close)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"pad_mode": "constant"},
        {"use_causal_conv": True, "use_conv_shortcut": True},
        {"norm_type": "time_group_norm", "audio_channels": 2, "use_conv_shortcut": True},
        {"num_residual_layers": 2, "num_lstm_layers": 1, "compress": 1, "dilation_growth_rate": 1},
    ],
)
def test_equals_transformers(tmp_path: Path, wave: Audio, change: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = checkpoints.transformers_codec(**change)
    model.save_pretrained(tmp_path)
    codec = encodec.load(tmp_path, mean=0.5, std=2.0)
    samples = wave.samples.expand(-1, codec.channels, -1)
    with torch.no_grad():
        theirs = model.encoder(samples)
    latents = codec.encode(Audio(samples, wave.rate))
    close = {"atol": 1e-5, "rtol": 1e-4}
    torch.testing.assert_close(latents, (theirs.transpose(1, 2) - 0.5) / 2.0, **close)
    with torch.no_grad():
        decoded = model.decoder(theirs)
        codes = model.quantizer.encode(theirs).transpose(0, 1)
    torch.testing.assert_close(codec.decode(latents).samples, decoded, **close)
    assert torch.equal(codec.codes(latents), codes)
    assert not any(p.requires_grad for p in codec.parameters())


def test_audiocraft_weights_with_their_own_padding(tmp_path: Path, wave: Audio) -> None:
    content = checkpoints.full_codec()
    file = tmp_path / "compression_state_dict.bin"
    torch.save(content, file)
    zeros = encodec.load(file)
    assert zeros.encode(wave).shape == (2, 26, 128) and zeros.rate == checkpoints.RATE
    torch.save({**content, "xp.cfg": content["xp.cfg"].replace("constant", "reflect")}, file)
    # Padding touches the edges, and through the LSTM what comes after.
    assert not torch.allclose(encodec.load(file).encode(wave), zeros.encode(wave), atol=1e-4)


def test_a_pointer_is_followed_to_a_folder_beside_it_or_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wave: Audio
) -> None:
    file = tmp_path / "model" / "compression_state_dict.bin"
    file.parent.mkdir()
    torch.save(checkpoints.pointer(), file)
    with pytest.raises(ModelError, match=r"facebook/encodec_32khz is not on this machine.*model.safetensors"):
        encodec.load(file)
    model = checkpoints.transformers_codec()
    model.save_pretrained(file.parent / "encodec_32khz")
    beside = encodec.load(file.parent).encode(wave)
    repository = tmp_path / "cache" / "models--facebook--encodec_32khz"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (file.parent / "encodec_32khz").rename(tmp_path / "moved")
    (repository / "snapshots").mkdir()
    (tmp_path / "moved").rename(repository / "snapshots" / "abc")
    monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path / "cache"))
    assert torch.equal(encodec.load(file).encode(wave), beside)
    assert torch.equal(encodec.load(ENCODEC_32KHZ).encode(wave), beside)


def test_the_packages_own_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(OSError, match="48khz weights are not in the torch hub cache"):
        encodec.load("48khz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"version": "1"}, r"neither 'best_state' \(weights\) nor 'pretrained' \(a hub id\), but: version"),
        ({"pretrained": "no id"}, "neither 'best_state'"),
        ({"best_state": {"model": {"a": torch.ones(1)}}}, "flat dictionary of tensors"),
        ({"best_state": {"a": torch.ones(1)}, "xp.cfg": checkpoints.CODEC_CONFIG}, "holds no EnCodec"),
        ({"best_state": {"a": torch.ones(1)}}, "expected the training configuration as text, got NoneType"),
        ({"best_state": {"a": torch.ones(1)}, "xp.cfg": "sample_rate: 1"}, "no seanet.pad_mode"),
    ],
)
def test_other_files_are_told_apart(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    file = tmp_path / "compression_state_dict.bin"
    torch.save(content, file)
    with pytest.raises(ModelError, match=message):
        encodec.load(file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pad_mode: constant", "pad_mode: zero", "pad_mode must be one of reflect.*got 'zero'"),
        ("final_activation: null", "final_activation: Tanh", "final activation.*cannot be loaded"),
        ("activation: ELU", "activation: Sequential", "activation must be one of ELU.*got 'Sequential'"),
        ("sample_rate: 800", "sample_rate: fast", "sample_rate must be a number, got 'fast'"),
    ],
)
def test_settings_that_cannot_be_followed_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    content = checkpoints.full_codec()
    file = tmp_path / "compression_state_dict.bin"
    torch.save({**content, "xp.cfg": content["xp.cfg"].replace(old, new)}, file)
    with pytest.raises(ModelError, match=message):
        encodec.load(file)


def test_damaged_folders_of_transformers(tmp_path: Path) -> None:
    checkpoints.transformers_codec().save_pretrained(tmp_path)
    config, weights = tmp_path / "config.json", tmp_path / "model.safetensors"
    text, content = config.read_text(), weights.read_bytes()
    config.write_text(text[: len(text) // 2])
    with pytest.raises(CorruptWeights, match=r"config.json cannot be parsed"):
        encodec.load(tmp_path)
    config.write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="does not describe an EnCodec"):
        encodec.load(tmp_path)
    config.write_text(text)
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptWeights, match=r"model.safetensors cannot be read"):
        encodec.load(tmp_path)
    tensors = {k: v for k, v in checkpoints.transformers_codec().state_dict().items() if "decoder.layers.1" not in k}
    save_file(tensors, weights)
    with pytest.raises(CorruptWeights, match=r"missing \['decoder.model.1.lstm"):
        encodec.load(tmp_path)
    with pytest.raises(ModelError, match="neither a folder nor a hub id"):
        encodec.load(tmp_path / "nothing")
