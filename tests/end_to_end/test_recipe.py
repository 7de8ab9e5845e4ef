"""The whole recipe in miniature, interrupted, and taken to another folder in parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from flowmusic.corpus.fonts import wheel_font
from flowmusic.interop import bundle
from flowmusic.train.command import config_folder
from flowmusic.types import Controls
from tests.train.tiny_runs import TINY_FLOW, TINY_HYBRID
from tools import recipe

STAGES = ["corpus", "more clips", "codec", "latents", "more latents", "field", "text and audio", "drum onsets"]
STAGES += ["drum classes"]


def tiny(overrides: list[str], *more: str) -> str:
    kept = [o for o in overrides if not o.startswith("experiment")]
    return json.dumps([*kept, *more])


@pytest.mark.slow
def test_an_interrupted_recipe_goes_on_elsewhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = yaml.safe_load((config_folder() / "recipe" / "cpu.yaml").read_text())
    content["stages"] = [stage for stage in content["stages"] if stage["name"] in STAGES]
    content["reserve_s"] = 0
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content))
    font = wheel_font()
    assert font is not None and [stage["name"] for stage in content["stages"]] == STAGES
    codec = [
        *TINY_HYBRID,
        "trainer.val_check_interval=100000",
        "callbacks.checkpoint.every_n_train_steps=100000",
    ]
    text_audio = ["trainer.max_steps=2", "trainer.val_check_interval=2", "data.batch=4", "~callbacks.learning_rate"]
    text_audio += ["data.validation_batch=1", "logger=none", "trainer.precision=32-true"]
    settings = {
        "hours": "0.06",
        "more_hours": "0.01",
        "fonts": json.dumps(["--soundfont", str(font)]),
        "field": tiny(TINY_FLOW, "model.field.frames_dim=121", "trainer.max_steps=3", "data.pairs=2"),
        "text_audio": json.dumps(text_audio),
        "drum_steps": "2",
    }

    heard: list[str] = []

    def sit(state: str, codec_steps: int, minutes: str, *more: str) -> str:
        chosen = {**settings, "codec": tiny(codec, f"trainer.max_steps={codec_steps}")}
        flags = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
        command = [str(tmp_path / "tiny.yaml"), "--minutes", minutes, "--state", str(tmp_path / state), *more, *flags]
        assert recipe.main([*command, "--cores", "2"]) == 0, capfd.readouterr().err
        said = capfd.readouterr()
        heard.append(said.err)
        return said.out.splitlines()[-1]

    # The codec is to make more steps than any sitting holds; a busy machine may need several to come to it.
    checkpoint = Path("codec", "checkpoints", "last.ckpt")
    while not (tmp_path / "here" / checkpoint).is_file():
        said = sit("here", 10**7, "1.0", "--out", str(tmp_path / "parts"))
        assert said.endswith("next: codec") or len(heard) < 9
    assert said == "2 of 9 stages done; next: codec"
    (tmp_path / "here").rename(tmp_path / "gone")
    saved = torch.load(tmp_path / "gone" / checkpoint, weights_only=True)["global_step"]
    assert saved >= 1
    done = sit("there", saved + 2, "30", "--from", str(tmp_path / "parts"), "--out", str(tmp_path / "parts2"))
    assert done == "9 of 9 stages done"
    log = json.loads((tmp_path / "there" / recipe.LOG).read_text())
    assert [entry["stage"] for entry in log if entry["finished"]] == STAGES
    codecs = [(entry["sitting"], entry["finished"]) for entry in log if entry["stage"] == "codec"]
    assert codecs[-2:] == [(len(heard) - 1, False), (len(heard), True)]
    run = json.loads((tmp_path / "there" / "codec" / "metrics.json").read_text())
    assert run["steps"] == saved + 2
    assert "Restored all states from the checkpoint" in heard[-1] and "Restored" not in heard[-2]
    take = bundle.load(tmp_path / "there" / "nano" / "bundle").generate(Controls(("slow jazz",)), seed=1, steps=1)
    assert torch.isfinite(take.audio.samples).all()
