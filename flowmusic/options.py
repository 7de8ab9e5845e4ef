"""Types of command-line values: each turns a string into a value or says what is allowed.  Loads nothing heavy."""

from __future__ import annotations

import argparse
import functools
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from flowmusic import disk, limits, paths
from flowmusic.curves import Curve, Value
from flowmusic.errors import UsageError, check_output
from flowmusic.files import remove_stale
from flowmusic.interop.adapter import AdapterError, AdapterUse

GUIDANCE_KEYS = ("all", "text", "style", "facts", "chords", "drums", "melody", "instruments", "alpha", "beta")
BLUR_KEYS = ("chords", "melody", "drums")
VALUE_LIMITS = {"guidance": "guidance", "blur": "short_time"}
"""The rows of the table of limits for values that may be curves."""
APG_KEYS = ("eta", "norm", "momentum")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")


CHORD_DETECTORS = ("ours", "madmom")
"""Who can recognise chords: :data:`feature_extractors.chords.DETECTORS`, told without loading it."""


def limited(name: str, low: float | None = None) -> Callable[[str], float]:
    """A number of the table of limits; ``low`` where a command needs more than the least of the table."""

    return lambda text: _number(name, text, low=low)


def integer(name: str, low: int | None = None) -> Callable[[str], int]:
    """A whole number of the table of limits."""
    return lambda text: int(_number(name, text, low=low))


def _number(name: str, text: str, place: str = "", low: float | None = None) -> float:
    try:
        return limits.of_text(name, text, place, low=low)
    except limits.LimitError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


seconds = limited("seconds")
bpm = limited("bpm")
style_seconds = limited("style_excerpt")
weight = limited("guidance")
style_detail = integer("style_detail")
style_timbre = limited("style_timbre")
steps = integer("solver_steps")
seed = integer("seed")
count = integer("takes")
threads = integer("threads")
share = limited("share")


def workers(text: str) -> int:
    """Processes on this machine."""
    value = int(_number("workers", text))
    try:
        return limits.on_this_machine("workers", value)
    except limits.LimitError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def guidance(text: str) -> Mapping[str, float]:
    """``all=3,text=1`` -> weights by key."""
    weights: dict[str, float] = {}
    for key, value in _pairs(text, GUIDANCE_KEYS, "all=3,text=1"):
        weights[key] = _number("guidance", value, key)
    return weights


def guidance_over_time(text: str) -> Mapping[str, Value]:
    """``all=3, chords=0@0 4@10`` -> weights by key, numbers or curves."""
    return _over_time(text, "guidance", GUIDANCE_KEYS, "all=3,text=1 or chords=0@0 4@10")


def blur(text: str) -> Mapping[str, Value]:
    """``drums=0@0 0.2@10, chords=0.5`` -> widths in seconds by control, numbers or curves."""
    return _over_time(text, "blur", BLUR_KEYS, "chords=0.5 or drums=0@0 0.2@10")


def _over_time(text: str, kind: str, keys: tuple[str, ...], example: str) -> Mapping[str, Value]:
    found: dict[str, Value] = {}
    for key, value in _pairs(text, keys, example):
        if "@" not in value:
            found[key] = _number(VALUE_LIMITS[kind], value, key)
            continue
        try:
            found[key] = Curve.of(value, VALUE_LIMITS[kind])
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{key}: {error}") from None
    return found


def _pairs(text: str, keys: tuple[str, ...], example: str) -> Iterator[tuple[str, str]]:
    """``key=value`` separated by commas, each key once."""
    seen: set[str] = set()
    allowed = ", ".join(keys)
    for item in text.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals:
            raise argparse.ArgumentTypeError(f"{item!r} is not key=value (as in {example}); keys: {allowed}")
        if key not in keys:
            raise argparse.ArgumentTypeError(f"unknown key {key!r}; allowed: {allowed}")
        if key in seen:
            raise argparse.ArgumentTypeError(f"key {key!r} is given twice")
        seen.add(key)
        yield key, value


def guidance_interval(text: str) -> tuple[float, float]:
    """``0.1,0.8`` -> two times, ascending within 0..1."""
    parts = text.split(",")
    try:
        low, high = (float(part) for part in parts)
    except ValueError:
        low, high = math.nan, math.nan
    if not 0.0 <= low < high <= 1.0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not LO,HI with 0 <= LO < HI <= 1 (0 is noise, 1 is music; as in 0.1,0.8, and 0,1 is always)"
        )
    return low, high


def apg(text: str) -> Mapping[str, float]:
    """``eta=0,norm=0.5`` -> settings of adaptive projected guidance by key."""
    settings: dict[str, float] = {}
    for item in text.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or key not in APG_KEYS:
            raise argparse.ArgumentTypeError(
                f"{item!r} is not key=value (as in eta=0,norm=0.5); keys: {', '.join(APG_KEYS)}"
            )
        if key in settings:
            raise argparse.ArgumentTypeError(f"key {key!r} is given twice")
        settings[key] = _number(f"apg_{key}", value, key)
    return settings


def numbers(name: str) -> Callable[[str], tuple[float, ...]]:
    """Comma-separated different numbers of the table of limits, in their order."""

    def parse(text: str) -> tuple[float, ...]:
        found: list[float] = []
        for item in text.split(","):
            value = _number(name, item.strip())
            if value in found:
                raise argparse.ArgumentTypeError(f"{value:g} is given twice")
            found.append(value)
        return tuple(found)

    return parse


def names(allowed: tuple[str, ...]) -> Callable[[str], frozenset[str]]:
    """A comma-separated subset of ``allowed``, not empty."""

    def parse(text: str) -> frozenset[str]:
        chosen = [item.strip() for item in text.split(",")]
        unknown = [item for item in chosen if item not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown name {unknown[0]!r}; choose from {', '.join(allowed)}")
        return frozenset(chosen)

    return parse


def words(text: str) -> str:
    """Text that is written by people, and for them."""
    if not paths.is_utf8(text):
        raise argparse.ArgumentTypeError(f"{paths.shown(text)!r} is not text in UTF-8; set the terminal to UTF-8")
    return text


Kind = TypeVar("Kind")


def _of_path(parse: Callable[[str], Kind]) -> Callable[[str], Kind]:
    """A parser of a path that says what the system has against one: its name is too long, its folder shut."""

    @functools.wraps(parse)
    def judged(text: str) -> Kind:
        try:
            return parse(text)
        except OSError as error:
            raise argparse.ArgumentTypeError(f"{paths.shown(text)!r} cannot be used: {error.strerror}") from None

    return judged


def output(suffixes: tuple[str, ...]) -> Callable[[str], Path]:
    """A file to be written: its folder exists, it is no folder itself, and its suffix is known."""

    @_of_path
    def parse(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() not in suffixes:
            raise argparse.ArgumentTypeError(f"{text!r} must end in one of {', '.join(suffixes)}")
        if path.is_dir():
            raise argparse.ArgumentTypeError(f"{text!r} is a folder; give a file name")
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"folder {str(path.parent)!r} does not exist; create it first")
        return writable(path)

    return parse


audio_output = output(AUDIO_SUFFIXES)


@_of_path
def output_folder(text: str) -> Path:
    """A folder to be written: it may be there or not, but the one that holds it is."""
    path = Path(os.path.abspath(text)) if text in ("", ".", "..") else Path(text)
    if path.exists() and not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a file; give a folder")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"folder {str(path.parent)!r} does not exist; create it first")
    return writable(path)


def writable(path: Path) -> Path:
    """A file or folder that can be written, as is seen by writing a little there; folders above may be missing.

    What killed commands left half-written there is removed.
    """
    try:
        check_output(path)
        remove_stale(path.parent, path)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {str(path)!r}: {disk.told(error)}") from None
    return path


@_of_path
def existing_file(text: str) -> Path:
    """A file that is there."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a folder; give a file")
    if not path.exists():
        raise argparse.ArgumentTypeError(f"file not found: {text}")
    return path


@_of_path
def existing_path(text: str) -> Path:
    """A file or folder that is there."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"file or folder not found: {text}")
    return path


@_of_path
def adapter(text: str) -> AdapterUse:
    """``FILE`` or ``FILE:SCALE``, a file that is there."""
    try:
        use = AdapterUse.parse(text)
    except AdapterError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    existing_file(str(use.path))
    return use


def device(text: str) -> str:
    """A torch device by name; whether it is there shows when it is used."""
    if not re.fullmatch(r"cpu|cuda(:\d+)?|mps", text):
        raise argparse.ArgumentTypeError(f"unknown device {text!r}; write cpu, cuda, cuda:N or mps")
    return text


def add_threads(parser: argparse.ArgumentParser) -> None:
    """``--threads``, which the command line settles before the command runs (:mod:`flowmusic.threads`)."""
    parser.add_argument(
        "--threads",
        type=threads,
        metavar="N",
        help="to compute on (OMP_NUM_THREADS, or one for each core, at most 8)",
    )


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that says what is wrong on one line and does not guess abbreviated flags.

    Attributes:
        intermixed: whether flags may stand between positionals; else argparse takes an optional one for left out where
            a flag comes before it.
    """

    intermixed = False

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def, override]
        """As ArgumentParser's, for a command too, which the parser of all commands asks by this name alone."""
        if not self.intermixed:
            return super().parse_known_args(args, namespace)
        self.intermixed = False  # it comes back here for the flags, and then for the positionals
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.intermixed = True

    def error(self, message: str) -> NoReturn:
        raise UsageError(" ".join(message.split()))


def reader(
    add_arguments: Callable[[argparse.ArgumentParser], None],
) -> Callable[[Sequence[str], argparse.Namespace], argparse.Namespace]:
    """What reads a command's flags from elsewhere than the command line, over those of a namespace.

    The reader raises: UsageError.
    """
    parser = Parser(prog="flowmusic", add_help=False)
    add_arguments(parser)
    return lambda argv, base: parser.parse_args(list(argv), base)


def check_device(name: str) -> None:
    """Raise UsageError for a device that this machine does not have."""
    import torch

    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not here[name.partition(":")[0]] or (":" in name and int(name[5:]) >= torch.cuda.device_count()):
        raise UsageError(f"--device {name} is not on this machine; use --device cpu")
