"""Stems of a recording that sum to it exactly, in whole numbers of the format that they are written in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from feature_extractors.demucs_stems import Demucs
from feature_extractors.separator import DrumSeparator
from feature_extractors.separators import best_available
from feature_extractors.stems import Separator
from flowmusic.audio import Audio
from flowmusic.audio_files import BLOCK
from flowmusic.errors import UsageError
from flowmusic.files import replacing

OTHER = "other"
"""The stem of all that no other stem holds."""
ORDER = ("drums", "bass", "vocals", OTHER)
_DEEP = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")
"""Subtypes whose samples 16 bits cannot hold."""
_SUBTYPES = {".wav": "PCM_{}", ".flac": "PCM_{}", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}
FORMATS = tuple(suffix[1:] for suffix in _SUBTYPES)
LOSSLESS = ("wav", "flac")


def separator_of(name: str | None) -> Separator:
    """``ours``, ``demucs``, or None for the best one here.  Raises: UsageError for Demucs without its weights."""
    if name is None:
        return best_available()
    if name == "ours":
        return DrumSeparator()
    demucs = Demucs()
    if not demucs.available():
        raise UsageError(
            "--separator demucs: the weights of HTDemucs are not on this machine; fetch adefossez/HTDemucs from its "
            "hub once, or use --separator ours"
        )
    return demucs


def bits_of(path: Path) -> int:
    """Bits that hold the samples of a file: 24 where it has more than 16, else 16."""
    import soundfile

    try:
        return 24 if soundfile.info(os.fsencode(path)).subtype in _DEEP else 16
    except soundfile.LibsndfileError:  # what ffmpeg decodes is lossy
        return 16


def whole(samples: np.ndarray, bits: int) -> np.ndarray:
    """Samples in -1..1, float32, as whole numbers of so many bits; what lies beyond full scale is cut."""
    full = 1 << (bits - 1)
    # A power of two changes no digit of a float.
    return np.clip(np.rint(samples * np.float32(full)), -full, full - 1).astype(np.int32)


def summing(mix: np.ndarray, parts: Mapping[str, np.ndarray], bits: int) -> dict[str, np.ndarray]:
    """Parts that sum to the mix, sample by sample, none beyond full scale.

    What the parts leave of the mix goes to :data:`OTHER`.  Where that one is full, the rest goes to the parts before
    it: parts at both ends of the scale span more than the mix can reach, so there always is room.

    Args:
        mix: whole numbers of so many ``bits``, ``[C, N]``.
        parts: samples in -1..1, float32 ``[C, N]`` each; one may be called :data:`OTHER`.

    >>> parts = summing(np.array([[100, -7]], np.int32), {"drums": np.array([[0.5, 0.0]], np.float32)}, 16)
    >>> {name: part.tolist() for name, part in parts.items()}
    {'drums': [[16384, 0]], 'other': [[-16284, -7]]}
    """
    full = 1 << (bits - 1)
    found = {name: whole(part, bits) for name, part in parts.items() if name != OTHER}
    left = mix - sum(found.values(), np.zeros_like(mix))
    found[OTHER] = np.clip(left, -full, full - 1)
    left = left - found[OTHER]
    for name in reversed(list(found)):
        if not left.any():
            break
        taken = np.clip(found[name] + left, -full, full - 1)
        left, found[name] = left - (taken - found[name]), taken
    return {name: found[name] for name in sorted(found, key=_place)}


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def separated(audio: Audio, mix: np.ndarray, bits: int, separator: Separator) -> dict[str, np.ndarray]:
    """The stems of a recording ``[C, N]``, in whole numbers, summing to ``mix``, which is the same in whole numbers."""
    parts = separator.analyse(audio).parts
    named = {OTHER if name == "rest" else name: part.samples.numpy() for name, part in parts.items()}
    return summing(mix, named, bits)


def write(samples: np.ndarray, rate: int, bits: int, path: Path) -> Path:
    """Write whole numbers ``[C, N]`` of so many bits; in a lossless format they are read back as they are.

    Whole or not at all.
    """
    import soundfile

    subtype = _SUBTYPES[path.suffix.lower()].format(bits)
    # libsndfile takes the upper bits of whole numbers; floats it would scale by a step less than full scale.
    rows = np.ascontiguousarray((samples << (32 - bits)).T)
    with (
        replacing(path) as temporary,
        soundfile.SoundFile(os.fsencode(temporary), "w", rate, rows.shape[1], subtype=subtype) as file,
    ):
        for start in range(0, len(rows), BLOCK):
            file.write(rows[start : start + BLOCK])
    return path
