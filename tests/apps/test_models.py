"""``flowmusic models``: the list, and conversion in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from flowmusic.apps.cli import main
from tests.interop import checkpoints


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return checkpoints.write(tmp_path / "published", layers=2)


def convert(source: Path | str, target: Path) -> int:
    return main(["models", "convert", str(source), str(target)])


def test_alone_it_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert capsys.readouterr().out.startswith("nano\t")


def test_the_direction_follows_from_the_source(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(source, tmp_path / "ours") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'ours'}\n"
    assert convert(tmp_path / "ours", tmp_path / "theirs") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'theirs'}\n"
    both = [torch.load(f / "state_dict.bin", weights_only=True) for f in (source, tmp_path / "theirs")]
    assert both[0]["xp.cfg"] == both[1]["xp.cfg"] and both[0]["best_state"].keys() == both[1]["best_state"].keys()
    assert all(torch.equal(both[0]["best_state"][k], both[1]["best_state"][k]) for k in both[0]["best_state"])


def test_a_former_result_is_replaced_and_nothing_else(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "ours"
    target.mkdir()
    assert convert(source, target) == 0  # empty
    assert convert(source, target) == 0  # a former result
    (target / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert convert(source, target) == 2
    assert "exists and is no former result" in capsys.readouterr().err
    assert (target / "notes.txt").read_text() == "mine"
    (target / "notes.txt").unlink()
    assert convert(target, source) == 2  # the published files are nobody's to overwrite
    assert "no former result" in capsys.readouterr().err
    assert convert(target, target) == 2
    assert "the same folder" in capsys.readouterr().err
    file = tmp_path / "file"
    file.touch()
    assert convert(source, file) == 2
    assert sorted(p.name for p in target.iterdir()) == ["card.md", "config.yaml", "model.safetensors"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing", "unknown model 'nothing'"),
        ("nano", "only a converted JASCO checkpoint"),
        ("facebook/jasco-chords-drums-400M", "not on this machine"),
    ],
)
def test_wrong_sources_end_with_2(
    source: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(source, tmp_path / "x") == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_parent_ends_with_2(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert(source, tmp_path / "no" / "x") == 2
    assert "does not exist; create it first" in capsys.readouterr().err
    assert main(["models", "convert", str(source)]) == 2
    assert main(["models", "invert"]) == 2


def test_damage_ends_with_1(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = source / "state_dict.bin"
    file.write_bytes(file.read_bytes()[:1000])
    assert convert(source, tmp_path / "ours") == 1
    assert "download it again" in capsys.readouterr().err
    assert not (tmp_path / "ours").exists()
