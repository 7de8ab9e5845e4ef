"""``flowmusic enhance``: files of every rate in, the same with a treble out; what cannot be is said on one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flowmusic.apps.cli import main


def sound(path: Path, rate: int, seconds: float = 1.0, channels: int = 2, subtype: str = "PCM_16") -> np.ndarray:
    """A chord with hiss up to half the rate."""
    random = np.random.default_rng(0)
    t = np.arange(round(rate * seconds)) / rate
    tones = sum(np.sin(2 * np.pi * f * k * t) / k for f in (220.0, 277.0) for k in range(1, int(0.45 * rate / f)))
    samples = np.stack([0.1 * tones + 0.01 * random.standard_normal(len(t)) for _ in range(channels)], 1)
    soundfile.write(path, samples, rate, subtype=subtype)
    return samples


@pytest.mark.parametrize(
    ("rate", "subtype", "more", "out", "expected"),
    [
        (8000, "PCM_16", [], "song.enhanced.wav", (32_000, "PCM_16")),
        (22_050, "PCM_24", ["--out", "new.flac"], "new.flac", (32_000, "PCM_24")),
        (44_100, "PCM_16", ["--rate", "keep", "--cut", "6000"], "song.enhanced.wav", (44_100, "PCM_16")),
    ],
)
def test_a_file_gets_its_treble_and_a_record(
    rate: int,
    subtype: str,
    more: list[str],
    out: str,
    expected: tuple[int, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    sound(tmp_path / "song.wav", rate, subtype=subtype)
    assert main(["enhance", "song.wav", *more]) == 0
    said = capsys.readouterr()
    record = out if out.endswith("wav") else "new.enhanced.wav"
    assert said.out.split() == [out, record.replace(".wav", ".json")]
    assert "cut at" in said.err
    info = soundfile.info(out)
    assert (info.samplerate, info.subtype, info.channels) == (*expected, 2)
    assert info.duration == pytest.approx(1.0, abs=1e-3)
    told = json.loads(Path(record.replace(".wav", ".json")).read_text())
    cut = told["cut_hz"]
    assert cut == 6000.0 if "--cut" in more else 0.9 * rate / 2 < cut <= rate / 2
    assert told["source"] == "song.wav" and "painted" in told["added"] and str(tmp_path) not in json.dumps(told)
    # Below the cut it is what it was, but for the edges of a second that is resampled.
    made, own = soundfile.read(out)[0][:, 0], soundfile.read("song.wav")[0][:, 0]
    ours, theirs = (np.fft.rfft(each)[: round(0.9 * cut)] / len(each) for each in (made, own))
    assert np.linalg.norm(ours - theirs) < 5e-3 * np.linalg.norm(theirs)


def test_what_has_its_treble_is_copied_with_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = sound(tmp_path / "full.wav", 32_000, channels=1)
    assert main(["enhance", str(tmp_path / "full.wav")]) == 0
    assert "nothing to add" in capsys.readouterr().err
    made = soundfile.read(tmp_path / "full.enhanced.wav")[0]
    assert np.abs(made - own[:, 0]).max() < 2**-14
    assert json.loads((tmp_path / "full.enhanced.json").read_text())["cut_hz"] is None


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        ("song.wav", ["--cut", "100"], ["--cut", "2500", "14000"]),
        ("song.wav", ["--cut", "nan"], ["--cut", "nan"]),
        ("song.wav", ["--cut", "6000"], ["song.wav", "6000 Hz", "2500 to 4000 Hz"]),
        ("song.wav", ["--rate", "96000"], ["--rate", "keep"]),
        ("song.wav", ["--out", "song.mp3"], ["song.mp3", ".flac"]),
        ("song.wav", ["--out", "song.wav"], ["song.wav", "the recording itself"]),
        ("gone.wav", [], ["gone.wav", "not found"]),
        ("text.wav", [], ["text.wav", "cannot read"]),
        ("empty.wav", [], ["empty.wav", "no samples"]),
        ("low.wav", [], ["low.wav", "4000 samples a second", "2500 Hz"]),
        ("nan.wav", [], ["nan.wav", "NaN"]),
    ],
)
def test_what_is_wrong_is_one_line(
    name: str,
    flags: list[str],
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    sound(tmp_path / "song.wav", 8000, 0.2)
    sound(tmp_path / "low.wav", 4000, 0.2)
    (tmp_path / "text.wav").write_text("no sound at all " * 50)
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 1)), 8000)
    soundfile.write(tmp_path / "nan.wav", np.full((4000, 1), np.nan), 8000, subtype="FLOAT")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["enhance", name, "--quiet", *flags]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1 and len(error[0]) <= 500 and all(word in error[0] for word in said), error
    assert sorted(path.name for path in tmp_path.iterdir()) == before
