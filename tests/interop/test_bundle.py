"""Bundles: round trip, verification, refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from flowmusic.audio import Audio
from flowmusic.codec.spectral import SpectralCodec
from flowmusic.interop import bundle, fitting, model_files
from flowmusic.types import Guidance

SETTINGS = {"rate": 8000, "hop": 160, "n_fft": 512, "top_hz": 3000.0, "width": 16, "dim": 8}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    codec = SpectralCodec(**SETTINGS).eval()
    config = {"kind": "spectral", "settings": SETTINGS}
    return model_files.write(tmp_path / "small", config, codec.state_dict(), "# small\n")


def edit(folder: Path, **changes: object) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, **changes}))


def test_round_trip_is_exact_to_half_precision(folder: Path) -> None:
    torch.manual_seed(0)
    written = SpectralCodec(**SETTINGS).eval()
    loaded = bundle.load_codec(folder)
    for name, value in written.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value
        assert torch.equal(loaded.state_dict()[name], expected), name
    assert not any(p.requires_grad for p in loaded.parameters())
    assert loaded.encode(Audio(torch.randn(1, 1, 4000), 8000)).shape == (1, 13, 8)


def test_writing_again_replaces_and_leaves_nothing_behind(folder: Path) -> None:
    first = (folder / "config.yaml").read_text()
    model_files.write(folder, {"kind": "spectral", "settings": SETTINGS}, {"a": torch.ones(2)}, "other")
    assert (folder / "config.yaml").read_text() != first
    assert [p.name for p in folder.parent.iterdir()] == ["small"]
    assert sorted(p.name for p in folder.iterdir()) == ["card.md", "config.yaml", "model.safetensors"]


def test_a_part_has_a_file_of_its_own_and_the_codec_stays_what_it_is(folder: Path, tmp_path: Path) -> None:
    """A stereo head changes neither hash nor fingerprint, so that latents of before are those of the same codec."""
    before = bundle.load_codec(folder)
    head = {"bands": 4, "width": 4, "n_fft": 512, "hop": 160}
    before.add_stereo_head(head)
    config = {"kind": "spectral", "settings": {**SETTINGS, "stereo": head}}
    added = model_files.write(
        tmp_path / "wide", config, before.state_dict(), "# wide\n", eight_bits=True, main=folder / "model.safetensors"
    )
    assert (added / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert model_files.fingerprint(added) == model_files.fingerprint(folder)
    told = model_files.read(added).config
    assert told["sha256"] == model_files.read(folder).config["sha256"] and list(told["parts"]) == ["stereo"]
    assert f"sha256 of stereo.safetensors: `{told['parts']['stereo']}`" in (added / "card.md").read_text()
    wide, old = bundle.load_codec(added), bundle.load_codec(folder)
    assert model_files.codec_fingerprint(wide) == model_files.codec_fingerprint(old)
    latents = torch.randn(1, 8, 8)
    assert wide.channels == 1 and torch.equal(wide.decode(latents).samples, old.decode(latents).samples)
    wide.mono = False
    assert wide.decode(latents).samples.shape[1] == 2
    edit(added, parts={"../other": "0"})
    with pytest.raises(fitting.ModelError, match="parts must be some of stereo"):
        bundle.load_codec(added)
    edit(added, parts={"stereo": "0" * 64})
    with pytest.raises(fitting.CorruptWeights, match=r"stereo\.safetensors is damaged"):
        bundle.load_codec(added)
    (added / "stereo.safetensors").unlink()
    with pytest.raises(fitting.CorruptWeights, match=r"stereo\.safetensors is missing"):
        bundle.load_codec(added)


def test_damaged_weights_are_refused_with_advice(folder: Path) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(fitting.CorruptWeights, match=r"damaged.*sha256.*write the bundle"):
        bundle.load_codec(folder)
    weights.unlink()
    with pytest.raises(fitting.CorruptWeights, match="is missing"):
        bundle.load_codec(folder)


def test_strangers_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(fitting.ModelError, match=r"unknown model 'nano2'.*shipped"):
        bundle.load("nano2")
    with pytest.raises(fitting.ModelError, match=r"no config.yaml"):
        bundle.load(tmp_path)
    with pytest.raises(fitting.ModelError, match=r"'spectral' model, not one that generates"):
        bundle.load(folder)
    edit(folder, kind="os.system")
    with pytest.raises(fitting.ModelError, match=r"'os.system'.*not one of spectral, hybrid, seanet"):
        bundle.load_codec(folder)


def test_no_code_in_a_description_is_executed(folder: Path) -> None:
    (folder / "config.yaml").write_text("!!python/object/apply:os.system ['touch /tmp/executed']")
    with pytest.raises(fitting.CorruptWeights, match="cannot be parsed"):
        bundle.load_codec(folder)
    (folder / "config.yaml").write_text("format: 99")
    with pytest.raises(fitting.ModelError, match="format 1"):
        bundle.load_codec(folder)


def test_description_and_weights_must_agree(folder: Path) -> None:
    edit(folder, settings={**SETTINGS, "width": 24})
    with pytest.raises(fitting.CorruptWeights, match="wrong shape"):
        bundle.load_codec(folder)
    edit(folder, settings={**SETTINGS, "depth": 3})
    with pytest.raises(fitting.ModelError, match=r"do not fit the kind 'spectral'.*depth"):
        bundle.load_codec(folder)


def test_how_a_model_is_sampled_is_read_from_its_bundle(tmp_path: Path) -> None:
    """Defaults come back as they were written; a bundle from before an option leaves it off."""
    shipped = model_files.find("nano")
    described = yaml.safe_load((shipped / "config.yaml").read_text())
    options = {"time_grid": "epss", "steps": 7, "guidance_interval": [0.1, 0.8], "apg": {"eta": 0.0, "norm": None}}
    cases: dict[str, dict[str, object]] = {"old": {"guidance": {"all": 3.0}, "solver": "midpoint", "steps": 10}}
    cases["new"] = {
        **cases["old"],
        **options,
        "guided_channels": [[56, 1.0], [described["settings"]["field"]["dim"] - 56, 0.25]],
    }
    cases["wrong"] = {**cases["old"], "guided_channels": [[56, 1.0]]}
    cases["timbre"] = {**cases["old"], "timbre_channels": [[1, 1.0, 0.0]]}
    for name, generation in cases.items():
        described["settings"]["generation"] = generation
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump(described))
        (tmp_path / name / "model.safetensors").symlink_to(shipped / "model.safetensors")
    old, new = (bundle.load(tmp_path / name).defaults for name in ("old", "new"))
    assert old.guide() == Guidance.of({"all": 3.0}) and old.time_grid == "uniform"
    assert new.guide() == Guidance.of({"all": 3.0}, (0.1, 0.8), {"eta": 0.0})
    assert (new.time_grid, new.steps) == ("epss", 7)
    assert new.channels(described["settings"]["field"]["dim"])[[55, 56]].tolist() == [1.0, 0.25]
    with pytest.raises(fitting.ModelError, match=r"guided_channels must be runs.* channels in all, got \[\[56"):
        bundle.load(tmp_path / "wrong")
    with pytest.raises(fitting.ModelError, match=r"timbre_channels must be runs.* channels in all, got \[\[1"):
        bundle.load(tmp_path / "timbre")
