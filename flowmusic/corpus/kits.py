"""Drum kits of recorded hits: Debian's sonic-pi-samples, which are in the public domain (CC0 1.0).

Every recording is cut so that its attack begins at a known sample, hence a hit sounds at the very time of its label.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from flowmusic.corpus.drums import INSTRUMENTS
from flowmusic.corpus.piece import Note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VARIABLE, FOLDER, PACKAGE = "FLOWMUSIC_DRUM_SAMPLES", "/usr/share/sonic-pi/samples", "sonic-pi-samples"
LICENCE = "CC0-1.0"

# A voice is the recordings of one instrument, from soft to hard; a recording may be moved by semitones: "name+3".
Voice = tuple[str, ...]
_HARD_TOMS: dict[str, tuple[Voice, ...]] = {
    name: ((f"drum_tom_{size}_soft", f"drum_tom_{size}_hard"),) for name, size in
    (("hi", "hi"), ("mid", "mid"), ("low", "lo"))
}  # fmt: skip
_HANDS: dict[str, tuple[Voice, ...]] = {
    "conga": (("tabla_tun1",), ("tabla_tas3",)), "tumba": (("tabla_ghe8",), ("tabla_ghe4",)),
    "mute": (("tabla_te2",), ("tabla_ke3",)), "bongo": (("tabla_na_s",), ("tabla_na",)),
    "bongolo": (("tabla_tas1",), ("tabla_tun3",)),
}  # fmt: skip
_SYNTHETIC_TOMS: dict[str, tuple[Voice, ...]] = {
    name: ((f"elec_fuzz_tom+{up}",), (f"elec_bong+{up - 6}",)) for name, up in (("low", 0), ("mid", 3), ("hi", 7))
}
_MACHINE: dict[str, tuple[Voice, ...]] = {
    "clap": (("perc_snap",), ("perc_snap2",), ("sn_dub",)), "rim": (("elec_tick",), ("elec_twip",)),
    "hat": (("drum_cymbal_closed+2",), ("elec_triangle",), ("drum_cymbal_closed+5",)),
    "pedal": (("drum_cymbal_pedal+2",),), "open": (("elec_cymbal",), ("drum_cymbal_open+3",)),
    "ride": (("elec_cymbal+4",), ("drum_cymbal_soft+2",)), "crash": (("elec_cymbal+-5",), ("drum_splash_hard",)),
    "china": (("elec_filt_snare",),), "cowbell": (("drum_cowbell",),), "clave": (("elec_blip",),),
    "block": (("elec_plip",), ("elec_ping",)), "blocklo": (("elec_plip+-4",), ("elec_ping+-4",)),
    **_SYNTHETIC_TOMS,
}  # fmt: skip

# kit: voices to choose from for each instrument; what it lacks is played by the kit of the font.
KITS: dict[str, dict[str, tuple[Voice, ...]]] = {
    "acoustic": {
        "kick": (("drum_bass_soft", "drum_bass_hard"), ("drum_heavy_kick",)),
        "snare": (("drum_snare_soft", "drum_snare_hard"), ("sn_generic",)),
        "hat": (("drum_cymbal_closed",), ("drum_cymbal_closed+-2",)), "pedal": (("drum_cymbal_pedal",),),
        "open": (("drum_cymbal_open",),), "ride": (("drum_cymbal_soft",), ("drum_cymbal_soft+-3",)),
        "crash": (("drum_splash_soft", "drum_splash_hard"), ("drum_cymbal_hard",)),
        "china": (("drum_cymbal_hard+-4",),), "cowbell": (("drum_cowbell",),), "clap": (("perc_snap",),),
        **_HARD_TOMS, **_HANDS,
    },
    "808": {
        **_MACHINE, "kick": (("bd_808",),), "snare": (("elec_snare",), ("elec_hi_snare",), ("sn_zome",)),
        **{name: ((f"bd_808+{up}",),) for name, up in (("low", 12), ("mid", 16), ("hi", 20))},
    },
    "electronic": {
        **_MACHINE,
        "kick": (
            ("bd_haus",), ("bd_tek",), ("bd_klub",), ("bd_fat",), ("bd_zum",), ("bd_pure",), ("bd_gas",), ("bd_sone",),
            ("bd_ada",), ("bd_zome",), ("elec_soft_kick", "elec_hollow_kick"),
        ),
        "snare": (
            ("elec_snare",), ("elec_mid_snare",), ("elec_lo_snare",), ("elec_hi_snare",), ("sn_dub",), ("sn_dolf",),
            ("sn_zome",),
        ),
    },
}  # fmt: skip
# The General-MIDI kits for which each of them can stand; brushes have no recording.
STANDS_FOR = {0: "acoustic", 8: "acoustic", 16: "acoustic", 32: "acoustic", 24: "electronic", 25: "808"}

_LEVEL_DB = {"kick": 0.0, "snare": -3.0, "hat": -14.0, "tom": -3.0, "cymbal": -10.0, "perc": -9.0}
_SOFTER_DB = {"rim": -5.0, "ride": -4.0, "pedal": -2.0}
PLACES = {"hat": 0.35, "pedal": 0.35, "open": 0.35, "ride": -0.4, "crash": -0.5, "china": 0.5, "hi": 0.3, "low": -0.35,
          "cowbell": 0.25, "clap": 0.1, "conga": -0.3, "tumba": -0.45, "bongo": 0.3, "bongolo": 0.4}  # fmt: skip
_CHOKES = {"open": ("hat", "pedal", "open")}
NAME_OF = {note: name for name, (notes, _) in INSTRUMENTS.items() for note in notes}

LEAD_IN = 32
"""Samples before the attack that are kept, faded in: 1 ms."""
_RISE = 0.1


class KitError(ValueError):
    """The recordings are not where they should be."""


@dataclass(frozen=True)
class Samples:
    """A folder of recordings and the sha256 of those that the kits use."""

    folder: str
    sha256: str


@dataclass(frozen=True)
class Kit:
    """The kit of one clip: recordings by instrument."""

    name: str
    voices: Mapping[str, Voice]

    def plays(self, note: Note) -> bool:
        """Whether there is a recording for this note."""
        return NAME_OF[note.pitch] in self.voices


def _file(recording: str) -> str:
    return recording.partition("+")[0] + ".flac"


def find_samples(given: str | None = None) -> Samples | None:
    """The recordings in the folder given, named by the environment or installed; None where none are installed.

    Raises: KitError for a folder that was named and lacks some.
    """
    named = given or os.environ.get(VARIABLE)
    folder = Path(named or FOLDER)
    names = sorted({_file(r) for kit in KITS.values() for choice in kit.values() for voice in choice for r in voice})
    lacking = [name for name in names if not (folder / name).is_file()]
    if lacking:
        if named:
            raise KitError(f"{folder} lacks {lacking[0]!r}; give the samples of Debian's package {PACKAGE}")
        return None
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + (folder / name).read_bytes())
    return Samples(str(folder.resolve()), digest.hexdigest())


def draw_kit(rng: Random, program: int) -> Kit | None:
    """A kit that sounds like the General-MIDI kit `program`; None for brushes."""
    name = STANDS_FOR.get(program)
    if name is None:
        return None
    return Kit(name, {instrument: rng.choice(choice) for instrument, choice in KITS[name].items()})


def attack(samples: NDArray[np.float32], rate: int) -> int:
    """Sample at which a hit begins: its level over 1 ms first exceeds a tenth of the loudest in 0.2 s."""
    import numpy as np

    width = max(1, rate // 1000)
    padded = np.concatenate([np.zeros(width), samples[: rate // 5].astype(np.float64) ** 2])
    level = np.sqrt(np.convolve(padded, np.ones(width) / width, "valid")[1:])
    first = int(np.argmax(level >= _RISE * level.max()))
    # The level looks back over its window; the hit begins where the samples themselves rise within it.
    window = np.abs(samples[max(0, first - width + 1) : first + 1])
    return max(0, first - width + 1) + int(np.argmax(window >= _RISE * window.max()))


class KitPlayer:
    """Plays kits from a folder of recordings, which it loads as they are asked for."""

    def __init__(self, folder: str, rate: int) -> None:
        self._folder, self._rate = Path(folder), rate
        self._loaded: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}

    def _load(self, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """A recording [N], bright and dull, at unit level, `LEAD_IN` samples before its attack."""
        import numpy as np
        import soundfile
        import soxr
        from scipy.signal import lfilter

        if name not in self._loaded:
            samples, rate = soundfile.read(os.fsencode(self._folder / name), dtype="float32", always_2d=True)
            mono = soxr.resample(samples.mean(axis=1), rate, self._rate, quality="HQ")
            start = attack(mono, self._rate)
            cut = np.concatenate([np.zeros(LEAD_IN, np.float32), mono])[start:].astype(np.float32)
            cut[:LEAD_IN] *= np.linspace(0.0, 1.0, LEAD_IN, endpoint=False, dtype=np.float32)
            fade = min(len(cut) // 4, self._rate // 50)
            cut[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
            loud = cut[: self._rate // 20]
            cut /= max(1e-6, float(np.sqrt(np.mean(loud**2))))
            pole = float(np.exp(-2 * np.pi * 1500.0 / self._rate))
            self._loaded[name] = (cut, lfilter([1 - pole], [1.0, -pole], cut).astype(np.float32))
        return self._loaded[name]

    def render(self, kit: Kit, notes: tuple[Note, ...], rng: Random, seconds: float) -> NDArray[np.float32]:
        """Stereo samples [2, N] of the notes that the kit plays; each hit differs a little in pitch and level."""
        import numpy as np

        length = round(seconds * self._rate)
        out = np.zeros((2, length), np.float32)
        tuning = {name: rng.gauss(0.0, 0.4) for name in kit.voices}
        played = [(note, NAME_OF[note.pitch]) for note in sorted(notes) if kit.plays(note)]
        for index, (note, name) in enumerate(played):
            voice = kit.voices[name]
            hardness = note.velocity / 127
            recording = voice[min(len(voice) - 1, int(hardness * 1.25 * len(voice)))]
            moved = float(recording.partition("+")[2] or 0.0)
            ratio = 2 ** ((moved + tuning[name] + rng.gauss(0.0, 0.12)) / 12)
            gain_db = _LEVEL_DB[INSTRUMENTS[name][1]] + _SOFTER_DB.get(name, 0.0) + rng.gauss(0.0, 0.7)
            gain = 10 ** (gain_db / 20) * hardness**1.6
            begin = round(note.start * self._rate - LEAD_IN / ratio)
            stop = length
            if name in _CHOKES:
                ends = (n.start for n, other in played[index + 1 :] if other in _CHOKES[name] and n.start > note.start)
                stop = min(length, round((next(ends, seconds) + 0.01) * self._rate))
            bright, dull = self._load(_file(recording))
            skip = max(0, -begin)
            places = np.arange(skip, max(skip, min(int((len(bright) - 1) / ratio), stop - begin)), dtype=np.float32)
            if not len(places):
                continue
            # Softer hits are duller: the recording fades over to itself behind a low-pass of 1.5 kHz.
            clear = min(1.0, hardness * 1.15)
            whole = np.arange(len(bright), dtype=np.float32)
            hit = np.interp(places * ratio, whole, clear * bright + (1 - clear) * dull) * gain
            if stop < length and begin + skip + len(hit) >= stop:
                fade = min(len(hit), self._rate // 100)
                hit[-fade:] *= np.linspace(1.0, 0.0, fade)
            angle = (1 + PLACES.get(name, 0.0)) * np.pi / 4
            at = begin + skip
            out[0, at : at + len(hit)] += (np.sqrt(2) * np.cos(angle) * hit).astype(np.float32)
            out[1, at : at + len(hit)] += (np.sqrt(2) * np.sin(angle) * hit).astype(np.float32)
        return out
