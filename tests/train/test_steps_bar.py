"""The progress of a training."""

from __future__ import annotations

import lightning
import pytest
from lightning.pytorch.demos.boring_classes import BoringModel

from flowmusic import progress
from flowmusic.train.steps_bar import StepsBar


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("training: ")]


def test_steps_are_counted_over_passes_and_from_where_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE_S", 0.0)  # a line for every step
    options = {"max_epochs": 3, "limit_train_batches": 2, "limit_val_batches": 0, "logger": False}
    quick = {"enable_checkpointing": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = lightning.Trainer(**options, **quick, callbacks=[StepsBar()])  # type: ignore[arg-type]
    trainer.fit(BoringModel())
    found = lines(capsys)
    assert [line.split(",")[0] for line in found[:-1]] == [f"training: {n}/6 steps" for n in range(1, 7)]
    assert found[-1].startswith("training: 6 steps in ")

    bar = StepsBar()
    bar.disable()
    trainer = lightning.Trainer(**options, **quick, callbacks=[bar])  # type: ignore[arg-type]
    trainer.fit(BoringModel())
    assert lines(capsys) == []


def test_an_error_closes_the_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(BoringModel):
        def training_step(self, batch: object, batch_idx: int) -> None:
            raise RuntimeError("broken")

    bar = StepsBar()
    trainer = lightning.Trainer(
        max_steps=2, logger=False, enable_checkpointing=False, accelerator="cpu", callbacks=[bar]
    )
    with pytest.raises(RuntimeError, match="broken"):
        trainer.fit(Broken())
    assert bar._bar is None and lines(capsys) == []
