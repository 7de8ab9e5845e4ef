"""What written files carry beside the music: tags that tell where they come from, and a mark that is found again."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Sequence
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from flowmusic.studio import tags, wav_chunks
from flowmusic.studio.tags import Provenance
from flowmusic.watermark.pattern import id_of
from tests.apps.conftest import RATE, tone
from tests.apps.test_edit import named as named
from tests.apps.test_edit import song as song
from tests.telltale import leaks

pytestmark = pytest.mark.usefixtures("ears", "named")


def whole(path: str | Path) -> np.ndarray:
    return np.asarray(soundfile.read(str(path), dtype="int16", always_2d=True)[0])


def made(out: str, *flags: str) -> dict[str, object]:
    assert main([*flags, "--seed", "4", "--quiet", "--out", out]) == 0
    content: dict[str, object] = json.loads(Path(out).with_suffix(".json").read_text())
    return content


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_a_take_tells_where_it_comes_from(suffix: str, here: Path, model: Generator) -> None:
    model.licence = "CC-BY-NC-4.0"
    record = made(f"night{suffix}", "generate", "warm", "--seconds", "1")
    said = tags.read(Path(f"night{suffix}"))
    assert said["title"] == "warm" and said["license"] == "CC-BY-NC-4.0" == record["licence"]
    assert said["comment"] == "made by a model: nano, seed 4; licence of the weights: CC-BY-NC-4.0"
    assert record["watermark"] == {"id": f"{id_of('nano', 4):04x}", "version": 1}
    if suffix == ".wav":
        assert wav_chunks.read(Path("night.wav"))[b"bext"].startswith(b"made by a model: nano, seed 4")
        assert made("again.wav", "generate", "warm", "--seconds", "1")["audio_sha256"] == record["audio_sha256"]
    else:
        read = mutagen.File(f"night{suffix}")
        assert read.tags["ai_generated"] == ["yes"] and read.tags["seed"] == ["4"] and read.tags["model"] == ["nano"]


@pytest.mark.parametrize(
    "flags", [["generate", "x", "--seconds", "4"], ["generate", "x", "--loop", "--bars", "2", "--bpm", "120"]]
)
def test_a_mark_is_all_that_the_flag_changes(
    flags: Sequence[str], here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, marked = made("plain.wav", *flags, "--no-watermark"), made("marked.wav", *flags)
    assert plain["watermark"] is None and plain["licence"] == marked["licence"] == "not stated"
    old, new = whole("plain.wav").astype(float), whole("marked.wav").astype(float)
    assert old.shape == new.shape and not np.array_equal(old, new)
    # Rounding to 16 bits adds to what is added.
    assert np.sum((new - old) ** 2) < 10**-3.45 * np.sum(old**2) + len(old) * 0.5
    # No step where a loop begins again.
    assert np.abs(new - old)[[0, -1]].max() <= 0.1 * np.abs(new - old).max()
    capsys.readouterr()
    assert main(["detect", "marked.wav", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == "marked.wav" and found["threshold"] > 7.0 and found["seconds"] == 4.0
    assert main(["detect", "plain.wav"]) == 0
    assert capsys.readouterr().out.startswith("not found: the best match scores ")


def test_an_edit_marks_its_region_alone(here: Path, model: Generator) -> None:
    made("take.wav", "generate", "warm", "--seconds", "4", "--bpm", "120", "--no-watermark")
    edit = ["edit", "take.wav", "--start", "1", "--end", "2"]
    marked, plain = made("marked.wav", *edit), made("plain.wav", *edit, "--no-watermark")
    assert isinstance(marked["watermark"], dict) and plain["watermark"] is None
    old, new, bare = whole("take.wav"), whole("marked.wav"), whole("plain.wav")
    rate = soundfile.info("take.wav").samplerate
    inside = slice(rate, 2 * rate)
    assert not np.array_equal(new[inside], bare[inside])
    for found in (new, bare):
        assert np.array_equal(np.delete(found, np.r_[inside], 0), np.delete(old, np.r_[inside], 0))
    assert tags.read(Path("marked.wav"))["comment"].endswith("given: recording take.wav")


def test_nothing_of_this_machine_is_told(here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "annabel")
    monkeypatch.setattr(platform, "node", lambda: "quietbox")
    monkeypatch.setenv("HOME", "/houses/annabel")
    folder = here / "annabel on quietbox"
    folder.mkdir()
    soundfile.write(folder / "groove.wav", tone(220.0, 2.0).numpy(), RATE)
    model.name = str(folder / "models" / "own")
    text = f"like {folder / 'groove.wav'} on quietbox"
    for out in ("a.wav", "b.flac", "c.ogg"):
        (here / "out").mkdir(exist_ok=True)
        made(f"out/{out}", "generate", "warm", "--seconds", "1", "--style", str(folder / "groove.wav"))
        said = Provenance(model.name, 4, "MIT", {"style": str(folder / "groove.wav")}, {}, text)
        tags.write(Path("out", out), said, "take")
        assert "groove.wav" in tags.read(Path("out", out))["comment"]
    soundfile.write("out/d.mp3", tone(220.0, 1.0).numpy(), RATE, format="MP3")
    tags.write(
        Path("out/d.mp3"), Provenance(model.name, 4, "MIT", {"melody": str(folder / "groove.wav")}, {}, text), "a"
    )
    assert tags.read(Path("out/d.mp3"))["source_melody"] == "groove.wav"
    assert leaks(here / "out", str(here), str(folder), "annabel on", "/houses/annabel") == []


@pytest.mark.parametrize(("content", "said"), [(b"no sound", "cannot read"), (b"", "is empty")])
def test_what_is_no_recording_is_one_line(
    content: bytes, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x.wav").write_bytes(content)
    assert main(["detect", "x.wav"]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and len(err) < 500
