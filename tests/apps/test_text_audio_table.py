"""The table of a text-audio model as a command, with a listener who knows the answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import soundfile
import torch

from benchmarks import text_audio_table
from flowmusic.interop import model_files
from flowmusic.interop import text_audio as text_audio_models
from tests.apps.conftest import RATE, tone

PITCHES = {"jazz": 200.0, "metal": 800.0, "folk": 2000.0}


class Expert:
    """Knows a genre by its pitch."""

    rate = RATE

    def embed_samples(self, samples: torch.Tensor) -> torch.Tensor:
        hz = torch.fft.rfft(samples).abs().argmax(-1) * RATE / samples.shape[-1]
        return torch.nn.functional.one_hot(torch.bucketize(hz, torch.tensor([500.0, 1500.0])), 4).float()

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        rows = [[float(genre in text) for genre in PITCHES] + [0.01] for text in texts]
        return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


@pytest.fixture
def genres(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clips of different genres, and an expert behind every name."""
    monkeypatch.setattr(model_files, "fingerprint", lambda name: "0" * 64)
    monkeypatch.setattr(text_audio_models, "load_text_audio", lambda name: Expert())
    folder = here / "genres"
    (folder / "test").mkdir(parents=True)
    lines = []
    for number, (genre, hz) in enumerate(PITCHES.items()):
        base = folder / "test" / f"{number:06d}"
        soundfile.write(f"{base}.flac", tone(hz, 2.0).numpy(), RATE)
        tags = {"genre": genre, "mood": [], "tempo": "slow"}
        record = {"captions": [f"a {genre} tune", f"{genre}, slow"], "tags": tags, "programs": {}}
        Path(f"{base}.json").write_text(json.dumps(record))
        lines.append(json.dumps({"path": f"test/{number:06d}.flac", "seconds": 2.0, "split": "test"}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


# Three clips are all among the first ten, so recall at 10 cannot tell truth from shuffled.
@pytest.mark.filterwarnings("ignore:truth 1.000 does not exceed shuffled")
def test_an_expert_is_right_and_shuffling_makes_him_wrong(
    genres: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert text_audio_table.main(["--corpus", str(genres), "--out", "table"]) == 0
    assert "text_attr of truth" in capsys.readouterr().out
    table = json.loads((here / "table" / "text_audio.json").read_text())
    truth, shuffled = table["systems"]["truth"], table["systems"]["shuffled"]
    assert truth["recall_at_1"]["raw"]["mean"] == 1.0 and truth["text_cos"]["raw"]["mean"] > 0.99
    assert shuffled["recall_at_1"]["raw"]["mean"] == 0.0 and shuffled["text_cos"]["raw"]["mean"] < 0.1
    assert table["text_attr"]["truth"]["genre"] == pytest.approx(1.0)
    assert table["text_attr"]["shuffled"]["genre"] < 0.0
    assert table["text_attr"]["truth"]["lead"] is None  # no clip has one


@pytest.mark.parametrize(
    ("extra", "says"),
    [(["--clips", "5"], "has 3 clips, 5 are needed"), (["--corpus", "."], "not a finished corpus")],
)
def test_wrong_use(extra: list[str], says: str, genres: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert text_audio_table.main(["--corpus", str(genres), "--out", "table", *extra]) == 2
    assert says in capsys.readouterr().err
