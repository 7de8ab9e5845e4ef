"""MERT features: clock, normalisation, and which weights are refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from flowmusic.audio import Audio
from flowmusic.interop import mert
from flowmusic.interop.fitting import ModelError
from flowmusic.interop.mert import RATE, Mert, unit_variance
from tests.interop import tiny_mert


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_mert.write(tmp_path_factory.mktemp("mert"))


def noise(seconds: float, rate: int = RATE, channels: int = 1) -> Audio:
    return Audio(0.1 * torch.randn(channels, round(seconds * rate), generator=torch.Generator().manual_seed(3)), rate)


def test_features_are_means_of_the_model_s_frames(folder: Path) -> None:
    """Computed by hand with transformers' own processor and model."""
    from transformers import HubertModel, Wav2Vec2FeatureExtractor

    audio = noise(2.0)
    inputs = Wav2Vec2FeatureExtractor.from_pretrained(folder)(
        audio.samples[0].numpy(), sampling_rate=RATE, return_tensors="pt"
    )
    with torch.no_grad():
        found = HubertModel.from_pretrained(folder).eval()(inputs.input_values, output_hidden_states=True)
    assert found.last_hidden_state.shape[1] == 149  # 75 Hz, less the frame that would hang over the end
    last = Mert(folder)(audio, 149)
    assert last.shape == (149, tiny_mert.WIDTH) and last.dtype == torch.float32
    torch.testing.assert_close(last, found.last_hidden_state[0], atol=1e-4, rtol=1e-4)
    assert torch.equal(last, Mert(folder, tiny_mert.LAYERS)(audio, 149))
    entering = Mert(folder, 0)(audio, 50)
    wanted = torch.stack(
        [found.hidden_states[0][0][149 * n // 50 : -(-149 * (n + 1) // 50)].mean(0) for n in range(50)]
    )
    torch.testing.assert_close(entering, wanted, atol=1e-4, rtol=1e-4)


def test_an_event_lands_on_its_frame_of_the_codec(folder: Path) -> None:
    """Before the transformer a frame knows its own 17 ms only, so a click shows where it is, in every part."""
    clock = Mert(folder, 0)
    for seconds, frames in ((4.0, 100), (12.0, 300), (12.0, 600)):  # one part, and three
        quiet, clicked = noise(seconds), noise(seconds)
        place = round(0.63 * seconds * RATE)
        clicked.samples[:, place : place + 40] += 0.5
        without, found = clock(quiet, frames), clock(clicked, frames)
        assert found.shape == (frames, tiny_mert.WIDTH)
        # Normalisation, and the group norm of the first convolution, move the part's other frames a little.
        loudest = int((without - found).norm(dim=1).argmax())
        assert abs(loudest - int(0.63 * frames)) <= 1, (seconds, frames, loudest)


def test_level_channels_and_rate_do_not_matter(folder: Path) -> None:
    features = Mert(folder)
    audio = noise(1.5)
    plain = features(audio, 38)
    torch.testing.assert_close(features(Audio(0.3 * audio.samples + 0.05, RATE), 38), plain, atol=2e-3, rtol=2e-3)
    assert torch.equal(features(Audio(audio.samples.expand(2, -1), RATE), 38), plain)
    time = torch.arange(2 * 48_000) / 48_000
    high = Audio(torch.sin(2 * torch.pi * 440 * time)[None], 48_000)
    low = Audio(high.samples[:, ::2], RATE)
    torch.testing.assert_close(features(high, 50), features(low, 50), atol=0.05, rtol=0.05)
    normal = unit_variance(5.0 + 0.01 * torch.randn(1000))
    assert abs(float(normal.mean())) < 1e-3 and float(normal.var(correction=0)) == pytest.approx(1.0, abs=0.01)
    assert not unit_variance(torch.zeros(10)).any()
    with pytest.raises(ValueError, match=r"0.010 s of audio are too short for MERT"):
        features(noise(0.01), 1)


def test_a_part_is_heard_by_itself(folder: Path) -> None:
    """What is more than five seconds away cannot be heard, as MERT was trained."""
    features, audio = Mert(folder), noise(10.0)
    other = Audio(torch.cat([audio.samples[:, : 5 * RATE], -audio.samples[:, 5 * RATE :].flip(1)], dim=1), RATE)
    one, two = features(audio, 250), features(other, 250)
    assert torch.equal(one[:124], two[:124]) and not torch.allclose(one[126:], two[126:], atol=1e-2)


def test_the_published_layout_is_read(folder: Path, tmp_path: Path) -> None:
    """Weights from before torch renamed weight norm, pickled, with the constant-Q transform of training."""
    tensors = load_file(folder / "model.safetensors")
    prefix = "encoder.pos_conv_embed.conv."
    for new, old in (
        ("parametrizations.weight.original0", "weight_g"),
        ("parametrizations.weight.original1", "weight_v"),
    ):
        tensors[prefix + old] = tensors.pop(prefix + new)
    tensors["feature_extractor_cqt.kernel"] = torch.zeros(3)
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert torch.equal(Mert(tmp_path)(noise(1.0), 25), Mert(folder)(noise(1.0), 25))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", r"missing \['encoder.layer_norm.weight'\]"),
        ("surplus", r"unknown \['label_embs'\]"),
        ("shape", r"wrong shape \['feature_projection.projection.weight'\]"),
        ("cut off", r"cannot be read"),
    ],
)
def test_other_weights_are_refused(change: str, says: str, tmp_path: Path) -> None:
    path = tiny_mert.write(tmp_path) / "model.safetensors"
    tensors = load_file(path)
    if change == "missing":
        del tensors["encoder.layer_norm.weight"]
    elif change == "surplus":
        tensors["label_embs"] = torch.zeros(2)
    elif change == "shape":
        tensors["feature_projection.projection.weight"] = torch.zeros(16, 344)
    save_file(tensors, path)
    if change == "cut off":
        path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ModelError, match=says):
        Mert(tmp_path).load()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rate": 16_000}, "wants audio at 16000 Hz"),  # a HuBERT of speech
        ({"attention_relax": 32.0}, "relaxed attention"),
        ({"deepnorm": True}, "deepnorm"),
        ({"num_hidden_layers": "two"}, r"config.json does not describe a MERT"),
    ],
)
def test_other_models_are_refused(settings: dict, says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=says):
        Mert(tiny_mert.write(tmp_path, **settings)).load()


def test_layer_and_width_are_checked(folder: Path) -> None:
    with pytest.raises(ModelError, match="has the layers 0 to 2, got layer=3"):
        Mert(folder, 3).load()
    with pytest.raises(ModelError, match="of width 16, this model's style reads 768"):
        Mert(folder, dim=768).load()


def test_missing_weights_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path))
    features = Mert()  # nothing is looked for yet
    with pytest.raises(ModelError, match=r"MERT weights of m-a-p/MERT-v1-95M.*hf download m-a-p/MERT-v1-95M"):
        features(noise(1.0), 25)
    with pytest.raises(ModelError, match=r"nowhere.*a folder must hold config.json, preprocessor_config.json"):
        Mert(tmp_path / "nowhere").load()


def test_the_licence_is_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    mert._say_licence.cache_clear()
    with caplog.at_level(logging.WARNING):
        Mert(folder, quiet=True).load()
        assert not caplog.records
        Mert(folder).load()
        Mert(folder).load()
    assert len(caplog.records) == 1 and "CC BY-NC 4.0" in caplog.text
