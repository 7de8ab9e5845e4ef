"""Audio files: open and decode them block by block, notice what breaks off, and decide which channels are used.

No torch in here: those who look at many files start quickly.  :mod:`flowmusic.audio` makes recordings of the blocks.
Rates are Hz, blocks are float32 ``[n, C]``.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from flowmusic import disk, limits

LOSSLESS = frozenset({".wav", ".flac", ".aif", ".aiff"})
SUFFIXES = LOSSLESS | {".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac"}
"""Names that are taken for audio wherever a folder is searched; what libsndfile cannot read needs ffmpeg."""
JUDGED_SECONDS = 60.0
"""How much of a recording, from its beginning, decides which of its channels are used."""
BLOCK = 1 << 14
"""Frames that are decoded at once."""
_SILENT_CHANNEL_DB = 40.0
_MISSING_SECONDS = 0.1
_UNKNOWN_FRAMES, _STEP = 1 << 60, 1024
_CLIPPED_RUN, _CLIPPED_SHARE = 3, 0.005
Samples = TypeVar("Samples", bound=Any)
"""An array of numpy, or a tensor."""


class AudioError(ValueError):
    """The file is not usable audio; the message names the file and the reason."""


class Damaged(AudioError):
    """Decoding stopped in the middle of a file; what came before it is good."""


@dataclass(frozen=True)
class Opened:
    """A file, or a part of one, that is being decoded: Hz and channels."""

    path: Path
    rate: int
    channels: int
    _file: Any
    _count: int | None

    def blocks(self, frames: int = BLOCK) -> Iterator[np.ndarray]:
        """What is left of the part, in blocks ``[n, C]`` float32.  Raises: Damaged where decoding stops."""
        yield from blocks_of(self._file, frames, self._count)


def blocks_of(file: Any, frames: int, count: int | None = None) -> Iterator[np.ndarray]:
    """An open file of libsndfile in blocks ``[frames, C]`` float32, the last one shorter.

    (Its own method of that name trusts the header, and repeats itself where a file is shorter.)

    Raises: Damaged, in words that leave the name of the file to the caller.
    """
    import soundfile

    if file.frames > _UNKNOWN_FRAMES:
        yield from _blocks_to_the_end(file, frames, count)
        return
    first, done = file.tell() if file.seekable() else 0, 0
    while count is None or done < count:
        try:
            block = file.read(frames if count is None else min(frames, count - done), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise Damaged(
                f"it breaks off or is damaged after {(first + done) / file.samplerate:.1f} of its "
                f"{file.frames / file.samplerate:.1f} s ({error.error_string.strip() or 'unreadable'})"
            ) from None
        if not len(block):
            return
        done += len(block)
        yield block


def _blocks_to_the_end(file: Any, frames: int, count: int | None) -> Iterator[np.ndarray]:
    """The same of a FLAC file that does not say its length: of its end libsndfile reads no block that is not full."""
    import soundfile

    left, parts = count, [np.zeros((0, file.channels), np.float32)]
    while left is None or left > 0:
        try:
            part = file.read(min(_STEP, frames if left is None else left), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            break
        if not len(part):
            break
        left = None if left is None else left - len(part)
        parts.append(part)
        if sum(map(len, parts)) >= frames:
            whole = np.concatenate(parts)
            yield whole[:frames]
            parts = [whole[frames:]]
    if sum(map(len, parts)):
        yield np.concatenate(parts)


@contextmanager
def opened(path: str | Path, start: float = 0.0, seconds: float | None = None) -> Iterator[Opened]:
    """A file to be decoded block by block, from ``start`` on, and no more than ``seconds``.

    Raises: AudioError if it is missing, empty, or nothing here can read it.
    """
    import soundfile

    path = Path(path)
    if not path.exists():
        raise AudioError(f"audio file not found: {path}")
    if path.is_dir():
        raise AudioError(f"expected an audio file, got a folder: {path}")
    if path.stat().st_size == 0:
        raise AudioError(f"audio file is empty: {path}")
    try:
        path.open("rb").close()  # libsndfile says no more than that the system refused
    except OSError as error:
        raise AudioError(f"cannot read {disk.told(error)}") from None
    with tempfile.TemporaryDirectory() as folder:
        try:
            source = soundfile.SoundFile(os.fsencode(path))
        except soundfile.LibsndfileError as error:
            source = soundfile.SoundFile(_by_ffmpeg(path, start, seconds, Path(folder), error.error_string.strip()))
            start = 0.0
        with source as file:
            check_header(file, f"cannot read {path}")
            # Seeking even to the beginning fails on what cannot seek.
            if start > 0.0:
                file.seek(min(round(start * file.samplerate), file.frames))
            count = None if seconds is None else round(seconds * file.samplerate)
            yield Opened(path, file.samplerate, file.channels, file, count)


def check_header(file: Any, place: str) -> None:
    """Raises: AudioError, with ``place`` before it, for a rate, channels or a length that no recording has."""
    frames = 0 if file.frames > _UNKNOWN_FRAMES else file.frames  # a length that is not said is none that is wrong
    try:
        limits.sound(file.samplerate, file.channels, frames, place)
    except limits.LimitError as error:
        raise AudioError(str(error)) from None


def _by_ffmpeg(path: Path, start: float, seconds: float | None, folder: Path, why: str) -> Path:
    """A part of a file as WAV in a folder."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise AudioError(
            f"cannot read {path} as audio ({why}); use WAV, FLAC, OGG or MP3, or install ffmpeg for other formats"
        )
    wav = folder / "decoded.wav"
    part = ["-ss", f"{start:.6f}"] if start > 0.0 else []
    part += [] if seconds is None else ["-t", f"{seconds:.6f}"]
    command = [ffmpeg, "-v", "error", *part, "-i", str(path), "-vn", "-c:a", "pcm_f32le", str(wav)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode != 0 or not wav.exists():
        disk.check(wav)  # if it is the temporary folder that is full, that is what to say
        lines = done.stderr.strip().splitlines() or ["unknown format"]
        raise AudioError(f"cannot read {path} as audio (ffmpeg: {lines[-1]})")
    return wav


def shortfall(path: str | Path) -> str | None:
    """In words, that a file holds less than it promises; None where nothing is missing, or nothing is promised.

    Next to nothing is decoded for it: the last sample of a FLAC file.
    """
    import soundfile

    path = Path(path)
    try:
        info = soundfile.info(os.fsencode(path), verbose=True)
    except soundfile.LibsndfileError:
        return None
    if info.format == "OGG":
        cut = not _ogg_ends(path)
        return f"it breaks off after {info.duration:.1f} s: the end of its stream is missing" if cut else None
    if info.frames > _UNKNOWN_FRAMES:
        return None
    promised, there = _of_mp3(path, info.duration) if info.format == "MP3" else _of_chunks(info)
    if info.format == "FLAC":
        try:
            with soundfile.SoundFile(os.fsencode(path)) as file:
                file.seek(info.frames - 1)
                file.read(1)
        except soundfile.LibsndfileError:
            return f"it breaks off before the end of the {promised:.1f} s that its header promises"
    if promised - there < _MISSING_SECONDS:
        return None
    return f"it breaks off: its header promises {promised:.1f} s, about {there:.1f} s are there"


def _of_chunks(info: Any) -> tuple[float, float]:
    """Seconds that are promised and there by libsndfile's log of a WAV, AIFF, W64, RF64 or AU file."""
    # libsndfile takes a chunk to be as long as what is left of the file, and says so in its log alone.
    sizes = re.findall(r"^ *(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)", info.extra_info, re.M)
    said, left = (int(size) for size in sizes[-1]) if sizes else (0, 1)
    unknown = not sizes or said >= 0xFFFFFF00 or 0x7FFFF000 <= said <= 0x80000000  # written before the length was known
    return info.duration if unknown else info.duration * said / max(left, 1), info.duration


def _of_mp3(path: Path, seconds: float) -> tuple[float, float]:
    """Seconds that are promised and there by the number of bytes in an MP3's Xing or VBRI header, if it has one."""
    import struct

    import mutagen
    from mutagen.mp3 import MP3

    try:
        found: Any = MP3(path).info
    except (mutagen.MutagenError, struct.error, ValueError, KeyError, IndexError, OSError):
        return seconds, seconds
    # Where there is such a header, mutagen's bit rate is its number of bytes over its length.
    there = 8.0 * (path.stat().st_size - found.frame_offset) / max(found.bitrate, 1)
    return found.length, min(found.length, there)


def _ogg_ends(path: Path) -> bool:
    """Whether the last page of an Ogg file (RFC 3533, section 6) is complete and ends a stream."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 17)))  # a page has at most 65 307 bytes
        page = file.read().rpartition(b"OggS")[2]
    size = 23 + page[22] + sum(page[23 : 23 + page[22]]) if len(page) > 22 else 23
    return len(page) >= size and bool(page[1] & 4)


@dataclass(frozen=True)
class Downmix:
    """How the channels of one recording become one: the mean of all, or of those with these numbers.

    The mean is wrong where a channel is silent (it halves the rest) and where channels cancel each other (one was
    plugged in the wrong way round: nothing is left).  The first :data:`JUDGED_SECONDS` of a recording decide:

    - a channel 40 dB or more below the loudest is silent, and left out;
    - the others cancel each other if their mean has less than half of the energy that it would have if they were
      unrelated, a C-th of theirs; two that are equally loud do if they correlate by less than -0.5.  Then the loudest
      of them is used alone.

    ``notice`` says what was done, where it is not the mean of all.
    """

    used: tuple[int, ...] | None = None
    notice: str | None = None

    @staticmethod
    def of(products: np.ndarray) -> Downmix:
        """By the inner products of each channel with each, ``[C, C]``."""
        energy, count = np.diag(products), len(products)
        used = np.flatnonzero(energy > 10.0 ** (-_SILENT_CHANNEL_DB / 10.0) * energy.max()).tolist()
        if count == 1 or not used:
            return Downmix()
        among, loudest = products[np.ix_(used, used)], int(energy.argmax())
        # The mean's energy is the mean over all pairs; of unrelated channels only those of one with itself count.
        if among.mean() < 0.5 * np.diag(among).mean() / len(used):
            pair = f" (correlation {among[0, 1] / np.sqrt(among[0, 0] * among[1, 1]):.2f})" if len(used) == 2 else ""
            told = f"its {len(used)} channels cancel each other{pair}"
            return Downmix((loudest,), f"{told}; channel {loudest + 1}, the louder, is used alone")
        if len(used) == count:
            return Downmix()
        silent = ", ".join(str(n + 1) for n in range(count) if n not in used)
        rest = f"channel {used[0] + 1} is used alone" if len(used) == 1 else "it is left out"
        return Downmix(tuple(used), f"channel {silent} of its {count} is silent; {rest}")

    def __call__(self, samples: Samples) -> Samples:
        """Shape: ``[C, n] -> [1, n]``."""
        kept: Samples = samples if self.used is None else samples[list(self.used)]
        return kept.mean(0, keepdims=True)  # type: ignore[no-any-return]


def downmix_of(path: str | Path) -> Downmix:
    """How the channels of a file become one, the same for every part of it.  Raises: AudioError."""
    path = Path(path)
    state = path.stat() if path.is_file() else None
    return _downmix_of(path, state and (state.st_size, state.st_mtime_ns))


@functools.lru_cache(maxsize=256)
def _downmix_of(path: Path, state: tuple[int, int] | None) -> Downmix:
    """``state`` tells whether it is still the same file."""
    with opened(path, seconds=JUDGED_SECONDS) as file:
        if file.channels == 1:
            return Downmix()
        sums = np.zeros((file.channels, file.channels))
        try:
            for block in file.blocks():
                sums += products(block.T)
        except Damaged:
            pass  # what is there decides, and who reads on is told
    return Downmix.of(sums)


def products(samples: np.ndarray) -> np.ndarray:
    """Inner products of each channel with each.  Shape: ``[C, n] -> [C, C]`` float64."""
    exact = samples.astype(np.float64)
    return np.asarray(exact @ exact.T)


class OneChannel:
    """A file that is being decoded, as one channel: blocks ``[1, n]``, and then what is odd about the file.

    The same channels are used for every part of a file.  One that breaks off ends where it does.

    Iterating raises: AudioError for NaN or infinity, and for a file that breaks off before anything came.
    """

    def __init__(self, file: Opened) -> None:
        self._file = file
        self._downmix = downmix_of(file.path)
        self._frames = self._clipped = 0
        self._end: str | None = None

    def __iter__(self) -> Iterator[np.ndarray]:
        path = self._file.path
        try:
            for block in self._file.blocks():
                if not np.isfinite(block).all():
                    raise AudioError(f"audio file holds NaN or infinite samples: {path}; export it again")
                self._frames += len(block)
                self._clipped += clipped_frames(block)
                yield self._downmix(block.T)
        except Damaged as error:
            if not self._frames:
                raise AudioError(f"cannot read {path}: {error}; get a whole copy of it") from None
            self._end = str(error)

    def notices(self) -> tuple[str, ...]:
        """What a person should know, without the name of the file; complete after the last block."""
        found = [self._downmix.notice, self._end or shortfall(self._file.path)]
        if self._clipped > _CLIPPED_SHARE * self._frames:
            share = 100.0 * self._clipped / self._frames
            found.append(f"{share:.1f} % of it is clipped at full scale, so that less can be heard in it")
        return tuple(notice for notice in found if notice)


def clipped_frames(block: np.ndarray) -> int:
    """How many frames of ``[n, C]`` lie in runs of equal samples at full scale, in any channel."""
    full = np.abs(block) >= 0.999
    if not full.any():
        return 0
    same = np.zeros_like(full)
    same[1:] = full[1:] & (block[1:] == block[:-1])
    run = same.copy()
    for step in range(1, _CLIPPED_RUN - 1):
        run[step:] &= same[:-step]
    return int(run.any(axis=1).sum())


def length_of(path: str | Path) -> float | None:
    """Seconds that the header promises; None where only decoding can tell."""
    import soundfile

    try:
        info = soundfile.info(os.fsencode(path))
    except soundfile.LibsndfileError:
        return None
    return None if info.frames > _UNKNOWN_FRAMES else float(info.duration)
