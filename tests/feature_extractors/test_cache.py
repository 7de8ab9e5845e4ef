from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from feature_extractors import Drums, HarmonicPercussive, Melody, Onsets, cache
from flowmusic.audio import Audio
from tests.feature_extractors.sounds import RATE, band

CALLS: list[int] = []


@dataclass(frozen=True)
class Result:
    values: np.ndarray
    notes: tuple[tuple[float, str], ...]
    bpm: float | None


@dataclass(frozen=True)
class Counting:
    """An extractor that counts how often it works."""

    setting: float = 1.0
    name: ClassVar[str] = "counting"
    version: ClassVar[str] = "1"

    def analyse(self, audio: Audio) -> Result:
        CALLS.append(1)
        return Result(audio.samples.numpy() * self.setting, ((0.5, "C"), (1.0, "N")), None)


@dataclass(frozen=True)
class Newer(Counting):
    version: ClassVar[str] = "2"


AUDIO = Audio(torch.arange(8.0)[None], RATE)


@pytest.fixture(autouse=True)
def count() -> list[int]:
    CALLS.clear()
    return CALLS


def same(a: Result, b: Result) -> bool:
    return bool(np.array_equal(a.values, b.values)) and (a.notes, a.bpm) == (b.notes, b.bpm)


def test_second_time_comes_from_disk(tmp_path: Path) -> None:
    first: Result = cache.analyse(Counting(), AUDIO, tmp_path)
    second: Result = cache.analyse(Counting(), AUDIO, tmp_path)
    assert len(CALLS) == 1
    assert same(first, second)
    assert second.values.dtype == first.values.dtype
    assert [p.suffix for p in tmp_path.iterdir()] == [".npz"]


@pytest.mark.parametrize(
    ("extractor", "audio"),
    [
        (Counting(2.0), AUDIO),
        (Newer(), AUDIO),
        (Counting(), Audio(AUDIO.samples, RATE + 1)),
        (Counting(), Audio(AUDIO.samples + 1e-6, RATE)),
        (Counting(), Audio(AUDIO.samples.reshape(2, 4), RATE)),
    ],
    ids=["setting", "version", "rate", "samples", "shape"],
)
def test_whatever_matters_changes_the_key(extractor: Counting, audio: Audio, tmp_path: Path) -> None:
    cache.analyse(Counting(), AUDIO, tmp_path)
    cache.analyse(extractor, audio, tmp_path)
    assert len(CALLS) == 2


def test_nested_settings_are_part_of_the_key() -> None:
    plain = cache.key(Drums(), AUDIO)
    assert cache.key(Drums(stems=HarmonicPercussive(time_s=0.4)), AUDIO) != plain
    assert cache.key(Drums(onsets=Onsets("flux", threshold=0.3)), AUDIO) != plain
    assert cache.key(Drums(), AUDIO) == plain


def test_the_detector_that_runs_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise installing madmom later would go on serving what flux found."""
    monkeypatch.setattr("feature_extractors.madmom.compat.available", lambda: False)
    before = cache.key(Onsets(), AUDIO)
    monkeypatch.setattr("feature_extractors.madmom.compat.available", lambda: True)
    assert cache.key(Onsets(), AUDIO) != before


@pytest.mark.parametrize("damage", [b"", b"not an archive", None], ids=["empty", "foreign", "cut"])
def test_a_corrupt_entry_is_computed_again(damage: bytes | None, tmp_path: Path) -> None:
    expected: Result = cache.analyse(Counting(), AUDIO, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    with pytest.warns(UserWarning, match=f"{path.name} is unreadable .*; computing it again"):
        again: Result = cache.analyse(Counting(), AUDIO, tmp_path)
    assert same(expected, again)
    assert len(CALLS) == 2
    assert same(cache.analyse(Counting(), AUDIO, tmp_path), expected)
    assert len(CALLS) == 2


def test_an_entry_of_another_layout_is_computed_again(tmp_path: Path) -> None:
    cache.analyse(Counting(), AUDIO, tmp_path)
    (path,) = tmp_path.iterdir()
    np.savez(path, other=np.zeros(3), _plain=np.array("{}"))
    with pytest.warns(UserWarning, match="unreadable"):
        cache.analyse(Counting(), AUDIO, tmp_path)


def test_a_failing_extractor_leaves_nothing(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Failing(Counting):
        def analyse(self, audio: Audio) -> Result:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.analyse(Failing(), AUDIO, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLOWMUSIC_CACHE", str(tmp_path))
    cache.analyse(Counting(), AUDIO)
    assert len(list((tmp_path / "features").iterdir())) == 1
    monkeypatch.delenv("FLOWMUSIC_CACHE")
    assert cache.default_folder().parts[-3:] == (".cache", "flowmusic", "features")


def test_a_real_result_survives(tmp_path: Path) -> None:
    first = cache.analyse(Melody(model="harmonic"), band(), tmp_path)
    second = cache.analyse(Melody(model="harmonic"), band(), tmp_path)
    assert first.notes == second.notes
    for field_ in dataclasses.fields(first):
        a, b = getattr(first, field_.name), getattr(second, field_.name)
        assert np.array_equal(a, b)


def test_results_must_be_dataclasses(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Plain:
        numbers: list[int] = field(default_factory=list)
        name: ClassVar[str] = "plain"
        version: ClassVar[str] = "1"

        def analyse(self, audio: Audio) -> int:
            return 1

    (tmp_path / f"{cache.key(Plain(), AUDIO)}.npz").write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="must be annotated to return a dataclass"),
        pytest.raises(TypeError, match="dataclass"),
    ):
        cache.analyse(Plain(), AUDIO, tmp_path)


def test_mappings_of_times_come_back(tmp_path: Path) -> None:
    first, second = (cache.analyse(Onsets("drums"), band(), tmp_path) for _ in range(2))
    assert first == second and first.classes is not None


def test_a_result_outlives_a_cache_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    found: Result = cache.analyse(Counting(), AUDIO, tmp_path / "file" / "features")
    assert same(found, Counting().analyse(AUDIO))
    assert f"{tmp_path / 'file'}" in caplog.text and "the result is not kept" in caplog.text
    monkeypatch.delenv("FLOWMUSIC_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert cache.default_folder().name == "features"
