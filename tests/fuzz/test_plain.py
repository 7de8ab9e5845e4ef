"""Documents of plain data: controls, labels, manifests (also packed), sidecars, descriptions, recipes."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowmusic.annotations.json_file import ControlsFile
from flowmusic.annotations.labels_file import labels_of
from flowmusic.controls import chords
from flowmusic.corpus import reader
from flowmusic.datasets import captions, manifest
from flowmusic.datasets.sets import slakh
from flowmusic.interop import bundle, model_files
from flowmusic.interop.stored_config import StoredConfig
from tests.fuzz.campaign import Input, both_ways, run
from tests.fuzz.mutate import changed, mutated
from tools import recipe

COUNT, SEED = 400, 1305

SHEET: dict[str, Any] = {
    "source": "song.wav", "seconds": 10.0, "frame_rate": 25, "bpm": 120.0, "beats": [0.0, 0.5, 1.0], "downbeats": [0.0],
    "chords": [[0.0, 4.0, "C"], [4.0, 10.0, "Am7"]], "melody": [[0.5, 1.0, 60], [1.0, 2.0, 62]],
    "drums": {"onsets": [0.0, 1.0, 2.5], "stem": "drums.wav", "classes": {"kick": [0.0], "snare": [1.0]}},
}  # fmt: skip
LINE: dict[str, Any] = {
    "path": "a.wav", "start": 0.0, "duration": 12.0, "rate": 44100, "channels": 2, "hash": "ab" * 32, "text": ["calm"],
    "licence": "CC0", "split": "train", "tags": {"artist": "B"}, "labels": "a.json", "stems": {"drums": "d.wav"},
}  # fmt: skip
CRAFT: dict[str, Any] = {
    "path": "a.wav",
    "duration": 3.0,
    "sample_rate": 44100,
    "amplitude": None,
    "info_path": "a.json",
}
INFO: dict[str, Any] = {
    "title": "T", "artist": "A", "key": "C", "bpm": 92, "genre": "Jazz", "moods": ["calm"], "keywords": ["a", "b"],
    "description": "slow", "captions": ["x", "y"], "licence": "CC0",
}  # fmt: skip
STEMS: dict[str, Any] = {
    "UUID": "x",
    "stems": {
        "S00": {"inst_class": "Bass", "is_drum": False, "audio_rendered": True},
        "S01": {"inst_class": "Drums", "is_drum": True},
    },
}
STAGES: dict[str, Any] = {
    "settings": {"a": "1"},
    "reserve_s": 5,
    "stages": [{"name": "x", "command": "python -V", "done": "y"}],
}


def documents(seed: int, count: int, path: Path, values: list[Any], dump: Callable[[Any], str]) -> Iterator[Input]:
    """One file again and again: values changed, and then now and then its bytes; packed where its name says so."""
    rng = random.Random(seed)
    share = 0.8 if len(values) == 1 else 0.3
    for number in range(count):
        content = [changed(value, rng) if rng.random() < share else value for value in values]
        try:
            text = "\n".join(dump(each) for each in content)
        except (ValueError, RecursionError, yaml.YAMLError):
            continue  # our own writer will not write it
        data = text.encode("utf-8", "surrogatepass")
        data = mutated(data, rng) if rng.random() < 0.3 else data
        data = rng.choice((b"", b"\xef\xbb\xbf", b"\xff\xfe")) + data if rng.random() < 0.1 else data
        if path.suffix == ".gz":
            packed = gzip.compress(data * rng.choice((1, 1, 1, 30_000)), 1)
            data = mutated(packed, rng) if rng.random() < 0.3 else packed
        path.write_bytes(data)
        yield Input(f"seed {seed}, number {number}: {data[:160]!r}", path, path.name)


def as_json(value: Any) -> str:
    return json.dumps(value)


def as_yaml(value: Any) -> str:
    return yaml.dump(value, allow_unicode=True)


def read_sheet(path: Path) -> None:
    sheet = ControlsFile.read(path)
    sheet.stem_path(path)


def read_labels(path: Path) -> None:
    labels_of(path).names()


def read_info(path: Path) -> None:
    said, _ = captions.of_json(path)
    captions.merged(None, said, None, captions.of_tags(said.tags), None)


def read_stored(path: Path) -> None:
    config = StoredConfig.parse(path.read_text(errors="replace"), path.name)
    for name in ("reserve_s", "settings.a", "stages"):
        config.get(name)
    config.number("reserve_s", 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "values", "read"),
    [
        ("controls.json", [SHEET], read_sheet),
        ("labels.json", [SHEET], read_labels),
        ("sidecar.json", [INFO], read_info),
        ("manifest.jsonl", [LINE, LINE, CRAFT], manifest.read),
        ("data.jsonl.gz", [CRAFT, LINE], manifest.read),
    ],
)
@pytest.mark.filterwarnings("ignore::flowmusic.controls.notices.ControlNotice")
def test_json(tmp_path: Path, name: str, values: list[Any], read: Callable[[Path], object]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(INFO))
    chords.canonical("C")  # the vocabulary is there before memory is counted
    both_ways(run(name, documents(SEED, COUNT, tmp_path / name, values, as_json), read))


@pytest.mark.slow
def test_the_list_of_a_corpus(tmp_path: Path) -> None:
    lines = [{"path": "train/a.flac", "seconds": 1.0, "split": "train", "text": "x"}] * 2
    inputs = documents(SEED, COUNT, tmp_path / "manifest.jsonl", lines, as_json)
    both_ways(run("corpus manifest.jsonl", inputs, lambda path: reader.clips(path.parent, "train")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("metadata.yaml", STEMS, slakh.stems_of),
        ("recipe.yaml", STAGES, lambda path: recipe.read(str(path))),
        ("stored.yaml", STAGES, read_stored),
    ],
)
def test_yaml(tmp_path: Path, name: str, value: Any, read: Callable[[Path], object]) -> None:
    (tmp_path / "stems").mkdir()
    for stem in ("S00", "S01"):
        (tmp_path / "stems" / f"{stem}.flac").touch()
    both_ways(run(name, documents(SEED, COUNT, tmp_path / name, [value], as_yaml), read))


@pytest.mark.slow
def test_the_description_of_a_bundle(tmp_path: Path) -> None:
    shutil.copytree(model_files.available()["nano2_codec"], tmp_path / "codec")
    path = tmp_path / "codec" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    bundle.load_codec(path.parent)
    inputs = documents(SEED, COUNT // 4, path, [config], as_yaml)
    inputs = (Input(each.label, path.parent, "codec") for each in inputs)
    both_ways(run("bundle config.yaml", inputs, bundle.load_codec))
