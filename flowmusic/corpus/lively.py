"""The lively rendering of a piece: several soundfonts, recorded drums, a stereo room, drive and a mastered level.

The way of a part: instrument -> drive (tanh) -> equaliser, with the shelves of the bus -> pan and room -> level; then
one gain curve for all (`bus`). Only the drive is not linear, and it works on each part by itself: so the stems, as
written, still sum to the mix exactly. All that is linear is one frequency response for each part and channel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from flowmusic.corpus.bus import Bus, gain_curve, peaks
from flowmusic.corpus.fonts import Font, licence_of
from flowmusic.corpus.kits import LICENCE, Kit, KitPlayer, Samples, draw_kit
from flowmusic.corpus.mix import active_rms, biquad
from flowmusic.corpus.piece import Band, Note, Part, Piece
from flowmusic.corpus.placement import OWN_SIDE, Seat, seats
from flowmusic.corpus.render import SAMPLE_RATE, Rendering
from flowmusic.corpus.rooms import Hall, draw_hall, response, tail
from flowmusic.corpus.splits import stream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowmusic.corpus.synth import FontSynth

# Of the clips with drums that recordings can stand for, so that a third of all clips has them.
_KIT_SHARE = 0.45
_OWN_FONT = 0.5
_DRIVEN = 0.6
# Rendering begins this much before the clip, so that the room already rings at its start.
_BEFORE_S = 0.4
_RESPONSE_S = 0.25


@dataclass(frozen=True)
class Strip:
    """How one part is rendered: font, place -1 (left) to 1, drive in dB or none; with a seat, each note has a place."""

    font: Font
    place: float
    drive_db: float | None
    seat: Seat | None = None


@dataclass(frozen=True)
class Production:
    """Everything that the rendering of a clip adds to its notes."""

    strips: Mapping[str, Strip]
    kit: Kit | None
    hall: Hall
    shelves: tuple[Band, ...]
    bus: Bus

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the record of the clip."""
        fonts = {name: strip.font for name, strip in self.strips.items()}
        spread = {name: round(strip.seat.spread, 3) for name, strip in self.strips.items() if strip.seat}
        kit = None
        if self.kit:
            recordings = {name: list(voice) for name, voice in self.kit.voices.items()}
            kit = {"name": self.kit.name, "licence": LICENCE, "recordings": recordings}
        return {
            "kind": "lively",
            "fonts": {n: {"name": f.name, "sha256": f.sha256, "licence": licence_of(f.name)} for n, f in fonts.items()},
            "kit": kit,
            "pan": {name: round(strip.place, 3) for name, strip in self.strips.items()},
            **({"spread": spread} if spread else {}),
            "drive_db": {n: None if s.drive_db is None else round(s.drive_db, 2) for n, s in self.strips.items()},
            "room": self.hall.as_dict(),
            "shelves": [[band.kind, round(band.hz), round(band.db, 2)] for band in self.shelves],
            "compressor_threshold_db": round(self.bus.threshold_db, 2),
            "lufs_wanted": round(self.bus.lufs, 2),
        }


def _place(rng: Random, part: str) -> float:
    """Where a part sits: drums and bass near the middle, what accompanies to the sides."""
    if part in ("drums", "bass"):
        return rng.uniform(-0.08, 0.08)
    if part == "melody":
        return rng.uniform(-0.3, 0.3)
    return rng.choice((-1, 1)) * rng.uniform(0.1, 0.7)


def draw_production(
    piece: Piece, font: Font, fonts: Sequence[Font], samples: Samples | None, table: bool = False
) -> Production:
    """Draw the rendering of a clip; `font` plays half of its parts, any of `fonts` the others.

    Places are drawn for each clip, or with `table` the usual ones (:mod:`flowmusic.corpus.placement`); all else is the
    same with either.
    """
    rng = stream(piece.seed, "rendering")
    strips = {}
    for part in piece.parts:
        mine = font if rng.random() < _OWN_FONT else rng.choice(fonts)
        drive = rng.uniform(0.0, 4.0) if rng.random() < _DRIVEN else None
        strips[part.name] = Strip(mine, _place(rng, part.name), drive)
    shelves = (
        Band("low", rng.uniform(80.0, 250.0), rng.uniform(-4.0, 4.0)),
        Band("high", rng.uniform(3000.0, 9000.0), rng.uniform(-4.0, 4.0)),
    )
    hall, bus = draw_hall(rng), Bus(rng.uniform(-4.0, 4.0), rng.uniform(-19.0, -13.0))
    drums = piece.part("drums")
    rng = stream(piece.seed, "kit")
    kit = draw_kit(rng, drums.program) if drums and samples and rng.random() < _KIT_SHARE else None
    if table:
        placed = seats(stream(piece.seed, "placement"), piece)
        strips = {name: replace(strip, place=placed[name].place, seat=placed[name]) for name, strip in strips.items()}
    return Production(strips, kit, hall, shelves, bus)


def _driven(samples: NDArray[np.float32], drive_db: float) -> NDArray[np.float32]:
    """Soft saturation: tanh of the samples, whose greatest is brought to `drive_db` before."""
    import numpy as np

    top = float(np.abs(samples).max())
    if top <= 0:
        return samples
    drive = 10 ** (drive_db / 20) / top
    return (np.tanh(samples * np.float32(drive)) / np.float32(drive)).astype(np.float32)


def _sections(bands: Sequence[Band], rate: int) -> NDArray[np.float64]:
    import numpy as np
    from scipy.signal import butter

    from flowmusic.corpus.mix import HIGH_PASS_HZ

    return np.array(
        [*butter(2, HIGH_PASS_HZ, "highpass", fs=rate, output="sos").tolist(), *(biquad(b, rate) for b in bands)]
    )


def _gains(place: float) -> tuple[np.float32, np.float32]:
    """Of the left and right channel, of equal power; both 1 in the middle."""
    import numpy as np

    angle = (1 + place) * math.pi / 4
    return np.float32(math.sqrt(2) * math.cos(angle)), np.float32(math.sqrt(2) * math.sin(angle))


def _placed(
    dry: NDArray[np.float32], bands: Sequence[Band], place: float, wet: NDArray[np.float32], rate: int
) -> NDArray[np.float32]:
    """The samples [2, N] of a part equalised, panned (equal power) and in the room [2, L]: one product of spectra."""
    import numpy as np
    import scipy.fft
    from scipy.signal import sosfilt

    length = dry.shape[1]
    responses = np.zeros((3, max(wet.shape[1], round(_RESPONSE_S * rate))), np.float32)
    responses[0, 0] = 1.0
    responses[1:, : wet.shape[1]] = wet
    responses = sosfilt(_sections(bands, rate), responses, axis=1).astype(np.float32)
    # Overlap-add in blocks of four responses: many short transforms at once are far quicker than a single long one.
    size = 1 << math.ceil(math.log2(4 * responses.shape[1]))
    hop = size - responses.shape[1] + 1
    blocks = -(-length // hop)
    direct, left, right = scipy.fft.rfft(responses, size, axis=1)
    gains = _gains(place)
    mono = np.array_equal(dry[0], dry[1])
    cut = np.zeros((1 if mono else 2, blocks * hop), np.float32)
    cut[:, :length] = dry[: len(cut)]
    spectra = scipy.fft.rfft(cut.reshape(len(cut), blocks, hop), size, axis=2)
    sent = spectra[0] if mono else (spectra[0] + spectra[1]) * np.float32(0.5)
    out = np.zeros((2, (blocks - 1) * hop + size), np.float32)
    for channel, (gain, room) in enumerate(zip(gains, (left, right), strict=True)):
        pieces = scipy.fft.irfft(spectra[-1 if channel else 0] * (direct * gain) + sent * room, size, axis=1)
        for number, piece in enumerate(pieces):
            out[channel, number * hop : number * hop + size] += piece
    return out[:, :length]


def _synthetic(part: Part, strip: Strip, synth: FontSynth, seconds: float) -> NDArray[np.float32]:
    """What the font plays of a part [2, N]; with a seat every group of notes is panned, before what is not linear."""
    import numpy as np

    if strip.seat is None:
        return synth.stereo(part, -_BEFORE_S, seconds)
    out = np.zeros((2, round((seconds + _BEFORE_S) * SAMPLE_RATE)), np.float32)
    for place, notes in strip.seat.groups(part):
        sound = synth.stereo(replace(part, notes=notes), -_BEFORE_S, seconds)[:, : out.shape[1]]
        middle, side = (sound[0] + sound[1]) / 2, (sound[0] - sound[1]) / 2 * np.float32(OWN_SIDE)
        if part.name == "drums":
            # Fonts have their kits the one way or the other round.
            side = np.zeros_like(side)
        left, right = _gains(place)
        out[0, : sound.shape[1]] += left * (middle + side)
        out[1, : sound.shape[1]] += right * (middle - side)
    return out


def _instrument(
    part: Part, strip: Strip, kit: Kit | None, synth: FontSynth, player: KitPlayer | None, seed: int, seconds: float
) -> NDArray[np.float32]:
    """Dry stereo samples [2, N] of a part, from `_BEFORE_S` before the clip to its end."""
    import numpy as np

    if part.name != "drums" or kit is None or player is None:
        return _synthetic(part, strip, synth, seconds)
    early = tuple(note._replace(start=note.start + _BEFORE_S) for note in part.notes)
    recorded = player.render(kit, early, stream(seed, "hits"), seconds + _BEFORE_S)
    rest: tuple[Note, ...] = tuple(note for note in part.notes if not kit.plays(note))
    if rest:
        synthetic = _synthetic(replace(part, notes=rest), strip, synth, seconds)
        # Recordings have a level of one over their first 50 ms at full velocity; percussion is 9 dB softer.
        level = active_rms(synthetic.mean(axis=0, dtype=np.float64), SAMPLE_RATE)
        recorded = recorded + synthetic * np.float32(0.3 / max(level, 1e-6))
    return recorded


def render(
    piece: Piece, production: Production, synths: Mapping[str, FontSynth], player: KitPlayer | None, stereo: bool
) -> tuple[Rendering, float]:
    """Stems and their exact sum as 16 bits, [N] or with `stereo` [N, 2], and the loudness of the stereo mix in LUFS.

    Middle and side are rounded, not left and right: so the mean of both channels is the mono rendering, bit by bit.
    """
    import numpy as np

    rate = SAMPLE_RATE
    skip = round(_BEFORE_S * rate)
    late = tail(production.hall, rate, stream(piece.seed, "tail").getrandbits(63))
    stems = {}
    for part in piece.parts:
        strip = production.strips[part.name]
        kit = production.kit if part.name == "drums" else None
        dry = _instrument(part, strip, kit, synths[strip.font.sha256], player, piece.seed, piece.seconds)
        if strip.drive_db is not None:
            dry = _driven(dry, strip.drive_db)
        wet = response(production.hall, late, strip.place, rate) * np.float32(part.reverb / 127)
        # What has a seat is already in its place.
        place = strip.place if strip.seat is None else 0.0
        placed = _placed(dry, (*part.eq, *production.shelves), place, wet, rate)[:, skip:]
        level = active_rms(placed.mean(axis=0), rate)
        stems[part.name] = placed * np.float32(10 ** (part.level_db / 20) / level if level > 0 else 0.0)
    mix = np.zeros((2, round(piece.seconds * rate)), np.float32)
    for stem in stems.values():
        mix += stem
    tallest = np.max([peaks(stem) for stem in stems.values()], axis=0)
    curve, lufs = gain_curve(mix, tallest, production.bus, rate)
    rounded = {}
    for name, stem in stems.items():
        stem *= curve * np.float32(32767)
        middle, side = np.rint((stem[0] + stem[1]) / 2), np.rint((stem[0] - stem[1]) / 2)
        rounded[name] = np.stack([middle + side, middle - side], axis=1) if stereo else middle
    whole = np.sum(list(rounded.values()), axis=0).astype(np.int16)
    levels = {
        name: round(20 * math.log10(max(1e-6, active_rms(np.reshape(s, (len(s), -1)).mean(axis=1) / 32768.0, rate))), 2)
        for name, s in rounded.items()
    }
    return Rendering({name: s.astype(np.int16) for name, s in rounded.items()}, whole, levels), lufs
