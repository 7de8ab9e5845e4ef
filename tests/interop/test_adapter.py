"""Adapter files: what is written, what is refused, and how they are named on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from flowmusic.interop import adapter
from flowmusic.interop.adapter import AdapterError, AdapterUse

ABOUT = {"base": "nano", "base_sha256": "0" * 64, "rank": 2, "alpha": 4.0}


def pair(rank: int = 2) -> dict[str, torch.Tensor]:
    return {"field.input.lora_A": torch.ones(rank, 3), "field.input.lora_B": torch.ones(5, rank)}


def test_a_file_holds_fp16_and_plain_data(tmp_path: Path) -> None:
    path = adapter.write(tmp_path / "new" / "a.safetensors", pair(), {**ABOUT, "data": "tänze"})
    found = adapter.read(path)
    assert found.about["data"] == "tänze" and found.factor == 2.0
    assert torch.equal(found.tensors["field.input.lora_A"], torch.ones(2, 3))
    assert len(found.sha256) == 64 and list(path.parent.iterdir()) == [path]
    assert path.stat().st_size < 1000


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("a.safetensors", AdapterUse(Path("a.safetensors"), 1.0)),
        ("d/a.safetensors:0.8", AdapterUse(Path("d/a.safetensors"), 0.8)),
        ("a.safetensors:-2", AdapterUse(Path("a.safetensors"), -2.0)),
    ],
)
def test_a_use_is_a_file_and_a_scale(text: str, use: AdapterUse) -> None:
    assert AdapterUse.parse(text) == use


@pytest.mark.parametrize(
    ("text", "message"),
    [("a:2.5", "from -2 to 2"), ("a:nan", "from -2 to 2"), ("a:loud", "'loud'.*is not a number"), (":1", "no file")],
)
def test_other_scales_are_refused(text: str, message: str) -> None:
    with pytest.raises(AdapterError, match=message):
        AdapterUse.parse(text)


def test_what_is_no_adapter_is_said(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="not found"):
        adapter.read(tmp_path / "gone.safetensors")
    (tmp_path / "text.safetensors").write_text("hello, this is no tensor file")
    save_file(pair(), tmp_path / "bare.safetensors")
    for name in ("text", "bare"):
        with pytest.raises(AdapterError, match="is no adapter"):
            adapter.read(tmp_path / f"{name}.safetensors")
    lonely = {"field.input.lora_A": torch.ones(2, 3)}
    for tensors, about in ((pair(3), ABOUT), (lonely, ABOUT), (pair(), {**ABOUT, "base": None})):
        path = adapter.write(tmp_path / "odd.safetensors", tensors, about)
        with pytest.raises(AdapterError, match="is damaged"):
            adapter.read(path)


def test_what_cannot_be_stored_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    large = {name: tensor * 1e6 for name, tensor in pair().items()}
    with pytest.raises(AdapterError, match="not finite in fp16"):
        adapter.write(tmp_path / "a.safetensors", large, ABOUT)
    with pytest.raises(AdapterError, match="safetensors file"):
        adapter.write(tmp_path / "a.bin", pair(), ABOUT)
    assert list(tmp_path.iterdir()) == []
