"""Every row of the table of limits: its borders pass where such numbers are read, and what lies beyond does not."""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowmusic import limits
from flowmusic.interop.fitting import CorruptWeights
from flowmusic.limits import LIMITS, Limit

ROOT = Path(__file__).resolve().parents[1]
Place = Callable[[Any, Path], object]
"""Reads a number, given a folder to put files into; raises what the program raises there."""


def flag(command: str, *arguments: str) -> Place:
    """The last argument of a command line, ``{}`` in it, as its parser reads it."""

    def read(value: Any, folder: Path) -> object:
        from flowmusic.apps.cli import build_parser

        (folder / "song.wav").touch()
        there = [argument.replace("{}", str(value)).replace("FOLDER", str(folder)) for argument in arguments]
        return build_parser().parse_args([command, *there])

    return read


def page(*arguments: str) -> Place:
    """A flag of the page, whose command makes no parser before it is asked for."""

    def read(value: Any, folder: Path) -> object:
        from flowmusic import options
        from flowmusic.page import command

        parser = options.Parser(prog="flowmusic app")
        command.add_arguments(parser)
        return parser.parse_args([argument.replace("{}", str(value)) for argument in arguments])

    return read


def exported(value: Any, folder: Path) -> object:
    """A take that is carried on to a studio as it is made."""
    from flowmusic.apps import export

    flags = argparse.Namespace(stems=False, midi=True, out=folder / "take.wav", quiet=True)
    return export.of_takes(flags, value)


def parsed(module: str, *arguments: str) -> Place:
    """As :func:`flag`, of a command with a parser of its own."""

    def read(value: Any, folder: Path) -> object:
        there = [argument.replace("{}", str(value)).replace("FOLDER", str(folder)) for argument in arguments]
        made = importlib.import_module(module)
        return (made._parser if hasattr(made, "_parser") else made.build_parser)().parse_args(there)

    return read


def function(module: str, name: str, given: Callable[[Any], tuple[Any, ...]] = lambda value: (value,)) -> Place:
    """An entry point in Python, or the parser of a flag."""

    def read(value: Any, folder: Path) -> object:
        target: Any = importlib.import_module(module)
        for part in name.split("."):
            target = getattr(target, part)
        return target(*given(value))

    return read


@functools.cache
def training() -> Any:
    from flowmusic.train.run import compose

    return compose(["experiment=nano"])


def train(key: str) -> Place:
    """A key of the configuration of a training."""

    def read(value: Any, folder: Path) -> None:
        from omegaconf import OmegaConf, open_dict

        from flowmusic.train.run import check_numbers

        cfg = training().copy()
        with open_dict(cfg):
            OmegaConf.update(cfg, key, value)
        check_numbers(cfg)

    return read


@functools.cache
def _composed(command: str, *given: str) -> Any:
    return importlib.import_module(f"flowmusic.apps.{command}").compose(list(given))


def composed(command: str, *given: str) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(_composed(command, *given))


def hydra(command: str, key: str, *given: str, inside: str | None = None) -> Place:
    """A key of the configuration of a build or an evaluation, or one inside it."""

    def read(value: Any, folder: Path) -> object:
        (folder / "songs.jsonl").touch()
        config = composed(command, *given)
        config |= {"manifest": str(folder / "songs.jsonl"), "out": str(folder / "out")}
        place = config
        for part in key.split(".")[:-1]:
            place = place[part]
        place[key.split(".")[-1]] = value if inside is None else {inside: value}
        folder_of = {"build": "datasets", "evaluate": "evaluate"}[command]
        settings: Any = importlib.import_module(f"flowmusic.{folder_of}.settings")
        return settings.Settings.of(config)

    return read


def bundle(key: str) -> Place:
    """A setting in the description of a model."""

    def read(value: Any, folder: Path) -> object:
        import torch

        from flowmusic.interop import model_files

        inner: Any = value
        for part in reversed(key.split(".")):
            inner = {part: inner}
        model_files.write(folder / "model", {"kind": "flow", "settings": inner}, {"a": torch.zeros(1)}, "a card")
        return model_files.read(folder / "model")

    return read


def sheet(**change: Any) -> Place:
    """A value of a ``controls.json``, where ``...`` stands."""

    def put(into: Any, value: Any) -> Any:
        if into is ...:
            return value
        if isinstance(into, list):
            return [put(each, value) for each in into]
        return {key: put(each, value) for key, each in into.items()} if isinstance(into, dict) else into

    def read(value: Any, folder: Path) -> object:
        from flowmusic.annotations.json_file import ControlsFile

        whole = {"source": "a", "seconds": 2.0, "frame_rate": 25, **put(change, value)}
        (folder / "controls.json").write_text(json.dumps(whole, allow_nan=True))
        return ControlsFile.read(folder)

    return read


def manifest(key: str) -> Place:
    """A value of a line in a manifest."""

    def read(value: Any, folder: Path) -> object:
        from flowmusic.datasets.manifest import read

        line = {"path": "a.wav", "duration": 2.0, "rate": 8000, "channels": 1, "hash": "0", key: value}
        (folder / "songs.jsonl").write_text(json.dumps(line))
        return read(folder / "songs.jsonl")

    return read


def labels(value: Any, folder: Path) -> object:
    from flowmusic.annotations.labels_file import labels_of

    (folder / "labels.json").write_text(json.dumps({"beats": [value], "seconds": 2.0}))
    return labels_of(folder / "labels.json")


def header(key: str) -> Place:
    """The header of a WAV file, as scan and build read it, without its samples: those would be many."""

    def read(value: Any, folder: Path) -> object:
        import struct

        from flowmusic.datasets.probe import header

        if not (isinstance(value, int) and 0 <= value < 2**32):
            raise ValueError("no header can hold it; the bounds are those of the table")
        rate, channels = (value, 1) if key == "rate" else (8000, value)
        data = bytes(2 * channels * 4)
        form = struct.pack("<HHIIHH", 1, channels, rate, min(2 * channels * rate, 2**32 - 1), 2 * channels, 16)
        body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
        (folder / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
        return header(folder / "a.wav")

    return read


def corpus(value: Any, folder: Path) -> object:
    from flowmusic.corpus.build import CorpusSettings

    hours = Fraction(value, 1800) if isinstance(value, int) else value / 1800
    return CorpusSettings(hours, 0, 2.0, {}, (), (), None)  # type: ignore[arg-type]


def guidance(value: Any) -> tuple[Any, ...]:
    return ({"all": value},)


GENERATE, CORPUS = ("generate", "a text"), "flowmusic.corpus.__main__"
STYLES = ("--corpus=FOLDER", "--out=FOLDER/out")
PLACES: list[tuple[str, Place]] = [
    ("seconds", flag(*GENERATE, "--seconds={}")),
    ("seconds", train("data.crop_seconds")),
    ("seconds", bundle("seconds")),
    ("seconds", hydra("evaluate", "seconds", "data=manifest")),
    ("piece_seconds", hydra("build", "build.seconds")),
    ("clip_seconds", parsed(CORPUS, "--hours=1", "--seed=1", "--out=x", "--clip-seconds={}")),
    ("style_excerpt", flag(*GENERATE, "--style-seconds={}")),
    ("recording", sheet(seconds=...)),
    ("recording", manifest("duration")),
    ("recording", function("flowmusic.types", "FrameGrid.of_seconds", lambda value: (value, 25))),
    ("time", sheet(beats=[...])),
    ("time", labels),
    ("source", function("flowmusic.takes.source", "checked_length", lambda value: (value, "song.wav"))),
    ("bars", flag("extend", "FOLDER/song.wav", "--bars={}")),
    ("bpm", flag(*GENERATE, "--bpm={}")),
    ("bpm", sheet(bpm=...)),
    ("bpm", function("flowmusic.controls.beats", "check_bpm")),
    ("bars", flag(*GENERATE, "--loop", "--bars={}")),
    ("loop_seconds", function("flowmusic.generate.loops", "check_seconds")),
    ("meter_beats", function("flowmusic.controls.beats", "parse_meter", lambda value: (f"{value}/4",))),
    ("pitch", sheet(melody=[[0, 1, ...]])),
    ("frame_rate", sheet(frame_rate=...)),
    ("frame_rate", train("plan.frame_rate")),
    ("frame_rate", function("flowmusic.types", "FrameGrid", lambda value: (value, 10))),
    ("frames", function("flowmusic.types", "FrameGrid", lambda value: (25, value))),
    ("sample_rate", header("rate")),
    ("sample_rate", manifest("rate")),
    ("sample_rate", bundle("rate")),
    ("hertz", bundle("top_hz")),
    ("cut", flag("enhance", "FOLDER/song.wav", "--cut={}")),
    ("channels", header("channels")),
    ("channels", bundle("channels")),
    ("silence", flag("data", "scan", "FOLDER", "--silence={}")),
    ("hours", parsed(CORPUS, "--hours={}", "--seed=1", "--out=x")),
    ("corpus_clips", corpus),
    ("guidance", flag(*GENERATE, "--guidance", "all={}")),
    ("guidance", bundle("generation.guidance.all")),
    ("guidance", hydra("evaluate", "guidance", "data=manifest", inside="all")),
    ("guidance", function("flowmusic.guidance", "Guidance.of", guidance)),
    ("channel_runs", bundle("generation.guided_channels")),
    ("channel_runs", bundle("generation.timbre_channels")),
    ("guidance_rescale", bundle("generation.guidance_rescale")),
    ("style_timbre", flag(*GENERATE, "--style-timbre={}")),
    ("style_timbre", bundle("generation.style_timbre")),
    ("channel_runs", train("model.channel_weights")),
    ("apg_eta", flag(*GENERATE, "--apg", "eta={}")),
    ("apg_norm", function("flowmusic.guidance", "Projection", lambda value: (0.0, value))),
    ("apg_momentum", bundle("generation.apg.momentum")),
    ("style_detail", flag(*GENERATE, "--style-detail={}")),
    ("adapter_scale", flag(*GENERATE, "--adapter", "FOLDER/song.wav:{}")),
    ("pseudoword_scale", function("flowmusic.model.pseudowords", "parse", lambda value: (f"a <dusk>:{value:f}",))),
    ("solver_steps", flag(*GENERATE, "--steps={}")),
    ("solver_steps", function("flowmusic.flow.solve", "check", lambda value: ("euler", value))),
    ("solver_steps", bundle("generation.steps")),
    ("tolerance", bundle("generation.tolerance")),
    ("takes", flag(*GENERATE, "--best-of={}")),
    ("seed", flag(*GENERATE, "--seed={}")),
    ("seed", parsed(CORPUS, "--hours=1", "--seed={}", "--out=x")),
    ("noise_seed", function("flowmusic.generate.generator", "check_seed")),
    ("vectors", flag("invert", "FOLDER/song.wav", "--token=x", "--vectors={}")),
    ("pseudoword_steps", parsed("benchmarks.style_table", *STYLES, "--pseudowords={}")),
    ("neighbours", parsed("benchmarks.style_table", *STYLES, "--neighbours={}")),
    ("share", flag("data", "scan", "FOLDER", "--test={}")),
    ("share", train("model.dropout.text")),
    ("share", train("model.dropout.tracks.chords")),
    ("masked_spans", train("model.dropout.spans")),
    ("clips", hydra("evaluate", "clips", "data=manifest")),
    ("page_clips", hydra("evaluate", "page_clips", "data=manifest")),
    ("clips_per_shard", hydra("build", "build.clips_per_shard")),
    ("count", train("data.pairs")),
    ("batch", train("data.batch")),
    ("batch", hydra("evaluate", "batch", "data=manifest")),
    ("training_seed", train("seed")),
    ("training_steps", train("trainer.max_steps")),
    ("learning_rate", train("model.optimizer.lr")),
    ("loss_weight", train("model.align")),
    ("loss_weight", train("model.describe")),
    ("loss_weight", train("model.mean_weight")),
    ("loss_weight", train("model.outset")),
    ("noise", bundle("noise")),
    ("budget", train("callbacks.budget.wall_s")),
    ("short_time", train("control.drums.blur_s")),
    ("flops", train("plan.flops")),
    ("layers", bundle("field.layers")),
    ("layers", train("model.field.layers")),
    ("heads", bundle("field.heads")),
    ("width", bundle("encoder.width")),
    ("expansion", bundle("field.expansion")),
    ("vocabulary", bundle("encoder.tracks.chords.ids")),
    ("levels", bundle("encoder.style.levels")),
    ("samples", bundle("hop")),
    ("tokens", train("plan.tokens")),
    ("rank", train("model.lora.rank")),
    ("alpha", train("model.lora.alpha")),
    ("workers", hydra("build", "build.workers", "build.engine=ray")),
    ("reading_workers", train("data.workers")),
    ("threads", flag(*GENERATE, "--threads={}")),
    ("threads", flag("extract", "FOLDER/song.wav", "--threads={}")),
    ("threads", flag("invert", "FOLDER/song.wav", "--token=dusk", "--threads={}")),
    ("threads", hydra("evaluate", "threads", "data=manifest")),
    ("threads", train("threads")),
    ("devices", train("plan.devices")),
    ("minutes", parsed("tools.recipe", "FOLDER", "--state=FOLDER", "--minutes={}")),
    ("mebibytes", parsed("tools.pack_run", "tree", "FOLDER", "--limit={}")),
    ("files", parsed("tools.pack_run", "pack", "FOLDER", "FOLDER", "--files={}")),
    ("number", train("something")),
    ("port", page("--port={}")),
    ("export", exported),
]


def beyond(row: Limit) -> list[float]:
    """Just below and just above what is allowed."""
    if row.whole:
        return [(-2 if row.all_by_minus_one else int(row.low) - 1), int(row.high) + 1]
    below = -2.0 if row.all_by_minus_one else row.low - max(0.01 * abs(row.low), 1e-3 if row.low >= 0 else 0.0)
    return [below, row.high + max(0.01 * abs(row.high), 1e-3)]


def borders(row: Limit) -> list[float]:
    found: list[float] = [int(row.low), int(row.high)] if row.whole else [float(row.low), float(row.high)]
    return [*found, -1] if row.all_by_minus_one else found


def refusal(place: Place, value: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said where a number is refused."""
    try:
        place(value, folder)
    except SystemExit as stop:
        assert stop.code == 2
        return capsys.readouterr().err
    except (ValueError, CorruptWeights) as error:  # NaN in a bundle's description is damage
        return str(error)
    pytest.fail(f"{value} was accepted")


@pytest.mark.parametrize(
    ("name", "place"), [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate(PLACES)]
)
def test_borders_pass_and_what_lies_beyond_does_not(
    name: str, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = LIMITS[name]
    for value in borders(row):
        place(value, tmp_path)
    far: list[Any] = [1e308, -1e308]
    if name != "pseudoword_scale":  # which stands in a text, where a word after it is text
        far += [math.nan, math.inf, 10**400]
    for value in [*beyond(row), *far]:
        said = refusal(place, value, tmp_path, capsys)
        assert len(said) <= 500 and said.strip().count("\n") == 0, said
        # No clips make no corpus, and no channels no sound, before the table is asked.
        if value in beyond(row) and not (value == 0 and name in ("corpus_clips", "channels")):
            assert limits.shown(row.low) in said and limits.shown(row.high) in said, said


def test_every_row_is_read_somewhere() -> None:
    assert {name for name, _ in PLACES} == set(LIMITS)


def test_every_number_of_the_configuration_and_of_the_shipped_models_has_a_row_of_its_own() -> None:
    files = [*sorted((ROOT / "conf").rglob("*.yaml")), *sorted((ROOT / "flowmusic/embedded").rglob("config.yaml"))]
    assert len(files) > 30
    unnamed = []
    for file in files:
        for path, row, value in limits.numbers(yaml.safe_load(file.read_text(encoding="utf-8"))):
            if row.name == "number" and not path.startswith("hydra"):
                unnamed.append(f"{file.name}: {path} = {value}")
    assert unnamed == []


def test_no_name_stands_for_two_rows() -> None:
    keys = [key for row in LIMITS.values() for key in row.keys]
    assert len(keys) == len(set(keys))
    assert all(row.low < row.high for row in LIMITS.values())


def test_the_page_shows_the_table() -> None:
    assert limits.table() in (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "given", ["1e999999999", "9" * 5000, "1/0", "75/2/1", "-25", "nan", "", "0x19", "1" * 40 + "/1", True, None, [25]]
)
def test_a_frame_rate_that_is_none_is_refused_at_once(given: Any) -> None:
    with pytest.raises(limits.LimitError, match=r"frames per second.*got .{1,60};"):
        limits.frame_rate(given)
    assert limits.frame_rate(" 75/2 ") == Fraction(75, 2) and limits.frame_rate("12.5") == Fraction(25, 2)


def test_zero_has_one_sign() -> None:
    assert math.copysign(1.0, limits.of_text("share", "-0")) == 1.0
    assert math.copysign(1.0, limits.number("guidance", -0.0)) == 1.0


def test_more_processes_than_a_machine_can_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "cores", lambda: 2)
    for place, value, fits in [
        (train("trainer.devices"), 99, 2),
        (hydra("build", "build.workers"), 4096, 64),
        (hydra("evaluate", "workers", "data=manifest"), 4096, 64),
        (flag("data", "scan", "FOLDER", "--workers={}"), 1000, 64),
        (parsed(CORPUS, "--hours=1", "--seed=1", "--out=x", "--workers={}"), 65, 64),
    ]:
        place(fits, tmp_path)
        with pytest.raises((ValueError, SystemExit)) as refused:
            place(value, tmp_path)
        assert "2 cores" in str(refused.value) or isinstance(refused.value, SystemExit)
