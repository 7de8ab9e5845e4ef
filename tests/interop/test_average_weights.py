"""The mean of bundles that were trained on from one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.interop import model_files
from tools import average_weights

SETTINGS = {"encoder": {"width": 4}, "field": {"dim": 2}, "codec": "nano2_codec", "generation": {"steps": 6}}


def written(folder: Path, value: float, settings: dict[str, Any] = SETTINGS, name: str = "field.weight") -> Path:
    tensors = {name: torch.full((3, 2), value), "field.count": torch.tensor([7])}
    return model_files.write(folder, {"kind": "flow", "settings": settings}, tensors, "# a model\n")


def test_weights_are_averaged_by_their_shares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = written(tmp_path / "first", 1.0), written(tmp_path / "second", 3.0)
    out = tmp_path / "mean"
    assert average_weights.main(["--out", str(out), f"{first}:0.75", f"{second}:0.25"]) == 0
    found = model_files.read(out)
    assert found.tensors["field.weight"].unique().tolist() == [1.5] and found.tensors["field.count"].tolist() == [7]
    assert found.config["settings"] == SETTINGS
    card = (out / "card.md").read_text()
    assert card.startswith("# a model") and "0.75 of" in card
    assert card.count("sha256 of") == 1 and found.config["sha256"] in card  # of the mean, no more that of the first
    assert str(out) in capsys.readouterr().out


def test_what_is_not_one_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = written(tmp_path / "first", 1.0)
    wider = written(tmp_path / "wider", 1.0, {**SETTINGS, "field": {"dim": 3}})
    renamed = written(tmp_path / "renamed", 1.0, name="field.other")
    drawn = written(tmp_path / "drawn", 2.0, {**SETTINGS, "generation": {"steps": 4}})
    out = tmp_path / "mean"
    for parts, told in (
        ([f"{first}:0.5", f"{wider}:0.5"], "differ in field"),
        ([f"{first}:0.5", f"{renamed}:0.5"], "differ in the weights field.other, field.weight"),
        ([f"{first}:0.5", f"{drawn}:0.25"], "the shares add up to 0.75; they must add up to 1"),
        ([f"{first}:0.5", f"{tmp_path / 'none'}:0.5"], "none"),
    ):
        assert average_weights.main(["--out", str(out), *parts]) == 2
        assert told in capsys.readouterr().err and not out.exists()
    # How takes are drawn may differ: the first one's is kept.
    assert average_weights.main(["--out", str(out), f"{first}:0.5", f"{drawn}:0.5"]) == 0
    assert model_files.read(out).config["settings"]["generation"] == {"steps": 6}
    for wrong in ("first", "first:1.5", "first:x"):
        with pytest.raises(SystemExit) as stopped:
            average_weights.main(["--out", str(out), wrong])
        assert stopped.value.code == 2 and "NAME:SHARE" in capsys.readouterr().err
