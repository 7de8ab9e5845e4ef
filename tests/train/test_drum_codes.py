"""Drums as the first codebook of our own codec, from the corpus to a take."""

from __future__ import annotations

from pathlib import Path

import torch

from flowmusic.apps import build as apps_build
from flowmusic.audio import Audio
from flowmusic.controls.tracks import batched
from flowmusic.corpus import reader as corpora
from flowmusic.data.store_files import read_store
from flowmusic.evaluate.test_set import drum_control
from flowmusic.interop import bundle
from flowmusic.train.run import compose, train
from flowmusic.types import Controls
from tests.train.test_runs import tones_with_drums
from tests.train.tiny_runs import TINY_FLOW

SIZES = ["model.field.dim=192", "model.field.frames_dim=289", "data.batch=2", "data.pairs=0", "trainer.max_steps=2"]
SIZES += ["data.crop_seconds=1.2", "data.validation_crop_seconds=1.2", "model.align=0"]


def test_a_codec_gives_the_nearest_vector_of_its_first_codebook() -> None:
    codec = bundle.load_codec("nano2_codec")
    audio = Audio(0.1 * torch.randn(2, 1, 16_000, generator=torch.Generator().manual_seed(0)), 32_000)
    ids = codec.first_codes(audio)
    vectors = codec.first_codebook()
    assert ids.shape == (2, 13) and vectors.shape == (512, 192)
    nearest = torch.cdist(codec.encode(audio).float(), vectors.expand(2, -1, -1)).argmin(-1)
    assert torch.equal(ids, nearest)


def test_a_model_is_trained_on_codes_and_given_codes(tmp_path: Path) -> None:
    corpus = tones_with_drums(tmp_path / "corpus")
    made = [f"corpus={corpus}", f"out={tmp_path / 'store'}", "codec=nano2_codec", "build.workers=1"]
    assert apps_build.main([*made, "drums=codes"]) == 0
    store = read_store(tmp_path / "store", "train")
    codes = store.tensors["drums"]
    assert not codes.is_floating_point() and codes.ndim == 1 and int(codes.max()) < 512
    overrides = [*TINY_FLOW, *SIZES, "control@control.drums=drums_codes", "control.drums.blur_s=0.12", "threads=1"]
    result = train(compose([*overrides, f"latents={tmp_path / 'store'}", f"out={tmp_path / 'run'}"]))
    generator = bundle.load(result.folder / "bundle")
    assert generator.drums_as_codes and generator.encoder.tracks["drums"].blur == 3
    stem = corpora.clips(corpus, "train", 1)[0].stem("drums")
    control = drum_control(generator)
    assert control is not None
    asked = control(Audio.read(stem), generator.grid())
    # At use as in training: the first clip begins the store.
    assert torch.equal(asked.values[:20].long(), codes[:20].long())
    take = generator.generate(Controls((None,), {"drums": batched(asked)}), seed=1, steps=2)
    assert bool(take.audio.samples.isfinite().all())


def test_the_width_of_codes_follows_the_latents() -> None:
    cfg = compose(["experiment=nano", "control@control.drums=drums_codes"])
    assert cfg.control.drums.conditioner.features == cfg.control.drums.conditioner.bands == 192
