"""Checkpoint to bundle and back without losing a bit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from flowmusic.codec.encodec import EncodecCodec
from flowmusic.interop import bundle, jasco_convert
from flowmusic.interop.fitting import CorruptWeights, ModelError
from tests.interop import checkpoints


def content(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=True))


def assert_same(first: Any, second: Any) -> None:
    """Equal in type and value, tensors bit by bit; the order of names and the kind of dictionary are free."""
    if isinstance(first, dict):
        assert isinstance(second, dict) and first.keys() == second.keys()
        for name in first:
            assert_same(first[name], second[name])
    elif isinstance(first, torch.Tensor):
        assert first.dtype == second.dtype and torch.equal(first, second)
    else:
        assert type(first) is type(second) and first == second


@pytest.mark.parametrize("hooks", [True, False])
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("melody", [True, False])
def test_there_and_back(tmp_path: Path, hooks: bool, full: bool, melody: bool) -> None:
    compression = checkpoints.full_codec() if full else None
    source = checkpoints.write(tmp_path / "a", hooks=hooks, melody=melody, skips=melody, compression=compression)
    assert jasco_convert.to_bundle(source, tmp_path / "b") == tmp_path / "b"
    assert jasco_convert.to_checkpoint(tmp_path / "b", tmp_path / "c") == tmp_path / "c"
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        assert_same(content(source / name), content(tmp_path / "c" / name))
        # Nothing stored twice, nothing shared.
        sizes = [(folder / name).stat().st_size for folder in (source, tmp_path / "c")]
        assert sizes[1] < 1.05 * sizes[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c"]


def test_the_bundle_is_the_same_model(tmp_path: Path) -> None:
    source = checkpoints.write(tmp_path / "a", skips=True, compression=checkpoints.full_codec())
    jasco_convert.to_bundle(source, tmp_path / "b")
    original, converted = bundle.load(source), bundle.load(tmp_path / "b")
    for part in ("field", "encoder", "codec"):
        ours, theirs = getattr(converted, part), getattr(original, part)
        assert_same(dict(ours.state_dict()), dict(theirs.state_dict()))
    assert converted.defaults == original.defaults and converted.seconds == original.seconds
    assert converted.name == str(tmp_path / "b")
    codec = bundle.load(tmp_path / "b").codec
    assert isinstance(codec, EncodecCodec) and codec.model.encoder.model[0].pad_mode == "constant"
    assert torch.equal(converted.encoder.silence, original.encoder.silence)


def test_what_a_bundle_holds(tmp_path: Path) -> None:
    source = checkpoints.write(tmp_path / "a")
    state = content(source / "state_dict.bin")
    state["best_state"]["emb.weight"] = state["best_state"]["emb.weight"].float()
    torch.save(state, source / "state_dict.bin")
    folder = jasco_convert.to_bundle(source, tmp_path / "b")
    tensors = load_file(folder / "model.safetensors")
    assert tensors["field.input.weight"].dtype == torch.float32
    assert tensors["field.output.weight"].dtype == tensors["codec.quantizer.vq.layers.0._codebook.embed"].dtype
    assert tensors["field.output.weight"].dtype == torch.float16
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["kind"] == "jasco" and config["licence"] == "cc-by-nc-4.0" and config["source"] == "a"
    assert config["original"]["state_dict"] == {"xp.cfg": checkpoints.CONFIG, "version": "1.4.0a2", "exported": True}
    assert config["original"]["weight_norm"] == "parametrizations"
    assert config["settings"]["field"]["heads"] == 2 and config["settings"]["latents"]["std"] == 4.0102
    card = (folder / "card.md").read_text()
    assert "CC BY-NC 4.0" in card and "from `a`" in card and "chords, drums and melody" in card


def test_strangers_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    source = checkpoints.write(tmp_path / "a")
    state = content(source / "state_dict.bin")
    torch.save({**state, "mean": torch.ones(2)}, source / "state_dict.bin")
    with pytest.raises(ModelError, match="neither text nor numbers: mean"):
        jasco_convert.to_bundle(source, tmp_path / "b")
    torch.save(state, source / "state_dict.bin")
    jasco_convert.to_bundle(source, tmp_path / "b")
    with pytest.raises(ModelError, match="is a bundle already"):
        jasco_convert.to_bundle(tmp_path / "b", tmp_path / "c")
    with pytest.raises(ModelError, match="'flow' model; only a converted JASCO checkpoint"):
        jasco_convert.to_checkpoint("nano", tmp_path / "c")
    with pytest.raises(ModelError, match="is a checkpoint of JASCO, not a bundle"):
        jasco_convert.to_checkpoint(source, tmp_path / "c")
    config = yaml.safe_load((tmp_path / "b" / "config.yaml").read_text())
    del config["original"]["weight_norm"]
    (tmp_path / "b" / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ModelError, match=r"incomplete.*convert again"):
        jasco_convert.to_checkpoint(tmp_path / "b", tmp_path / "c")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_damage_is_seen(tmp_path: Path) -> None:
    folder = jasco_convert.to_bundle(checkpoints.write(tmp_path / "a"), tmp_path / "b")
    weights = folder / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(bytes(changed))
    with pytest.raises(CorruptWeights, match="damaged"):
        jasco_convert.to_checkpoint(folder, tmp_path / "c")
    with pytest.raises(CorruptWeights, match="damaged"):
        bundle.load(folder)


def test_settings_that_describe_no_model(tmp_path: Path) -> None:
    folder = jasco_convert.to_bundle(checkpoints.write(tmp_path / "a"), tmp_path / "b")
    file = folder / "config.yaml"
    config = yaml.safe_load(file.read_text())
    for change, message in (
        ({"settings": None}, "has no settings"),
        ({"settings": {**config["settings"], "field": {"depth": 3}}}, r"describe no JASCO model \(.*depth"),
        ({"settings": {k: v for k, v in config["settings"].items() if k != "latents"}}, "no JASCO model.*latents"),
        ({"kind": "jazz"}, "'jazz' model, not one that generates"),
    ):
        file.write_text(yaml.safe_dump({**config, **change}))
        with pytest.raises(ModelError, match=message):
            bundle.load(folder)


def test_only_results_are_known_as_results(tmp_path: Path) -> None:
    source = checkpoints.write(tmp_path / "a")
    made = jasco_convert.to_bundle(source, tmp_path / "b")
    back = jasco_convert.to_checkpoint(made, tmp_path / "c")
    assert jasco_convert.is_result(made) and jasco_convert.is_result(back)
    assert not jasco_convert.is_result(source) and not jasco_convert.is_result(tmp_path)
    (made / "t5-base").mkdir()
    assert not jasco_convert.is_result(made)
    (back / "card.md").write_text("my own\n")
    assert not jasco_convert.is_result(back)
    assert (made.stat().st_mode & 0o777, os.stat(made / "card.md").st_mode & 0o777) == (0o755, 0o644)
