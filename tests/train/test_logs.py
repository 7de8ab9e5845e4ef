"""A log that cannot be written is said once and ends nothing; nor does a sample, or the state of an inversion."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.datasets import build, plan
from flowmusic.datasets.manifest import Entry
from flowmusic.files import write_text
from flowmusic.train import invert, run
from flowmusic.train.logs import Csv, TensorBoard
from flowmusic.train.run import compose, train
from tests.train.tiny_runs import TINY_CODEC


@pytest.mark.parametrize("make", [Csv, TensorBoard])
def test_a_log_that_cannot_be_written_is_said_once(
    make: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").write_text("no folder")
    logger = make(str(tmp_path / "run"), name="log", version="")
    for step in range(3):
        logger.log_metrics({"train/loss": 1.0 + step}, step)
        logger.save()
    logger.finalize("success")
    told = [record.getMessage() for record in caplog.records if "this log is not whole" in record.getMessage()]
    assert len(told) == 1 and str(tmp_path / "run") in told[0]
    logger = make(str(tmp_path), name="log", version="")
    logger.log_metrics({"train/loss": 1.0}, 0)
    logger.save()
    assert any((tmp_path / "log").iterdir())


def test_other_mistakes_of_a_log_stay_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="currently not supported"):
        TensorBoard(str(tmp_path), name="log", version="").log_metrics({"a": object()}, 0)  # type: ignore[dict-item]


def test_a_model_is_exported_though_its_figures_cannot_be_written(
    wave_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> Path:
        if path.name == "metrics.json":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_text(path, text)

    monkeypatch.setattr(run, "write_text", full)
    overrides = [f"corpus={wave_corpus}", f"out={tmp_path / 'codec'}", "trainer.max_steps=1"]
    with pytest.raises(OSError, match="No space left"):
        train(compose([*TINY_CODEC, *overrides]))
    assert (tmp_path / "codec" / "bundle" / "config.yaml").is_file()


def test_an_inversion_goes_on_without_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = invert._State(1, torch.zeros(1), [(0, 1.0, 1.0)], [], torch.zeros(1), {})
    (tmp_path / "file").write_text("no folder")
    state.write(tmp_path / "file" / "x.partial", {"seed": 0})
    assert "x.partial" in caplog.text and "begins again" in caplog.text


def test_a_build_ends_at_a_full_disk_instead_of_blaming_recordings(tmp_path: Path) -> None:
    pieces = (Entry("a.wav", 1.0, 8000, 1, "0" * 64), Entry("b.wav", 1.0, 8000, 1, "1" * 64))
    shard = plan.Shard("train", 0, pieces, ("0", "1"))
    made: list[str] = []

    def full(piece: Entry) -> Any:
        made.append(piece.path)
        raise OSError(errno.ENOSPC, "No space left on device", "decoded.wav")

    with pytest.raises(OSError, match="No space left"):
        build.build_shard(shard, tmp_path, full)  # type: ignore[arg-type]
    assert made == ["a.wav"] and build.Record.read(tmp_path, shard.name) is None
