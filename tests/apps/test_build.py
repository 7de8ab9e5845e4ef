"""``flowmusic build``: from recordings to shards, whoever does the work and however often it is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.apps import build
from flowmusic.apps.cli import main
from flowmusic.data.shards import ClipSample, ShardIndex, read_shard
from flowmusic.data.store_files import read_store
from flowmusic.datasets import manifest
from flowmusic.datasets.manifest import Entry
from tests import clean
from tests.telltale import leaks

RATE = 32_000
LABELS = {"seconds": 40.0, "chords": [[0.0, 40.0, "Am7"]], "beats": [0.0, 0.5, 1.0], "downbeats": [0.0, 1.0]}
QUICK = ["controls=[chords,beats]", "build.workers=1"]


def tune(path: Path, seconds: float, seed: int) -> Path:
    """Three notes of a chord with a click each half second."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    root = 220.0 * 2 ** (seed % 12 / 12)
    wave = sum(0.1 * np.sin(2 * np.pi * root * ratio * time_s) for ratio in (1.0, 1.26, 1.5))
    click = np.random.default_rng(seed).standard_normal(len(time_s)) * 0.5 * (time_s % 0.5 < 0.01)
    soundfile.write(path, np.asarray(wave) + click, RATE)
    return path


@pytest.fixture
def recordings(tmp_path: Path) -> Callable[..., Path]:
    """Writes so many recordings and their manifest."""

    def make(count: int, seconds: float = 1.0, labels: bool = True) -> Path:
        told = tmp_path / "labels.json"
        told.write_text(json.dumps(LABELS))
        entries = [
            Entry(
                str(tune(tmp_path / f"song{number:02d}.flac", seconds, number)),
                seconds,
                RATE,
                1,
                f"{number:064x}",
                split="test" if number % 5 == 4 else "train",
                labels=str(told) if labels else None,
                licence="CC0",
            )
            for number in range(count)
        ]
        return manifest.write(entries, tmp_path / "songs.jsonl")

    return make


def clips_of(out: Path, split: str) -> list[ClipSample]:
    return [clip for shard in ShardIndex.read(out, split).shards for clip in read_shard(out, shard.name)]


def bytes_of(out: Path) -> dict[str, bytes]:
    kept = [*out.glob("*.tar"), *out.glob("*.index.json")]
    return {path.name: path.read_bytes() for path in kept}


def test_recordings_without_labels_get_controls_with_their_confidence(
    recordings: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shards"
    arguments = ["build", f"manifest={recordings(2, 5.0, labels=False)}", f"out={out}", "build.workers=1"]
    assert main([*arguments, "build.seconds=4"]) == 0
    assert capsys.readouterr().out.split() == [str(out / "summary.md"), str(out / "summary.png")]
    assert leaks(out, str(tmp_path)) == []
    clips = clips_of(out, "train")
    assert [round(clip.info["seconds"], 3) for clip in clips] == [4.0, 1.0, 4.0, 1.0]
    assert clips[1].info["start"] == 4.0 and clips[0].info["source"] == "song00.flac"
    for clip in clips:
        assert clip.tensors["latents"].shape == (clip.frames, 192) and clip.info["captions"] == []
        for name in ("chords", "melody", "drums", "beats"):
            sure, known = clip.tensors[f"{name}.confidence"].float(), clip.tensors[f"{name}.known"]
            assert (
                sure.shape == known.shape == (clip.frames,)
                and clip.tensors[f"{name}.confidence"].dtype == torch.float16
            )
            assert bool(((sure >= 0) & (sure < 1)).all()) and not bool(sure[~known].any())
    page = (out / "summary.md").read_text()
    assert "| CC0 | 0.00 |" in page and "| chords | 100 % | 0 % | 0." in page and "0 % of the clips" in page
    assert read_store(out, "train").names == ["beats", "chords", "drums", "melody"]
    assert main([*arguments, "verify=true"]) == 0 and "4 clips in" in capsys.readouterr().err


def test_labels_and_stems_are_exact_and_the_rest_is_heard(recordings: Callable[..., Path], tmp_path: Path) -> None:
    path = recordings(1, 2.0)
    (entry,) = manifest.read(path)
    stem = tune(tmp_path / "drums.flac", 2.0, 3)
    manifest.write([Entry(**{**vars(entry), "stems": {"drums": str(stem)}})], path)
    assert build.main([f"manifest={path}", f"out={tmp_path / 'out'}", "build.workers=1"]) == 0
    (clip,) = clips_of(tmp_path / "out", "train")
    for name in ("chords", "beats", "drums"):
        assert clip.tensors[f"{name}.known"].all() and (clip.tensors[f"{name}.confidence"] == 1).all()
    assert (clip.tensors["melody.confidence"] < 1).all()


def run_quietly(arguments: list[str]) -> None:
    with open(os.devnull, "w") as nowhere:
        sys.stderr = sys.stdout = nowhere
        os._exit(main(arguments))


def killed(arguments: list[str], out: Path, target: int, later_s: float) -> None:
    """Run the command in a process, and kill that some time after it has written so many tars."""
    process = clean.context().Process(target=run_quietly, args=(arguments,))
    process.start()
    wait_for(lambda: tars(out) >= target or not process.is_alive())
    time.sleep(later_s)
    process.kill()
    process.join()


def tars(out: Path) -> int:
    return len(list(out.glob("*.tar")))


def wait_for(happens: Callable[[], bool], seconds: float = 900.0) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="children are read from /proc")
def test_a_build_that_is_killed_again_and_again_ends_with_the_same_bytes(
    recordings: Callable[..., Path], tmp_path: Path
) -> None:
    arguments = ["build", f"manifest={recordings(30)}", "build.clips_per_shard=2", *QUICK]
    whole, out = tmp_path / "whole", tmp_path / "killed"
    assert main([*arguments, f"out={whole}"]) == 0
    dice = random.Random(5)
    resumed = [*arguments, f"out={out}"]

    command = [sys.executable, "-m", "flowmusic.apps.cli", *resumed, "build.workers=2"]
    process: Any = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: tars(out) >= 1 or process.poll() is not None)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # A worker that outlived its parent would write beside those of the next call.
    wait_for(lambda: not any(alive(int(worker)) for worker in workers))
    kills = 1
    while tars(out) < tars(whole) - 1:
        before = tars(out)
        killed(resumed, out, min(before + dice.randint(1, 4), tars(whole)), dice.uniform(0.0, 0.06))
        kills += 1
        assert tars(out) > before
    assert kills >= 3
    assert main(resumed) == 0
    assert bytes_of(out) == bytes_of(whole)
    keys = [clip.key for split in ("train", "test") for clip in clips_of(out, split)]
    assert len(keys) == len(set(keys)) == 30
    assert list(out.rglob(".*")) == []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_ray_makes_the_same_bytes(recordings: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    arguments = [f"manifest={recordings(5)}", "build.clips_per_shard=2", *QUICK]
    assert build.main([*arguments, f"out={tmp_path / 'local'}"]) == 0
    assert build.main([*arguments, f"out={tmp_path / 'ray'}", "build.engine=ray", "build.workers=2"]) == 0
    assert bytes_of(tmp_path / "ray") == bytes_of(tmp_path / "local")


def test_without_ray_it_says_what_to_install(
    recordings: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    arguments = ["build", f"manifest={recordings(1)}", f"out={tmp_path / 'out'}", "build.engine=ray", *QUICK]
    assert main(arguments) == 2
    assert "pip install 'flowmusic[ray]'" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "out is missing"),
        (["out=shards"], "give manifest=FILE"),
        (["out=shards", "manifest=songs.jsonl", "corpus=."], "not both"),
        (["out=shards", "manifest=nothing.jsonl"], "nothing.jsonl"),
        (["out=shards", "corpus=."], "not a finished corpus"),
        (["out=no/where", "manifest=songs.jsonl"], "create it first"),
        (["out=shards", "manifest=songs.jsonl", "controls=[chord]"], "choose from chords, melody, drums, beats"),
        (["out=shards", "manifest=songs.jsonl", "build.engine=slurm"], "build.engine: 'slurm' is none of local, ray"),
        (["out=shards", "manifest=songs.jsonl", "build.seconds=0.2"], "build.seconds"),
        (["out=shards", "manifest=songs.jsonl", "build.retry=3"], "neither true nor false"),
        (["out=shards", "manifest=songs.jsonl", "codec=nothing"], "nothing"),
        (["out=shards", "manifest=songs.jsonl", "splits=[validation]"], "no clip to build in validation"),
        (["out=shards", "manifest=songs.jsonl", "build.worker=3"], "worker"),
        (["out=.", "verify=true"], "holds no finished split"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    arguments: list[str],
    says: str,
    recordings: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recordings(1)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["build", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if "error" in line]
    assert len(lines) == 1 and says in lines[0] and "flowmusic build: error:" in lines[0]
    assert sorted(tmp_path.iterdir()) == before


def test_other_settings_and_a_second_build_at_once_are_refused(
    recordings: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["build", f"manifest={recordings(1)}", f"out={tmp_path / 'out'}", *QUICK]
    assert main(arguments) == 0
    capsys.readouterr()
    assert main([*arguments, "build.seconds=20"]) == 2
    assert "seconds was 30.0, is 20.0" in capsys.readouterr().err
    with build.alone(tmp_path / "out"):
        assert main(arguments) == 2
    assert "another build is writing" in capsys.readouterr().err
    (tmp_path / "out" / "train-000000.tar").write_bytes(b"nothing")
    assert main([*arguments, "verify=true"]) == 1
    assert "1 faults" in capsys.readouterr().err
