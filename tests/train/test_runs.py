"""Training as a user runs it, in miniature: learn, stop, resume, export, load, generate."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.apps import build as apps_build
from flowmusic.audio import Audio
from flowmusic.interop import bundle, model_files
from flowmusic.precision import of_trainer
from flowmusic.train.command import WrongSettings
from flowmusic.train.run import compose, train
from flowmusic.types import Controls
from tests.interop import checkpoints
from tests.model import tiny_t5
from tests.train.tiny_runs import TINY_CODEC, TINY_FLOW, TINY_HYBRID


def flow(store: Path, out: Path, *overrides: str) -> list[str]:
    return [*TINY_FLOW, f"latents={store}", f"out={out}", "export=null", *overrides]


def tones_with_drums(folder: Path) -> Path:
    """A corpus of two-second clips with labels and drum stems."""
    rng = np.random.default_rng(0)
    lines = []
    for split in ("train", "validation"):
        (folder / split).mkdir(parents=True)
        base = folder / split / f"{split}0"
        drums = 0.3 * rng.standard_normal(2 * checkpoints.RATE)
        soundfile.write(f"{base}.drums.flac", drums, checkpoints.RATE)
        soundfile.write(f"{base}.flac", 0.5 * drums, checkpoints.RATE)
        labels = {
            "seconds": 2.0,
            "beats": [0.0, 0.5, 1.0, 1.5],
            "downbeats": [0.0],
            "chords": [[0, 2, "C"]],
            "melody": [[0.0, 1.0, 60]],
            "captions": ["slow jazz", "fast"],
        }
        Path(f"{base}.json").write_text(json.dumps(labels))
        lines.append(json.dumps({"path": f"{split}/{base.name}.flac", "seconds": 2.0, "split": split}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    tensors: dict[str, torch.Tensor] = checkpoint["current_model_state"]
    return tensors


def test_stop_and_resume_equals_a_straight_run(store: Path, tmp_path: Path) -> None:
    straight = train(compose(flow(store, tmp_path / "straight", "trainer.max_steps=6")))
    train(compose(flow(store, tmp_path / "stopped", "trainer.max_steps=4")))
    resumed = train(compose(flow(store, tmp_path / "stopped", "trainer.max_steps=6")))
    assert resumed.objects["trainer"].global_step == straight.objects["trainer"].global_step == 6
    one, two = weights(tmp_path / "straight"), weights(tmp_path / "stopped")
    assert one.keys() == two.keys()
    for name in one:
        assert torch.equal(one[name], two[name]), name
    for a, b in zip(straight.objects["model"].parameters(), resumed.objects["model"].parameters(), strict=True):
        assert torch.equal(a, b)  # the averaged weights too


def test_the_field_learns(store: Path, tmp_path: Path) -> None:
    overrides = ["trainer.val_check_interval=10", "model.optimizer.lr=0.01", "callbacks.average.decay=0.5"]
    short = train(compose(flow(store, tmp_path / "a", "trainer.max_steps=10", *overrides)))
    longer = train(compose(flow(store, tmp_path / "b", "trainer.max_steps=120", "model.total_steps=120", *overrides)))
    assert longer.metrics["validation/loss"] < 0.9 * short.metrics["validation/loss"]


def test_codec_and_field_become_a_generator(store: Path, wave_corpus: Path, tmp_path: Path) -> None:
    train(compose([*TINY_CODEC, f"corpus={wave_corpus}", f"out={tmp_path / 'nano_codec'}", "trainer.max_steps=2"]))
    codec = tmp_path / "nano_codec" / "bundle"
    overrides = [f"latents={store}", f"out={tmp_path / 'field'}", f"codec_name={codec}", "trainer.max_steps=2"]
    train(compose([*TINY_FLOW, *overrides, "resume=false"]))
    bundle.load(tmp_path / "field" / "bundle")  # both folders are called "bundle"
    result = train(compose([*TINY_FLOW, *overrides, "resume=false", f"export.folder={tmp_path / 'tiny'}"]))
    run = json.loads((result.folder / "metrics.json").read_text())
    assert run["steps"] == 2 and run["seed"] == 0
    described = (tmp_path / "tiny" / "config.yaml").read_text()
    assert "_target_" not in described and str(tmp_path) not in described
    bundle.load(tmp_path / "tiny")  # the codec is found where training left it
    codec.rename(tmp_path / "bundle")  # or beside the model by its folder's name
    generator = bundle.load(tmp_path / "tiny")
    take = generator.generate(Controls(("slow jazz",)), seed=1, steps=2)
    again = generator.generate(Controls(("slow jazz",)), seed=1, steps=2)
    assert take.audio.rate == 16_000 and take.audio.samples.shape[-1] == round(1.6 * 16_000)
    assert torch.equal(take.audio.samples, again.audio.samples)
    card = (tmp_path / "tiny" / "card.md").read_text()
    assert "Apache-2.0" in card and "Seed 0" in card


def test_style_is_trained_exported_and_started_from(store: Path, tmp_path: Path) -> None:
    style = ["control.style.seconds=[0.2,0.5]", "control.style.drop=0.0", "model.dropout.everything=0.0"]
    style += ["model.dropout.text_only=0.0", "data.validation_crop_seconds=1.2"]
    first = [o for o in flow(store, tmp_path / "first", *style) if o != "export=null"]
    more = ["model.describe=0.3", "model.outset=1.0", "model.mean_weight=0.1", "trainer.max_steps=4"]
    result = train(compose([*first, "codec_name=nano2_codec", *more]))
    # Text and style told how windows sound; what read that off is no part of the model.
    logged = result.objects["trainer"].logged_metrics
    assert 0.0 < float(logged["train/untold"]) < 10.0 and 0.0 < float(logged["train/outset"]) < 10.0
    assert result.objects["model"].description.output.weight.any()
    codebook = result.objects["model"].encoder.style.quantiser.levels[0]
    assert bool(codebook.inited) and codebook.embed.any()
    stored = model_files.read(tmp_path / "first" / "bundle")
    assert not any("embed_avg" in name or "descri" in name for name in stored.tensors)
    assert "style" in stored.config["settings"]["encoder"]
    # Training goes on from there, in a field that is told the tracks in every block, and hears tones.
    more = [f"model.init_from={stored.folder}", "model.field.frames_in_blocks=true", "trainer.max_steps=1"]
    more += ["model.field.tone_channels=8", "codec_name=nano2_codec", "model.frozen=[encoder.style.layers.*]"]
    on = train(compose([*flow(store, tmp_path / "on", *style), *more]))
    assert on.objects["trainer"].global_step == 1 and on.objects["model"].field.tones.drawn
    for name, weight in on.objects["model"].named_parameters():
        if name.startswith("encoder.style.") and name.endswith("weight"):
            as_it_was = torch.equal(weight, stored.tensors[name].float())
            assert as_it_was == name.startswith("encoder.style.layers."), name
    with pytest.raises(Exception, match=r"model\.frozen=encoder\.stile\.\* fits no weight"):
        train(compose([*flow(store, tmp_path / "y", *style), "model.frozen=[encoder.stile.*]"]))
    wider = [*flow(store, tmp_path / "x", *style), f"model.init_from={stored.folder}", "model.field.width=64"]
    with pytest.raises(Exception, match=r"does not fit this model.*other shape"):
        train(compose(wider))
    # What starts afresh may be of another size.
    assert train(compose([*wider, "model.init_except=['*']", "trainer.max_steps=1"])).folder.is_dir()


def test_wall_clock_budget_stops_in_good_order(store: Path, tmp_path: Path) -> None:
    result = train(
        compose(
            flow(
                store,
                tmp_path,
                "trainer.max_steps=100000",
                "callbacks.budget.cpu_s=0.05",
                "resume=false",
                "trainer.precision=auto",
            )
        )
    )
    assert result.objects["trainer"].precision == of_trainer("auto", "cpu")
    assert 0 < result.objects["trainer"].global_step < 100_000
    assert result.objects["trainer"].state.finished


def test_mismatched_frames_dim_says_what_to_set(store: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"model.field.frames_dim=105"):
        train(compose(flow(store, tmp_path, "model.field.frames_dim=100", "trainer.max_steps=1")))


def test_shares_of_guidance_that_do_not_fit_are_refused_before_the_training(store: Path, tmp_path: Path) -> None:
    told = [option for option in flow(store, tmp_path / "run", "trainer.max_steps=1") if option != "export=null"]
    told += ["codec_name=nano2_codec", "export.generation.guided_channels=[[9,1.0]]"]
    with pytest.raises(WrongSettings, match=r"guided_channels must be runs .* for 8 channels in all, got \[\[9"):
        train(compose(told))
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["experiment=nanoo"], "nanoo"),
        (["experiment=nano", "model.learning_rate=1"], "learning_rate"),
        (["experiment=nano", "latents=/nowhere"], "flowmusic build corpus=DIR"),
        (["experiment=nano", "callbacks.budget.wall_s=-1"], "wall_s must be a number of seconds from 0"),
    ],
)
def test_wrong_configuration_is_one_line_and_exit_2(
    overrides: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flowmusic.apps.cli import main

    assert main(["train", *overrides, f"out={tmp_path}", "logger=none"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert says in lines[-1] and not any("Traceback" in line for line in lines)


def test_training_the_decoder_on_leaves_latents_alone(wave_corpus: Path, tmp_path: Path) -> None:
    train(compose([*TINY_CODEC, f"corpus={wave_corpus}", f"out={tmp_path / 'codec'}", "trainer.max_steps=2"]))
    before = bundle.load_codec(tmp_path / "codec" / "bundle")
    shared = [o for o in TINY_CODEC if not o.startswith(("experiment", "codec."))]
    overrides = [f"codec.name={tmp_path / 'codec' / 'bundle'}", f"out={tmp_path / 'on'}", "trainer.max_steps=3"]
    train(compose(["experiment=nano_codec_decoder", *shared, f"corpus={wave_corpus}", *overrides]))
    after = bundle.load_codec(tmp_path / "on" / "bundle")
    audio = Audio(0.1 * torch.randn(1, 1, 8000, generator=torch.Generator().manual_seed(0)), 16_000)
    latents = before.encode(audio)
    assert torch.equal(latents, after.encode(audio))
    assert torch.equal(before.codes(latents), after.codes(latents))
    assert not torch.equal(before.decode(latents).samples, after.decode(latents).samples)


def test_training_a_whole_codec_on_from_its_bundle(wave_corpus: Path, tmp_path: Path) -> None:
    train(compose([*TINY_CODEC, f"corpus={wave_corpus}", f"out={tmp_path / 'codec'}", "trainer.max_steps=2"]))
    before = bundle.load_codec(tmp_path / "codec" / "bundle")
    shared = [o for o in TINY_CODEC if not o.startswith("codec.")]
    overrides = ["codec=bundle", f"codec.name={tmp_path / 'codec' / 'bundle'}", f"out={tmp_path / 'on'}"]
    result = train(compose([*shared, f"corpus={wave_corpus}", *overrides, "trainer.max_steps=3"]))
    assert result.objects["model"].codec.norm.training is False  # exported, so in evaluation mode again
    after = bundle.load_codec(tmp_path / "on" / "bundle")
    audio = Audio(0.1 * torch.randn(1, 1, 8000, generator=torch.Generator().manual_seed(0)), 16_000)
    assert not torch.equal(before.encode(audio), after.encode(audio))
    assert not torch.equal(before.norm.running_mean, after.norm.running_mean)
    card = (tmp_path / "on" / "bundle" / "card.md").read_text()
    assert "Before it was trained on" in card and card.count("Licence of the weights") == 2


def test_the_jasco_experiment_trains_at_a_small_size(tmp_path: Path) -> None:
    """Drums as codes of an EnCodec, prompts by T5, and a control that the model does not read."""
    codec = tmp_path / "codec"
    codec.mkdir()
    torch.save(checkpoints.full_codec(), codec / "compression_state_dict.bin")
    store = tmp_path / "store"
    corpus = tones_with_drums(tmp_path / "corpus")
    command = [f"corpus={corpus}", f"out={store}", f"codec={codec}", "drums=codes", "build.workers=1"]
    assert apps_build.main(command) == 0
    sizes = ["model.field.width=16", "model.field.layers=2", "model.field.heads=2", "data.batch=2"]
    sizes += ["data.crop_seconds=1", "data.validation_crop_seconds=1", "data.validation_batches=1", "model.warmup=1"]
    text = [f"model.encoder.text.source={tiny_t5.write(tmp_path / 't5', 12)}", "model.encoder.text.dim=12"]
    run = ["logger=none", "~callbacks.learning_rate", "trainer.precision=32-true", "trainer.enable_progress_bar=false"]
    overrides = [f"latents={store}", f"codec_name={codec}", f"out={tmp_path / 'run'}", "trainer.max_steps=3"]
    result = train(compose(["experiment=jasco_400m", *sizes, *text, *run, *overrides]))
    model = result.objects["model"]
    assert result.objects["trainer"].global_step == 3 and math.isfinite(result.metrics["train/loss"])
    assert model.encoder.codebook.shape == (checkpoints.BINS, checkpoints.DIM)


def test_samples_can_be_heard_while_training(store: Path, wave_corpus: Path, tmp_path: Path) -> None:
    train(compose([*TINY_CODEC, f"corpus={wave_corpus}", f"out={tmp_path / 'codec'}", "trainer.max_steps=1"]))
    kept = [o for o in TINY_FLOW if o not in ("~callbacks.samples", "logger=none")]
    overrides = [
        f"latents={store}",
        f"out={tmp_path / 'field'}",
        f"codec_name={tmp_path / 'codec' / 'bundle'}",
        "export=null",
        "trainer.max_steps=4",
        "trainer.val_check_interval=2",
        "callbacks.samples.every_n_steps=2",
    ]
    train(compose([*kept, *overrides]))
    names = sorted(p.name for p in (tmp_path / "field").rglob("*.wav"))
    assert names == [f"step00000{step}-{take}.wav" for step in (2, 4) for take in (0, 1)]
    for path in (tmp_path / "field").rglob("*.wav"):
        assert Audio.read(path).rate == 16_000
    events = list((tmp_path / "field" / "tensorboard").glob("events*"))
    assert events and b"sample/0" in events[0].read_bytes()
    assert "validation/loss" in (tmp_path / "field" / "csv" / "version_0" / "metrics.csv").read_text()


def test_an_energy_head_is_trained_beside_a_codec_that_stays_as_it_is(
    store: Path, wave_corpus: Path, tmp_path: Path
) -> None:
    train(compose([*TINY_CODEC, f"corpus={wave_corpus}", f"out={tmp_path / 'codec'}", "trainer.max_steps=2"]))
    codec = tmp_path / "codec" / "bundle"
    field = [f"latents={store}", f"out={tmp_path / 'field'}", f"codec_name={codec}", "trainer.max_steps=2"]
    train(compose([*TINY_FLOW, *field, "resume=false"]))
    before = bundle.load_codec(codec)
    shared = [o for o in TINY_CODEC if not o.startswith(("experiment", "codec.", "model.calibration"))]
    overrides = [f"codec.name={codec}", f"model.field={tmp_path / 'field' / 'bundle'}", "model.optimizer.lr=0.05"]
    overrides += ["callbacks.average.decay=0.5"]
    overrides += ["codec.energy={bands: 6, width: 8, n_fft: 512, hop: 160}", f"corpus={wave_corpus}", "model.warmup=1"]
    long = ["trainer.max_steps=20", "model.total_steps=20", "trainer.val_check_interval=20", f"out={tmp_path / 'head'}"]
    result = train(compose(["experiment=nano_codec_energy", *shared, *overrides, *long]))
    short = ["trainer.max_steps=1", "trainer.val_check_interval=1", f"out={tmp_path / 'short'}"]
    begun = train(compose(["experiment=nano_codec_energy", *shared, *overrides, *short]))
    assert result.metrics["validation/loss"] < 0.8 * begun.metrics["validation/loss"]
    module = result.objects["model"]
    assert {name for name, p in module.named_parameters() if p.requires_grad} == {
        name for name, _ in module.named_parameters() if name.startswith(("codec.energy.", "head."))
    }
    after = bundle.load_codec(tmp_path / "head" / "bundle")
    audio = Audio(0.1 * torch.randn(1, 1, 8000, generator=torch.Generator().manual_seed(0)), 16_000)
    latents = before.encode(audio)
    assert torch.equal(latents, after.encode(audio)) and torch.equal(before.codes(latents), after.codes(latents))
    assert not torch.equal(before.decode(latents).samples, after.decode(latents).samples)
    # A bundle with the head, and one trained on from it, are read as any other.
    on = [
        "experiment=nano_codec_decoder",
        *shared,
        f"corpus={wave_corpus}",
        f"codec.name={tmp_path / 'head' / 'bundle'}",
    ]
    train(compose([*on, f"out={tmp_path / 'on'}", "trainer.max_steps=1"]))
    assert model_files.read(tmp_path / "on" / "bundle").config["settings"]["energy"]["bands"] == 6


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["codec.name=nano", "model.field=null"], "kind 'flow'"),
        (["model.quantile=1.5", "model.field=null"], "quantile"),
    ],
)
def test_an_energy_head_for_something_else_is_refused(
    overrides: list[str], says: str, wave_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flowmusic.apps.cli import main

    shared = ["experiment=nano_codec_energy", f"corpus={wave_corpus}", f"out={tmp_path}", "logger=none"]
    assert main(["train", *shared, *overrides]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert says in lines[-1] and not any("Traceback" in line for line in lines)


def test_a_hybrid_codec_is_trained_and_exported(wave_corpus: Path, tmp_path: Path) -> None:
    shared = [*TINY_HYBRID, f"corpus={wave_corpus}"]
    train(compose([*shared, f"out={tmp_path / 'stopped'}", "trainer.max_steps=3"]))
    resumed = train(compose([*shared, f"out={tmp_path / 'stopped'}", "trainer.max_steps=6"]))
    every = ["trainer.val_check_interval=6", "trainer.log_every_n_steps=1"]
    straight = train(compose([*shared, f"out={tmp_path / 'straight'}", "trainer.max_steps=6", *every]))
    pairs = zip(resumed.objects["model"].parameters(), straight.objects["model"].parameters(), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)
    names = ("validation/loss", "validation/si_sdr_db", "validation/lsd_db", "train/sdr_db")
    assert all(math.isfinite(straight.metrics[name]) for name in names)
    codec = bundle.load_codec(tmp_path / "straight" / "bundle")
    audio = Audio(0.1 * torch.randn(1, 1, 16_000, generator=torch.Generator().manual_seed(0)), 16_000)
    latents = codec.encode(audio)
    assert latents.shape == (1, 50, 8) and torch.isfinite(codec.decode(latents).samples).all()
