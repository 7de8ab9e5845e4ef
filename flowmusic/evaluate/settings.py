"""The configuration of an evaluation as checked values: every wrong one is a UsageError that says what is allowed."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from flowmusic import options
from flowmusic.errors import UsageError

CONTROLS = ("text", "chords", "drums", "melody", "beats", "instruments", "facts")
DATA = ("corpus", "folder", "manifest")
SPLITS = ("train", "validation", "test")
PRECISIONS = ("fp32", "bf16")
MAX_POINTS = 64
"""Of a curve or a map: more are a typing error."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class Settings:
    """Keys of ``conf/evaluate.yaml``, where their meaning is told; ``source`` is ``corpus`` or ``manifest``."""

    model: str
    adapter: tuple[str, ...]
    data: str
    source: Path
    split: str
    clips: int | None
    seconds: float | None
    out: Path
    controls: tuple[str, ...] | None
    guidance: Mapping[str, float] | None
    solver: str | None
    steps: int | None
    time_grid: str | None
    guidance_interval: tuple[float, float] | None
    apg: Mapping[str, float] | None
    seed: int
    batch: int
    device: str
    precision: str
    threads: int | None
    workers: int
    alone: bool
    chord_detector: str | None
    fad_embedding: str
    fadtk_python: Path | None
    fad_reference: Path | None
    text_audio: str | None
    train_corpus: Path | None
    train_latents: Path | None
    steps_curve: tuple[int, ...]
    guidance_grid: Mapping[str, tuple[float, ...]]
    sweep_clips: int | None
    page_clips: int

    @staticmethod
    def of(config: Mapping[str, Any], point: str | None = None) -> Settings:
        """Check plain values.

        Args:
            config: every key of the configuration.
            point: the name of a sweep's point, which gets a folder of its own under ``out``.
        """
        from flowmusic.flow.solve import SOLVERS
        from flowmusic.flow.time_grids import GRIDS

        data = _choice(config, "data", DATA)
        source = _source(config, data)
        if config["out"] is None:
            raise UsageError("out is missing; give out=DIR, the folder that the report is to be written to")
        out = _flag(config, "out", options.output_folder)
        train_corpus, train_latents = _path(config, "train_corpus"), _path(config, "train_latents")
        if train_corpus is not None and train_latents is not None:
            raise UsageError("train_corpus and train_latents are two ways to name the training clips; give one")
        return Settings(
            model=str(config["model"]),
            adapter=_adapters(config["adapter"]),
            data=data,
            source=source,
            split=_choice(config, "split", SPLITS),
            clips=_optional(config, "clips", options.integer("clips")),
            seconds=_optional(config, "seconds", options.seconds),
            out=out if point is None else out / point,
            controls=_controls(config["controls"], data),
            guidance=guidance(config["guidance"]),
            solver=None if config["solver"] is None else _choice(config, "solver", tuple(SOLVERS)),
            steps=_optional(config, "steps", options.steps),
            time_grid=None if config["time_grid"] is None else _choice(config, "time_grid", tuple(GRIDS)),
            guidance_interval=_joined(config, "guidance_interval", options.guidance_interval),
            apg=_joined(config, "apg", options.apg),
            seed=_flag(config, "seed", options.seed),
            batch=_flag(config, "batch", options.integer("batch")),
            device=_flag(config, "device", options.device),
            precision=_choice(config, "precision", PRECISIONS),
            threads=_optional(config, "threads", options.integer("threads")),
            workers=_flag(config, "workers", options.workers),
            alone=_yes_or_no(config, "alone"),
            chord_detector=None
            if config["chord_detector"] is None
            else _choice(config, "chord_detector", options.CHORD_DETECTORS),
            fad_embedding=str(config["fad_embedding"]),
            fadtk_python=_path(config, "fadtk_python"),
            fad_reference=_path(config, "fad_reference"),
            text_audio=None if config["text_audio"] is None else str(config["text_audio"]),
            train_corpus=train_corpus,
            train_latents=train_latents,
            steps_curve=_steps_curve(config["steps_curve"]),
            guidance_grid=_guidance_grid(config["guidance_grid"]),
            sweep_clips=_optional(config, "sweep_clips", options.integer("clips")),
            page_clips=_flag(config, "page_clips", options.integer("page_clips")),
        )


def _source(config: Mapping[str, Any], data: str) -> Path:
    """Where the test clips are, under the key that belongs to the kind of data."""
    listed = data == "manifest"
    key, other = ("manifest", "corpus") if listed else ("corpus", "manifest")
    if config[other] is not None:
        raise UsageError(f"{other}={config[other]} is not for data={data}; leave it out, or choose another data")
    if config[key] is None and listed:
        raise UsageError("manifest is missing; give manifest=FILE, written by `flowmusic data scan` or `data read`")
    if config[key] is None:
        raise UsageError(
            "corpus is missing; give corpus=DIR, a folder written by `flowmusic corpus --stems drums`, "
            "data=folder corpus=DIR with any recordings, or data=manifest manifest=FILE"
        )
    return _flag(config, key, options.existing_file if listed else options.existing_path)


def guidance(value: Any) -> Mapping[str, float] | None:
    """``{all: 3, text: 1}`` or ``"all=3,text=1"`` as weights.  Raises: UsageError."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = ",".join(f"{key}={weight}" for key, weight in value.items())
    try:
        return dict(options.guidance(str(value)))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"guidance: {error}; write it as guidance='{{all: 3, text: 1}}'") from None


def _flag(config: Mapping[str, Any], key: str, parse: Callable[[str], Value]) -> Value:
    """A value judged by the same parser as a command-line flag."""
    if config[key] is None:
        raise UsageError(f"{key} must not be null; leave it out for its default")
    try:
        return parse(str(config[key]))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{key}: {error}") from None


def _optional(config: Mapping[str, Any], key: str, parse: Callable[[str], Value]) -> Value | None:
    return None if config[key] is None else _flag(config, key, parse)


def _joined(config: Mapping[str, Any], key: str, parse: Callable[[str], Value]) -> Value | None:
    """A list or a mapping, judged by the parser of the flag that has it with commas."""
    value = config[key]
    if isinstance(value, Mapping):
        value = ",".join(f"{name}={each}" for name, each in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        value = ",".join(map(str, value))
    return _optional({key: value}, key, parse)


def _path(config: Mapping[str, Any], key: str) -> Path | None:
    return _optional(config, key, options.existing_path)


def _choice(config: Mapping[str, Any], key: str, allowed: Sequence[str]) -> str:
    value = str(config[key])
    if value not in allowed:
        raise UsageError(f"{key}: {value!r} is none of {', '.join(allowed)}")
    return value


def _yes_or_no(config: Mapping[str, Any], key: str) -> bool:
    value = config[key]
    if not isinstance(value, bool):
        raise UsageError(f"{key}: {value!r} is neither true nor false")
    return value


def _list(value: Any, key: str, example: str) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError(f"{key}: {value!r} is not a list; write it as {key}='{example}'")
    if len(value) > MAX_POINTS:
        raise UsageError(f"{key}: {len(value)} values are more than {MAX_POINTS}")
    return list(value)


def _controls(value: Any, data: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    chosen = [str(name) for name in _list(value, "controls", "[text,chords]")]
    unknown = [name for name in chosen if name not in CONTROLS]
    if unknown:
        raise UsageError(f"controls: unknown name {unknown[0]!r}; choose from {', '.join(CONTROLS)}")
    # Facts and who plays are given, and nothing scores them by themselves.
    unscored = chosen and set(chosen) <= {"instruments", "facts"}
    if unscored or (not set(chosen) - {"text"} and data != "manifest"):
        raise UsageError(f"controls: nothing to follow; choose one or more of {', '.join(CONTROLS[1:])}")
    return tuple(name for name in CONTROLS if name in chosen)


def _adapters(value: Any) -> tuple[str, ...]:
    """``FILE:SCALE``, or a list of such, judged by the parser of the flag."""
    given = [] if value is None else [value] if isinstance(value, str) else _list(value, "adapter", "[a.safetensors:1]")
    for each in given:
        _flag({"adapter": each}, "adapter", options.adapter)
    return tuple(map(str, given))


def _steps_curve(value: Any) -> tuple[int, ...]:
    points = [
        _flag({"steps_curve": each}, "steps_curve", options.steps) for each in _list(value, "steps_curve", "[2,5]")
    ]
    return tuple(sorted(set(points)))


def _guidance_grid(value: Any) -> Mapping[str, tuple[float, ...]]:
    if value is None:
        return {}
    example = "guidance_grid='{all: [1, 2, 3], text: [0, 1]}'"
    if not isinstance(value, Mapping) or len(value) > 2:
        raise UsageError(f"guidance_grid: {value!r} is not one or two guidance keys with lists; write it as {example}")
    grid: dict[str, tuple[float, ...]] = {}
    for key, weights in value.items():
        points = _list(weights, f"guidance_grid.{key}", "[1, 2]")
        # The parser of --guidance knows keys and weights.
        known = [guidance({key: weight}) for weight in points]
        numbers = {each[str(key)] for each in known if each is not None}
        if not numbers or not all(map(math.isfinite, numbers)):
            raise UsageError(f"guidance_grid.{key} is empty; write it as {example}")
        grid[str(key)] = tuple(sorted(numbers))
    if math.prod(len(weights) for weights in grid.values()) > MAX_POINTS:
        raise UsageError(f"guidance_grid: more than {MAX_POINTS} points; each is a whole evaluation")
    return grid
