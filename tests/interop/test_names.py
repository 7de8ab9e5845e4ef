"""The tables of names against what the published files hold, both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.codec.encodec import EncodecSettings, build_encodec
from flowmusic.interop import names
from flowmusic.interop.fitting import ModelError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "jasco_keys.json").read_text())
Shapes = dict[str, list[int]]


def checkpoint_keys(variant: str, weight_norm: str = names.PARAMETRIZATIONS) -> Shapes:
    """Every name of a published checkpoint with its shape."""
    keys: Shapes = {}
    for template, shape in GOLDEN[variant].items():
        for layer in range(GOLDEN["layers"] if "{i}" in template else 1):
            keys[template.replace("{i}", str(layer))] = shape
    for _, theirs, shape in GOLDEN["encodec"]:
        keys[GOLDEN["codec_prefix"] + "model." + theirs] = shape
    if weight_norm == names.HOOKS:
        keys = {key.replace("parametrizations.weight.original0", "weight_g"): v for key, v in keys.items()}
        keys = {key.replace("parametrizations.weight.original1", "weight_v"): v for key, v in keys.items()}
    return keys


def shapes(module: torch.nn.Module, prefix: str = "") -> Shapes:
    return {prefix + name: list(value.shape) for name, value in module.state_dict().items()}


@pytest.mark.parametrize("variant", ["chords_drums", "chords_drums_melody"])
@pytest.mark.parametrize("weight_norm", [names.PARAMETRIZATIONS, names.HOOKS])
def test_every_published_tensor_has_a_place_in_our_model(variant: str, weight_norm: str) -> None:
    from flowmusic.model.jasco.encoder import JascoEncoder
    from flowmusic.model.jasco.field import JascoField
    from flowmusic.model.jasco.t5 import T5Encoder

    theirs = checkpoint_keys(variant, weight_norm)
    assert len(theirs) == {"chords_drums": 419, "chords_drums_melody": 421}[variant]
    assert names.weight_norm_naming(theirs) == weight_norm
    melody = 16 if variant.endswith("melody") else 0
    with torch.device("meta"):
        ours = {
            **shapes(JascoField(frames_dim=18 + melody), "field."),
            **shapes(JascoEncoder(1024, T5Encoder(), melody_dim=melody), "encoder."),
            **shapes(build_encodec(EncodecSettings()), "codec."),
        }
    renamed = names.jasco_from_checkpoint(theirs)
    assert renamed == ours
    assert names.jasco_to_checkpoint(renamed, weight_norm) == theirs


def test_skips_are_known_too() -> None:
    given = {"transformer.skip_projections.3.bias": 0}
    assert names.rename(given, names.JASCO) == {"field.skips.3.bias": 0}


def test_encodec_names_are_those_recorded() -> None:
    package = {ours: theirs for ours, theirs, _ in GOLDEN["encodec"]}
    there = names.encodec_to_transformers(package)
    assert there == {theirs: theirs for theirs in package.values()}
    assert names.encodec_from_transformers(there) == package


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"num_lstm_layers": 1},
        {"num_residual_layers": 2},
        {"norm_type": "time_group_norm", "use_causal_conv": False, "audio_channels": 2},
        {"use_conv_shortcut": False},
    ],
)
def test_other_kinds_of_encodec(change: dict[str, Any]) -> None:
    from transformers import EncodecConfig, EncodecModel

    small = {"num_filters": 4, "hidden_size": 8, "codebook_size": 16, "upsampling_ratios": [4, 2]}
    config = EncodecConfig(**{**small, **change})
    theirs = shapes(EncodecModel(config))
    settings = EncodecSettings(
        channels=config.audio_channels,
        dimension=8,
        n_filters=4,
        ratios=(4, 2),
        n_residual_layers=config.num_residual_layers,
        lstm=config.num_lstm_layers,
        true_skip=not config.use_conv_shortcut,
        causal=config.use_causal_conv,
        norm=config.norm_type,
        n_q=config.num_quantizers,
        bins=16,
    )
    ours = names.encodec_from_transformers(theirs)
    assert ours == shapes(build_encodec(settings))
    assert names.encodec_to_transformers(ours) == theirs


def test_strangers_are_named() -> None:
    with pytest.raises(ModelError, match=r"not known here: head.0.weight, head.1.weight; this is another architecture"):
        names.rename({"emb.weight": 0, "head.0.weight": 1, "head.1.weight": 2}, names.JASCO)
    with pytest.raises(ModelError, match=r"and 4 more"):
        names.rename({f"head.{i}": 0 for i in range(9)}, names.JASCO)
    with pytest.raises(ModelError, match=r"not known here: transformer.layers.0.linear1.bias"):
        names.rename({"transformer.layers.0.linear1.bias": 0}, names.JASCO)


def test_left_out_on_purpose_or_given_twice() -> None:
    assert names.rename({"a.0.b": 1, "c": 2}, (("c", "d"),), skipped=["a.{i}.b"]) == {"d": 2}
    twice = {"x.weight_g": 0, "x.parametrizations.weight.original0": 1}
    with pytest.raises(ModelError, match=r"given twice under two names: x.parametrizations"):
        names.rename(twice, names.WEIGHT_NORM)
    with pytest.raises(ModelError, match="no tensor of an EnCodec decoder"):
        names.encodec_from_transformers({"a": 1})


def test_every_template_reads_back_what_it_writes() -> None:
    example = {"i": "3", "j": "1", "p": "bias", "side": "encoder", "leaf": "weight_v", "lstm": "bias_hh_l1"}
    example |= {"buffer": "embed_avg", "any": "x.y", "last": "15"}
    for table in (names.JASCO, names.ENCODEC, names.WEIGHT_NORM):
        for pair in table:
            theirs, ours = (template.format(**example) for template in pair)
            assert names.rename({theirs: 0}, table, last=15) == {ours: 0}
            assert names.rename({ours: 0}, table, reverse=True, last=15) == {theirs: 0}
