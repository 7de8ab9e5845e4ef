"""What a training leaves for others tells no secret and no place on this machine."""

from __future__ import annotations

import json
import shutil
import sys
import types
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.data.shards import ShardIndex
from flowmusic.interop import adapter, bundle, concept, model_files, text_audio, ways
from flowmusic.metrics import report
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.field import VectorField
from flowmusic.model.pseudowords import Concept
from flowmusic.model.text import DIM, SHA256
from flowmusic.train import network_export, wandb
from flowmusic.train.export import export_flow
from flowmusic.train.run import compose, train
from tests.telltale import FOLDER, SECRET, URL, leaks
from tests.train.test_lora import TINY


@pytest.fixture
def told(tmp_path: Path, base: Path, store: Path) -> Path:
    """A folder with a name that must not be told, with a model and latents in it."""
    folder = tmp_path / FOLDER
    shutil.copytree(base, folder / "small")
    shutil.copytree(store, folder / "latents")
    return folder


def test_an_adapter(told: Path, tmp_path: Path) -> None:
    overrides = [*TINY, f"base={told / 'small'}", f"latents={told / 'latents'}", f"out={tmp_path / 'run'}"]
    overrides += [
        f"export.note='from {URL}, kept in \\'{told / 'latents'}\\''",
        f"shards='{URL}'",
        "trainer.max_steps=1",
    ]
    folder = train(compose(overrides)).folder
    assert str(told) in (folder / "config.yaml").read_text()  # which finds its inputs again, and stays here
    assert leaks(folder / "adapter.safetensors", SECRET, FOLDER, str(tmp_path)) == []
    about = adapter.read(folder / "adapter.safetensors").about
    assert about["base"] == "small" and about["base_sha256"] == model_files.fingerprint(told / "small")
    assert "latents=LATENTS" in about["command"] and "example.org/set" in about["data"]


def test_a_bundle_and_what_it_needs(told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(model_files.find("nano2_codec"), told / "codec")
    of_base = model_files.read(told / "small").config["settings"]
    parts = types.SimpleNamespace(encoder=ConditionEncoder(**of_base["encoder"]), field=VectorField(**of_base["field"]))
    libraries = {"commit": "x", "python": "3", "torch": "2", "lightning": "2", "hardware": "2 CPU cores"}
    run = {"seed": 0, "steps": 1, "metrics": {"train/loss": 1.0}, **libraries}
    data = types.SimpleNamespace(description=f"1 clip, from shards (codec {told / 'codec'}, of {URL})")
    settings = {"model": {"encoder": of_base["encoder"], "field": of_base["field"]}, "corpus": str(told)}

    def export(folder: Path) -> Path:
        codec = str(told / "codec")
        return export_flow(str(folder), "mine", codec, 1.6, of_base["generation"], parts, data, run, settings)

    made = export(tmp_path / "a" / "run" / "bundle")
    # The way to a neighbour is told, as it moves with both.
    assert model_files.read(made).config["settings"]["codec"] == f"../../../{FOLDER}/codec"
    assert leaks(made, SECRET, str(tmp_path)) == [] and leaks(made / "card.md", FOLDER) == []
    # One that tells where on the machine both lie is not: a link leads there.
    monkeypatch.setattr(ways.publishable, "way", lambda target, start: None)
    far = export(tmp_path / "b" / "run" / "bundle")
    assert leaks(far, SECRET, FOLDER, str(tmp_path)) == []
    assert model_files.read(far).config["settings"]["codec"] == "../needed-codec"
    assert bundle.load(far).codec.rate == 32_000
    assert ways.to(told / "small" / ".." / "codec", far) == "../needed-codec"
    (tmp_path / "other" / "codec").mkdir(parents=True)
    assert ways.to(tmp_path / "other" / "codec", far) == "../needed-codec-2"
    assert text_audio.stored_name(f"clap:{told / 'codec'}", far) == "clap:./../needed-codec"


def test_descriptions_and_cards(tmp_path: Path) -> None:
    place = f"{tmp_path / FOLDER / 'x'}"
    config = {
        "kind": "flow",
        "settings": {"codec": place, "source": URL, "api_key": SECRET},
        "original": {"cfg": "/a/b"},
    }
    folder = model_files.write(
        tmp_path / "out" / "bundle", config, {"a": torch.zeros(2)}, f"Made from '{place}' and {URL}."
    )
    found = model_files.read(folder)
    assert found.config["original"] == {"cfg": "/a/b"}  # a published checkpoint's own words, to be given back
    assert found.config["settings"]["codec"] == "x"
    record = {"model": place, "token": "dusk", "from": [URL], "steps": 3}
    vectors = torch.zeros(2, DIM)
    concept.write(tmp_path / "out" / "dusk.safetensors", Concept("dusk", vectors, torch.zeros(DIM), SHA256, record))
    index = ShardIndex("train", Fraction(25), (), {"codec": place, "from": URL}, {"kind": "mert", "source": place})
    index.write(tmp_path / "out")
    assert ShardIndex.read(tmp_path / "out", "train").style_features == {"kind": "mert", "source": "x"}
    notes = {"model": f"{place}, 6 steps", "text": URL}
    summary = report.table({"model": [{"a": 1.0}]}, notes)
    report.write(summary, tmp_path / "out", extra={"settings": {"corpus": place, "text": URL}}, more=f"see '{place}'")
    network_export.save_weights(
        {"a": torch.zeros(2)}, tmp_path / "out" / "net.safetensors", {"data": f"of {URL}", "at": place}
    )
    assert leaks(tmp_path / "out", SECRET, FOLDER, str(tmp_path)) == []


def test_a_shard_index_finds_features_again_from_its_own_folder(tmp_path: Path) -> None:
    mert = tmp_path / "mert"
    mert.mkdir()
    features = {"kind": "mert", "source": str(mert), "layer": 1}
    ShardIndex("train", Fraction(25), (), {}, features).write(tmp_path)
    assert json.loads((tmp_path / "train.index.json").read_text())["style_features"]["source"] == "./mert"
    assert ShardIndex.read(tmp_path, "train").style_features == features


def test_what_is_sent_to_weights_and_biases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    loggers = types.SimpleNamespace(WandbLogger=lambda **settings: given.update(settings))
    monkeypatch.setattr(wandb.util, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "lightning.pytorch.loggers", loggers)  # type: ignore[arg-type]
    config = {"shards": URL, "latents": f"{tmp_path / FOLDER}/x", "lr": 0.1}
    wandb.logger(project="p", save_dir=str(tmp_path), notes=f"of {URL}", config=config, settings={"console": "wrap"})
    assert given.pop("save_dir") == str(tmp_path)  # where it writes, which it does not send
    assert SECRET not in json.dumps(given) and str(tmp_path) not in json.dumps(given)
    assert given["config"] == {"shards": "https://example.org/set", "latents": "x", "lr": 0.1}
    assert given["settings"] == {**wandb.PRIVATE, "console": "wrap"} and given["settings"]["x_disable_meta"]
