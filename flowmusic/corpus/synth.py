"""Notes to sound with FluidSynth, one part at a time, reproducibly."""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowmusic.corpus.piece import Part, Room

DRUM_CHANNEL, DRUM_BANK = 9, 128
_GAIN = 0.35


class SynthError(RuntimeError):
    """FluidSynth is missing or refuses a soundfont."""


def _load_library() -> Any:
    """Import pyfluidsynth, on the library inside the pygame-ce wheel or else the system's.

    pyfluidsynth asks ctypes where its library is while it is imported, and only then.
    """
    find = ctypes.util.find_library
    bundled: str | None = None
    spec = importlib.util.find_spec("pygame")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parents[1] / "pygame_ce.libs"
        bundled = next((str(p) for p in sorted(folder.glob("libfluidsynth*.so*"))), None)
    try:
        if bundled:
            ctypes.util.find_library = lambda name: bundled if "fluidsynth" in name else find(name)
        import fluidsynth
    except (ImportError, OSError) as error:
        raise SynthError(f"FluidSynth is not installed (pip install pygame-ce): {error}") from error
    finally:
        ctypes.util.find_library = find
    return fluidsynth


class FontSynth:
    """Renders parts with one soundfont, which it keeps loaded.

    A used synth keeps the phase of its chorus and reverb, so each part gets a fresh one; the font
    itself is shared with an idle synth that lives as long as this object.
    """

    def __init__(self, path: str, sample_rate: int = 32_000) -> None:
        self._module = _load_library()
        self._rate = sample_rate
        lib = self._module._fl
        lib.fluid_set_log_function(2, None, None)
        lib.fluid_set_log_function(1, None, None)
        pointer, integer = ctypes.c_void_p, ctypes.c_int
        for name, result, arguments in (
            ("fluid_synth_get_sfont_by_id", pointer, [pointer, integer]),
            ("fluid_synth_add_sfont", integer, [pointer, pointer]),
            ("fluid_synth_remove_sfont", integer, [pointer, pointer]),
            (
                "fluid_synth_write_float",
                integer,
                [pointer, integer, pointer, integer, integer, pointer, integer, integer],
            ),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        self._lib = lib
        self._idle = self._module.Synth(gain=_GAIN, samplerate=float(sample_rate), channels=16)
        identity = self._idle.sfload(path)
        if identity < 0:
            raise SynthError(f"FluidSynth cannot load the soundfont {path!r}")
        self._font = lib.fluid_synth_get_sfont_by_id(self._idle.synth, identity)

    def render(self, part: Part, room: Room, start_s: float, end_s: float) -> NDArray[np.float32]:
        """Mono samples [N] of a part from `start_s` to `end_s` (seconds of the piece), in the room of the synth."""
        mono: NDArray[np.float32] = self._played(part, room, start_s, end_s).mean(axis=1)
        return mono

    def stereo(self, part: Part, start_s: float, end_s: float) -> NDArray[np.float32]:
        """Samples [2, N] of a part from `start_s` to `end_s` (seconds of the piece), without a room."""
        import numpy as np

        return np.ascontiguousarray(self._played(part, None, start_s, end_s).T)

    def _played(self, part: Part, room: Room | None, start_s: float, end_s: float) -> NDArray[np.float32]:
        """Samples [N, 2]; rendering begins early enough to catch notes that already sound at `start_s`."""
        import numpy as np

        rate = self._rate
        early = min([start_s, *(note.start for note in part.notes)])
        events = []
        for note in part.notes:
            events.append((round((note.start - early) * rate), 1, note.pitch, note.velocity))
            events.append((round((note.end - early) * rate), 0, note.pitch, 0))
        length = round((end_s - early) * rate)
        out: NDArray[np.float32] = np.zeros((max(length, 1), 2), np.float32)
        synth = self._module.Synth(
            gain=_GAIN,
            samplerate=float(rate),
            channels=16,
            **{
                "synth.reverb.active": int(room is not None),
                "synth.chorus.active": int(room is not None or part.chorus > 0),
                "synth.polyphony": 128,
            },
        )
        try:
            identity = self._lib.fluid_synth_add_sfont(synth.synth, self._font)
            channel = DRUM_CHANNEL if part.name == "drums" else 0
            bank = DRUM_BANK if part.name == "drums" else 0
            if synth.program_select(channel, identity, bank, part.program) != 0:
                synth.program_select(channel, identity, bank, 0)
            if room is not None:
                synth.set_reverb(room.size, room.damping, room.width, room.level)
                synth.cc(channel, 91, part.reverb)
            synth.cc(channel, 93, part.chorus)
            position = 0
            for at, on, pitch, velocity in sorted(events):
                at = min(max(at, 0), length)
                if at > position:
                    self._write(synth, out, position, at)
                    position = at
                if on:
                    synth.noteon(channel, pitch, velocity)
                else:
                    synth.noteoff(channel, pitch)
            if length > position:
                self._write(synth, out, position, length)
        finally:
            # The font outlives this synth, and must be taken out before the synth is deleted.
            self._lib.fluid_synth_remove_sfont(synth.synth, self._font)
            synth.delete()
        skip = round((start_s - early) * rate)
        return out[skip:]

    def _write(self, synth: Any, out: NDArray[np.float32], start: int, end: int) -> None:
        pointer = out.ctypes.data
        self._lib.fluid_synth_write_float(synth.synth, end - start, pointer, 2 * start, 2, pointer, 2 * start + 1, 2)

    def close(self) -> None:
        """Free the font."""
        self._idle.delete()
