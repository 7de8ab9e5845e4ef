"""Training without captions, from a corpus to takes from words and from a recording."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import instantiate

from flowmusic.apps import build as apps_build
from flowmusic.audio import Audio
from flowmusic.data.errors import WrongData
from flowmusic.data.store_files import read_store
from flowmusic.interop import bundle, model_files, text_audio
from flowmusic.interop.fitting import ModelError
from flowmusic.model.pseudowords import Concept
from flowmusic.model.text import SHA256
from flowmusic.train.invert import check_model
from flowmusic.train.run import compose, train
from flowmusic.types import AudioPrompt, Controls
from tests.train.test_runs import tones_with_drums
from tests.train.tiny_runs import TINY_FLOW

SIZES = ["model.field.dim=192", "model.field.frames_dim=289", "data.batch=2", "data.pairs=2", "threads=1"]
SIZES += ["data.crop_seconds=1.2", "data.validation_crop_seconds=1.2", "control.style.seconds=[0.2,0.5]"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones_with_drums(tmp_path_factory.mktemp("corpus"))


def built(corpus: Path, out: Path, *more: str) -> Path:
    assert apps_build.main([f"corpus={corpus}", f"out={out}", "build.workers=1", *more]) == 0
    return out


@pytest.fixture(scope="module")
def store(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(corpus, tmp_path_factory.mktemp("made") / "store")


@pytest.fixture(scope="module")
def heard(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(corpus, tmp_path_factory.mktemp("made") / "heard", "text_audio=nano_text_audio")


def overrides(store: Path, out: Path, *more: str) -> list[str]:
    return [*TINY_FLOW, *SIZES, f"latents={store}", f"out={out}", "trainer.max_steps=2", *more]


def prompts(folder: Path) -> str:
    (folder / "prompts.txt").write_text("slow jazz\nloud drums\n")
    return f"data.prompts={folder / 'prompts.txt'}"


def test_without_captions_words_and_recordings_both_make_takes(heard: Path, corpus: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    result = train(compose(overrides(heard, tmp_path / "run", "text=audio", prompts(tmp_path))))
    data, encoder = result.objects["data"], result.objects["model"].encoder
    assert data.train_store.captions() == [] and not encoder.joint.words
    mean = torch.cat(data.train_store.heard.vectors).float().mean(0)
    assert torch.allclose(encoder.joint.audio_mean, mean, atol=1e-4) and encoder.joint.text_mean.norm() > 0
    described = yaml.safe_load((result.folder / "bundle" / "config.yaml").read_text())["settings"]["encoder"]["joint"]
    assert described["model"] == "nano_text_audio"
    assert described["sha256"] == model_files.fingerprint("nano_text_audio")
    generator = bundle.load(result.folder / "bundle")
    recording = Audio.read(next((corpus / "train").glob("*[0-9].flac")))
    asked = Controls(("slow jazz", generator.audio_prompt(recording), None))
    take = generator.generate(asked, seed=1, steps=1)
    assert take.audio.samples.shape[0] == 3 and bool(take.audio.samples.isfinite().all())
    # The field is nearly untrained; what it is told differs all the same.
    pooled = generator.encoder(asked, generator.grid()).pooled
    assert not torch.allclose(pooled[0], pooled[1]) and (pooled[2] == 0).all()
    with pytest.raises(ValueError, match="<dusk>, which is not known"):
        generator.encoder(Controls(("a <dusk> tune",)), generator.grid())
    check_model(generator).concepts["dusk"] = Concept("dusk", torch.randn(1, 384), torch.randn(384), SHA256)
    assert generator.encoder(Controls(("a <dusk> tune",)), generator.grid()).pooled.abs().sum() > 0


def test_a_run_goes_on_as_if_it_had_never_stopped(heard: Path, tmp_path: Path) -> None:
    whole = train(compose(overrides(heard, tmp_path / "whole", "text=mixed", "trainer.max_steps=4", "export=null")))
    train(compose(overrides(heard, tmp_path / "cut", "text=mixed", "export=null")))
    cut = train(compose(overrides(heard, tmp_path / "cut", "text=mixed", "trainer.max_steps=4", "export=null")))
    one, other = (run.objects["model"].state_dict() for run in (whole, cut))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_adapter_leaves_the_centres_of_its_base(heard: Path, tmp_path: Path) -> None:
    base = train(compose(overrides(heard, tmp_path / "run", "text=mixed"))).folder / "bundle"
    given = ["experiment=lora", f"base={base}", f"latents={heard}", f"out={tmp_path / 'lora'}", "text=mixed"]
    given += ["trainer.max_steps=1", "trainer.precision=32-true", "data.batch=2", "data.style_seconds=[0.2,0.5]"]
    given += ["data.crop_seconds=1.2", "data.validation_crop_seconds=1.2", "model.lora.rank=2", "logger=none"]
    result = train(compose([*given, "~callbacks.learning_rate"]))
    joint, before = result.objects["model"].encoder.joint, bundle.load(base).encoder.joint
    assert before.audio_mean.norm() > 0 and torch.equal(joint.audio_mean, before.audio_mean)
    assert torch.equal(joint.text_mean, before.text_mean)
    assert (result.folder / "adapter.safetensors").is_file()


def test_an_older_model_is_what_training_may_start_from() -> None:
    cfg = compose(["experiment=nano_facts", "text=mixed", "model.init_from=nano"])
    module = instantiate(cfg.model)
    old = model_files.read("nano").tensors["encoder.text_projection.weight"]
    assert torch.equal(module.encoder.text_projection.weight, old)
    assert module.encoder.joint.network.embed_texts(["slow jazz"]).shape == (1, 128)


def test_another_text_audio_model_is_refused(heard: Path, tmp_path: Path) -> None:
    folder = train(compose(overrides(heard, tmp_path / "run", "text=mixed"))).folder / "bundle"
    description = yaml.safe_load((folder / "config.yaml").read_text())
    description["settings"]["encoder"]["joint"]["sha256"] = "0" * 64
    (folder / "config.yaml").write_text(yaml.safe_dump(description))
    with pytest.raises(ModelError, match=r"nano_text_audio has weights .*trained with 0000"):
        bundle.load(folder)


def test_what_is_missing_is_said_before_training(store: Path, heard: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.prompts=FILE.*text.joint.centred=false"):
        train(compose(overrides(heard, tmp_path / "a", "text=audio")))
    with pytest.raises(ValueError, match="needs a model that hears; set text=mixed"):
        train(compose(overrides(heard, tmp_path / "b", "data.text_from=mixed")))
    with pytest.raises(WrongData, match=r"does not hold; build it with text_audio="):
        train(compose(overrides(store, tmp_path / "c", "text=mixed")))


def test_shards_hold_what_clips_sound_like(heard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = read_store(heard, "train").heard
    assert vectors is not None and vectors.settings["model"] == "nano_text_audio"
    assert all(row is not None and row.shape == (1, 128) for row in vectors.vectors)
    corpus, out = tmp_path / "none", tmp_path / "out"
    assert apps_build.main([f"corpus={corpus}", f"out={out}", "text_audio=nobody"]) == 2
    assert not out.exists()


def test_a_stream_trains_without_captions_too(heard: Path, tmp_path: Path) -> None:
    given = ["data=shards", f"shards={heard}", "text=audio", prompts(tmp_path), "data.group=1", "export=null"]
    result = train(compose(overrides(heard, tmp_path / "run", *given)))
    joint = result.objects["model"].encoder.joint
    assert joint.audio_mean.norm() > 0 and joint.text_mean.norm() > 0
    batch = next(iter(result.objects["data"].train_dataloader()))
    assert all(isinstance(text, AudioPrompt) for text in batch.controls.text)


def test_a_folder_is_named_by_the_way_there(tmp_path: Path) -> None:
    mine = tmp_path / "models" / "mine"
    mine.mkdir(parents=True)
    assert text_audio.stored_name(str(mine), tmp_path / "run" / "bundle") == "./../../models/mine"
    assert text_audio.stored_name(f"clap:{mine}", tmp_path / "run") == "clap:./../models/mine"
    assert text_audio.stored_name("nano_text_audio", tmp_path) == "nano_text_audio"
    assert text_audio.stored_name("clap:laion/larger_clap_music", tmp_path) == "clap:laion/larger_clap_music"
