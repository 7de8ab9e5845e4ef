"""The configuration of a build as checked values: every wrong one is a UsageError that says what is allowed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from flowmusic import options, progress
from flowmusic.controls import TRACKS
from flowmusic.errors import UsageError

SPLITS = ("train", "validation", "test")
ENGINES = ("local", "ray")
DUPLICATES = ("skip", "keep")
DRUMS = ("onsets", "codes")
CHOICES = {
    "chords": options.CHORD_DETECTORS,
    "chord_detail": ("full", "triads"),
    "melody": ("harmonic", "tiny", "full"),
    "beats": ("flux", "madmom"),
    "separator": ("hpss", "ours", "demucs"),
}
"""Values of the keys under ``extractors``."""
KEPT = ("codec", "controls", "drums", "extractors", "style_features", "text_audio")
"""Of :class:`ClipSettings`: what two builds of one content may not differ in."""
Value = TypeVar("Value")


@dataclass(frozen=True)
class ExtractorChoice:
    """Keys under ``extractors`` of ``conf/build.yaml``."""

    chords: str = "ours"
    chord_detail: str = "full"
    melody: str = "harmonic"
    beats: str = "flux"
    separator: str = "hpss"


@dataclass(frozen=True)
class ClipSettings:
    """What decides the content of a clip; picklable."""

    codec: str
    device: str
    controls: tuple[str, ...]
    drums: str
    extractors: ExtractorChoice
    style_features: Mapping[str, Any] | None = None
    text_audio: str | None = None
    root: Path = Path("/")

    def plain(self) -> dict[str, Any]:
        """As plain data, without what two builds of one content may differ in."""
        told = asdict(self)
        return {key: told[key] for key in KEPT}


@dataclass(frozen=True)
class Settings:
    """Keys of ``conf/build.yaml``, where their meaning is told."""

    manifest: Path | None
    corpus: Path | None
    out: Path
    splits: tuple[str, ...]
    clip: ClipSettings
    engine: str
    workers: int
    seconds: float
    clips_per_shard: int
    duplicates: str
    retry: bool
    verify: bool
    add_facts: bool

    @staticmethod
    def of(config: Mapping[str, Any]) -> Settings:
        """Check plain values."""
        if config["out"] is None:
            raise UsageError("out is missing; give out=DIR, the folder of the shards")
        verify, add_facts = _yes_or_no(config, "verify"), _yes_or_no(config, "add_facts")
        if verify and add_facts:
            raise UsageError("verify and add_facts are two commands; give one of them")
        manifest, corpus = (_optional(config, key, options.existing_path) for key in ("manifest", "corpus"))
        if not verify and (manifest is None) == (corpus is None):
            raise UsageError(
                "give manifest=FILE, as `flowmusic data scan` writes it, or corpus=DIR, as `flowmusic corpus` does"
                + (": not both" if manifest is not None else "")
            )
        if manifest is not None and not manifest.is_file():
            raise UsageError(f"manifest: {manifest} is a folder; give the file, or corpus={manifest} for a corpus")
        build = config["build"]
        engine = _choice(build, "engine", ENGINES, "build.")
        return Settings(
            manifest=manifest,
            corpus=corpus,
            out=Path(str(config["out"])) if verify else _flag(config, "out", options.output_folder),
            splits=_names(config, "splits", SPLITS),
            clip=ClipSettings(
                codec=str(config["codec"]),
                device=_flag(config, "device", options.device),
                controls=_names(config, "controls", TRACKS),
                drums=_choice(config, "drums", DRUMS),
                extractors=ExtractorChoice(
                    **{
                        key: _choice(config["extractors"], key, allowed, "extractors.")
                        for key, allowed in CHOICES.items()
                    }
                ),
                style_features=_style(config),
                text_audio=None if config["text_audio"] is None else str(config["text_audio"]),
            ),
            engine=engine,
            # Those of Ray are of its cluster.
            workers=_flag(
                build, "workers", options.workers if engine == "local" else options.integer("workers"), "build."
            ),
            seconds=_flag(build, "seconds", options.limited("piece_seconds"), "build."),
            clips_per_shard=_flag(build, "clips_per_shard", options.integer("clips_per_shard"), "build."),
            duplicates=_choice(build, "duplicates", DUPLICATES, "build."),
            retry=_yes_or_no(build, "retry", "build."),
            verify=verify,
            add_facts=add_facts,
        )


def _style(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What ``style_features`` and ``style_layer`` ask for."""
    given = config["style_features"]
    layer = _optional(config, "style_layer", options.integer("layers"))
    if given is None:
        if layer is not None:
            raise UsageError("style_layer is for style_features, which is not given")
        return None
    progress.starting("flowmusic build")
    from flowmusic.interop.mert import HUB_NAME, KIND

    kind, _, source = str(given).partition(":")
    if kind != KIND or not source:
        raise UsageError(f"style_features must be {KIND}:SOURCE, such as {KIND}:{HUB_NAME}, got {given!r}")
    return {"kind": kind, "source": source, "layer": layer}


def _flag(config: Mapping[str, Any], key: str, parse: Callable[[str], Value], within: str = "") -> Value:
    """A value judged by the same parser as a command-line flag."""
    if config[key] is None:
        raise UsageError(f"{within}{key} must not be null; leave it out for its default")
    try:
        return parse(str(config[key]))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{within}{key}: {error}") from None


def _optional(config: Mapping[str, Any], key: str, parse: Callable[[str], Value]) -> Value | None:
    return None if config[key] is None else _flag(config, key, parse)


def _choice(config: Mapping[str, Any], key: str, allowed: Sequence[str], within: str = "") -> str:
    value = str(config[key])
    if value not in allowed:
        raise UsageError(f"{within}{key}: {value!r} is none of {', '.join(allowed)}")
    return value


def _yes_or_no(config: Mapping[str, Any], key: str, within: str = "") -> bool:
    value = config[key]
    if not isinstance(value, bool):
        raise UsageError(f"{within}{key}: {value!r} is neither true nor false")
    return value


def _names(config: Mapping[str, Any], key: str, allowed: Sequence[str]) -> tuple[str, ...]:
    value = config[key]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError(f"{key}: {value!r} is not a list; write it as {key}='[{allowed[0]},{allowed[1]}]'")
    unknown = [name for name in value if name not in allowed]
    if unknown:
        raise UsageError(f"{key}: unknown name {unknown[0]!r}; choose from {', '.join(allowed)}")
    if not value:
        raise UsageError(f"{key}: an empty list leaves nothing; choose from {', '.join(allowed)}")
    return tuple(name for name in allowed if name in value)
