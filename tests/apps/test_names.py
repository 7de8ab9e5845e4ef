"""Every command in a folder, and with files, of hard names: nothing breaks, and every name comes back as it was."""

from __future__ import annotations

import logging
import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
import torch

from feature_extractors import separators
from flowmusic import plain
from flowmusic.annotations.json_file import ControlsFile
from flowmusic.apps.cli import main
from flowmusic.audio import Audio
from flowmusic.data.shards import ShardIndex, read_shard
from flowmusic.datasets import manifest
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle, model_files
from tests.apps.conftest import RATE, clicks, tone
from tests.interop import checkpoints
from tests.nasty import NAMES, TRAINED, file
from tests.train.conftest import store as store
from tests.train.tiny_runs import TINY_FLOW


@pytest.fixture(params=NAMES)
def nasty(request: pytest.FixtureRequest, here: Path) -> Path:
    """A folder of a hard name, relative to the current one."""
    folder = Path(request.param)
    folder.mkdir()
    return folder


def song(seconds: float = 3.0) -> torch.Tensor:
    return 0.15 * (tone(261.63, seconds) + tone(329.63, seconds)) + 0.7 * clicks([0.5 * n for n in range(6)], seconds)


def write(path: Path, samples: torch.Tensor) -> Path:
    return Audio(samples[None], RATE).write(path)


def lines(capture: pytest.CaptureFixture[bytes]) -> list[Path]:
    """The names on stdout, byte by byte."""
    out, err = capture.readouterr()
    assert b"Traceback" not in err
    return [Path(os.fsdecode(line)) for line in out.splitlines()]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The light recognisers."""
    from feature_extractors import run, stems
    from feature_extractors.madmom import compat
    from feature_extractors.melody import Melody

    monkeypatch.setattr(compat, "available", lambda: False)
    monkeypatch.setattr(separators, "best_available", stems.HarmonicPercussive)
    monkeypatch.setattr(run, "Melody", lambda: Melody(model="harmonic"))


@pytest.mark.usefixtures("quick", "ears")
def test_extract_and_generate(nasty: Path, model: Generator, capfdbinary: Any) -> None:
    recording = write(nasty / file(nasty.name, ".wav"), song())
    assert main(["extract", "--", str(recording)]) == 0
    written = lines(capfdbinary)
    assert all(path.is_file() for path in written) and written[0].name == "controls.json"
    sheet = ControlsFile.read(written[0])
    assert sheet.source == recording.name
    take = nasty / file(nasty.name, ".flac")
    argv = ["generate", "a text", "--seconds=2", "--steps=1", f"--out={take}", "--count=2", "--seed=1", "--bpm=120"]
    assert main([*argv, f"--controls={written[0].parent}", f"--drums={recording}", f"--melody={recording}"]) == 0
    found = [path for path in lines(capfdbinary) if path.suffix in (".flac", ".json")]
    assert len(set(found)) == 4 and all(path.is_file() and path.parent == nasty for path in found)
    record = plain.read_json(found[1])
    assert Path(record["controls"]["sources"]["drums"]).name == recording.name
    assert sorted(path.name for path in nasty.iterdir() if path.name.startswith(".")) == []


def test_scan_and_build(nasty: Path, capfdbinary: Any) -> None:
    recording = write(nasty / file(nasty.name, ".wav"), song(1.5))
    write(nasty / "other.wav", tone(220.0, 1.5))
    recording.with_suffix(".txt").write_bytes("a caption".encode("utf-16"))
    out = nasty / file(nasty.name, ".jsonl")
    assert main(["data", "scan", "--exact-only", "--quiet", "--workers=1", f"--out={out}", "--", str(nasty)]) == 0
    assert lines(capfdbinary)[0] == out
    assert main(["data", "scan", "--exact-only", f"--out={out}", "--", str(nasty)]) == 0
    assert b"2 files known from before" in capfdbinary.readouterr().err
    entries = {Path(entry.path).name: entry for entry in manifest.read(out)}
    assert set(entries) == {recording.name, "other.wav"} and entries[recording.name].text == ("a caption",)
    assert Path(entries[recording.name].path).samefile(recording)
    shards = nasty / "shards"
    build = ["build", f"manifest={out}", f"out={shards}", "controls=[beats]", "build.workers=1", "splits=[train]"]
    assert main(build) == 0, capfdbinary.readouterr()
    assert main(build) == 0  # goes on where it was: nothing
    assert main(["build", f"out={shards}", "verify=true"]) == 0
    assert "0 of 2 clips could not" not in capfdbinary.readouterr().err.decode()
    index = ShardIndex.read(shards, "train")
    sources = [clip.info["source"] for shard in index.shards for clip in read_shard(shards, shard.name)]
    assert {Path(source).name for source in sources} == set(entries)


class Links(HTMLParser):
    """Where a page's players and pictures lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name == "src"]


@pytest.mark.usefixtures("ears")
def test_evaluate(nasty: Path, model: Generator, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    monkeypatch.setattr(model_files, "fingerprint", lambda name: "0" * 64)
    entries = []
    for number in range(2):
        path = write(nasty / file(f"{number}{nasty.name}", ".wav"), song())
        entries.append(manifest.Entry(str(path.absolute()), 3.0, RATE, 1, f"{number}", text=("a text",), split="test"))
    listed = manifest.write(entries, nasty / file(nasty.name, ".jsonl"))
    out = nasty / "eval"
    settings = ["steps=2", "text_audio=null", "controls=[text]", "page_clips=2", "alone=false"]
    assert main(["evaluate", "model=nano", "data=manifest", f"manifest={listed}", f"out={out}", *settings]) == 0
    assert all(path.is_file() and out in path.parents for path in lines(capfdbinary))
    page = Links()
    page.feed((out / "index.html").read_text(encoding="utf-8"))
    assert len(page.found) > 8
    assert all((out / os.fsdecode(unquote_to_bytes(link))).is_file() for link in page.found)


@pytest.mark.parametrize("nasty", TRAINED, indirect=True)
def test_train_and_runs(nasty: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # Lightning's log goes to where an earlier test had stderr
    (nasty / "latents").symlink_to(store)
    run = nasty / nasty.name
    small = [o for o in TINY_FLOW if o != "logger=none"]
    argv = ["train", *small, "export=null", "trainer.max_steps=2", "trainer.val_check_interval=1", f"out={run}"]
    assert main([*argv, f"latents={nasty / 'latents'}"]) == 0, capfdbinary.readouterr().err
    assert lines(capfdbinary) == [run]
    assert (run / "checkpoints" / "last.ckpt").is_file() and list(run.rglob("events*")) and list(run.rglob("*.csv"))
    assert main(["runs", "--", str(nasty)]) == 0
    assert os.fsencode(run.name) in capfdbinary.readouterr().out


def test_a_name_that_reads_like_a_reference_is_refused_with_advice(
    here: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "${a}").symlink_to(store)
    assert main(["train", *TINY_FLOW, "trainer.max_steps=1", "out=run", "latents=${a}"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "'a' not found" in err and "must be renamed" in err


def test_models_are_converted_in_folders_of_hard_names(nasty: Path, capfdbinary: Any) -> None:
    source = checkpoints.write(nasty / "published", layers=1)
    ours, theirs = nasty / nasty.name, nasty / "theirs"
    assert main(["models", "convert", "--", str(source), str(ours)]) == 0
    assert main(["models", "convert", "--", str(ours), str(theirs)]) == 0
    assert lines(capfdbinary) == [ours, theirs]
    assert sorted(path.name for path in nasty.iterdir()) == sorted(["published", ours.name, "theirs"])
    assert bundle.load(ours).name == str(ours)


def test_names_that_are_too_long_are_refused_by_every_flag(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "x" * 300
    for argv in (
        ["generate", "t", f"--out={name}.wav"],
        ["generate", "t", f"--melody={name}.wav"],
        ["extract", name],
        ["data", "scan", name],
        ["build", f"manifest={name}", "out=x"],
        ["evaluate", "model=nano", f"corpus={name}", "out=x"],
        ["train", "experiment=nano", f"out={name}"],
        ["runs", name],
        ["models", "convert", "a", name],
    ):
        assert main(argv) == 2, argv
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and len(err) <= 501 and "xxx" in err, err


def test_text_that_is_no_text_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", os.fsdecode(b"a caf\xe9")]) == 2
    assert "not text in UTF-8" in capsys.readouterr().err
