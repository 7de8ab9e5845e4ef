"""Change some samples of an audio file and none of the others: samples stay the numbers that the file holds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic.errors import UsageError
from flowmusic.files import replacing

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from flowmusic.audio import Audio

WHOLE = {"PCM_S8": "int16", "PCM_U8": "int16", "PCM_16": "int16", "PCM_24": "int32", "PCM_32": "int32"}
"""Kinds of samples that are whole numbers, and how libsndfile hands them out: shifted to the top of so many bits."""
FLOATS = {"FLOAT": "float32", "DOUBLE": "float64"}
KINDS = {".wav": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", *FLOATS), ".flac": ("PCM_S8", "PCM_16", "PCM_24")}
"""What is written, by the end of the name."""
_WIDER = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


@dataclass(frozen=True)
class Samples:
    """The samples of a file as the numbers that it holds, ``[N, C]``.

    ``kind`` is libsndfile's name of the type that holds all of them: of a lossy file, of what decoding it gives.
    """

    values: np.ndarray
    rate: int
    kind: str

    @property
    def full(self) -> float:
        """The number that stands for full scale."""
        return {"int16": 2.0**15, "int32": 2.0**31}.get(str(self.values.dtype), 1.0)

    def floats(self, first: int = 0, last: int | None = None) -> Tensor:
        """Some of them, ``[C, n]`` float64, full scale 1."""
        import torch

        return torch.from_numpy(self.values[first:last].T.astype("float64")) / self.full

    def changed(self, parts: Sequence[tuple[int, Tensor]], length: int, offset: int = 0) -> Samples:
        """These samples from ``offset`` on in ``length`` of them, and over them some parts.

        Args:
            parts: where each begins, and its samples ``[C, n]`` float64, full scale 1.
        """
        import numpy as np

        values = np.zeros((length, self.values.shape[1]), self.values.dtype)
        kept = self.values[: length - offset]
        values[offset : offset + len(kept)] = kept
        step = {"PCM_U8": 256, "PCM_S8": 256, "PCM_24": 256}.get(self.kind, 1)
        for first, made in parts:
            part = made.numpy().T
            if self.full > 1.0:
                part = (np.round(part * (self.full / step)) * step).clip(-self.full, self.full - step)
            values[first : first + len(part)] = part.astype(values.dtype)
        return Samples(values, self.rate, self.kind)


def read(path: Path, decoded: Audio) -> Samples:
    """The samples of a file; ``decoded`` are those of one that libsndfile does not read."""
    import soundfile

    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            kind = file.subtype if file.subtype in WHOLE or file.subtype in FLOATS else "FLOAT"
            dtype: Any = {**WHOLE, **FLOATS}[kind]
            return Samples(file.read(dtype=dtype, always_2d=True), file.samplerate, kind)
    except soundfile.LibsndfileError:
        return Samples(decoded.samples.numpy().T.copy(), decoded.rate, "FLOAT")


def kind_for(kind: str, out: Path) -> str | None:
    """The narrowest type of the file that is written which holds all samples of a kind; None where none does.

    >>> kind_for("PCM_16", Path("a.flac")), kind_for("FLOAT", Path("a.flac")), kind_for("PCM_S8", Path("a.wav"))
    ('PCM_16', None, 'PCM_16')
    """
    has = KINDS.get(out.suffix.lower(), ())
    if kind in has:
        return kind
    # Eight bits with and without a sign fit into sixteen alike.
    wider = [each for each in _WIDER[_WIDER.index(kind) + 1 :] if each in has and each != "PCM_U8"]
    return wider[0] if wider else None


def notice(samples: Samples, source: Path, out: Path) -> str | None:
    """What a person should know of a file that cannot hold all samples as they are."""
    if kind_for(samples.kind, out) is not None:
        return None
    how = "Ogg Vorbis is lossy" if out.suffix.lower() == ".ogg" else "FLAC holds whole numbers of 24 bits at most"
    return f"{out.name} cannot hold the samples of {source.name} as they are ({how}); a name in .wav keeps them exactly"


def write(samples: Samples, path: Path) -> Path:
    """Write them, whole or not at all.  Raises: OSError; UsageError where the format refuses what they are."""
    import soundfile

    kind = kind_for(samples.kind, path) or {".flac": "PCM_24", ".ogg": "VORBIS"}[path.suffix.lower()]
    values = samples.values
    if kind in WHOLE and samples.full == 1.0:
        values = values.clip(-1.0, 1.0)
    with replacing(path) as temporary:
        try:
            file = soundfile.SoundFile(
                os.fsencode(temporary),
                "w",
                samples.rate,
                values.shape[1],
                subtype=kind,
                format=path.suffix[1:].upper(),
            )
        except soundfile.LibsndfileError as error:
            raise UsageError(
                f"{path.name} cannot hold {values.shape[1]} channels at {samples.rate} Hz "
                f"({error.error_string.strip()}); choose a name in .wav"
            ) from None
        with file:
            for start in range(0, len(values), 1 << 14):
                file.write(values[start : start + (1 << 14)])
    return path
