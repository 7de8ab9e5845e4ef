"""What one audio file says of itself: bytes, header, level, tags and fingerprint, all from one look at it."""

from __future__ import annotations

import base64
import math
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowmusic import audio_files
from flowmusic.datasets import fingerprint
from flowmusic.hashes import of_file

SILENT_DB = -60.0
"""A recording without a second that is louder (RMS, dBFS) is silent."""
VERSION = 2
_BLOCK_SECONDS = 1
_MOST_LETTERS, _MOST_UNPACKED = 2_000, 4 * 2**20
"""Letters of one tag, and bytes that the packed tags of one file come to."""


class Unusable(ValueError):
    """A file that cannot be used; the message says why, without its name."""


@dataclass(frozen=True)
class Facts:
    """Of a readable file.

    Attributes:
        path: absolute.
        size, mtime_ns: what tells whether the file has changed since.
        hash: SHA-256 of the bytes, in hex.
        rate, channels, duration: as decoded; Hz and seconds.
        level_db: RMS of the loudest second, dBFS.
        tags: lower-case names: title, artist, albumartist, album, genre, mood, bpm, comment, licence, ...
        words: the acoustic fingerprint.
        channels_notice, cut_notice: that not all of its channels are used, and that it breaks off; see
            :func:`flowmusic.audio.read_mono`.
    """

    path: str
    size: int
    mtime_ns: int
    hash: str
    rate: int
    channels: int
    duration: float
    level_db: float
    tags: Mapping[str, str] = field(default_factory=dict)
    words: fingerprint.Words = field(default_factory=lambda: np.zeros(0, np.uint32))
    channels_notice: str | None = None
    cut_notice: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data of one line of the cache."""
        plain = {name: value for name, value in vars(self).items() if name not in ("words", "tags")}
        packed = base64.b64encode(self.words.astype("<u4").tobytes()).decode()
        return {"version": [VERSION, fingerprint.VERSION], **plain, "tags": dict(self.tags), "words": packed}

    @staticmethod
    def from_json(line: Mapping[str, Any]) -> Facts | None:
        """Facts of a line; None for those of another version.  Raises: KeyError, TypeError, ValueError."""
        given = dict(line)
        if given.pop("version") != [VERSION, fingerprint.VERSION]:
            return None
        for name in ("path", "hash"):
            if not isinstance(given[name], str):
                raise TypeError(f"{name} is no text")
        for name in ("size", "mtime_ns", "rate", "channels", "duration", "level_db"):
            if not isinstance(given[name], int | float):
                raise TypeError(f"{name} is no number")
        given["tags"] = {str(name): str(value) for name, value in given["tags"].items()}
        packed = np.frombuffer(base64.b64decode(given.pop("words")), "<u4").astype(np.uint32)
        return Facts(**given, words=packed)


def facts_of(path: str | Path) -> Facts:
    """Read a file once, in blocks, so that its length does not matter.

    Raises: Unusable saying why; OSError.
    """
    path = Path(path)
    status = path.stat()
    if status.st_size == 0:
        raise Unusable("the file is empty")
    path.open("rb").close()  # libsndfile says no more than that the system refused
    loudest, frames = 0.0, 0
    rate, channels, blocks = _blocks(path)
    beginning = _Beginning(rate, channels)
    for block in blocks:
        if not np.isfinite(block).all():
            raise Unusable("it holds NaN or infinite samples; export it again")
        power = float(np.mean(np.square(block, dtype=np.float64))) if len(block) else 0.0
        # A remainder of a few samples is no second: it counts by how much of one it fills.
        loudest = max(loudest, power * min(1.0, len(block) / (_BLOCK_SECONDS * rate) if frames else 1.0))
        frames += len(block)
        beginning.add(block)
    downmix, heard = beginning.judged(), beginning.heard
    if not frames:
        raise Unusable("it holds no samples")
    return Facts(
        path=str(path.absolute()),
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        hash=of_file(path),
        rate=rate,
        channels=channels,
        duration=round(frames / rate, 6),
        level_db=round(10 * math.log10(max(loudest, 1e-12)), 2),
        tags=tags_of(path),
        words=fingerprint.words(np.concatenate(heard), rate) if heard else np.zeros(0, np.uint32),
        channels_notice=downmix.notice,
        cut_notice=audio_files.shortfall(path),
    )


def header(path: str | Path) -> tuple[int, int, float]:
    """Rate (Hz), channels and duration (s) without decoding, where libsndfile knows the format.

    Raises: Unusable for what is no audio; OSError.
    """
    import soundfile

    try:
        info = soundfile.info(os.fsencode(path))
    except soundfile.LibsndfileError:
        rate, samples = _by_ffmpeg(Path(path))
        return rate, samples.shape[1], len(samples) / rate
    _check_header(info)
    if audio_files.length_of(path) is None:
        frames = sum(len(block) for block in _blocks(Path(path))[2])
        return info.samplerate, info.channels, frames / info.samplerate
    if info.frames <= 0:
        raise Unusable("it holds no samples")
    return info.samplerate, info.channels, info.frames / info.samplerate


class _Beginning:
    """What decides which channels of a file are used, and its first :data:`fingerprint.SECONDS` of sound, mono.

    Blocks wait until the first minute has decided, as in :func:`flowmusic.audio_files.downmix_of` (which decodes anew).
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.heard: list[NDArray[np.float32]] = []
        self._rate = rate
        self._left = round(audio_files.JUDGED_SECONDS * rate)
        self._products = np.zeros((channels, channels))
        self._waiting: list[NDArray[np.float32]] = []
        self._downmix: audio_files.Downmix | None = None

    def add(self, block: NDArray[np.float32]) -> None:
        """Shape: ``[n, C]``."""
        if self._downmix is not None:
            self._hear(block, self._downmix)
            return
        self._products += audio_files.products(block[: self._left].T)
        self._left -= len(block)
        self._waiting.append(block)
        if self._left <= 0:
            self.judged()

    def judged(self) -> audio_files.Downmix:
        """By what has come, where that is less."""
        if self._downmix is None:
            self._downmix = audio_files.Downmix.of(self._products)
            for block in self._waiting:
                self._hear(block, self._downmix)
            self._waiting = []
        return self._downmix

    def _hear(self, block: NDArray[np.float32], downmix: audio_files.Downmix) -> None:
        if sum(map(len, self.heard)) >= fingerprint.SECONDS * self._rate:
            return
        mono = downmix(block.T)[0]
        if not self.heard:
            sounding = np.flatnonzero(np.abs(mono) > 10 ** (SILENT_DB / 20))
            mono = mono[sounding[0] :] if len(sounding) else mono[:0]
        if len(mono):
            self.heard.append(mono)


def _check_header(info: Any) -> None:
    try:
        audio_files.check_header(info, "its header")
    except audio_files.AudioError as error:
        raise Unusable(str(error)) from None


def _blocks(path: Path) -> tuple[int, int, Iterator[NDArray[np.float32]]]:
    """Rate, channels and blocks of a second ``[n, C]``."""
    import soundfile

    try:
        file = soundfile.SoundFile(os.fsencode(path))
    except soundfile.LibsndfileError:
        rate, samples = _by_ffmpeg(path)
        step = _BLOCK_SECONDS * rate
        return rate, samples.shape[1], (samples[at : at + step] for at in range(0, len(samples), step))

    _check_header(file)

    def read() -> Iterator[NDArray[np.float32]]:
        with file:
            try:
                yield from audio_files.blocks_of(file, _BLOCK_SECONDS * file.samplerate)
            except audio_files.Damaged as error:
                raise Unusable(str(error)) from None

    return file.samplerate, file.channels, read()


def _by_ffmpeg(path: Path) -> tuple[int, NDArray[np.float32]]:
    """Rate and all samples ``[N, C]`` of what libsndfile does not know."""
    if shutil.which("ffmpeg") is None:
        raise Unusable("it is no WAV, FLAC, OGG or MP3 that can be read; other formats need ffmpeg, which is not here")
    from flowmusic import audio

    try:
        whole = audio.read(path)
    except audio.AudioError as error:
        raise Unusable(str(error)) from None
    return whole.rate, whole.samples.numpy().T


_ID3 = {
    "TIT2": "title", "TPE1": "artist", "TPE2": "albumartist", "TALB": "album", "TCON": "genre", "TBPM": "bpm",
    "TMOO": "mood", "TKEY": "key", "COMM": "comment", "WCOP": "licence",
}  # fmt: skip
_NAMES = {
    "title": "title", "artist": "artist", "albumartist": "albumartist", "album artist": "albumartist",
    "album": "album", "genre": "genre", "bpm": "bpm", "tempo": "bpm", "mood": "mood", "key": "key",
    "initialkey": "key", "comment": "comment", "description": "comment", "instrument": "instrument",
    "license": "licence", "licence": "licence", "copyrighturl": "licence",
    # MP4 atoms
    "\xa9nam": "title", "\xa9art": "artist", "aart": "albumartist", "\xa9alb": "album", "\xa9gen": "genre",
    "tmpo": "bpm", "\xa9cmt": "comment",
}  # fmt: skip


def tags_of(path: str | Path) -> dict[str, str]:
    """Tags of a file by our names; several values are joined by commas; empty where there are none to read."""
    import mutagen
    import mutagen.id3._frames

    # Frames of ID3 may be packed, which nobody does; mutagen unpacks them however far they expand.
    mutagen.id3._frames.zlib = _Unpacker()  # type: ignore[assignment]
    try:
        tags = getattr(mutagen.File(path), "tags", None)
    except Exception:
        # The samples can be read or they cannot, whatever the tags look like: facts_of judges those.
        return {}
    found: dict[str, str] = {}
    for name, value in dict(tags or {}).items():
        known = _ID3.get(str(name)[:4]) if hasattr(value, "FrameID") else _NAMES.get(str(name).lower())
        if known is None or known in found:
            continue
        values = value if isinstance(value, list) else getattr(value, "genres", None) or getattr(value, "text", None)
        values = values if isinstance(values, list) else [getattr(value, "url", values)]
        text = ", ".join(" ".join(str(each).split()) for each in values if each not in (None, "", 0))
        if text:
            # Half a character, as a broken UTF-16 leaves it, cannot be written into a manifest.
            found[known] = text[:_MOST_LETTERS].encode("utf-8", "replace").decode()
    return found


class _Unpacker:
    """What mutagen asks of zlib, with an end: the packed frames of one file expand to a few megabytes together."""

    error = zlib.error

    def __init__(self) -> None:
        self.left = _MOST_UNPACKED

    def decompress(self, data: bytes) -> bytes:
        """Raises: zlib.error for what is damaged or expands too far."""
        packed = zlib.decompressobj()
        out = packed.decompress(data, self.left + 1)
        self.left -= len(out)
        if self.left < 0 or not packed.eof:
            raise zlib.error("incomplete, or it expands too far")
        return out
