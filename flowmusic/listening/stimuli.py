"""The sounds of a listening test: one rate, one loudness, anchors, and their form in the page.

A page opened from a disk may not fetch files, but may load scripts: each sound is a script of one line that hands over
a FLAC file in base 64.  Its name is the beginning of its hash, which tells listeners nothing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flowmusic import audio, disk
from flowmusic.audio import Audio
from flowmusic.corpus.bus import loudness_as_heard
from flowmusic.files import write_text
from flowmusic.listening.spec import SpecError
from flowmusic.plain import shown

LUFS = -23.0
"""Loudness of every sound (ITU-R BS.1770, the level of EBU R 128), lower where one would clip."""
PEAK = 0.98
LEAST_RATE, MOST_RATE, MOST_SECONDS = 16_000, 48_000, 60.0
MOST_TOTAL = 3600.0
"""Seconds of one channel: decoded, at 48 kHz, some 700 MB."""
STOP_SHARE, STOP_DB = 8 / 7, 60.0
"""An anchor falls from its edge to this share of it by so much: at 3.5 kHz, by 60 dB at 4 kHz.

BS.1534-3, annex 1, wants at least 25 dB at 4 kHz and 50 dB at 4.5 kHz, and ripples below 0.1 dB before the edge."""


@dataclass(frozen=True)
class Sound:
    """One sound as it will be heard: ``[C, N]`` and its loudness in LUFS before it was changed."""

    samples: np.ndarray
    lufs: float


class Sounds:
    """All sounds of a test at one rate; those of the same file and filter are one."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Read every file.  Raises: AudioError, SpecError."""
        read: dict[Path, Audio] = {}
        total = 0.0
        for path in dict.fromkeys(paths):
            read[path] = self._read(path)
            total += read[path].seconds * len(read[path].samples)
            if total > MOST_TOTAL:
                raise SpecError(
                    f"the sounds last more than {MOST_TOTAL / 60:g} min together (stereo counts twice), and browsers "
                    "hold all of them; make several tests of this one"
                )
        self.rate = min(max([LEAST_RATE, *(each.rate for each in read.values())]), MOST_RATE)
        self._sounds: dict[tuple[Path, float], Sound] = {}
        for path, recording in read.items():
            self._sounds[path, 0.0] = self._judged(audio.resample(recording, self.rate).samples.numpy(), path)

    @staticmethod
    def _read(path: Path) -> Audio:
        recording = audio.read(path, seconds=MOST_SECONDS + 1.0)
        if recording.seconds > MOST_SECONDS:
            raise SpecError(f"{shown(path)} is longer than {MOST_SECONDS:g} s; cut out a part that listeners can judge")
        if recording.samples.shape[0] > 2:
            raise SpecError(f"{shown(path)} has {recording.samples.shape[0]} channels; give one or two")
        return recording

    def _judged(self, samples: np.ndarray, path: Path) -> Sound:
        level = loudness_as_heard(samples, self.rate)
        if not math.isfinite(level):
            raise SpecError(f"{shown(path)} is silent; give a recording that can be heard")
        return Sound(samples, level)

    def add_anchor(self, path: Path, hz: float) -> None:
        """Make a low-pass anchor of a file that was read.  Raises: SpecError where the rate is too low for it."""
        if (path, hz) not in self._sounds:
            if hz * STOP_SHARE > self.rate / 2:
                raise SpecError(f"an anchor of {hz:g} Hz cannot be made of sounds of {self.rate} Hz; leave it out")
            self._sounds[path, hz] = self._judged(low_pass(self._sounds[path, 0.0].samples, hz, self.rate), path)

    def __len__(self) -> int:
        return len(self._sounds)

    def size(self) -> int:
        """Bytes on the disk at most: base 64 of 16 bits a sample."""
        return disk.PROBE + sum(3 * each.samples.size for each in self._sounds.values())

    def level(self) -> float:
        """LUFS that all sounds get: :data:`LUFS`, or the most that none of them clips at."""
        rooms = [20 * math.log10(PEAK / float(np.abs(each.samples).max())) + each.lufs
                 for each in self._sounds.values()]  # fmt: skip
        return min([LUFS, *rooms])

    def write(self, folder: Path, tell: Callable[[], None]) -> dict[tuple[Path, float], str]:
        """Write every sound into a folder.  Returns: its key by file and Hz, 0 for the file itself."""
        keys, level = {}, self.level()
        for name, sound in self._sounds.items():
            gain = 10 ** ((level - sound.lufs) / 20)
            packed = flac(sound.samples * gain, self.rate)
            key = hashlib.sha256(packed).hexdigest()[:16]
            text = base64.b64encode(packed).decode("ascii")
            write_text(folder / f"{key}.js", f'listeningTestSound("{key}", "{text}");\n')
            keys[name] = key
            tell()
        return keys


def flac(samples: np.ndarray, rate: int) -> bytes:
    """``[C, N]`` as a FLAC file of 16 bits."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples.T, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def low_pass(samples: np.ndarray, hz: float, rate: int) -> np.ndarray:
    """``[C, N]`` without what lies above ``hz``, in time with the original (a symmetric filter)."""
    from scipy.signal import fftconvolve, firwin, kaiserord

    stop = hz * STOP_SHARE
    count, beta = kaiserord(STOP_DB, (stop - hz) / (rate / 2))
    # An odd length is delayed by whole samples, which "same" takes off.
    taps = firwin(count | 1, (hz + stop) / 2, window=("kaiser", beta), fs=rate)
    filtered: np.ndarray = fftconvolve(samples, taps[None], mode="same", axes=1).astype(np.float32)
    return filtered
