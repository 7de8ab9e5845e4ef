"""A style that hears MERT, from the corpus to a take."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch

from flowmusic.apps import build as apps_build
from flowmusic.apps.cli import main
from flowmusic.audio import Audio
from flowmusic.data.latents import LatentCrops
from flowmusic.data.module import LatentData
from flowmusic.data.store_files import read_store
from flowmusic.interop import bundle, model_files
from flowmusic.train.run import compose, train
from flowmusic.types import Controls
from tests.interop import tiny_mert
from tests.train.test_runs import tones_with_drums
from tests.train.tiny_runs import TINY_FLOW

BUILD = ["codec=nano2_codec", "build.workers=1"]
SIZES = ["model.field.dim=192", "model.field.frames_dim=289", "data.batch=2", "data.pairs=1", "trainer.max_steps=2"]
SIZES += ["data.crop_seconds=1.2", "data.validation_crop_seconds=1.2", "control.style.seconds=[0.2,0.5]"]
SIZES += ["control.style.drop=0.0", "model.dropout.everything=0.0", "model.dropout.text_only=0.0"]


@pytest.fixture(scope="module")
def mert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_mert.write(tmp_path_factory.mktemp("weights") / "mert")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones_with_drums(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def store(corpus: Path, mert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "store"
    features = [f"style_features=mert:{mert}", "style_layer=1"]
    assert apps_build.main([f"corpus={corpus}", f"out={out}", *BUILD, *features]) == 0
    return out


def wanted(mert: Path, layer: int | None = 1) -> dict:
    return {"kind": "mert", "source": str(mert), "layer": layer}


def test_the_store_holds_features_on_the_frames_of_the_latents(store: Path, mert: Path) -> None:
    read = read_store(store, "train")
    assert read.style_features == wanted(mert)
    assert read.tensors["style"].shape == (len(read.tensors["latents"]), tiny_mert.WIDTH)
    assert read.names == ["beats", "chords", "drums", "melody"] and read.style_dim == tiny_mert.WIDTH
    assert set(read.crop(0, 0, 10)[1]) == set(read.names)
    assert read.with_style_features(None, store).style_dim == 192  # a model of latents takes the same store
    data = LatentData(str(store), crop_seconds=1.0, style_features=wanted(mert), style_seconds=(0.2, 0.4), pairs=1)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert {style.features.shape[1] for style in batch.controls.style if style} == {tiny_mert.WIDTH}
    assert [style.features.shape[1] for style in batch.pairs.style if style] == [tiny_mert.WIDTH]


def test_an_excerpt_of_stored_features_never_shares_a_frame_with_its_window(store: Path) -> None:
    read = read_store(store, "train")
    place = torch.arange(len(read.tensors["latents"]), dtype=torch.float32)[:, None]
    read.tensors.update(latents=place, style=-1.0 - place.expand(-1, 3))  # both tell their frame
    heard = 0
    for step in range(20):
        batch = LatentCrops(read, 1.0, 4, 0, style_seconds=(0.2, 0.5))(step)
        for window, style in zip(batch.latents[..., 0], batch.controls.style, strict=True):
            if style is not None:
                frames = -1.0 - style.features[:, 0]
                assert frames.min() >= 0 and style.features.shape[1] == 3
                assert not set(window.tolist()) & set(frames.tolist())
                heard += 1
    assert heard > 40


def test_a_store_without_the_features_names_the_command(store: Path, mert: Path, tmp_path: Path) -> None:
    for features, says in (
        (wanted(mert, None), rf"has layer 1 of mert:.*style_features=mert:{mert}$"),
        (wanted(Path("m-a-p/MERT-v1-95M"), 3), r"style_features=mert:m-a-p/MERT-v1-95M style_layer=3$"),
    ):
        with pytest.raises(ValueError, match=says):
            LatentData(str(store), style_features=features).setup("fit")
    plain = read_store(store, "train").with_style_features(None, store)
    with pytest.raises(ValueError, match=r"has latents only; build another with: flowmusic build corpus=DIR"):
        plain.with_style_features(wanted(mert), store)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["style_features=clap:x"], "must be mert:SOURCE"),
        (["style_features=mert:/nowhere"], "MERT weights of /nowhere"),
        (["style_layer=2"], "style_features, which is not given"),
    ],
)
def test_wrong_features_are_one_line_and_exit_2(
    flags: list[str], says: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apps_build.main([f"corpus={corpus}", f"out={tmp_path / 's'}", *BUILD, *flags]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and says in lines[0]


def test_widths_that_differ_say_what_to_set(store: Path, tmp_path: Path) -> None:
    overrides = [*TINY_FLOW, *SIZES, f"latents={store}", f"out={tmp_path}", "export=null"]
    with pytest.raises(Exception, match=r"reads 768 channels, the data give 192; set model.encoder.style.features=192"):
        train(compose([*overrides, "+model.encoder.style.features=768"]))


def test_from_the_corpus_to_a_take(
    store: Path, mert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    style = ["control@control.style=style_mert", f"control.style.conditioner.features={tiny_mert.WIDTH}"]
    style += [f"control.style.features.source={mert}", "control.style.features.layer=1"]
    out = [f"latents={store}", f"out={tmp_path / 'run'}", "codec_name=nano2_codec"]
    result = train(compose([*TINY_FLOW, *SIZES, *style, *out]))
    assert result.objects["trainer"].global_step == 2
    assert result.objects["model"].encoder.style.embed.in_features == tiny_mert.WIDTH
    folder = tmp_path / "run" / "bundle"
    kept = model_files.read(folder).config["settings"]["style_features"]
    assert "have a licence of their own" in (folder / "card.md").read_text()
    assert kept["kind"] == "mert" and kept["layer"] == 1 and (folder / kept["source"]).resolve() == mert.resolve()

    generator = bundle.load(folder)
    seconds = torch.arange(2 * 32_000) / 32_000
    sound = Audio(0.5 * torch.sin(2 * torch.pi * 220 * seconds)[None], 32_000)
    found = generator.style(sound)
    assert found.features.shape == (50, tiny_mert.WIDTH)
    one = generator.generate(Controls(("jazz",), {}, (found,)), seed=1, steps=2)
    again = generator.generate(Controls(("jazz",), {}, (generator.style(sound),)), seed=1, steps=2)
    other = generator.generate(Controls(("jazz",)), seed=1, steps=2)
    assert torch.equal(one.latents, again.latents) and not torch.equal(one.latents, other.latents)

    # The weights go: the model still loads and plays, and only --style says what it needs.
    soundfile.write(tmp_path / "song.wav", sound.samples[0].numpy(), 32_000)
    mert.rename(tmp_path / "away")
    monkeypatch.chdir(tmp_path)
    try:
        bundle.load(folder).generate(Controls(("jazz",)), seed=1, steps=2)
        capsys.readouterr()
        assert main(["generate", "jazz", "--model", str(folder), "--style", "song.wav", "--quiet"]) == 2
    finally:
        (tmp_path / "away").rename(mert)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "the style features need the MERT weights of" in lines[0]
    assert f"hf download m-a-p/MERT-v1-95M --local-dir {mert}" in lines[0]
