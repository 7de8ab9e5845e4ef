"""Checkpoints in the published layout as generators."""

from __future__ import annotations

import json
import logging
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from flowmusic.audio import Audio
from flowmusic.codec.encodec import EncodecCodec
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle, jasco, model_files
from flowmusic.interop.fitting import CorruptWeights, ModelError
from flowmusic.precision import has_bf16
from flowmusic.types import Condition, Controls, FrameGrid, Track
from tests.interop import checkpoints

GOLDEN = Path(__file__).parents[1] / "golden" / "jasco_flow_skip_small.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.write(tmp_path_factory.mktemp("jasco"))


def codec_of(generator: Generator) -> EncodecCodec:
    assert isinstance(generator.codec, EncodecCodec)
    return generator.codec


@pytest.mark.parametrize("melody", [True, False])
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("hooks", [True, False])
def test_every_tensor_is_where_it_belongs(
    tmp_path: Path, melody: bool, skips: bool, hooks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowmusic.model.jasco.field.available", lambda: False)  # packed weights cannot be looked at
    checkpoints.write(tmp_path, melody=melody, skips=skips, hooks=hooks)
    state = torch.load(tmp_path / "state_dict.bin", weights_only=True)["best_state"]
    generator = bundle.load(tmp_path)
    field, encoder = generator.field, generator.encoder
    prefix = "condition_provider.conditioners."
    pairs = [
        (field.input.weight, "emb.weight"),
        (field.time[2].bias, "temb.dense.1.bias"),
        (field.blocks[3].cross.query_key_value.weight, "transformer.layers.3.cross_attention.in_proj_weight"),
        (field.blocks[0].norm_ff.bias, "transformer.layers.0.norm2.bias"),
        (field.output.weight, "linear.weight"),
        (encoder.chords.weight, prefix + "chords.emb.weight"),
        (encoder.drums.bias, prefix + "self_wav.output_proj.bias"),
        (encoder.text_projection.weight, prefix + "description.output_proj.weight"),
        (codec_of(generator).codebook(2), checkpoints.CODEC + "quantizer.layers.2.codebook.embed"),
    ]
    if melody:
        pairs.append((encoder.melody.weight, prefix + "melody.output_proj.weight"))
    if skips:
        pairs.append((field.skips[1].weight, "transformer.skip_projections.1.weight"))
    for ours, name in pairs:
        assert ours.dtype == torch.float32 and torch.equal(ours, state[name].float()), name
    assert len(field.blocks) == 4 and len(field.skips) == (2 if skips else 0)
    assert field.blocks[0].attention.heads == 2
    assert generator.controls == (("chords", "drums", "melody") if melody else ("chords", "drums"))
    assert not any(p.requires_grad for p in [*field.parameters(), *encoder.parameters()])
    assert generator.defaults.guidance == ({"all": 1.75, "text": 3.5} if melody else {"all": 5.0})


def test_clock_statistics_and_silence(folder: Path) -> None:
    generator = bundle.load(folder)
    codec = codec_of(generator)
    assert generator.seconds == 10.0 and codec.frame_rate == Fraction(50) and generator.grid().length == 500
    assert float(codec.mean) == pytest.approx(-0.0074) and float(codec.std) == pytest.approx(4.0102)
    assert generator.name == str(folder) and generator.defaults.steps == 16
    ids = codec.first_codes(Audio(torch.zeros(1, 8000), 800))
    assert torch.equal(generator.encoder.silence, ids[0]) and torch.equal(generator.encoder.codebook, codec.codebook(0))


def test_generates_from_chords_and_drums(folder: Path) -> None:
    generator = bundle.load(folder)
    grid = generator.grid(1.0)
    known = torch.ones(1, grid.length, dtype=torch.bool)
    drums = codec_of(generator).first_codes(Audio(0.1 * torch.randn(1, 1, 800), 800))
    chords = torch.full((1, grid.length), 7)
    controls = Controls((None,), {"chords": Track(chords, known, grid), "drums": Track(drums, known, grid)})
    take = generator.generate(controls, grid=grid, seed=3, steps=2)
    assert take.audio.samples.shape == (1, 1, 800) and take.audio.rate == 800
    # Weights of unit size make no music, but numbers.
    assert torch.isfinite(take.latents).all()


def test_precision_is_a_choice_of_loading(folder: Path) -> None:
    exact, rough = bundle.load(folder), bundle.load(folder, precision="bf16")
    expected = torch.bfloat16 if has_bf16() else torch.float32
    assert rough.field.blocks[0].dtype == expected and rough.field.norm_out.weight.dtype == torch.float32
    assert exact.field.blocks[0].dtype == torch.float32
    with pytest.raises(ModelError, match="unknown precision 'fp8'; choose one of fp32, bf16"):
        bundle.load(folder, precision="fp8")


def test_the_padding_comes_with_the_codec(tmp_path: Path) -> None:
    def pad_mode(**content: Any) -> str:
        loaded = bundle.load(checkpoints.write(tmp_path / "a", **content))
        return str(codec_of(loaded).model.encoder.model[0].pad_mode)

    assert pad_mode() == "reflect"
    assert pad_mode(compression=checkpoints.full_codec()) == "constant"


def golden_checkpoint(folder: Path) -> dict[str, Any]:
    """A checkpoint of the reference's own tensors, in fp32, with a tiny codec; returns the reference's description."""
    tensors = load_file(GOLDEN)
    with safe_open(GOLDEN, "pt") as file:
        sizes: dict[str, Any] = json.loads(file.metadata()["config"])
    torch.manual_seed(0)
    state = {k[2:]: v for k, v in tensors.items() if k.startswith("w.")}
    state |= {checkpoints.CODEC + k: v for k, v in checkpoints.transformers_codec().state_dict().items()}
    checkpoints.write(
        folder, state=state, config=checkpoints.CONFIG.replace("heads: 2", f"heads: {sizes['num_heads']}")
    )
    return sizes


def test_a_checkpoint_computes_what_the_reference_computed(tmp_path: Path) -> None:
    sizes, tensors = golden_checkpoint(tmp_path), load_file(GOLDEN)
    generator = bundle.load(tmp_path)
    encoder, length = generator.encoder, sizes["T"]
    features = {
        "chords": encoder.chord_features(tensors["in.chord_ids"]),
        "drums": encoder.drum_features(tensors["in.drum_latents_preblur"]),
        "melody": encoder.melody_features(tensors["in.melody"].transpose(1, 2).float()),
    }
    for name, ours in features.items():
        torch.testing.assert_close(ours, tensors[f"out.cond_{name}"], atol=1e-4, rtol=1e-4)
    tokens = encoder.text_tokens(tensors["in.text_embeds"], tensors["in.text_mask"])
    condition = Condition(encoder.joined(features, length), tokens, torch.ones(tokens.shape[:2], dtype=torch.bool))
    velocity = generator.field(tensors["in.latents"], tensors["in.t"], condition)
    torch.testing.assert_close(velocity, tensors["out.v_theta"], atol=1e-4, rtol=1e-4)


def test_found_by_folder_file_and_hub_id(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "facebook/jasco-chords-drums-melody-400M"
    assert model_files.find(folder) == model_files.find(folder / "state_dict.bin") == folder
    with pytest.raises(ModelError, match=rf"{name} is not on this machine.*state_dict.bin, compression_state_dict.bin"):
        bundle.load(name)
    repository = tmp_path / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    shutil.copytree(folder, repository / "snapshots" / "abc")
    monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path))
    generator = bundle.load(name)
    assert generator.name == name
    assert model_files.fingerprint(name) == model_files.fingerprint(folder)
    assert bundle.load(str(folder / "state_dict.bin")).controls == generator.controls


def test_unknown_names_list_every_form() -> None:
    with pytest.raises(ModelError, match=r"shipped model \(.*config.yaml.*state_dict.bin.*jasco-chords-drums-1B"):
        bundle.load("facebook/musicgen-small")


def test_a_local_t5_is_taken(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path / "model")
    assert bundle.load(folder).encoder.text.source is None
    (tmp_path / "t5-base").mkdir()
    assert bundle.load(folder).encoder.text.source == str(tmp_path / "t5-base")
    (folder / "t5-base").mkdir()
    text = bundle.load(folder).encoder.text
    assert text.source == str(folder / "t5-base") and text.dim == 12


def test_the_licence_is_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    jasco._say_licence.cache_clear()
    with caplog.at_level(logging.WARNING, logger=jasco.__name__):
        bundle.load(folder)
        bundle.load(folder)
    assert [r.getMessage().count("CC BY-NC 4.0") for r in caplog.records] == [1]


def test_heads_are_assumed_only_with_a_notice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = checkpoints.CONFIG.replace("num_heads: ${sizes.heads}", "other: 1")
    checkpoints.write(tmp_path, width=128, layers=1, config=config)
    with caplog.at_level(logging.WARNING, logger=jasco.__name__):
        generator = bundle.load(tmp_path)
    assert generator.field.blocks[0].attention.heads == 2
    assert "does not tell transformer_lm.num_heads; assuming 2 for a width of 128" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("heads: 2", "heads: 3", r"num_heads must be a whole number that divides the width of 16, got 3"),
        ("heads: 2", "heads: yes", r"num_heads must be a number, got True"),
        ("compression_model_latent_mean: -0.0074", "", r"no compression_model_latent_mean, which is needed"),
        ("heads: 2", 'heads: "${transformer_lm.num_heads}"', "points in a circle"),
        ("device: cuda", "device: !!python/object/apply:os.system ['true']", "not plain YAML"),
        (checkpoints.CONFIG, "just text", "not a mapping"),
    ],
)
def test_a_configuration_that_cannot_be_followed(
    folder: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    state = torch.load(folder / "state_dict.bin", weights_only=True)["best_state"]
    assert old in checkpoints.CONFIG
    checkpoints.write(tmp_path, state=state, config=checkpoints.CONFIG.replace(old, new))
    with pytest.raises(ModelError, match=message):
        bundle.load(tmp_path)


def edited(folder: Path, target: Path, **changes: torch.Tensor | None) -> Path:
    """The checkpoint with tensors replaced, added or (None) removed; dots in names are written ``__``."""
    state = torch.load(folder / "state_dict.bin", weights_only=True)["best_state"]
    for name, tensor in changes.items():
        state.pop(name.replace("__", "."), None)
        if tensor is not None:
            state[name.replace("__", ".")] = tensor
    return checkpoints.write(target, state=state)


def test_tensors_that_do_not_fit(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not known here: head.weight"):
        bundle.load(edited(folder, tmp_path / "a", head__weight=torch.ones(1)))
    with pytest.raises(ModelError, match="another model of audiocraft's, not a JASCO"):
        bundle.load(edited(folder, tmp_path / "b", temb_proj__weight=None))
    with pytest.raises(ModelError, match=r"lacks the tensor that we call 'field.input.weight'"):
        bundle.load(edited(folder, tmp_path / "c", emb__weight=None))
    with pytest.raises(ModelError, match=r"reads 40 features of controls, its embeddings make 34"):
        bundle.load(edited(folder, tmp_path / "d", emb__weight=torch.ones(16, 168)))
    with pytest.raises(ModelError, match="do not have the dimensions of a JASCO"):
        bundle.load(edited(folder, tmp_path / "g", linear__weight=torch.ones(128)))
    with pytest.raises(CorruptWeights, match=r"missing \['field.norm_out.bias'\]"):
        bundle.load(edited(folder, tmp_path / "e", out_norm__bias=None))
    with pytest.raises(CorruptWeights, match=r"wrong shape \['field.blocks.1.contract.weight'\]"):
        bundle.load(edited(folder, tmp_path / "f", transformer__layers__1__linear2__weight=torch.ones(16, 63)))


def test_files_that_are_missing_or_of_another_kind(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "state_dict.bin", tmp_path)
    with pytest.raises(ModelError, match=r"checkpoint not found: .*compression_state_dict.bin"):
        bundle.load(tmp_path)
    state = torch.load(folder / "state_dict.bin", weights_only=True)["best_state"]
    no_codec = {k: v for k, v in state.items() if "compression_model" not in k}
    with pytest.raises(ModelError, match="has no codec inside"):
        bundle.load(checkpoints.write(tmp_path, state=no_codec))
    torch.save({"model": 1}, tmp_path / "state_dict.bin")
    with pytest.raises(ModelError, match=r"has no 'best_state' and 'xp.cfg'"):
        bundle.load(tmp_path)


def test_grids_of_any_length_are_on_the_models_clock(folder: Path) -> None:
    assert bundle.load(folder).grid(3.0) == FrameGrid(Fraction(50), 150)
