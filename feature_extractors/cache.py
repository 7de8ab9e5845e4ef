"""Results on disk, by the content of the audio and everything that determines the result.

The key holds a hash of samples and rate, the extractor's name and version, and its settings (nested extractors
included), so a stale hit needs a forgotten version number.  Entries are one ``.npz`` file each, written to a temporary
name and renamed; an entry that cannot be read is computed again, with a warning.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
import typing
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from feature_extractors.recording import Recording
from feature_extractors.rows import blocks
from flowmusic import disk
from flowmusic.audio import Audio
from flowmusic.files import replacing
from flowmusic.tensors import read_arrays

Result = TypeVar("Result", covariant=True)


class Analyser(Protocol[Result]):
    """Anything with a name, a version and ``analyse``."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    def analyse(self, audio: Audio | Recording) -> Result: ...


def default_folder() -> Path:
    """``$FLOWMUSIC_CACHE/features``, or ``~/.cache/flowmusic/features``; for a user without a home a temporary one."""
    root = os.environ.get("FLOWMUSIC_CACHE")
    if root:
        return Path(root) / "features"
    try:
        return Path.home() / ".cache" / "flowmusic" / "features"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "flowmusic" / "features"


def audio_hash(audio: Audio | Recording) -> str:
    """Hash of rate, shape and samples, 32 hexadecimal digits; of a recording, at the common level."""
    if isinstance(audio, Recording):
        digest = hashlib.blake2b(f"{audio.rate} {len(audio.rows)} ".encode(), digest_size=16)
        for block in blocks(audio.at(audio.rate)):
            digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()
    samples = audio.samples.detach().float().cpu().contiguous().numpy()
    digest = hashlib.blake2b(f"{audio.rate} {samples.shape} ".encode(), digest_size=16)
    digest.update(samples.tobytes())
    return digest.hexdigest()


def describe(value: Any) -> Any:
    """An extractor (or a setting) as plain data that determines its results."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value)}
        identity = {"class": type(value).__name__, "version": getattr(value, "version", None)}
        resolved = getattr(value, "resolved", None)
        return {**identity, **fields, **({"resolved": resolved()} if callable(resolved) else {})}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def key(extractor: Analyser[Any], audio: Audio | Recording) -> str:
    """The file name of an entry, without its suffix."""
    settings = json.dumps([extractor.name, extractor.version, describe(extractor)], sort_keys=True)
    return f"{extractor.name}-{audio_hash(audio)}-{hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()}"


def analyse(extractor: Analyser[Result], audio: Audio | Recording, folder: Path | None = None) -> Result:
    """``extractor.analyse(audio)``, from the cache where it is there.

    Args:
        extractor: its result must be a dataclass of arrays, numbers, strings, and tuples or mappings of them.
        audio: one recording.
        folder: None takes :func:`default_folder`; it is made if needed.
    """
    folder = default_folder() if folder is None else Path(folder)
    path = folder / f"{key(extractor, audio)}.npz"
    if path.exists():
        try:
            return typing.cast(Result, _read(path, _result_type(extractor)))
        except Exception as error:
            # Whatever the damage (a cut file, a foreign one, an older layout), the remedy is the same.
            warnings.warn(f"cache entry {path} is unreadable ({error}); computing it again", stacklevel=2)
    result = extractor.analyse(audio)
    with disk.spared(path, "the result is not kept"):
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, result)
    return result


def _result_type(extractor: Analyser[Any]) -> Callable[..., Any]:
    found: Callable[..., Any] = typing.get_type_hints(type(extractor).analyse)["return"]
    if not dataclasses.is_dataclass(found):
        raise ValueError(f"{type(extractor).__name__}.analyse must be annotated to return a dataclass, got {found}")
    return found


def _write(path: Path, result: Any) -> None:
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        if isinstance(value, np.ndarray):
            arrays[field.name] = value
        else:
            plain[field.name] = value
    arrays["_plain"] = np.array(json.dumps(plain))
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]


def _read(path: Path, build: Callable[..., Any]) -> Any:
    values: dict[str, Any] = read_arrays(path)
    plain = json.loads(str(values.pop("_plain")))
    return build(**values, **{name: _tuples(value) for name, value in plain.items()})


def _tuples(value: Any) -> Any:
    """JSON turns tuples into lists; results hold only tuples, and mappings of them."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
