"""The store of spectrograms: what is in it, that a killed build goes on, and that windows come with their captions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.data.mels import SHARD, MelStore, MelWindows

RATE, HOP = 1000, 100


class Levels:
    """Mean square of 100 samples, twice; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __repr__(self) -> str:
        return "Levels()"

    def __call__(self, samples: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return samples.unflatten(0, (-1, HOP)).square().mean(1, keepdim=True).expand(-1, 2)


def corpus(folder: Path, counts: dict[str, int], first: int = 0) -> Path:
    """Clip n is n + 2 s long, and its level is (n + 1) / 100."""
    lines = []
    for split, count in counts.items():
        (folder / split).mkdir(parents=True)
        for n in range(first, first + count):
            base = folder / split / f"{n:06d}"
            soundfile.write(f"{base}.flac", np.full((2 + n % 3) * RATE, (n + 1) / 100), RATE)
            Path(f"{base}.json").write_text(json.dumps({"captions": [f"clip {n}", f"level {n}"]}))
            lines.append(json.dumps({"path": f"{split}/{base.name}.flac", "split": split}))
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def read(folders: list[Path], out: Path, features: Levels, split: str = "train", limit: int | None = None) -> MelStore:
    return MelStore.of_corpora(folders, split, out, features, RATE, RATE / HOP, limit)


def test_corpora_join_and_clips_keep_their_order(tmp_path: Path) -> None:
    folders = [corpus(tmp_path / "a", {"train": 3, "validation": 1}), corpus(tmp_path / "b", {"train": 2}, first=5)]
    store = read(folders, tmp_path / "mels", Levels())
    assert [clip["id"] for clip in store.clips] == ["000000", "000001", "000002", "000005", "000006"]
    assert store.window(3, 0, 5).shape == (5, 2)
    assert float(store.window(3, 0, 5).mean()) == pytest.approx(0.06**2, rel=1e-2)
    assert len(read(folders, tmp_path / "mels", Levels(), "validation")) == 1  # the second corpus has none
    assert "level 5" in store.captions()
    with pytest.raises(ValueError, match="no clips in the test split"):
        read(folders, tmp_path / "mels", Levels(), "test")


def test_a_killed_build_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "a", {"train": SHARD + 3})
    first = Levels()
    whole = read([folder], tmp_path / "mels", first)
    assert first.calls == SHARD + 3
    (last,) = (tmp_path / "mels").rglob("00001-3.json")
    last.unlink()  # as if it had died before the list was written
    again = Levels()
    store = read([folder], tmp_path / "mels", again)
    assert again.calls == 3
    assert store.clips == whole.clips
    done = Levels()
    assert len(read([folder], tmp_path / "mels", done)) == SHARD + 3
    assert done.calls == 0


def test_other_clips_are_another_store(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "a", {"train": 3})
    read([folder], tmp_path / "mels", Levels())
    assert len(read([folder], tmp_path / "mels", Levels(), limit=2)) == 2
    changed = corpus(tmp_path / "b", {"train": 4})
    again = Levels()
    assert len(read([changed], tmp_path / "mels", again)) == 4
    assert again.calls == 4


def test_windows_come_from_their_clip_and_repeat(tmp_path: Path) -> None:
    store = read([corpus(tmp_path / "a", {"train": 9})], tmp_path / "mels", Levels())
    windows = MelWindows(store, (1.0, 2.5), batch=4, captions=3, seed=1)
    lengths = set()
    for step in range(20):
        mel, texts = windows(step)
        lengths.add(mel.shape[1])
        assert mel.shape[::2] == (4, 2)
        clips = [int(text[0].split()[1]) for text in texts]
        assert len(set(clips)) == 4
        for window, clip, text in zip(mel, clips, texts, strict=True):
            assert torch.allclose(window, torch.full_like(window, ((clip + 1) / 100) ** 2), rtol=2e-2)
            assert len(text) == 3 and {part.split()[1] for part in text} == {str(clip)}
    assert min(lengths) >= 10 and max(lengths) <= 25 and len(lengths) > 5
    once, again = windows(7), MelWindows(store, (1.0, 2.5), batch=4, captions=3, seed=1)(7)
    assert torch.equal(once[0], again[0]) and once[1] == again[1]


def test_what_windows_refuse(tmp_path: Path) -> None:
    store = read([corpus(tmp_path / "a", {"train": 3})], tmp_path / "mels", Levels())
    with pytest.raises(ValueError, match="ascending"):
        MelWindows(store, (2.0, 1.0), 2, 1, 0)
    with pytest.raises(ValueError, match=r"1 clips last .* a batch needs 2"):
        MelWindows(store, (3.5, 4.0), 2, 1, 0)


def test_a_store_that_is_damaged_or_cannot_be_kept_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    music, features = corpus(tmp_path / "music", {"train": 3}), Levels()
    whole = read([music], tmp_path / "store", features)
    (shard,) = (tmp_path / "store").rglob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:-8])
    again = read([music], tmp_path / "store", features)
    assert features.calls == 6 and str(shard.with_suffix(".json")) in caplog.text and "made anew" in caplog.text
    (tmp_path / "file").write_text("no folder")
    elsewhere = read([music], tmp_path / "file" / "store", features)
    assert "it is made again by the next run" in caplog.text
    for store in (again, elsewhere):
        assert store.clips == whole.clips and torch.equal(store.window(2, 0, 9), whole.window(2, 0, 9))
